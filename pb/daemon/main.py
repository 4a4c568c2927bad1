"""The scheduler's main: the only wiring. Validate, become a daemon, recover, listen, be ready."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import gc
import logging
import os
import secrets
import signal
import sys
from collections.abc import Mapping
from typing import Any

from pb import __version__
from pb.api.builtin import install
from pb.api.catalogue import find
from pb.api.context import Context
from pb.api.daemon_logs import log_choice
from pb.api.registry import checked
from pb.config.settings import Settings, load_settings
from pb.daemon.bus import Bus
from pb.daemon.claim import complain
from pb.daemon.clock import SystemClock
from pb.daemon.courier import ProcessCourier
from pb.daemon.engine import Engine
from pb.daemon.errands import Errands
from pb.daemon.executor import ProcessExecutor
from pb.daemon.facts import Facts
from pb.daemon.files import DefinitionFiles, folders_of
from pb.daemon.fileswatch import FilesWatch
from pb.daemon.logkeeping import LogKeeping
from pb.daemon.messages import Message, Reload, Shutdown
from pb.daemon.parts import Parts
from pb.daemon.server import Server
from pb.daemon.service_hands import ServiceHands
from pb.daemon.watchers import KindWatchers, Scene, watcher_of
from pb.daemon.watching import Watching
from pb.errors import Exit, PbError
from pb.paths import BUILTINS, Home, find_home
from pb.process.daemon_log import level_now, log_to_stderr
from pb.process.identity import Identity, own
from pb.process.lifecycle import DaemonSpec, Running, become, error_message, report
from pb.process.lock import Lock
from pb.process.logfile import RotationPolicy
from pb.store.sharing import SchedulerRow
from pb.store.store import Store

log = logging.getLogger("scheduler")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pb.daemon", description=__doc__)
    parser.add_argument("--home")
    parser.add_argument("--mode", choices=("foreground", "background", "daemon"), required=True)
    parser.add_argument("--ready-fd", type=int)
    parser.add_argument("--lock-fd", type=int)
    parser.add_argument("--supervisor-pid", type=int)
    parser.add_argument("--db")
    parser.add_argument("--socket")
    parser.add_argument("--debug", action="store_true")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None, lock: Lock | None = None) -> int:
    """Run the scheduler until it is told to stop. Answers the exit code.

    ``lock`` is the home's, where it was taken already.
    """
    asked = arguments(argv)
    try:
        home, settings = prepared(asked)
    except PbError as error:
        if asked.ready_fd is not None:
            report(asked.ready_fd, error_message(error))
        return complain(error)
    try:
        running = become(spec_of(asked, home, settings, lock))
    except PbError as error:
        return complain(error)
    log_to_stderr("scheduler", debug=asked.debug, chosen=log_choice(settings))
    try:
        with running:
            if asyncio.run(live(home, settings, running, asked)):
                replace_in_place(running, home, asked)
    except PbError as error:
        log.error("%s", error.message)
        return int(error.exit_code)
    return int(Exit.DONE)


def replace_in_place(running: Running, home: Home, asked: argparse.Namespace) -> None:
    """Start afresh as the same process: the runs stay our children, so no exit status is lost.

    The lock goes along, so nobody can come between; the program and its libraries are read anew.
    """
    words = ["--home", str(home.root), "--mode", asked.mode]
    words += ["--lock-fd", str(running.hand_over())]
    for name in ("db", "socket", "supervisor_pid"):
        value = getattr(asked, name)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    words += ["--debug"] if asked.debug else []
    os.execv(sys.executable, [sys.executable, "-P", "-m", "pb.daemon", *words])  # noqa: S606


def prepared(asked: argparse.Namespace) -> tuple[Home, Settings]:
    """Everything that can be known to be wrong before there is no terminal to say so."""
    home = find_home(asked.home)
    home.ensure()
    settings = load_settings(home, flags=flags_of(asked))
    Store(settings.db_path(home)).close()
    return home, settings


def flags_of(asked: argparse.Namespace) -> dict[str, object]:
    given = {"scheduler.db": asked.db, "scheduler.socket": asked.socket}
    return {path: value for path, value in given.items() if value is not None}


def spec_of(
    asked: argparse.Namespace, home: Home, settings: Settings, lock: Lock | None = None
) -> DaemonSpec:
    return DaemonSpec(
        service="scheduler",
        home=home,
        mode=asked.mode,
        db_path=settings.db_path(home),
        socket_path=settings.socket_path(home),
        log_path=home.log("scheduler"),
        ready_fd=asked.ready_fd,
        lock=lock,
        lock_fd=asked.lock_fd,
        supervisor_pid=asked.supervisor_pid,
    )


def policy_of(settings: Settings) -> RotationPolicy:
    logs = settings.logs
    return RotationPolicy(max_size=logs.max_size, keep=logs.keep, compress=logs.compress)


async def live(home: Home, settings: Settings, running: Running, asked: argparse.Namespace) -> bool:
    """Open the store, recover, listen, be ready, work, and take everything down again.

    Answers whether to be replaced in place.
    """
    with Store(settings.db_path(home)) as store:
        scheduler = Scheduler(home, settings, store, running, asked)
        await scheduler.start()
        log.info("Ready: pb %s, PID %d, database %s", __version__, os.getpid(), store.path)
        gc.collect()
        gc.freeze()
        restart = await scheduler.work()
    log.info("Scheduler restarts in place" if restart else "Scheduler shutdown complete")
    return restart


def row_of(home: Home, mode: str, started_ms: int) -> SchedulerRow:
    """This scheduler, as it joins those that share its store."""
    place, who = os.stat(home.root), own()
    return SchedulerRow(
        id=secrets.token_hex(8),
        home=str(home.root),
        place=f"{place.st_dev}:{place.st_ino}",
        mode=mode,
        pid=who.pid,
        start_ticks=who.start_ticks,
        boot_id=who.boot_id,
        pid_namespace=who.pid_namespace,
        host=who.host,
        started_at=started_ms,
        lease_until_at=0,
    )


def environment(*, is_guest: bool) -> Mapping[str, str]:
    """What runs and services inherit. A daemon's own does not change any more, and each walk over
    os.environ makes all its texts anew; a host's may change."""
    return os.environ if is_guest else dict(os.environ)


class Scheduler:
    """The parts of one scheduler, put together."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        store: Store,
        running: Running,
        asked: argparse.Namespace,
        *,
        is_guest: bool = False,
    ) -> None:
        self._home = home
        self._is_guest = is_guest
        self._running = running
        self._debug = asked.debug
        self._chosen = log_choice(settings)
        clock = SystemClock()
        bus, started_ms = Bus(), running.record.started_at_ms or clock.now_ms()
        facts = Facts(home, settings, asked.mode, clock, started_ms, clock.monotonic())
        context = Context(
            store=store,
            home=home,
            settings=settings,
            now=clock.now_ms,
            actor="scheduler",
            facts=facts,
        )
        self._logs = LogKeeping(policy_of(settings))
        self._watching = Watching(exits=home.exits("scheduler"), clock=clock, is_guest=is_guest)
        environ = environment(is_guest=is_guest)
        self._executor = ProcessExecutor(
            home=home,
            store_id=store.store_id,
            database=store.path,
            clock=clock,
            post=self.post,
            logs=self._logs,
            watching=self._watching,
            environ=environ,
            is_guest=is_guest,
        )
        self._hands = self._hands_with(environ, store.store_id, clock)
        self._errands = Errands(self._watching.expect)
        scene = Scene(context, clock, self.post, self._errands, environ, is_guest)
        self._watchers = KindWatchers(lambda kind: watcher_of(kind, scene))
        self._courier = self._courier_with(environ, store.store_id)
        self._engine = Engine(
            Parts(
                context=context,
                clock=clock,
                executor=self._executor,
                hands=self._hands,
                watchers=self._watchers,
                courier=self._courier,
                bus=bus,
                facts=facts,
                me=row_of(home, asked.mode, started_ms),
                boot_id=own().boot_id,
                booted_ms=clock.now_ms() - round(clock.monotonic() * 1000),
                apply_files=DefinitionFiles().apply,
                install=(lambda context: []) if is_guest else install,
                read_settings=lambda: load_settings(home, flags=flags_of(asked)),
                on_settings=self._take,
                in_background=lambda work: self._logs.aside(work, self.post),
            )
        )
        self._watches = [
            FilesWatch(folder, self._engine.follow_files) for folder in folders_of(home)
        ]
        path = settings.socket_path(home)
        self._server = Server(path=path, context=context, bus=bus, post=self.post)

    def _hands_with(
        self, environ: Mapping[str, str], store_id: str, clock: SystemClock
    ) -> ServiceHands:
        return ServiceHands(
            home=self._home,
            store_id=store_id,
            clock=clock,
            post=self.post,
            logs=self._logs,
            watching=self._watching,
            environ=environ,
            is_guest=self._is_guest,
        )

    def _courier_with(self, environ: Mapping[str, str], store_id: str) -> ProcessCourier:
        return ProcessCourier(
            home=self._home,
            store_id=store_id,
            post=self.post,
            watching=self._watching,
            environ=environ,
            is_guest=self._is_guest,
        )

    def _take(self, settings: Settings) -> None:
        self._logs.keep_to(policy_of(settings))
        chosen = log_choice(settings)
        if chosen != self._chosen and not self._is_guest:
            kept = level_now() if chosen.level == self._chosen.level else chosen.level
            log_to_stderr(
                "scheduler", debug=self._debug, chosen=dataclasses.replace(chosen, level=kept)
            )
        self._chosen = chosen

    def post(self, message: Message) -> None:
        self._engine.post(message)

    async def start(self) -> None:
        """Recover, listen, and say that it is ready."""
        self._logs.listen()
        for service in BUILTINS:
            self._logs.watch(self._home.log(service))
        for watch in self._watches:
            watch.listen()
        self._engine.apply_files()
        self._engine.start()
        self._watching.listen()
        await self._server.listen()
        if not self._is_guest:
            self._mind_signals()
        self._running.ready()

    def _mind_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.post, Shutdown())
        loop.add_signal_handler(signal.SIGHUP, self.post, Reload())

    async def work(self) -> bool:
        """Until the end; answers whether to be replaced in place."""
        try:
            await self._engine.run()
            return self._engine.wants_restart
        finally:
            await self.close()

    async def close(self) -> None:
        """Let go of everything, whether or not ``start`` came to its end."""
        for watch in self._watches:
            watch.close()
        self._watchers.close()
        self._errands.close()
        self._hands.close()
        self._courier.close()
        self._watching.deafen()
        await self._server.close()
        self._logs.close()

    async def answer(self, name: str, params: dict[str, Any], actor: str) -> bytes:
        """One method's result as JSON, for a caller in this process. Raises PbError."""
        method = find(name)
        return await self._server.answer(method, checked(method, params), actor)

    def left(self) -> list[Identity]:
        """The runs that are children of this process, alive or not collected yet."""
        return self._watching.left()
