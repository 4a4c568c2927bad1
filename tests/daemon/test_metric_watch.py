"""Watching metrics: one look for all who ask, what hangs hangs alone, and a run for each edge."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pb.api.listing import standings_of
from pb.core.metric_names import Metric
from pb.core.triggers import key_of, trigger_from
from pb.daemon import metric_watch
from pb.daemon.errands import Errands
from pb.daemon.messages import Message, Occurred, Remembered
from pb.daemon.metric_watch import MetricWatch
from pb.daemon.metrics import Look
from pb.daemon.watchers import Scene, Watched
from tests.kit.scheduler import World

DEADLINE = 30


def watched(text: str, state: dict[str, Any] | None = None) -> Watched:
    trigger: Any = trigger_from(text)
    return Watched(key_of(trigger), trigger, state)


class Stage:
    """A watch whose samples a test decides; time is the world's, and passes when told to."""

    def __init__(self, world: World, look_at: Callable[..., Look] | None = None) -> None:
        self.world = world
        self.posted: list[Message] = []
        self.value: float | None = 0.0
        self.looks: list[str] = []
        scene = Scene(
            world.engine._context, world.clock, self.posted.append, Errands(lambda *_: None), {}
        )
        self.watch = MetricWatch(scene, look_at or self.look_at)

    def look_at(self, metric: Metric, scene: Scene) -> Look:
        def look(moment: object) -> float | None:
            self.looks.append(metric.kind)
            return self.value

        return Look(quick=look)

    def sample(self, value: float | None, seconds: float = 10) -> None:
        """Another look, so many seconds later."""
        self.world.clock.advance(seconds)
        self.value = value
        for group in self.watch._groups.values():
            group.due = 0.0
        self.watch._look()

    @property
    def occasions(self) -> list[Occurred]:
        return [one for one in self.posted if isinstance(one, Occurred)]

    @property
    def memories(self) -> list[Remembered]:
        return [one for one in self.posted if isinstance(one, Remembered)]


@pytest.fixture
def w(world: Callable[..., World]) -> World:
    return world()


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not check():
            await asyncio.sleep(0.01)


def acting(play: Callable[[], Any]) -> None:
    asyncio.run(play())


def test_a_metric_is_looked_at_once_for_all_who_ask_as_often(w: World) -> None:
    async def play() -> None:
        stage = Stage(w)
        for name in ("a", "b", "c"):
            stage.watch.sync(name, [watched("threshold: load1 > 4 for 0s cooldown 1h")])
        stage.watch.sync("d", [watched("threshold: load1 > 5 every 30s")])
        stage.sample(1)
        assert stage.looks == ["load1", "load1"]
        stage.sample(4.5)
        assert [(one.job, one.event["value"]) for one in stage.occasions] == [
            *(("a", 4.5), ("b", 4.5), ("c", 4.5)),
        ]
        stage.watch.close()

    acting(play)


def test_an_edge_is_one_occasion_with_its_facts_and_what_is_remembered(w: World) -> None:
    async def play() -> None:
        stage = Stage(w)
        rule = watched("threshold: mem.percent >= 90 for 20s")
        stage.watch.sync("a", [rule])
        for value in (91, 92, 93.12345, 94, 94):
            stage.sample(value)
        (one,) = stage.occasions
        assert (one.job, one.kind, one.trigger) == ("a", "threshold", rule.key)
        assert one.event == {
            "metric": "mem.percent", "op": ">=", "threshold": 90, "value": 93.123,
        }  # fmt: skip
        assert one.state is not None
        assert one.state["phase"] == "firing"
        assert [(m.state["phase"], m.over) for m in stage.memories] == [("pending", None)]
        stage.watch.close()
        again = Stage(w)
        again.watch.sync("a", [watched("threshold: mem.percent >= 90 for 20s", one.state)])
        for value in (95, 95, None, 95):
            again.sample(value)
        assert again.posted == []
        again.sample(10)
        (memory,) = again.memories
        assert memory.state["phase"] == "inactive"
        assert memory.over == {**one.event, "value": 10, "since_ms": one.state["since_ms"]}
        again.watch.close()

    acting(play)


def test_what_is_the_same_goes_on_when_another_trigger_of_the_job_changes(w: World) -> None:
    async def play() -> None:
        stage = Stage(w)
        rule, other = watched("threshold: load1 > 4 for 20s"), watched("threshold: load5 > 4")
        stage.watch.sync("a", [rule, other])
        stage.sample(5)
        stage.sample(5)
        stage.watch.sync("a", [rule, watched("threshold: load5 > 3")])
        stage.sample(5)
        assert [one.trigger for one in stage.occasions] == [rule.key]
        readings = w.engine._context.readings["a"]
        assert readings[rule.key]["phase"] == "firing"
        stage.watch.drop("a")
        assert "a" not in w.engine._context.readings
        stage.watch.drop("a")
        stage.watch.close()

    acting(play)


def test_idle_and_rate_patterns_look_at_metrics_too(w: World) -> None:
    async def play() -> None:
        stage = Stage(w)
        idle = watched("pattern: idle cpu.percent < 5 for 30s")
        rate = watched("pattern: rate load1 50% over 60s windows 2")
        stage.watch.sync("a", [idle, rate])
        w.clock.advance(60 - w.clock.now_ms() / 1000 % 60)
        for value in [4] * 12 + [9] * 7:
            stage.sample(value)
        idles, rates = (
            [one.event for one in stage.occasions if one.trigger == rule.key]
            for rule in (idle, rate)
        )
        assert idles == [
            {"pattern": "idle", "metric": "cpu.percent", "op": "<", "threshold": 5, "value": 4}
        ]
        assert [(one["pattern"], one["metric"]) for one in rates] == [("rate", "load1")]
        assert rates[0]["value"] > rates[0]["mean"]
        assert rates[0]["change"] > 50
        assert {one.kind for one in stage.occasions} == {"pattern"}
        state = stage.occasions[-1].state
        assert state is not None
        assert len(state["means"]) == 2
        stage.watch.close()

    acting(play)


def test_looks_lie_at_the_multiples_of_their_interval(w: World) -> None:
    async def play() -> None:
        stage = Stage(w)
        stage.watch.sync("a", [watched("threshold: load1 > 4"), watched("threshold: load5 > 4")])
        stage.watch.sync("b", [watched("threshold: load1 > 4 every 1h")])
        stage.watch._look()
        dues = [group.due for group in stage.watch._groups.values()]
        assert dues[0] == dues[1]
        assert [due % interval for due, interval in zip(dues, (10, 10, 3600), strict=True)] == [
            0
        ] * 3
        stage.watch.close()

    acting(play)


def test_a_look_that_hangs_holds_up_nobody_else(
    w: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(metric_watch, "PATIENCE", 0.2)
    answers = threading.Event()
    seen: list[str] = []

    def look_at(metric: Metric, scene: Scene) -> Look:
        def look() -> float | None:
            seen.append(metric.subject)
            if metric.subject == "/stuck":
                answers.wait(DEADLINE)
            return 99.0

        return Look(slow=look)

    async def play() -> None:
        stage = Stage(w, look_at)
        paths = ("/a", "/stuck", "/b")
        stage.watch.sync("j", [watched(f"threshold: disk.percent:{p} > 90 for 0s") for p in paths])
        stage.sample(None)
        await until(lambda: not stage.watch._tasks)
        assert [one.event["metric"] for one in stage.occasions] == ["disk.percent:/a"]
        stage.sample(None)
        await until(lambda: len(stage.occasions) == 2)
        assert stage.occasions[1].event["metric"] == "disk.percent:/b"
        assert seen.count("/stuck") == 1
        answers.set()
        stuck = next(group for group in stage.watch._groups.values() if "stuck" in group.metric)
        await until(lambda: not stuck.is_busy)
        stage.sample(None)
        await until(lambda: len(stage.occasions) == 3)
        assert not stuck.is_hanging
        stage.watch.close()

    try:
        acting(play)
    finally:
        answers.set()
    assert "does not answer" in caplog.text


def test_what_cannot_be_measured_is_a_sample_that_is_missing_and_is_said_once(
    w: World, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> float | None:
        raise RuntimeError("no such sensor")

    async def asks() -> float | None:
        raise RuntimeError("no such host")

    looks = {"load1": Look(quick=broken), "load5": Look(slow=broken), "load15": Look(asks=asks)}

    async def play() -> None:
        stage = Stage(w, lambda metric, scene: looks[metric.kind])
        stage.watch.sync("j", [watched(f"threshold: {kind} > 0 for 0s") for kind in looks])
        for _ in range(3):
            stage.sample(None)
            await until(lambda: not stage.watch._tasks)
        assert stage.posted == []
        assert [one["value"] for one in w.engine._context.readings["j"].values()] == [None] * 3
        standing = standings_of(w.engine._context)["j"]
        assert standing == {"state": "inactive", "shown": "no value"}
        stage.watch.close()

    acting(play)
    for kind in looks:
        assert caplog.text.count(f"Cannot measure {kind}:") == 1


def test_a_slow_answer_is_not_asked_for_again_meanwhile(w: World) -> None:
    asked: list[int] = []

    async def play() -> None:
        answer = asyncio.get_running_loop().create_future()

        async def asks() -> float | None:
            asked.append(1)
            found: float = await asyncio.shield(answer)
            return found

        stage = Stage(w, lambda metric, scene: Look(asks=asks))
        stage.watch.sync("j", [watched("threshold: cmd:x > 4 for 0s")])
        for _ in range(3):
            stage.sample(None)
            await asyncio.sleep(0)
        assert len(asked) == 1
        answer.set_result(5.0)
        await until(lambda: stage.occasions)
        stage.watch.close()

    acting(play)


def test_a_threshold_starts_its_job_through_the_engine_and_is_quiet_after_a_crash(
    world: Callable[..., World],
) -> None:
    w = world()
    w.add(triggers=["threshold: load1 > 4 for 0s"])
    (rule,) = w.watchers.watched["job"]

    async def play(w: World, values: list[float], state: dict[str, Any] | None) -> None:
        stage = Stage(w)
        stage.posted = []
        stage.watch._scene = Scene(
            w.engine._context, w.clock, w.engine.post, Errands(lambda *_: None), {}
        )
        stage.watch.sync("job", [Watched(rule.key, rule.trigger, state)])
        for value in values:
            stage.sample(value)
            w.settle()
        shown = w.call("job.show", name="job")["reactions"]
        assert (shown[0]["state"], shown[0]["shown"]) == ("firing", "6")
        stage.watch.close()

    asyncio.run(play(w, [3, 5, 6], rule.state))
    assert w.states() == ["running"]
    about = w.executor.events[w.runs()[0].id]
    assert about is not None
    assert (about.event["event"], about.event["value"]) == ("threshold", 5)
    again = w.crash()
    (rule_again,) = again.watchers.watched["job"]
    assert rule_again.state is not None
    (shown,) = again.call("job.show", name="job")["reactions"]
    assert (shown["state"], shown["value"]) == ("firing", None)
    assert shown["fired_at"] is not None
    asyncio.run(play(again, [7, 6], rule_again.state))
    assert again.states() == ["running"]
    again.close()
