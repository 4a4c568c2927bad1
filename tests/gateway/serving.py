"""The gateway's two faces in a thread, in front of a scheduler made of plain values."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

from pb.api.asker import Asker
from pb.api.http_rules import allowed_authorities
from pb.api.http_server import address_of, http_server
from pb.api.listening import live_events
from pb.api.token_book import TokenBook
from pb.errors import NeedsDaemonError, NotFoundError
from pb.gateway.app import gateway_app
from pb.gateway.bridge import Bridge
from pb.gateway.doorman import Doorman
from pb.gateway.hub import Hub
from pb.gateway.main import bind_grpc, soon
from pb.gateway.rpc import grpc_server
from pb.paths import Home
from pb.process.listen import listen

Json = dict[str, Any]
TOKEN = "a-token-that-is-long-enough-for-anybody-0123456789"
BEARER = {"authorization": f"Bearer {TOKEN}"}


def a_job(name: str, **changes: Any) -> Json:
    return {
        "name": name,
        "state": "idle",
        "paused": False,
        "running": False,
        "enabled": True,
        "triggers": [{"type": "cron", "expr": "30 2 * * *"}],
        "next_run": None,
        "last_run": None,
        "last_result": None,
        "last_error": None,
        "last_duration_ms": None,
        "run_count": 0,
        "error_count": 0,
        "last_skip": None,
        "last_skip_reason": None,
        **changes,
    }


class FakeScheduler:
    """Answers like the registry's methods; ``calls`` is what was asked, ``opened`` how often."""

    def __init__(self, *jobs: Json) -> None:
        self.jobs = {job["name"]: job for job in jobs}
        self.up = True
        self.calls: list[tuple[str, Json]] = []
        self.askers: list[Asker] = []
        self.faces: list[str] = []
        self.opened = 0
        self.closed = 0
        self.fails_with: Exception | None = None

    def connect(self, asker: Asker | None = None, face: str = "gateway") -> FakeSession:
        self.opened += 1
        self.faces += [face] if asker is not None else []
        self.askers += [asker] if asker is not None else []
        return FakeSession(self)


class FakeSession:
    def __init__(self, scheduler: FakeScheduler) -> None:
        self._scheduler = scheduler
        self._up = scheduler.up

    @property
    def is_local(self) -> bool:
        return not self._up

    def close(self) -> None:
        self._scheduler.closed += 1

    def call(self, method: str, params: Json | None = None, *, timeout: float = 5.0) -> Json:
        scheduler, asked = self._scheduler, dict(params or {})
        scheduler.calls.append((method, asked))
        if scheduler.fails_with is not None:
            raise scheduler.fails_with
        if self._up != scheduler.up and self._up:
            raise NeedsDaemonError("The scheduler closed the connection")
        return {"schema": 1, **self._answer(method, asked)}

    def _answer(self, method: str, asked: Json) -> Json:
        jobs = self._scheduler.jobs
        if "name" in asked and asked["name"] not in jobs:
            raise NotFoundError(f"There is no job named {asked['name']!r}", hint="Did you mean a?")
        match method:
            case "system.ping":
                return {"ok": True}
            case "scheduler.status":
                return {"running": self._up, "jobs": list(jobs.values())}
            case "job.list":
                return {"jobs": list(jobs.values())}
            case "job.show":
                return {"job": jobs[asked["name"]]}
            case "job.history":
                return {"runs": []}
            case "job.pause" | "job.resume":
                changed = jobs[asked["name"]]["paused"] != (method == "job.pause")
                jobs[asked["name"]]["paused"] = method == "job.pause"
                return {"job": jobs[asked["name"]], "changed": changed}
            case "job.run" if self._up:
                return {"run": {"run_id": 7, "job": asked["name"]}}
        raise NeedsDaemonError("That needs a running scheduler")


class Gateway:
    """Both faces on free ports; ``url`` is the HTTP one's, ``grpc`` the other's address."""

    def __init__(
        self,
        connect: Callable[..., Any],
        store: Path = Path("none"),
        home: Home | None = None,
        rate: int = 0,
    ) -> None:
        self._connect = connect
        self._home = home
        self._book = TokenBook(TOKEN, store, soon=soon)
        self.doorman = Doorman(self._book, rate)
        self._listener = listen("127.0.0.1", 0, setting="gateway.port")
        self.port = address_of(self._listener)[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.grpc = ""
        self.hub: Hub
        self._stop: Callable[[], object] | None = None
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _listen(self) -> AsyncGenerator[Json | None]:
        """The live scheduler's events; without a home there is none."""
        if self._home is None:
            raise NeedsDaemonError("There is no scheduler here")
        async for event in live_events(self._home, face="gateway"):
            yield event

    def __enter__(self) -> Gateway:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        assert self._stop is not None
        if self._thread.is_alive():
            self._stop()
        self._thread.join(10)
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        bridge, doorman = Bridge(self._connect), self.doorman
        hub = self.hub = Hub(self._listen, bridge.events)
        rpc = await grpc_server(bridge, doorman, hub)
        self.grpc = f"127.0.0.1:{bind_grpc(rpc, '127.0.0.1', 0)}"
        await rpc.start()
        allowed = allowed_authorities("127.0.0.1", self.port)
        web = http_server(gateway_app(bridge, doorman, hub, allowed), sockets=True)
        loop = asyncio.get_running_loop()

        def stop() -> None:
            hub.close()
            web.stop()

        self._stop = lambda: loop.call_soon_threadsafe(stop)
        self._up.set()
        try:
            await web.serve(sockets=[self._listener])
        finally:
            await rpc.stop(1)
            bridge.close()
            self._book.close()
