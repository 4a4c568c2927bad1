"""The courier's other end: notices go to a short-lived process, and what it says comes back.

Mail, HTTP and TLS live in that process (``pb.courier``) and never in the scheduler. However slow or
dead a server is, nothing but that process waits for it, and not for long.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pb.daemon.errands import Errands
from pb.daemon.messages import Delivered, Message
from pb.paths import Home
from pb.process.launch import OF_A_RUN
from pb.process.spawn import Spawn

if TYPE_CHECKING:
    from pb.daemon.watching import Watching

MODULE = "pb.courier"

TO_SPARE = 50.0
"""Seconds beyond a channel's own timeout until the process is killed: a busy machine may take long
to start it. It sees to the timeout itself."""


class Courier(Protocol):
    """Takes notices to a channel, and posts Delivered."""

    def send(
        self, channel: str, notices: Sequence[Mapping[str, Any]], *, timeout: float
    ) -> None: ...


class ProcessCourier:
    """Starts a process for each message. Belongs to the event loop's thread."""

    def __init__(
        self,
        *,
        home: Home,
        store_id: str,
        post: Callable[[Message], None],
        watching: Watching,
        environ: Mapping[str, str],
        is_guest: bool,
    ) -> None:
        self._home = home
        self._store_id = store_id
        self._post = post
        self._errands = Errands(watching.expect)
        self._environ = environ
        self._is_guest = is_guest
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, channel: str, notices: Sequence[Mapping[str, Any]], *, timeout: float) -> None:
        what = self._spawn({"channel": channel, "store": self._store_id, "notices": notices})
        ids = tuple(int(one["id"]) for one in notices)
        task = asyncio.get_running_loop().create_task(self._go(channel, ids, what, timeout))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _go(self, channel: str, ids: tuple[int, ...], what: Spawn, timeout: float) -> None:
        outcome = await self._errands.probe(what, timeout + TO_SPARE)
        answer = outcome.words or outcome.reason or "sent"
        self._post(Delivered(channel, ids, outcome.exit_code == 0, answer))

    def _spawn(self, batch: Mapping[str, Any]) -> Spawn:
        env = {name: text for name, text in self._environ.items() if name not in OF_A_RUN}
        return Spawn(
            argv=(sys.executable, "-P", "-m", MODULE),
            env={**env, "PB_HOME": str(self._home.root)},
            cwd=str(self._home.root),
            stdin=json.dumps(batch).encode(),
            log_path=self._home.log("scheduler"),
            is_guest=self._is_guest,
        )

    def close(self) -> None:
        """End those that are on their way: what they carry waits in the store, and goes again."""
        for task in self._tasks:
            task.cancel()
