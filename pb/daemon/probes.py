"""Readiness and health of services, each life's from its start to its end.

What is found out is posted to the engine; nothing is decided here. A life without a readiness
check and without a health probe costs nothing, and one that is ready costs what its health asks.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pb.core.lean import dataclass
from pb.core.service import (
    FileExists,
    Health,
    LogText,
    Notify,
    Probe,
    ReadyCheck,
    Service,
    instance_name,
)
from pb.daemon.checks import attempt
from pb.daemon.healthwatch import HealthWatch
from pb.daemon.messages import (
    HealthChanged,
    InstanceKey,
    InstanceReady,
    Message,
    NotReadyInTime,
    StatusText,
)
from pb.daemon.notices import Notices
from pb.daemon.readiness import Before, Growth, Readiness, file_mark, logs_of
from pb.process.logfile import log_end, offset_at
from pb.process.notify import NotifySocket

if TYPE_CHECKING:
    from pb.daemon.errands import Errands
    from pb.paths import Home
    from pb.process.identity import Identity
    from pb.process.spawn import Spawn

log = logging.getLogger("services")


@dataclass(slots=True, kw_only=True)
class Life:
    """One life of one instance, as far as somebody asks how it is."""

    key: InstanceKey
    service: Service
    what: Spawn
    before: Before
    said_ready: asyncio.Event = field(default_factory=asyncio.Event)
    notices: Notices | None = None
    health: HealthWatch | None = None
    task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return instance_name(self.key.service, self.key.instance)


class Probes:
    """All lives that are watched. Methods belong to the event loop's thread.

    ``prepare`` before the start of a life, ``begin`` right after it, ``end`` when it is over.
    """

    def __init__(
        self,
        *,
        home: Home,
        post: Callable[[Message], None],
        now_ms: Callable[[], int],
        errands: Errands,
    ) -> None:
        self._home = home
        self._post = post
        self._now_ms = now_ms
        self._errands = errands
        self._growth = Growth()
        self._lives: dict[InstanceKey, Life] = {}

    def prepare(self, key: InstanceKey, service: Service, what: Spawn) -> Spawn:
        """Note what is there before the start, and answer ``what`` with what it needs to speak.

        Raises PbError when its socket cannot be made.
        """
        if not is_asked(service):
            return what
        check = None if service.ready is None else service.ready.check
        before = Before(
            logs=logs_at(log_end, what, check),
            file=file_mark(check.path, what) if isinstance(check, FileExists) else None,
        )
        life = self._lives[key] = Life(key=key, service=service, what=what, before=before)
        if not speaks(service):
            return what
        try:
            life.notices = self._notices(life)
        except BaseException:
            self.end(key)
            raise
        return replace(what, env={**what.env, **life.notices.environment(service)})

    def begin(
        self,
        key: InstanceKey,
        service: Service,
        identity: Identity,
        what: Spawn,
        *,
        started_ms: int,
        is_ready: bool = False,
    ) -> None:
        """Watch this life: until it is ready, unless it ``is_ready`` already; then its health.

        Without ``prepare`` before it is one that an earlier scheduler has started. Nobody is told
        that a service without a readiness check is ready.
        """
        if not is_asked(service):
            return
        if key in self._lives and self._lives[key].task is not None:
            self.end(key)  # the engine has read its store again, and begins afresh
        life = self._lives.get(key) or self._found(key, service, what, started_ms)
        if life.notices is not None:
            life.notices.listen(identity)
        age = time.monotonic() - max(0, self._now_ms() - started_ms) / 1000
        if service.health is not None:
            life.health = self._health(life, age)
        life.task = asyncio.get_running_loop().create_task(self._live(life, is_ready))
        life.task.add_done_callback(lambda task: complain(life, task))

    def end(self, key: InstanceKey) -> None:
        """This life is over: nothing of it is looked at any more."""
        life = self._lives.pop(key, None)
        if life is not None:
            self._let_go(life)
            if life.notices is not None:
                life.notices.close(unlink=True)

    def close(self) -> None:
        """Look at nothing any more. The services live on, and their sockets' names stay."""
        for life in self._lives.values():
            self._let_go(life)
            if life.notices is not None:
                life.notices.close(unlink=False)
        self._lives.clear()

    def _let_go(self, life: Life) -> None:
        if life.task is not None:
            life.task.cancel()
        if life.health is not None:
            life.health.close()

    def _found(self, key: InstanceKey, service: Service, what: Spawn, started_ms: int) -> Life:
        """A life that somebody else has started: what it has written since then counts."""
        check = None if service.ready is None else service.ready.check
        old = None
        if isinstance(check, FileExists):
            mark = file_mark(check.path, what)
            old = mark if mark is not None and mark[1] < started_ms * 1_000_000 else None
        before = Before(
            logs=logs_at(lambda path: offset_at(path, started_ms), what, check), file=old
        )
        life = self._lives[key] = Life(key=key, service=service, what=what, before=before)
        if speaks(service):
            life.notices = self._notices(life)
        return life

    # -- one life

    async def _live(self, life: Life, is_ready: bool) -> None:
        if life.service.ready is not None and not is_ready:
            readiness = Readiness(
                life.service.ready,
                what=life.what,
                before=life.before,
                said=life.said_ready,
                errands=self._errands,
                growth=self._growth,
            )
            problem = await readiness.wait()
            if problem is not None:
                self._post(NotReadyInTime(life.key, problem, self._now_ms()))
                return
            self._post(InstanceReady(life.key, self._now_ms()))
        if life.health is not None:
            await life.health.run()

    def _health(self, life: Life, began: float) -> HealthWatch:
        policy = life.service.health
        assert policy is not None

        async def look(probe: Probe) -> str | None:
            return await attempt(probe, policy.timeout, life.what, self._errands)

        def tell(health: Health, reason: str | None) -> None:
            self._post(HealthChanged(life.key, health, reason, self._now_ms()))

        return HealthWatch(
            policy,
            look=look,
            tell=tell,
            age=lambda: time.monotonic() - began,
            listen=lambda: life.notices.hear() if life.notices is not None else None,
        )

    # -- what it says itself

    def _notices(self, life: Life) -> Notices:
        path = self._home.notify_socket(life.name, is_shared=is_foreign(life.what))
        return Notices(
            NotifySocket(path),
            name=life.name,
            what=life.what,
            told=lambda fields: self._told(life, fields),
            status=lambda text: self._post(StatusText(life.key, text)),
        )

    def _told(self, life: Life, fields: set[str]) -> None:
        if "READY" in fields:
            life.said_ready.set()
        if life.health is None:
            return
        if "STOPPING" in fields:
            life.health.quieten()
        elif "WATCHDOG" in fields:
            life.health.heard()
        elif "TROUBLE" in fields:
            life.health.gave_up()


def logs_at(
    offset: Callable[[Path], int], what: Spawn, check: ReadyCheck | None
) -> dict[Path, int]:
    """Where to begin to read each log, when it is read at all."""
    return {path: offset(path) for path in logs_of(what)} if isinstance(check, LogText) else {}


def is_asked(service: Service) -> bool:
    """Whether anything of it is looked at at all."""
    return service.ready is not None or service.health is not None


def speaks(service: Service) -> bool:
    """Whether it gets a socket to speak of itself."""
    is_notifying = service.ready is not None and isinstance(service.ready.check, Notify)
    return is_notifying or (service.health is not None and service.health.watchdog is not None)


def is_foreign(what: Spawn) -> bool:
    """Whether it runs as another user."""
    from pb.process.account import account_of

    return what.user is not None and os.geteuid() == 0 and not account_of(what.user).is_ours


def complain(life: Life, task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        trouble = "".join(traceback.format_exception(error))
        log.error("Cannot tell how %s is:\n%s", life.name, trouble)
