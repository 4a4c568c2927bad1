"""An engine with a fake clock and a fake executor on a real store: whole years in a second."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pb.api.context import Context
from pb.api.registry import checked
from pb.config.settings import NotifySettings, RetentionSettings, SchedulerSettings, Settings
from pb.core.model import Job
from pb.daemon.bus import Bus
from pb.daemon.engine import Engine
from pb.daemon.facts import Facts
from pb.daemon.files import apply_files
from pb.daemon.messages import (
    Command,
    ConditionsSeen,
    Exited,
    Message,
    SpawnFailed,
    Started,
    TreeGone,
)
from pb.daemon.parts import Parts
from pb.daemon.watchers import Watched
from pb.errors import PbError
from pb.paths import Home
from pb.process.identity import Identity, own
from pb.store.occasions import RunEvent
from pb.store.rows import Run
from pb.store.sharing import SchedulerRow
from pb.store.store import Store
from tests.kit.courier import FakeCourier
from tests.kit.hands import FakeHands, identity

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class FakeClock:
    """Wall and monotonic time that pass only when told to."""

    def __init__(self, start: datetime = START) -> None:
        self.wall_ms = round(start.timestamp() * 1000)
        self.seconds = 1_000.0

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.wall_ms += round(seconds * 1000)
        self.seconds += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock, as a person or NTP would."""
        self.wall_ms += round(seconds * 1000)


@dataclass
class FakeExecutor:
    """Starts nothing: runs end when a test says so, or after ``lasts`` seconds of fake time."""

    clock: FakeClock
    post: Callable[[Message], None] = lambda message: None
    lasts: float | None = None
    fails: list[SpawnFailed] = field(default_factory=list)
    started: list[Run] = field(default_factory=list)
    stopped: list[int] = field(default_factory=list)
    alive: dict[int, Identity] = field(default_factory=dict)
    ends: dict[int, float] = field(default_factory=dict)
    statuses: dict[tuple[int, int], int] = field(default_factory=dict)
    survivors: list[tuple[int, str]] = field(default_factory=list)
    limited: list[int] = field(default_factory=list)
    results: dict[int, str] = field(default_factory=dict)
    output: str = ""
    unmet: str | None = None
    looked: list[int] = field(default_factory=list)
    events: dict[int, RunEvent | None] = field(default_factory=dict)
    _pid: int = 100

    def start(self, row: Run, job: Job, event: RunEvent | None = None) -> None:
        self.events[row.id] = event
        if self.fails:
            failed = self.fails.pop(0)
            self.post(SpawnFailed(row.id, failed.reason, failed.is_transient, self.clock.now_ms()))
            return
        self._pid += 1
        self.started.append(row)
        self.alive[row.id] = identity(self._pid)
        if self.lasts is not None:
            self.ends[row.id] = self.clock.monotonic() + self.lasts
        self.post(Started(row.id, self.alive[row.id], self.clock.now_ms()))

    def look_around(self, row: Run, job: Job) -> None:
        """Look as long as the test wants: ``unmet`` is what is found, None for nothing."""
        self.looked.append(row.id)
        self.post(ConditionsSeen(row.id, self.unmet, self.clock.now_ms()))

    def end(self, run_id: int, status: int | None = 0) -> None:
        """The run's leader exits with a raw wait status."""
        self.post(Exited(run_id, status, self.clock.now_ms()))

    def ring(self) -> None:
        for run_id, at in list(self.ends.items()):
            if at <= self.clock.monotonic():
                del self.ends[run_id]
                self.end(run_id)

    def stop(self, row: Run, job: Job | None) -> None:
        self.stopped.append(row.id)
        self.end(row.id, 15)
        self.post(TreeGone(row.id, list(self.survivors), False))

    def adopt(self, row: Run, who: Identity) -> bool:
        return row.id in self.alive

    def search(self, row: Run) -> Identity | None:
        return self.alive.get(row.id)

    def collecting(self) -> AbstractContextManager[None]:
        return nullcontext()

    def collected(self) -> dict[tuple[int, int], int]:
        return self.statuses

    def is_watching(self, run_id: int) -> Identity | None:
        return None

    def limit(self, row: Run, job: Job) -> None:
        self.limited.append(row.id)

    def forget(self, row: Run) -> None:
        self.alive.pop(row.id, None)

    def let_go(self, row: Run) -> None:
        self.alive.pop(row.id, None)
        self.ends.pop(row.id, None)

    def result(self, row: Run) -> str | None:
        return self.results.get(row.id)

    def last_words(self, row: Run) -> str | None:
        return None

    def has_said(self, row: Run, text: str) -> bool:
        return text in self.output


@dataclass
class FakeWatchers:
    """Watches nothing: a test posts what would be noticed. ``watched`` is what is on, by job."""

    watched: dict[str, list[Watched]] = field(default_factory=dict)

    def sync(self, name: str, watched: Sequence[Watched]) -> None:
        self.watched[name] = list(watched)

    def drop(self, name: str) -> None:
        self.watched.pop(name, None)

    def close(self) -> None:
        self.watched.clear()


KEEP_ALL = RetentionSettings(keep_runs=10_000_000, keep_days=36_500)


class World:
    """A scheduler in a home, driven by hand. It keeps every run unless told otherwise."""

    def __init__(
        self,
        root: Path,
        *,
        clock: FakeClock | None = None,
        executor: FakeExecutor | None = None,
        hands: FakeHands | None = None,
        courier: FakeCourier | None = None,
        notify: NotifySettings | None = None,
        lasts: float | None = None,
        max_running: int = 256,
        queues: dict[str, int] | None = None,
        boot_id: str = "boot-1",
        retention: RetentionSettings = KEEP_ALL,
        db: Path | None = None,
        name: str = "me",
        who: Identity | None = None,
        mode: str = "foreground",
    ) -> None:
        self.home = Home(root)
        self.home.ensure()
        self.name, self.who, self.mode = name, who or own(), mode
        self.clock = clock or FakeClock()
        self.executor = executor or FakeExecutor(self.clock, lasts=lasts)
        self.hands = hands or FakeHands(self.clock)
        self.watchers = FakeWatchers()
        self.courier = courier or FakeCourier()
        self.store = Store(self.home.db)
        self.store = Store(db or self.home.db)
        self.bus = Bus()
        self.answers: list[Any] = []
        self.retention = retention
        scheduler = SchedulerSettings(max_running=max_running, queues=queues or {})
        self.settings = replace(
            Settings(),
            scheduler=scheduler,
            retention=self.retention,
            notify=notify or NotifySettings(),
        )
        """What the configuration says; a test may change it, and reload."""
        self.taken: list[Settings] = []
        self.engine = self._engine(self.settings, boot_id)
        self.executor.post = self.hands.post = self.courier.post = self.engine.post
        self.engine.start()
        self.settle()

    def _engine(self, settings: Settings, boot_id: str) -> Engine:
        now, seconds = self.clock.now_ms(), self.clock.monotonic()
        facts = Facts(self.home, settings, "foreground", self.clock, now, seconds)
        context = Context(
            store=self.store,
            home=self.home,
            settings=settings,
            now=self.clock.now_ms,
            actor="test",
            facts=facts,
        )
        return Engine(
            Parts(
                context=context,
                clock=self.clock,
                executor=self.executor,
                hands=self.hands,
                watchers=self.watchers,
                courier=self.courier,
                bus=self.bus,
                facts=facts,
                me=self._row(now),
                boot_id=boot_id,
                booted_ms=now - 3_600_000,
                apply_files=apply_files,
                read_settings=lambda: self.settings,
                on_settings=self.taken.append,
                in_background=lambda work: self.engine.post(work()),
            )
        )

    def _row(self, now: int) -> SchedulerRow:
        place = os.stat(self.home.root)
        return SchedulerRow(
            id=self.name,
            home=str(self.home.root),
            place=f"{place.st_dev}:{place.st_ino}",
            mode=self.mode,
            pid=self.who.pid,
            start_ticks=self.who.start_ticks,
            boot_id=self.who.boot_id,
            pid_namespace=self.who.pid_namespace,
            host=self.who.host,
            started_at=now,
            lease_until_at=0,
        )

    def settle(self) -> None:
        """Step until nothing is left to do at this moment."""
        while True:
            self.engine.step()
            if not self.engine._has_work() or self.engine.is_finished:
                return

    def run_for(self, seconds: float) -> None:
        """Let fake time pass, stopping at every moment at which something is due."""
        end = self.clock.monotonic() + seconds
        while (left := end - self.clock.monotonic()) > 1e-9:
            nearest = [left, self.engine.idle_seconds()]
            nearest += [at - self.clock.monotonic() for at in self.executor.ends.values()]
            self.clock.advance(max(0.001, min(nearest)))
            self.executor.ring()
            self.settle()

    def call(self, method: str, **params: Any) -> Any:
        """Ask the engine; a PbError is raised, no answer yet is None."""
        from pb.api.catalogue import find

        answers: list[Any] = []
        found = find(method)
        if found.scope == "read" and not found.needs_daemon:
            from pb.api.local import carry_out

            return carry_out(self.engine._context, found, checked(found, params))
        self.engine.post(Command(method, checked(found, params), "test", answers.append))
        self.settle()
        if answers and isinstance(answers[0], PbError):
            raise answers[0]
        return answers[0] if answers else None

    def ask(self, method: str, **params: Any) -> list[Any]:
        """Ask the engine; the answer is in the list once there is one."""
        from pb.api.catalogue import find

        answers: list[Any] = []
        params = checked(find(method), params)
        self.engine.post(Command(method, params, "test", answers.append))
        self.settle()
        return answers

    def add(self, name: str = "job", **definition: Any) -> Any:
        definition = {"name": name, "command": ["true"], "timezone": "UTC", **definition}
        return self.call("job.add", definition=definition)

    def runs(self, job: str = "job") -> list[Run]:
        """The job's runs, oldest first."""
        return self.store.runs(job=job, n=1_000_000)[::-1]

    def states(self, job: str = "job") -> list[str]:
        return [str(run.state) for run in self.runs(job)]

    def crash(self, **options: Any) -> World:
        """kill -9 and start again: what is not in the store or alive is gone."""
        self.store.close()
        self.hands.watched.clear()
        return World(
            self.home.root,
            clock=self.clock,
            executor=self.executor,
            hands=self.hands,
            courier=self.courier,
            notify=self.settings.notify,
            **options,
        )

    def close(self) -> None:
        self.store.close()


def run_together(worlds: list[World], seconds: float) -> None:
    """Let fake time pass for several on one clock, in turn; who is not among them is frozen."""
    clock = worlds[0].clock
    end = clock.monotonic() + seconds
    first = 0
    while (left := end - clock.monotonic()) > 1e-9:
        nearest = [left]
        for world in worlds:
            if not world.engine.is_finished:
                nearest.append(world.engine.idle_seconds())
            nearest += [at - clock.monotonic() for at in world.executor.ends.values()]
        clock.advance(max(0.001, min(nearest)))
        for world in worlds:
            world.executor.ring()
        busy = [world for world in worlds if not world.engine.is_finished]
        first += 1
        busy = busy[first % 2 :] + busy[: first % 2]
        while busy:
            for world in busy:
                world.engine.step()
            busy = [one for one in busy if one.engine._has_work() and not one.engine.is_finished]
