"""Everybody who looks after a life of a service: probes, limits, watched files, its commands.

The hands call them; what they find out they post to the engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pb.core.limits import is_watched
from pb.core.service import Service
from pb.daemon.changewatch import ChangeWatch
from pb.daemon.errands import Errands
from pb.daemon.limits import LimitWatch, limits_of
from pb.daemon.messages import CommandEnded, InstanceKey, MemoryExceeded, Message
from pb.daemon.probes import Probes
from pb.daemon.service_errands import ServiceErrands
from pb.process.table import MARKER_VARIABLE

if TYPE_CHECKING:
    from pb.daemon.clock import Clock
    from pb.daemon.logkeeping import LogKeeping
    from pb.daemon.watching import Watching
    from pb.paths import Home
    from pb.process.identity import Identity
    from pb.process.spawn import Spawn


class Attendance:
    """Of all lives. Methods belong to the event loop's thread.

    ``hurry`` is called with a life that uses more and more while it is being stopped.
    """

    def __init__(
        self,
        *,
        home: Home,
        clock: Clock,
        post: Callable[[Message], None],
        logs: LogKeeping,
        watching: Watching,
        hurry: Callable[[InstanceKey], None],
    ) -> None:
        self._post = post
        self._errands = Errands(watching.expect)
        self._commands = ServiceErrands(errands=self._errands, post=post)
        self._probes = Probes(home=home, post=post, now_ms=clock.now_ms, errands=self._errands)
        self._changes = ChangeWatch(post=post, aside=logs.aside)
        self._limits = LimitWatch[InstanceKey](self._exceeded, hurry)

    def _exceeded(self, key: InstanceKey, reason: str) -> None:
        self._post(MemoryExceeded(key, reason))

    def prepare(self, key: InstanceKey, service: Service, what: Spawn) -> Spawn:
        """Before the start; answers how to start it. Raises PbError."""
        return self._probes.prepare(key, service, what)

    def attend(
        self,
        key: InstanceKey,
        service: Service,
        identity: Identity,
        what: Spawn,
        *,
        started_ms: int,
        is_ready: bool,
    ) -> None:
        """Look after a life until its ``end``."""
        self._probes.begin(key, service, identity, what, started_ms=started_ms, is_ready=is_ready)
        self._changes.begin(key, service.watch, what.cwd, what.env.get("HOME", "/"))
        limits = limits_of(service)
        if is_watched(limits):
            marker = what.env[MARKER_VARIABLE]
            self._limits.watch(key, identity, marker, limits, what.log_path)

    def run(
        self,
        key: InstanceKey,
        service: Service,
        hook: str,
        what: Spawn,
        facts: Mapping[str, object],
    ) -> None:
        """Run a hook or the reload command; posts CommandEnded."""
        reload = () if service.reload is None else service.reload.command
        argv = reload if hook == "reload" else getattr(service.hooks, hook)
        self._commands.run(key, hook, argv, what, service.hooks.timeout, facts)

    def abandon(self, key: InstanceKey) -> None:
        """End what is run for it."""
        self._commands.cancel(key)

    async def ask_to_stop(self, key: InstanceKey, service: Service, what: Spawn) -> float:
        """Run its stop command; answers how many seconds of ``stop.timeout`` are left."""
        began = time.monotonic()
        timeout = service.stop.timeout
        command = replace(what, argv=service.stop.command, stdin=None)
        outcome = await self._errands.perform(command, timeout)
        if outcome.reason is not None:
            self._post(CommandEnded(key, "stop", outcome.exit_code, outcome.reason))
        return max(0.0, timeout - (time.monotonic() - began))

    def end(self, key: InstanceKey) -> None:
        """The life is over: nobody looks after it any more."""
        self._probes.end(key)
        self._changes.end(key)
        self._limits.forget(key)
        self._commands.cancel(key)

    def close(self) -> None:
        """The scheduler ends, the services live on."""
        self._probes.close()
        self._changes.close()
        self._errands.close()
