"""A scheduler made of plain values, and a debug server in a thread that shows it."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from pb.api.http_rules import allowed_authorities
from pb.api.http_server import address_of, http_server
from pb.api.tickets import new_session, new_ticket
from pb.api.token_file import ensure_token
from pb.debug.app import FREE, Parts, debug_routes
from pb.debug.entry import Entry
from pb.debug.feed import Feed
from pb.debug.gate import Gate
from pb.debug.snapshot import Snapshots
from pb.debug.usage import Usage
from pb.errors import NeedsDaemonError, NotFoundError
from pb.process.listen import listen
from pb.process.peer import TABLES

Json = dict[str, Any]

LIFE = "1-2"
"""What names the life of a debug server made here."""


def ago(**span: float) -> str:
    """An instant that long ago, RFC 3339; negative spans are to come."""
    at = datetime.now(UTC) - timedelta(**span)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def a_job(name: str, **changes: Any) -> Json:
    return {
        "name": name,
        "state": "idle",
        "enabled": True,
        "paused": False,
        "running": False,
        "triggers": [{"type": "cron", "expr": "30 2 * * *"}],
        "timezone": "local",
        "next_run": ago(hours=-3),
        "last_run": None,
        "last_result": None,
        "last_error": None,
        "last_duration_ms": None,
        "run_count": 0,
        "success_count": 0,
        "error_count": 0,
        "skip_count": 0,
        "tags": [],
        **changes,
    }


def a_run(number: int, job: str | None, state: str, **changes: Any) -> Json:
    return {
        "run_id": number,
        "job": job,
        "state": state,
        "fire_time": ago(minutes=number),
        "started_at": ago(minutes=number),
        "finished_at": ago(minutes=number),
        "attempt": 1,
        "duration_ms": 420,
        "exit_code": 0,
        "signal": None,
        "reason": None,
        "command": None,
        "queued_at": None,
        "pid": 1,
        **changes,
    }


class Scene:
    """What the fake scheduler would answer; change it, then ``happen`` to tell the pages."""

    def __init__(self) -> None:
        self.up = True
        self.jobs: list[Json] = []
        self.runs: list[Json] = []
        self.events: list[Json] = []
        self.own: list[Json] = []
        self.calls: list[tuple[str, Json]] = []
        self.questions = 0
        self.whole = 0
        self.shown: list[str] = []
        self._heard: queue.Queue[Json | None] = queue.Queue()
        self.started_at = ago(hours=2, minutes=15)

    def connect(self) -> FakeSession:
        return FakeSession(self)

    def happen(self, kind: str, text: str, *, job: str | None = None) -> None:
        """Something happens: it is remembered, and whoever listens hears of it."""
        self.remember(kind, text, job=job)
        self._heard.put(self.events[0])

    def remember(self, kind: str, text: str, *, job: str | None = None) -> None:
        number = len(self.events) + 1
        event = {"seq": number, "at": ago(), "type": kind, "job": job, "run_id": None}
        self.events.insert(0, event | {"by": None, "text": text})

    def stop(self) -> None:
        self.up = False
        self._heard.put(None)

    def listen(self) -> Iterator[Json]:
        if not self.up:
            raise NeedsDaemonError("No scheduler listens")
        while (event := self._heard.get()) is not None:
            yield event

    def services(self) -> list[Json]:
        up = {"state": "running", "reason": None, "mode": "background", "pid": 12346}
        down = {"state": "stopped", "reason": None, "mode": None, "pid": None, "address": None}
        gateway = {"address": "http://127.0.0.1:18789", "started_at": ago(minutes=42)}
        debug = {"address": "http://127.0.0.1:18790", "started_at": ago(minutes=41)}
        scheduler = {"address": None, "started_at": self.started_at}
        return [
            {"name": "scheduler", "started_at": None} | (up | scheduler if self.up else down),
            {"name": "gateway"} | up | gateway | {"pid": 12350},
            {"name": "debug"} | up | debug | {"pid": 12351},
        ]

    def status(self) -> Json:
        running = sum(job["running"] for job in self.jobs)
        facts: Json = {"running": False, "pid": None, "mode": None, "started_at": None}
        if self.up:
            facts |= {"running": True, "pid": 12346, "mode": "background"}
            facts |= {"started_at": self.started_at, "uptime_seconds": 8130.0}
        return {
            **facts,
            "db_path": "/home/user/.ponybunny/pony.db",
            "socket_path": "/home/user/.ponybunny/gateway.sock",
            "log_path": "/home/user/.ponybunny/scheduler.log",
            "notice": None,
            "counts": {"running": running, "queued": 0},
            "jobs": [dict(job) for job in self.jobs],
        }


MACHINE = {
    "home": "/home/user/.ponybunny",
    "disk": {"free": 80 * 2**30, "total": 250 * 2**30, "is_low": False},
    "file_problems": [],
}


class FakeSession:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def call(self, method: str, params: Json | None = None, *, timeout: float = 5.0) -> Json:
        self._scene.questions += 1
        match method:
            case "scheduler.status":
                self._scene.whole += bool((params or {})["jobs"])
                status = self._scene.status()
                return status if (params or {})["jobs"] else status | {"jobs": None}
            case "job.show":
                self._scene.shown.append((params or {})["name"])
                for job in self._scene.jobs:
                    if job["name"] == (params or {})["name"]:
                        return {"job": dict(job)}
                raise NotFoundError("There is no such job")
            case "job.history":
                wanted = (params or {}).get("states")
                runs = [r for r in self._scene.runs if not wanted or r["state"] in wanted]
                return {"runs": runs[: (params or {})["n"]]}
            case "events.recent":
                return {"events": self._scene.events[: (params or {})["n"]]}
            case "service.list":
                return {"services": self._scene.own}
            case "job.pause" | "job.run":
                self._scene.calls.append((method, params or {}))
                return {"changed": True}
        raise AssertionError(f"the dashboard asked for {method}")

    def close(self) -> None:
        pass

    def __enter__(self) -> FakeSession:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


class Dashboard:
    """A real debug server on a free port, in a thread of its own."""

    def __init__(
        self,
        connect: Callable[[], Any],
        services: Callable[[], list[Json]],
        events: Callable[[], Iterator[Json]],
        *,
        token: Path,
        tables: tuple[str, ...] = TABLES,
    ) -> None:
        self._parts = (connect, services, events)
        self.token, self._tables = token, tables
        self._listener = listen("127.0.0.1", 0, setting="debug.port")
        self.port = address_of(self._listener)[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._stop: Callable[[], None] | None = None
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Dashboard:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._stop is not None
        self._stop()
        self._thread.join(10)
        assert not self._thread.is_alive()

    @property
    def link(self) -> str:
        """What `pb debug link` would print."""
        return f"{self.url}/#ticket={new_ticket(ensure_token(self.token), LIFE, time.time())}"

    @property
    def headers(self) -> dict[str, str]:
        """What a page that was let in sends."""
        session = new_session(ensure_token(self.token), time.time())
        return {"cookie": f"pb-debug-{self.port}={session}"}

    def client(self, **headers: str) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, headers={**self.headers, **headers}, trust_env=False, timeout=60
        )

    async def _serve(self) -> None:
        connect, services, events = self._parts
        snapshots = Snapshots(connect, services, lambda: MACHINE)
        parts = Parts(
            snapshots=snapshots,
            feed=Feed(events, snapshots.changed),
            entry=Entry(self.token, LIFE, self.port),
            connect=connect,
            usage=Usage(dict),
            log_of=lambda name: self.token.with_name(f"{name}.log"),
            system=dict,
        )
        allowed = allowed_authorities("127.0.0.1", self.port)
        gate = Gate(debug_routes(parts), allowed, parts.entry, FREE, self._tables)
        web = http_server(gate)
        loop = asyncio.get_running_loop()

        def stop() -> None:
            parts.feed.close()
            web.stop()

        def stop_soon() -> None:
            loop.call_soon_threadsafe(stop)

        self._stop = stop_soon
        self._up.set()
        await web.serve(sockets=[self._listener])


def dashboard_of(scene: Scene, tmp_path: Path, *, tables: tuple[str, ...] = TABLES) -> Dashboard:
    return Dashboard(
        scene.connect,
        scene.services,
        scene.listen,
        token=tmp_path / "gateway.token",
        tables=tables,
    )


def a_busy_scene() -> Scene:
    """A scheduler with some of everything, as in the README's picture."""
    scene = Scene()
    good = {"last_result": "succeeded", "last_duration_ms": 412}
    every = [{"type": "every", "every": "5m"}]
    scene.jobs = [
        a_job("backup-home", last_run=ago(hours=8), run_count=214, error_count=2, **good),
        a_job("certificates", triggers=[{"type": "cron", "expr": "0 6 * * MON"}]),
        a_job("disk-report", triggers=every, last_run=ago(minutes=3), run_count=5120, **good)
        | {"next_run": ago(minutes=-1.4)},
        a_job("log-cleanup", state="paused", paused=True, last_run=ago(days=3), run_count=31)
        | good,
        a_job("mail-digest", last_run=ago(minutes=52), run_count=77, error_count=9)
        | {"last_result": "failed", "last_duration_ms": 30_120}
        | {"last_error": "exit code 75: cannot reach smtp.example.org, giving up after 3 tries"},
        a_job("photo-index", state="running", running=True, last_run=ago(minutes=11), run_count=18)
        | good,
        a_job("sqlite-vacuum", triggers=[{"type": "cron", "expr": "0 0 4 * * 0"}], run_count=12)
        | {"last_run": ago(days=4), "timezone": "Europe/Berlin", "next_run": ago(days=-2)}
        | {"last_result": "timed_out", "last_duration_ms": 3_600_000, "error_count": 1}
        | {"last_error": "stopped after its timeout of 1h"},
    ]
    scene.runs = [
        a_run(9, "photo-index", "running", finished_at=None, duration_ms=None),
        a_run(8, "disk-report", "succeeded"),
        a_run(7, "mail-digest", "failed", exit_code=75, duration_ms=30_120),
        a_run(6, "disk-report", "skipped", duration_ms=None, reason="its last run was active"),
        a_run(5, None, "succeeded", command=["make", "release"]),
        a_run(4, "backup-home", "succeeded", duration_ms=95_400),
    ]
    outcomes = ["succeeded"] * 6 + ["failed", "skipped"] + ["succeeded"] * 5 + ["missed"] * 2
    scene.runs += [a_run(100 + n, "disk-report", state) for n, state in enumerate(outcomes)]
    for kind, text in (
        ("scheduler.started", "Scheduler started (PID 12346)"),
        ("job.paused", "Job log-cleanup paused: moving disks"),
        ("run.skipped", "disk-report skipped: its last run was active"),
        ("run.failed", "mail-digest failed with exit code 75"),
        ("run.succeeded", "disk-report succeeded in 412 ms"),
        ("run.started", "photo-index started (PID 20411)"),
    ):
        scene.remember(kind, text)
    return scene
