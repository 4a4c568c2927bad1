"""The commands that a service's definition names: its hooks, its stop and its reload command.

They run in the service's directory and environment, and write into its log. What follows from an
end is the engine's to decide.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pb.daemon.errands import EVENT, Errands, Outcome
from pb.daemon.messages import CommandEnded, InstanceKey, Message
from pb.process.spawn import Spawn
from pb.process.table import MARKER_VARIABLE

AFTERWARDS = frozenset({"post_stop", "on_failed"})
"""Hooks that are run when the life is over: they are no part of what is swept up then."""


class ServiceErrands:
    """All that run now. Methods belong to the event loop's thread."""

    def __init__(self, *, errands: Errands, post: Callable[[Message], None]) -> None:
        self._errands = errands
        self._post = post
        self._running: dict[InstanceKey, set[asyncio.Task[None]]] = {}

    def run(
        self,
        key: InstanceKey,
        what: str,
        argv: Sequence[str],
        spawn: Spawn,
        timeout: float,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        """Run ``argv`` as ``spawn`` would have been; posts CommandEnded, ``timeout`` at the latest.

        ``what`` is a hook's name, ``stop`` or ``reload``; ``facts`` are told in PB_EVENT.
        """

        def done(outcome: Outcome) -> None:
            self._post(CommandEnded(key, what, outcome.exit_code, outcome.reason))

        event = {"event": what, "service": key.service, "instance": key.instance, **(facts or {})}
        env = {**spawn.env, EVENT: json.dumps(event)}
        if what in AFTERWARDS and MARKER_VARIABLE in env:
            env[MARKER_VARIABLE] += f"/{what}"
        task = self._errands.run(replace(spawn, argv=argv, env=env, stdin=None), timeout, done)
        self._running.setdefault(key, set()).add(task)
        task.add_done_callback(lambda task: self._forget(key, task))

    def cancel(self, key: InstanceKey) -> None:
        """Kill those of this life that run; nobody is told."""
        for task in self._running.get(key, ()):
            task.cancel()

    def _forget(self, key: InstanceKey, task: asyncio.Task[None]) -> None:
        left = self._running[key]
        left.discard(task)
        if not left:
            del self._running[key]
