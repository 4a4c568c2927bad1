"""The hands for services: launching instances, watching them end, stopping their trees.

Everything that happens is posted to the engine's mailbox; nothing is decided here.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pb import __version__
from pb.api.surroundings import marker_of, spawn_of
from pb.core.lean import dataclass
from pb.core.service import Hooks, Service, StopScope, instance_name
from pb.daemon.attendance import Attendance
from pb.daemon.errands import is_errand
from pb.daemon.executor import GUEST_UMASK, last_line
from pb.daemon.messages import (
    CommandEnded,
    InstanceExited,
    InstanceGone,
    InstanceKey,
    InstanceRefused,
    InstanceStarted,
    Message,
)
from pb.daemon.outcomes import refusal_of
from pb.daemon.stopping import Stopping
from pb.daemon.sweeping import Sweeping
from pb.daemon.watching import Ended, Watching
from pb.errors import PbError
from pb.process.identity import Identity, send_signal, started_ms
from pb.process.pidfile import PidRecord, remove_pid_file, write_pid_file
from pb.process.signals import signal_number
from pb.process.spawn import Spawn, spawn
from pb.process.tree import TreeStop, in_scope, leader_of, members
from pb.process.usage import Usage

if TYPE_CHECKING:
    from pb.daemon.clock import Clock
    from pb.daemon.logkeeping import LogKeeping
    from pb.paths import Home

log = logging.getLogger("services")


class Hands(Protocol):
    """What the supervisor needs of the outside world; tests hand in a fake."""

    def launch(self, key: InstanceKey, service: Service) -> None:
        """Start the instance's process; posts InstanceStarted or InstanceRefused."""
        ...

    def adopt(self, key: InstanceKey, service: Service, identity: Identity) -> bool:
        """Watch a process that an earlier scheduler started; False when it is gone."""
        ...

    def search(self, key: InstanceKey) -> Identity | None:
        """The leader of a life whose process was never recorded, if it is alive."""
        ...

    def is_watching(self, key: InstanceKey) -> Identity | None:
        """The process of a life that is being watched already."""
        ...

    def attend(self, key: InstanceKey, service: Service, *, is_ready: bool) -> None:
        """Run its readiness check (unless it is ready) and its health probe; post what they say."""
        ...

    def stop(self, key: InstanceKey, service: Service, *, force: bool) -> None:
        """Stop the life's tree; posts InstanceGone. Asked again with ``force``: kill at once."""
        ...

    def run_hook(
        self, key: InstanceKey, service: Service, hook: str, facts: Mapping[str, object]
    ) -> None:
        """Run a hook, or the reload command, and tell it ``facts``; posts CommandEnded."""
        ...

    def abandon_hook(self, key: InstanceKey) -> None:
        """End the hook that runs for it."""
        ...

    def sweep(self, key: InstanceKey, service: Service) -> None:
        """Stop what a life that is over has left behind in sessions of their own."""
        ...

    def last_words(self, key: InstanceKey) -> str | None:
        """The last line that it wrote, made safe."""
        ...

    def signal(self, key: InstanceKey, signum: int, scope: StopScope) -> int:
        """Send a signal to its leader, its group or its tree; answers how many got it."""
        ...

    def end(self, key: InstanceKey) -> None:
        """The life is over: nobody attends to it any more, and its PID file goes."""
        ...


@dataclass(slots=True)
class Living:
    """A life under way. ``what``: how it was started, kept where something will be run beside it;
    None for one that was adopted. ``is_split``: its standard error has a log of its own."""

    identity: Identity
    log_path: Path
    record: PidRecord
    what: Spawn | None
    is_split: bool


class ServiceHands:
    """Real processes. All methods belong to the event loop's thread.

    ``is_guest``: this process is another program's, so nothing of it is touched.
    """

    def __init__(
        self,
        *,
        home: Home,
        store_id: str,
        clock: Clock,
        post: Callable[[Message], None],
        logs: LogKeeping,
        watching: Watching,
        environ: Mapping[str, str],
        is_guest: bool = False,
    ) -> None:
        self._is_guest = is_guest
        self._home = home
        self._store_id = store_id
        self._clock = clock
        self._post = post
        self._logs = logs
        self._watching = watching
        self._environ = environ
        self._attendance = Attendance(
            home=home, clock=clock, post=post, logs=logs, watching=watching, hurry=self._hurry
        )
        self._stopping = Stopping()
        self._sweeping = Sweeping(self._marker, self._stopping.end)
        self._lives: dict[InstanceKey, Living] = {}
        self._departed: dict[InstanceKey, Identity] = {}
        """Leaders that had ended before they could be adopted; their trees may live."""
        self._stops: dict[InstanceKey, TreeStop] = {}
        self._commands: dict[InstanceKey, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Look after nobody any more; the services live on."""
        self._attendance.close()

    def _marker(self, key: InstanceKey) -> str:
        return marker_of(self._store_id, *key)

    def _in_background(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- starting

    def launch(self, key: InstanceKey, service: Service) -> None:
        try:
            what = self._attendance.prepare(key, service, self.spawn_of(key, service))
            identity = spawn(what)
        except (PbError, OSError) as error:
            self._attendance.end(key)
            reason, transient = refusal_of(error)
            self._post(InstanceRefused(key, reason, transient, self._clock.now_ms()))
            return
        at_ms = self._clock.now_ms()
        self._begin(key, service, identity, at_ms, what)
        self._watching.expect(identity, self._ended(key, identity))
        self._post(InstanceStarted(key, identity, at_ms))

    def spawn_of(self, key: InstanceKey, service: Service) -> Spawn:
        what = spawn_of(
            service,
            key.instance,
            home=self._home,
            environ=self._environ,
            marker=self._marker(key),
            more={},
        )
        if not self._is_guest:
            return what
        umask = GUEST_UMASK if what.umask is None else what.umask
        return replace(what, is_guest=True, umask=umask)

    def _begin(
        self,
        key: InstanceKey,
        service: Service,
        identity: Identity,
        at_ms: int | None,
        what: Spawn | None,
    ) -> None:
        name = instance_name(key.service, key.instance)
        log_path = self._home.log(name)
        record = PidRecord(
            pid=identity.pid,
            identity=identity,
            service=name,
            mode="service",
            started_at_ms=at_ms,
            log_path=str(log_path),
            supervisor_pid=os.getpid(),
            instance_id=self._marker(key),
            pb_version=__version__,
        )
        is_split = what is not None and what.err_path is not None
        self._lives[key] = Living(identity, log_path, record, what, is_split)
        for path in self._log_paths(key):
            if path == log_path or service.log.split_stderr:
                self._logs.keep(path, service.log)
        try:
            write_pid_file(self._home.pid_file(name), record, durable=False)
        except PbError as error:
            # The store has its identity as well; people are told that the file is missing.
            log.warning("%s", error.message)

    def _log_paths(self, key: InstanceKey) -> tuple[Path, Path]:
        name = instance_name(key.service, key.instance)
        return self._home.log(name), self._home.error_log(name)

    def _ended(self, key: InstanceKey, identity: Identity) -> Ended:
        def ended(status: int | None, at_ms: int, used: Usage) -> None:
            has_left = is_group_alive(identity.pid)
            self._post(InstanceExited(key, status, at_ms, has_left))

        return ended

    # -- coming back

    def adopt(self, key: InstanceKey, service: Service, identity: Identity) -> bool:
        if not self._watching.adopt(identity, self._ended(key, identity)):
            self._depart(key, service, identity)
            return False
        self._begin(key, service, identity, None, None)
        return True

    def _depart(self, key: InstanceKey, service: Service, identity: Identity) -> None:
        """It ended while nobody watched: its log is brought within its bounds all the same."""
        self._departed[key] = identity
        for path in self._log_paths(key):
            if path.exists():
                self._logs.keep(path, service.log)

    def search(self, key: InstanceKey) -> Identity | None:
        found = members(None, self._marker(key))
        return leader_of([one for one in found if not is_errand(one.pid)])

    def is_watching(self, key: InstanceKey) -> Identity | None:
        living = self._lives.get(key)
        return living.identity if living is not None else None

    def attend(self, key: InstanceKey, service: Service, *, is_ready: bool) -> None:
        living = self._lives.get(key)
        if living is None:
            return
        try:
            what = living.what or self.spawn_of(key, service)
            self._attendance.attend(
                key,
                service,
                living.identity,
                what,
                started_ms=living.record.started_at_ms or started_ms(living.identity),
                is_ready=is_ready,
            )
        except PbError as error:
            name = instance_name(key.service, key.instance)
            log.warning("Nobody can tell how %s is: %s", name, error.message)
        if not has_commands(service):
            living.what = None  # a thousand environments are a lot of memory

    # -- stopping

    def stop(self, key: InstanceKey, service: Service, *, force: bool) -> None:
        if key in self._stops:
            if force:
                self._hurry(key)
            return
        living = self._lives.get(key)
        stopping = TreeStop(
            living.identity if living else self._departed.get(key),
            self._marker(key),
            signum=signal_number(service.stop.signal),
            grace=service.stop.timeout,
            force=force,
            scope=service.stop.scope,
            log=self._log_paths(key)[0],
        )
        self._stops[key] = stopping
        self._in_background(self._stop(key, service, stopping, force=force))

    async def _stop(
        self, key: InstanceKey, service: Service, stopping: TreeStop, *, force: bool
    ) -> None:
        if service.stop.command and not force:
            self._commands[key] = self._in_background(self._ask(key, service, stopping))
            await asyncio.wait({self._commands[key]})
            del self._commands[key]
        await self._stopping.end(stopping)
        del self._stops[key]
        self._watching.look()
        left = [(survivor.pid, survivor.command) for survivor in stopping.survivors]
        self._post(InstanceGone(key, left, bool(stopping.killed)))

    async def _ask(self, key: InstanceKey, service: Service, stopping: TreeStop) -> None:
        """Let its stop command end it; what is left of the time is left for the signal."""
        living = self._lives.get(key)
        try:
            what = (living and living.what) or self.spawn_of(key, service)
        except PbError as error:
            self._post(CommandEnded(key, "stop", None, error.message))
            return
        stopping.allow(await self._attendance.ask_to_stop(key, service, what))

    def _hurry(self, key: InstanceKey) -> None:
        """Who is being stopped gets no more time."""
        if key in self._commands:
            self._commands[key].cancel()
        if key in self._stops:
            self._stops[key].hurry()
            self._stopping.hurry(self._stops[key])

    def sweep(self, key: InstanceKey, service: Service) -> None:
        living = self._lives.get(key)
        self._sweeping.add(key, service, living.identity.start_ticks if living else 0)

    def last_words(self, key: InstanceKey) -> str | None:
        living, (usual, errors) = self._lives.get(key), self._log_paths(key)
        is_split = living is not None and living.is_split
        return (last_line(errors) if is_split else None) or last_line(usual)

    # -- hooks and signals

    def run_hook(
        self, key: InstanceKey, service: Service, hook: str, facts: Mapping[str, object]
    ) -> None:
        living = self._lives.get(key)
        try:
            what = (living and living.what) or self.spawn_of(key, service)
        except PbError as error:
            self._post(CommandEnded(key, hook, None, error.message))
            return
        self._attendance.run(key, service, hook, what, facts)

    def abandon_hook(self, key: InstanceKey) -> None:
        self._attendance.abandon(key)

    def signal(self, key: InstanceKey, signum: int, scope: StopScope) -> int:
        living = self._lives.get(key)
        if living is None:
            return 0
        if scope is StopScope.MAIN:
            return int(send_signal(living.identity, signum))
        found = members(living.identity, self._marker(key))
        return sum(send_signal(one, signum) for one in in_scope(found, living.identity.pid, scope))

    def end(self, key: InstanceKey) -> None:
        self._attendance.end(key)
        departed, living = self._departed.pop(key, None), self._lives.pop(key, None)
        record = living.record if living is not None else None
        if departed is not None:
            record = PidRecord(pid=departed.pid, identity=departed, instance_id=self._marker(key))
        if record is None:
            return
        for path in self._log_paths(key):
            self._logs.unwatch(path)
        name = instance_name(key.service, key.instance)
        try:
            remove_pid_file(self._home.pid_file(name), record, durable=False)
        except PbError as error:
            log.warning("%s", error.message)


def has_commands(service: Service) -> bool:
    """Whether something may be run for it later, which needs to know how it was started."""
    by_command = service.reload is not None and bool(service.reload.command)
    return by_command or bool(service.stop.command) or service.hooks != Hooks()


def is_group_alive(group: int) -> bool:
    """Whether somebody is left in the process group of a leader that was collected this moment."""
    try:
        os.killpg(group, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True
