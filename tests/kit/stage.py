"""One service's life under its probes, with real processes and sockets, and no scheduler."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from pb.core.service import Service
from pb.daemon.clock import SystemClock
from pb.daemon.errands import Errands
from pb.daemon.messages import InstanceKey, Message
from pb.daemon.probes import Probes
from pb.daemon.watching import Watching
from pb.paths import Home
from pb.process.identity import Identity
from pb.process.spawn import Spawn, spawn
from pb.process.tree import members

SHORT = 20.0

T = TypeVar("T")


def python(script: str) -> tuple[str, ...]:
    return (sys.executable, "-c", script)


class Stage:
    """What a scene plays on. ``told`` is what was posted to the engine that is not there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = secrets.token_hex(8)  # other tests run at the same time
        self.home = Home(root / "home")
        self.home.root.mkdir(mode=0o700)
        self.told: list[Message] = []
        self.started: dict[InstanceKey, tuple[Identity, Spawn]] = {}
        self.watching = Watching(exits=root / "exits", clock=SystemClock(), is_guest=True)
        self.errands = Errands(self.watching.expect)
        self.probes = self.new_probes()

    def new_probes(self) -> Probes:
        return Probes(
            home=self.home,
            post=self.told.append,
            now_ms=SystemClock().now_ms,
            errands=self.errands,
        )

    def what(self, service: Service, key: InstanceKey) -> Spawn:
        marker = f"{self.store}/s/{key.service}/{key.instance}/{key.life}"
        return Spawn(
            argv=service.command,
            env={"PATH": os.defpath, "PB_MARKER": marker, **service.env},
            cwd=str(self.root),
            log_path=self.home.log(key.service),
            err_path=self.home.error_log(key.service) if service.log.split_stderr else None,
        )

    def start(self, service: Service, life: int = 1) -> InstanceKey:
        key = InstanceKey(service.name, 0, life)
        what = self.probes.prepare(key, service, self.what(service, key))
        at_ms = time.time_ns() // 1_000_000
        identity = spawn(what)
        self.watching.expect(identity, lambda status, at_ms, used: None)
        self.started[key] = (identity, what)
        self.probes.begin(key, service, identity, what, started_ms=at_ms)
        return key

    def adopt(self, service: Service, key: InstanceKey, **options: Any) -> None:
        """As another scheduler would that finds this life running."""
        identity, _ = self.started[key]
        what = self.what(service, key)
        self.probes.begin(key, service, identity, what, **options)

    def kill(self, key: InstanceKey) -> None:
        identity, what = self.started.pop(key)
        for one in members(identity, what.env["PB_MARKER"]):
            os.kill(one.pid, signal.SIGKILL)

    def tree(self, key: InstanceKey) -> list[Identity]:
        identity, what = self.started[key]
        return members(identity, what.env["PB_MARKER"])

    async def hear(self, kind: type[T], count: int = 1) -> T:
        """The ``count``-th message of that kind."""
        await self.until(lambda: len(self.heard(kind)) >= count)
        return self.heard(kind)[count - 1]

    def heard(self, kind: type[T]) -> list[T]:
        return [one for one in self.told if isinstance(one, kind)]

    async def until(self, is_true: Callable[[], object]) -> None:
        async with asyncio.timeout(SHORT):
            while not is_true():
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        self.probes.close()
        self.errands.close()
        for key in list(self.started):
            self.kill(key)
        await self.until(lambda: not self.watching.left())
        self.watching.deafen()


def play(root: Path, scene: Callable[[Stage], Coroutine[Any, Any, None]]) -> Stage:
    """Play the scene; afterwards no task and no timer of the probes may be left."""

    async def run() -> Stage:
        stage = Stage(root)
        try:
            await scene(stage)
        finally:
            await stage.close()
        await stage.until(lambda: len(asyncio.all_tasks()) == 1)
        return stage

    return asyncio.run(run())
