"""``pb service run``: services in the foreground of a terminal or a container, safe as PID 1.

It is the parent of a scheduler, and of whatever its services leave without one: everything that
ends is collected, everything that is left in the end is killed. What is printed is
``service_output``'s.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from pb.cli import daemons, facts
from pb.cli.asked import ANSWER_TIME, home, session, settings
from pb.cli.event_stream import ANY, Wanted, newest, stream
from pb.cli.render import clean, note
from pb.cli.service_names import Chosen, has_store
from pb.cli.service_output import Output
from pb.errors import Exit, NotFoundError, PbError

Json = dict[str, Any]
Message = tuple[str, Any]
Act = Callable[[bool], None]
"""Something that can be done politely, or by force."""

TICK = 1.0
"""Seconds after which is looked anyway, whatever may have been missed."""

START_TIME = 30.0
LATE = 0.1
"""Seconds in which an event follows the answer that it belongs to."""

STOP_TIME = 3600.0
LAST_TIME = 5.0
"""Seconds for whatever is left in the end to be gone after SIGKILL."""

MOST_RESTARTS = 5
"""The scheduler may die so often before that is a failure."""

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
HANDLED = (*ENDING, signal.SIGHUP, signal.SIGCHLD)
BROKEN_PIPE = 141


def run(who: Chosen, *, deps: bool, timestamps: bool) -> int:
    """Run services until one that matters ends, or somebody says so; then stop them all."""
    settings()
    from pb.process.subreaper import become_subreaper

    become_subreaper()
    inbox: SimpleQueue[Message] = SimpleQueue()
    with _signals(inbox):
        return Foreground(who, inbox, deps=deps, timestamps=timestamps).live()


@contextmanager
def _signals(inbox: SimpleQueue[Message]) -> Iterator[None]:
    """Every signal becomes a message: PID 1 gets none that it does not handle (kill(2))."""

    def take(number: int, _frame: object) -> None:
        inbox.put(("signal", number))

    before = {number: signal.signal(number, take) for number in HANDLED}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)


class Foreground:
    """One life in the foreground. All that happens to it comes through ``inbox``."""

    def __init__(
        self, who: Chosen, inbox: SimpleQueue[Message], *, deps: bool, timestamps: bool
    ) -> None:
        self._who = who
        self._inbox = inbox
        self._deps = deps
        self._output = Output(inbox, home().root, timestamps=timestamps)
        self._ours: list[str] = []
        self._essential: set[str] = set()
        self._scheduler: int | None = None
        self._has_stopped = False
        self._restarts = 0
        self._daemons: list[str] = []

    def live(self) -> int:
        """Start everything, watch, stop everything; the exit code."""
        code = int(Exit.FAILED)
        try:
            self._bring_up()
            code = self._watch()
        finally:
            self._take_down()
        return code

    # -- up

    def _bring_up(self) -> None:
        since, began = self._newest(), facts.rfc3339(time.time() * 1000) or ""
        self._ensure_scheduler()
        for name in self._who.builtins:
            if name != "scheduler":
                came = daemons.start_quietly(name, START_TIME)
                if came.error is not None:
                    raise came.error
                self._daemons += [name] if came.action == "started" else []
        with session(local_ok=False) as talk:
            params = {"names": list(self._who.own), "action": "start", "deps": self._deps}
            layers = talk.call("service.plan", params, timeout=ANSWER_TIME)["layers"]
            self._ours = [name for layer in layers for name in layer]
            if not self._ours:
                raise NotFoundError(
                    "There is no service to run", hint="Add one: pb service add NAME -- COMMAND"
                )
            views = talk.call("service.list", {"names": self._ours})["services"]
            self._follow(views)
            Thread(target=self._listen, args=(since,), daemon=True).start()
            due = [view["name"] for view in views if not has_lived(view, began)]
            if due:
                start = {"names": due, "deps": False, "wait": "none"}
                talk.call("service.start", start, timeout=START_TIME)

    def _newest(self) -> int:
        """The last event before this life: a new scheduler starts services by itself."""
        if not has_store():
            return 0
        with session() as talk:
            return newest(talk.call, Wanted(service=ANY))

    def _ensure_scheduler(self) -> None:
        """A scheduler that is our child, or the one that runs already."""
        from pb.process.daemons import AlreadyRunningError, launch

        status = facts.look_at("scheduler")
        if status.state == "running" and status.record is not None:
            note(f"The scheduler runs already (PID {status.record.pid}); it will stay")
            return
        try:
            record = launch(home(), "scheduler", (), mode="foreground", wait=START_TIME)
        except AlreadyRunningError:
            return
        self._scheduler = record.pid

    def _listen(self, since: int) -> None:
        for event in stream(Wanted(service=ANY), since, is_told=False):
            self._inbox.put(("event", event))

    def _follow(self, views: Sequence[Json]) -> None:
        """Show the logs of instances, and mind which of them are essential."""
        for view in views:
            self._output.follow(str(view["name"]), str(view["log_path"]))
            if view["essential"]:
                self._essential.add(str(view["service"]))

    # -- watching

    def _watch(self) -> int:
        """Until there is a reason to end; the exit code that it means."""
        while True:
            kind, value = self._next()
            code: int | None = None
            if kind == "signal":
                code = self._take_signal(value)
            elif kind == "event":
                code = self._take_event(value)
            elif kind == "reader gone":
                code = BROKEN_PIPE
            elif self._has_stopped:
                note("The scheduler was stopped")
                code = int(Exit.DONE)
            if code is not None:
                return code

    def _next(self) -> Message:
        try:
            return self._inbox.get(timeout=TICK)
        except Empty:
            self._collect()
            return "tick", None

    def _take_signal(self, number: int) -> int | None:
        if number == signal.SIGCHLD:
            self._collect()
            return int(Exit.DONE) if self._has_stopped else None
        if number == signal.SIGHUP:
            self._reload()
            return None
        note(f"{signal.Signals(number).name}: stopping; once more kills at once")
        return int(Exit.INTERRUPTED) if number == signal.SIGINT else int(Exit.DONE)

    def _reload(self) -> None:
        try:
            with session(local_ok=False) as talk:
                talk.call("scheduler.reload", timeout=START_TIME)
        except PbError as error:
            note(f"Nothing was read again: {clean(error.message)}")

    def _take_event(self, event: Json) -> int | None:
        """Tell it; and whether it is the end of what matters."""
        if event["service"] not in self._ours:
            return None
        self._tell("event", event)
        kind = str(event["type"]).removeprefix("service.")
        if kind == "started":
            self._follow(self._views())
        if kind not in ("exited", "failed", "stopped"):
            return None
        views = self._views()
        if event["service"] in self._essential and kind != "stopped":
            note(f"pb: {clean(event['service'])} is essential, and has ended: all is stopped")
            return max(code_of(view) for view in views if view["service"] == event["service"])
        failed = [view for view in views if view["state"] == "failed"]
        if failed:
            note(f"pb: {clean(failed[0]['name'])} has failed: all is stopped")
            return code_of(failed[0]) or int(Exit.FAILED)
        is_over = all(view["state"] in ("exited", "stopped") for view in views)
        return int(Exit.DONE) if is_over else None

    def _views(self) -> list[Json]:
        with session() as talk:
            params = {"names": self._ours}
            return list(talk.call("service.list", params, timeout=START_TIME)["services"])

    def _collect(self) -> None:
        """Collect whoever has ended; a scheduler that died is started again, and adopts."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._scheduler:
                self._scheduler = None
                self._scheduler_ended(os.waitstatus_to_exitcode(status))

    def _scheduler_ended(self, code: int) -> None:
        if code == 0 or self._has_stopped:
            self._has_stopped = True
            return
        self._restarts += 1
        if self._restarts > MOST_RESTARTS:
            raise PbError("The scheduler died again and again", hint="See: pb scheduler logs")
        note(f"The scheduler died ({how(code)}); it is started again")
        self._ensure_scheduler()

    # -- down

    def _take_down(self) -> None:
        """Stop the services, dependents first, then the daemons; a further signal hurries."""
        self._has_stopped = True
        names = ["all"] if self._scheduler is not None else self._ours
        if names:
            self._wait_for(lambda force: self._stop_services(names, force=force))
        for name in self._daemons:
            daemons.stop_one(name, force=False, timeout=START_TIME)
        if self._scheduler is not None:
            self._stop_scheduler(self._scheduler)
        self._output.finish()
        if os.getpid() == 1 or self._scheduler is not None:
            self._kill_the_rest()

    def _wait_for(self, act: Act) -> None:
        """Do it in another thread, and once more by force with each further signal."""
        working = [self._begin(act, force=False)]
        while any(one.is_alive() for one in working):
            kind, value = self._next()
            if kind == "signal" and value in ENDING:
                note("Killing what is left")
                working.append(self._begin(act, force=True))
            elif kind == "signal" and value == signal.SIGCHLD:
                self._collect()
            else:
                self._tell(kind, value)
        with suppress(Empty):
            while True:  # What the scheduler told right before its answer is on its way.
                self._tell(*self._inbox.get(timeout=LATE))

    def _tell(self, kind: str, value: Any) -> None:
        if kind == "event" and value["service"] in self._ours:
            note(f"pb: {clean(value['text'])}")

    def _begin(self, act: Act, *, force: bool) -> Thread:
        def work() -> None:
            try:
                act(force)
            except PbError as error:
                note(f"warning: {clean(error.message)}")
            self._inbox.put(("done", None))

        thread = Thread(target=work, daemon=True)
        thread.start()
        return thread

    def _stop_services(self, names: Sequence[str], *, force: bool) -> None:
        params = {"names": list(names), "force": force, "timeout": None, "dependents": False}
        with session() as talk:
            answer = talk.call("service.stop", params, timeout=STOP_TIME)
        for view in answer["services"]:
            if not view["ok"]:
                note(f"warning: {clean(view['name'])} is not gone: {clean(view['reason'])}")

    def _stop_scheduler(self, pid: int) -> None:
        os.kill(pid, signal.SIGTERM)
        while self._scheduler is not None:
            kind, value = self._next()
            if kind == "signal" and value in ENDING:
                os.kill(pid, signal.SIGTERM)
            self._collect()
        self._scheduler = None

    def _kill_the_rest(self) -> None:
        """Whatever became our child because its own parent went away."""
        from pb.process.survey import everybody

        deadline = time.monotonic() + LAST_TIME
        while time.monotonic() < deadline:
            self._collect()
            left = [pid for pid, (one, _) in everybody().items() if one.parent == os.getpid()]
            if not left:
                return
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            self._next()
        note("warning: Some processes will not die")


def has_lived(view: Json, began: str) -> bool:
    """Whether the scheduler that was just started has begun it already, however that ended."""
    end = view["last_exit"] or {}
    return view["pid"] is not None or str(end.get("at") or "") >= began


def code_of(view: Json) -> int:
    """How a service's last life ended, as a shell would say it; 1 when it never lived."""
    end = view["last_exit"] or {}
    if end.get("signal"):
        from pb.process.signals import signal_number

        return 128 + signal_number(str(end["signal"]))
    code = end.get("code")
    return int(Exit.FAILED) if code is None else int(code)


def how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
