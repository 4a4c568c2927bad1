"""One life of the engine in a thread of this process, and how others ask it.

The wiring is ``daemon.main``'s. Here are the thread, its event loop, the home's lock, and the
answers' way back. What is asked is ``scheduler``'s.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import os
import signal
import threading
import weakref
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from pb.config.settings import Settings, load_settings
from pb.daemon.main import Scheduler as Parts
from pb.daemon.messages import Shutdown
from pb.embedded.leftovers import Leftovers
from pb.errors import InvalidError, NeedsDaemonError
from pb.paths import Home
from pb.process.lifecycle import DaemonSpec, Running, move_in
from pb.process.peer import user_name
from pb.process.pidfile import EMBEDDED
from pb.store.store import Store

EXIT_PATIENCE = 5.0
"""Seconds for a scheduler that nobody has stopped to leave, when the program ends."""

LIVES: weakref.WeakSet[Life] = weakref.WeakSet()
LEFT: dict[Path, Leftovers] = {}
"""By home: the runs that earlier lives in this process have left alive."""


class Life:
    """From start to stop. ``ended`` is done when nothing of it is left."""

    def __init__(self, home: Home, db: str | None) -> None:
        self.ended: Future[None] = Future()
        self._home = home
        self._flags = {} if db is None else {"scheduler.db": db}
        self._asked_for = argparse.Namespace(mode=EMBEDDED, db=db, socket=None, debug=False)
        self._actor = f"python:{user_name(os.geteuid())}"
        self._ready: Future[None] = Future()
        self._asked: set[Future[bytes]] = set()
        self._guard = threading.Lock()
        self._is_over = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._parts: Parts | None = None
        self._running: Running | None = None
        self._thread = threading.Thread(target=self._live, name="pb-scheduler", daemon=True)

    def begin(self) -> None:
        """Start; returns when it is ready. Raises PbError, and nothing is left then."""
        if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
            raise InvalidError(
                "This program ignores SIGCHLD, so nobody could know how a run ended",
                hint="Set it to signal.SIG_DFL.",
            )
        LIVES.add(self)
        self._thread.start()
        try:
            self._ready.result()
        except BaseException:
            self._thread.join()
            raise

    @property
    def has_failed_to_start(self) -> bool:
        return self._ready.done() and self._ready.exception() is not None

    # -- asking; from any thread

    def ask(self, method: str, params: dict[str, Any]) -> Future[bytes]:
        """The method's result as JSON, or the PbError; cancelled when the life ends meanwhile."""
        future: Future[bytes] = Future()
        with self._guard:
            if self._is_over or self._loop is None:
                raise stopped()
            self._asked.add(future)
            self._loop.call_soon_threadsafe(self._begin_answer, future, method, params)
        future.add_done_callback(self._asked.discard)
        return future

    def end(self, *, keep_runs: bool) -> None:
        """Ask it to end; asked twice, it does not wait for runs."""
        with self._guard:
            if not self._is_over and self._loop is not None:
                self._loop.call_soon_threadsafe(self._shut_down, Shutdown(keep_runs=keep_runs))

    def join(self, timeout: float | None = None) -> None:
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)

    # -- living; in the thread

    def _live(self) -> None:
        try:
            while asyncio.run(self._one_life()):
                self._drop_questions()  # a restart: settings and definition files are read anew
        except BaseException as error:
            self._over(error)
        else:
            self._over(None)

    def _over(self, error: BaseException | None) -> None:
        with self._guard:
            self._is_over = True
        self._drop_questions()
        LIVES.discard(self)
        if error is None:
            self.ended.set_result(None)
            return
        if not self._ready.done():
            self._ready.set_exception(error)
        self.ended.set_exception(error)

    def _drop_questions(self) -> None:
        """Those that came too late for this life; the others have their answers."""
        for future in list(self._asked):
            future.cancel()

    async def _one_life(self) -> bool:
        """Answers whether to live again."""
        home = self._home
        home.ensure()
        settings = load_settings(home, flags=self._flags)
        with Store(settings.db_path(home)) as store, move_in(spec_of(home, settings)) as running:
            earlier = LEFT.pop(home.root, None)
            if earlier is not None:
                earlier.let_go()
            parts = Parts(home, settings, store, running, self._asked_for, is_guest=True)
            try:
                await parts.start()
            except BaseException:
                await parts.close()
                raise
            self._running = running
            again = await self._work(parts)
            if not again and (left := parts.left()):
                LEFT[home.root] = Leftovers(home.exits("scheduler"), left)
        return again

    async def _work(self, parts: Parts) -> bool:
        """Be asked, until it ends."""
        self._parts, self._loop = parts, asyncio.get_running_loop()
        if not self._ready.done():
            self._ready.set_result(None)
        try:
            return await parts.work()
        finally:
            with self._guard:
                self._parts = self._loop = None

    def _shut_down(self, message: Shutdown) -> None:
        if self._parts is not None:
            self._parts.post(message)

    def _begin_answer(self, future: Future[bytes], method: str, params: dict[str, Any]) -> None:
        if self._parts is None or not future.set_running_or_notify_cancel():
            return
        task = asyncio.get_running_loop().create_task(
            self._parts.answer(method, params, self._actor)
        )
        task.add_done_callback(lambda done: hand_on(done, future))

    # -- the process around it

    def forget(self) -> None:
        """After a fork, in the child: the scheduler is the parent's, and so is its lock."""
        self._guard = threading.Lock()
        self._is_over = True
        if self._running is not None:
            self._running.lock.release()


def hand_on(task: asyncio.Task[bytes], future: Future[bytes]) -> None:
    if task.cancelled():
        future.set_exception(stopped())
    elif (error := task.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(task.result())


def spec_of(home: Home, settings: Settings) -> DaemonSpec:
    return DaemonSpec(
        service="scheduler",
        home=home,
        mode=EMBEDDED,
        db_path=settings.db_path(home),
        socket_path=settings.socket_path(home),
        log_path=home.log("scheduler"),
    )


def stopped() -> NeedsDaemonError:
    return NeedsDaemonError("This scheduler does not run", hint="Call start(), or use `with`.")


def leave() -> None:
    """The program ends and nobody has stopped the scheduler: its runs go on without it."""
    for life in list(LIVES):
        life.end(keep_runs=True)
        life.join(EXIT_PATIENCE)


def forget_all() -> None:
    for life in list(LIVES):
        life.forget()
    LIVES.clear()
    LEFT.clear()


atexit.register(leave)
os.register_at_fork(after_in_child=forget_all)
