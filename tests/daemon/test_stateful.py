"""Anything that can be done to jobs, in any order, against a model that is a few lists.

The model knows which fire times each job must have answered for, and what was done to each run;
how the engine gets there is not its business.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from pb.core.model import ERRORS, EXECUTED, State, Trigger
from pb.core.scheduling import instant, milliseconds
from pb.core.triggers import next_fire_of, trigger_from
from pb.store.rows import Run
from pb.store.store import Store
from tests.kit.scheduler import World

SCHEDULES = ("cron: */7 * * * *", "cron: 15 12-14 * * *", "every: 11m", "at: 2026-03-01T12:40:00Z")
OVERLAPS = ("skip", "queue", "replace", "allow")
NAMES = [f"{overlap}{n}" for overlap in OVERLAPS for n in (1, 2)]
"""A job's overlap policy is in its name, so that an edit leaves it alone."""
AT_ONCE = {"skip": 1, "queue": 1, "replace": 1, "allow": 2}
"""How many runs of a job may have a process at the same moment."""


@dataclass
class Model:
    """What is known of one job without asking the engine. Instants are epoch ms."""

    triggers: list[Trigger]
    settled_ms: int
    is_enabled: bool = True
    is_paused: bool = False
    times: list[int] = field(default_factory=list)

    @property
    def is_on(self) -> bool:
        return self.is_enabled and not self.is_paused

    def next_ms(self, after_ms: int) -> int | None:
        at = next_fire_of(self.triggers, instant(after_ms), UTC, "job")
        return None if at is None or not self.is_on else milliseconds(at)

    def settle(self, now_ms: int) -> None:
        """Every fire time up to now must have its record."""
        at = self.next_ms(self.settled_ms)
        while at is not None and at <= now_ms:
            self.times.append(at)
            at = self.next_ms(at)
        self.settled_ms = now_ms


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power cuts here, so no waiting for the disk at each step."""
    transaction = Store.transaction
    monkeypatch.setattr(Store, "transaction", lambda store, **_: transaction(store, durable=False))


class Scheduling(RuleBasedStateMachine):
    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="pb-stateful-"))
        self.world = World(self.root / "home")
        self.models: dict[str, Model] = {}
        self.outcomes: dict[int, set[State]] = {}

    def teardown(self) -> None:
        self.world.close()
        shutil.rmtree(self.root)

    @property
    def now_ms(self) -> int:
        return self.world.clock.now_ms()

    def definition(self, name: str, schedules: list[str], **more: Any) -> dict[str, Any]:
        overlap = name.rstrip("12")
        limits = {"max_instances": 2} if overlap == "allow" else {}
        return {
            "name": name, "command": ["true"], "timezone": "UTC", "overlap": overlap,
            "triggers": [*schedules, "every: 2h"], **limits, **more,
        }  # fmt: skip

    # -- what can be done

    @initialize(target=jobs, name=st.sampled_from(NAMES))
    def first(self, name: str) -> str:
        return self.add(name, [SCHEDULES[0]])

    @rule(
        target=jobs,
        name=st.sampled_from(NAMES),
        schedules=st.lists(st.sampled_from(SCHEDULES), max_size=2, unique=True),
    )
    def add_or_edit(self, name: str, schedules: list[str]) -> str:
        return self.add(name, schedules)

    def add(self, name: str, schedules: list[str]) -> str:
        definition = self.definition(name, schedules)
        triggers = [trigger_from(text) for text in definition["triggers"]]
        self.world.call("job.add", definition=definition, replace=True)
        model = self.models.get(name)
        if model is None:
            self.models[name] = Model(triggers, self.now_ms)
        else:
            self.enabled(model, True)
            model.triggers = triggers
        return name

    def enabled(self, model: Model, is_enabled: bool) -> None:
        model.settle(self.now_ms)
        model.is_enabled = is_enabled

    @rule(name=jobs, verb=st.sampled_from(("pause", "resume", "enable", "disable")))
    def switch(self, name: str, verb: str) -> None:
        self.world.call(f"job.{verb}", name=name)
        model = self.models[name]
        if verb in ("enable", "disable"):
            self.enabled(model, verb == "enable")
        else:
            model.settle(self.now_ms)
            model.is_paused = verb == "pause"

    @rule(name=jobs)
    def run(self, name: str) -> None:
        before = len(self.world.runs(name))
        self.world.call("job.run", name=name)
        assert len(self.world.runs(name)) == before + 1

    @rule(name=jobs)
    def cancel(self, name: str) -> None:
        # What was waiting for a cancelled run takes its place, and is cancelled with it.
        stopped = {run.id for run in self.unfinished(name)}
        self.world.call("job.cancel", name=name)
        assert not stopped & {run.id for run in self.unfinished(name)}
        self.outcomes |= {run_id: {State.CANCELLED} for run_id in stopped}

    @precondition(lambda self: self.world.executor.alive)
    @rule(pick=st.integers(0, 10_000), status=st.sampled_from((0, 256, 9)))
    def finish(self, pick: int, status: int) -> None:
        alive = sorted(self.world.executor.alive)
        run_id = alive[pick % len(alive)]
        self.world.executor.end(run_id, status)
        self.world.settle()
        self.outcomes[run_id] = {State.FAILED if status else State.SUCCEEDED}

    @rule(seconds=st.sampled_from((1, 60, 300, 1_000, 5_000)))
    def wait(self, seconds: int) -> None:
        self.world.run_for(seconds)
        self.settle_models()

    @rule(
        seconds=st.sampled_from((0, 1, 59, 400, 4_000)),
        between=st.booleans(),
        survivors=st.integers(0, 10_000),
    )
    def kill(self, seconds: int, between: bool, survivors: int) -> None:
        """kill -9, ``between`` a claim and its process; then nobody there; some runs end."""
        claimed = self.claim_and_die() if between else set()
        for bit, run_id in enumerate(sorted(self.world.executor.alive)):
            if not survivors >> bit & 1:
                del self.world.executor.alive[run_id]
                self.outcomes[run_id] = {State.LOST}
        self.outcomes |= {run_id: {State.LOST} for run_id in claimed}
        self.world.clock.advance(seconds)
        self.world = self.world.crash()
        self.settle_models()

    def claim_and_die(self) -> set[int]:
        """Reach the next fire time and record it, and start nothing of it any more."""
        times = (model.next_ms(self.now_ms) for model in self.models.values())
        at = min((at for at in times if at is not None), default=None)
        if at is not None:
            self.world.clock.advance((at - self.now_ms) / 1000)
            self.world.engine.step(0)
        return {run.id for run in self.world.store.open_runs() if run.state is State.STARTING}

    def settle_models(self) -> None:
        for model in self.models.values():
            model.settle(self.now_ms)

    def unfinished(self, name: str) -> list[Run]:
        return [run for run in self.world.store.open_runs() if run.job == name]

    # -- what must always hold

    @invariant()
    def each_fire_time_has_one_record(self) -> None:
        for name, model in self.models.items():
            own = [run for run in self.world.runs(name) if run.trigger != "manual"]
            told: list[int] = []
            for run in own:
                last = model.times.index(run.fire_at) + 1
                told += model.times[last - run.fire_count : last]
            assert sorted(told) == model.times, name

    @invariant()
    def counters_add_up(self) -> None:
        for name in self.models:
            row = self.world.store.job(name)
            runs = self.world.runs(name)
            states = Counter(run.state for run in runs)
            assert row is not None
            assert row.run_count == sum(states[state] for state in EXECUTED)
            assert row.success_count == states[State.SUCCEEDED]
            assert row.error_count == sum(states[state] for state in ERRORS)
            assert row.skip_count == states[State.SKIPPED]
            assert row.miss_count == sum(r.fire_count for r in runs if r.state is State.MISSED)

    @invariant()
    def no_more_are_active_than_the_policy_allows(self) -> None:
        active = Counter(
            run.job for run in self.world.store.open_runs() if run.state is not State.QUEUED
        )
        assert all(n <= AT_ONCE[str(name).rstrip("12")] for name, n in active.items()), active

    @invariant()
    def next_run_is_filled_wherever_there_is_one(self) -> None:
        for name, model in self.models.items():
            row = self.world.store.job(name)
            assert row is not None
            assert row.next_fire_at == model.next_ms(self.now_ms), name

    @invariant()
    def what_lives_is_what_is_open_and_nothing_starts_twice(self) -> None:
        running = {run.id for run in self.world.store.open_runs() if run.state is State.RUNNING}
        assert running == set(self.world.executor.alive)
        started = [run.id for run in self.world.executor.started]
        assert len(started) == len(set(started))

    @invariant()
    def every_outcome_is_what_happened(self) -> None:
        for run_id, states in self.outcomes.items():
            run = self.world.store.run(run_id)
            assert run is not None
            assert run.state in states, run


TestScheduling = Scheduling.TestCase
TestScheduling.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
