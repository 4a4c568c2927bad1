"""A terminal UI over a scheduler made of plain values, driven by Textual's pilot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from pb.debug.feed import Feed
from pb.debug.snapshot import Snapshots
from pb.debug.terminal.board import Board
from pb.debug.terminal.source import Source
from pb.debug.usage import Usage
from pb.errors import ConflictError
from tests.debug.scene import MACHINE, FakeSession, Scene, a_busy_scene, a_job, a_run, ago

Json = dict[str, Any]


def a_whole_job(name: str, **changes: Any) -> Json:
    """With every key that the registry tells."""
    counts = dict.fromkeys(("miss_count", "timeout_count", "retry_count"), 0)
    none = dict.fromkeys(
        ("paused_at", "pause_note", "paused_until", "last_skip", "last_skip_reason")
    )
    return a_job(name, description="", source="cli", **counts, **none) | changes


def a_whole_run(number: int, job: str | None, state: str, **changes: Any) -> Json:
    more = {"trigger": "cron", "by": None, "log_path": None, "max_rss_bytes": None}
    more |= {"cpu_seconds": 0.25, "lateness_ms": 4, "fire_count": 1, "output": None}
    return a_run(number, job, state, **(more | changes))


def a_service(name: str, **changes: Any) -> Json:
    return {
        "name": name,
        "service": name,
        "instance": 0,
        "builtin": False,
        "enabled": True,
        "groups": [],
        "essential": False,
        "desired": "running",
        "state": "running",
        "health": "none",
        "health_reason": None,
        "reason": None,
        "status": None,
        "pid": 4711,
        "started_at": ago(minutes=3),
        "since": ago(minutes=3),
        "restarts": 0,
        "next_start_at": None,
        "changed": False,
        "last_exit": None,
        "log_path": f"/nowhere/{name}.log",
        "source": "cli",
        **changes,
    }


class Stage(Scene):
    """A scene that also answers what details ask for, and remembers what it was told to do."""

    def __init__(self, logs: Path) -> None:
        super().__init__()
        self.logs = logs
        self.refuses = False

    def connect(self) -> StageSession:
        return StageSession(self)

    @property
    def acts(self) -> list[tuple[str, Json]]:
        return self.calls

    def write(self, name: str, text: str) -> Path:
        path = self.logs / f"{name}.log"
        with path.open("a") as log:
            log.write(text)
        return path


class StageSession(FakeSession):
    def call(self, method: str, params: Json | None = None, *, timeout: float = 5.0) -> Json:
        stage, given = self._scene, params or {}
        assert isinstance(stage, Stage)
        match method:
            case "job.show":
                return {**super().call(method, params), **DEFINED, "fire_times": [ago(hours=-1)]}
            case "job.history" if "name" in given:
                runs = [run for run in stage.runs if run["job"] == given["name"]]
                return {"runs": runs[: given["n"]]}
            case "run.show":
                found = (run for run in stage.runs if run["run_id"] == given["run_id"])
                return {"run": next(found)}
            case "service.show":
                one = next(one for one in stage.own if one["name"] == given["name"])
                return {"service": one, "instances": [one], "exits": [], **DEFINED}
        if method.partition(".")[2] in ACTS:
            if stage.refuses:
                raise ConflictError("It cannot be done just now", hint="Wait a moment")
            stage.calls.append((method, given))
            return {"changed": True}
        return super().call(method, params, timeout=timeout)


ACTS = ("run", "pause", "resume", "cancel", "start", "stop", "restart", "reset")
DEFINED: Json = {
    "definition": {"command": ["sh", "-c", "true"], "env": {"API_TOKEN": "hidden in vain"}},
    "source": "cli",
    "explain": ["At 02:30 every day"],
    "notes": [],
    "created_at": ago(days=1),
    "updated_at": ago(days=1),
}


def a_busy_stage(logs: Path) -> Stage:
    """Some of everything, with every key."""
    busy, stage = a_busy_scene(), Stage(logs)
    stage.jobs = [a_whole_job(job["name"]) | job for job in busy.jobs]
    stage.runs = [a_whole_run(run["run_id"], run["job"], run["state"]) | run for run in busy.runs]
    stage.events = busy.events
    stage.own = [
        a_service("mail", state="failed", pid=None, reason="exit code 4: no such host"),
        a_service("web", health="healthy"),
    ]
    return stage


def source_of(stage: Stage) -> Source:
    snapshots = Snapshots(stage.connect, stage.services, lambda: MACHINE)
    return Source(
        connect=stage.connect,
        snapshots=snapshots,
        feed=Feed(stage.listen, snapshots.changed),
        usage=Usage(dict, patience=0.1),
        log_of=lambda name: stage.logs / f"{name}.log",
    )


class Screen:
    """A terminal UI that runs: ``press`` keys, and ``sees`` what its screen says."""

    def __init__(self, app: Board, pilot: Pilot[int]) -> None:
        self.app = app
        self._pilot = pilot

    @property
    def text(self) -> str:
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    async def press(self, *keys: str) -> None:
        await self._pilot.press(*keys)
        await self._pilot.pause()

    async def click(self, x: int, y: int) -> None:
        await self._pilot.click(offset=(x, y))
        await self._pilot.pause()

    async def sees(self, *texts: str, without: str | None = None) -> None:
        """Wait until all of ``texts`` are on the screen, and ``without`` is not."""
        await self.until(
            lambda: (
                all(text in self.text for text in texts)
                and (without is None or without not in self.text)
            )
        )

    async def until(self, check: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not check():
            assert time.monotonic() < deadline, self.text
            await self._pilot.pause(0.02)


def on_screen(
    stage: Stage,
    play: Callable[[Screen], Coroutine[Any, Any, None]],
    *,
    size: tuple[int, int] = (80, 24),
    plain: bool = False,
) -> None:
    """Run ``play`` on a screen of ``size``; the scheduler ends with it, and the feed's thread."""

    async def run() -> None:
        source = source_of(stage)
        app = Board(source, plain=plain)
        async with app.run_test(size=size) as pilot:
            screen = Screen(app, pilot)
            await screen.until(lambda: "Asking…" not in screen.text)
            await play(screen)
            source.feed.close()
            stage.stop()

    asyncio.run(run())
