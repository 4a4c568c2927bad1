"""Watching metrics: each is looked at once for all who ask as often, and judged for each of them.

What is judged is ``core.alerts``' and ``core.rates``' thinking, how to look ``metrics``'. Looks of
one interval come together, so that a scheduler with many of them wakes up seldom.
"""

from __future__ import annotations

import asyncio
import logging
import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, Protocol

from pb.core.alerts import (
    Phase,
    alert_dump,
    alert_from,
    is_worth_writing,
    judged,
    rule_of_idle,
)
from pb.core.lean import dataclass
from pb.core.metric_names import parse_metric
from pb.core.rates import interval_of, rate_dump, rate_from, rated
from pb.core.reactive import Pattern, Threshold
from pb.daemon.conditions import aside
from pb.daemon.messages import Occurred, Remembered
from pb.daemon.metrics import Look, look_at
from pb.daemon.watchers import Scene, Watched
from pb.process.gauges import Moment

log = logging.getLogger("triggers")

PATIENCE = 5.0
"""Seconds that slow looks have together; what does not answer then is asked alone from then on."""

Facts = dict[str, Any]


class Rule(Protocol):
    """One trigger that looks at a metric, with what it remembers."""

    def judge(self, value: float | None, now_ms: int) -> Facts | None:
        """With this sample; the facts of an occasion, if it is one."""
        ...

    def state(self) -> Facts:
        """For the store."""
        ...

    def is_worth_writing(self) -> bool: ...

    def phase(self) -> Facts:
        """For people."""
        ...

    def over(self) -> Facts | None:
        """With the sample that was judged last: the facts of what is over, if anything is."""
        ...


class AlertRule:
    """A threshold."""

    def __init__(self, rule: Threshold, state: Mapping[str, Any] | None, facts: Facts) -> None:
        self._rule, self._facts = rule, facts
        self._alert = alert_from(state)
        self._written = self._alert if state is not None else None
        self._over: Facts | None = None

    def judge(self, value: float | None, now_ms: int) -> Facts | None:
        before = self._alert
        self._alert, fires = judged(self._rule, before, value, now_ms)
        facts = {**self._facts, "value": short_number(value)}
        is_over = before.is_told and not self._alert.is_told and "pattern" not in self._facts
        self._over = {**facts, "since_ms": before.since_ms or 0} if is_over else None
        return facts if fires else None

    def state(self) -> Facts:
        self._written = self._alert
        return alert_dump(self._alert)

    def is_worth_writing(self) -> bool:
        return is_worth_writing(self._written, self._alert)

    def phase(self) -> Facts:
        return {"phase": str(self._alert.phase), "since_ms": self._alert.since_ms}

    def over(self) -> Facts | None:
        return self._over


class RateRule:
    """A rate of change."""

    def __init__(self, rule: Pattern, state: Mapping[str, Any] | None) -> None:
        self._rule, self._rate = rule, rate_from(state)
        self._written = self._rate

    def judge(self, value: float | None, now_ms: int) -> Facts | None:
        self._rate, change = rated(self._rule, self._rate, value, now_ms)
        if change is None:
            return None
        return {
            "pattern": "rate",
            "metric": self._rule.metric,
            "value": short_number(change.value),
            "mean": short_number(change.mean),
            "change": change.percent,
        }

    def state(self) -> Facts:
        self._written = self._rate
        return rate_dump(self._rate)

    def is_worth_writing(self) -> bool:
        return self._written.window != self._rate.window

    def phase(self) -> Facts:
        return {"phase": str(Phase.FIRING if self._rate.is_off else Phase.INACTIVE)}

    def over(self) -> Facts | None:
        return None  # it is about a change, which is no state


def rule_of(watched: Watched) -> tuple[str, float, Rule]:
    """A trigger's metric, how often to look at it, and its rule."""
    trigger = watched.trigger
    if isinstance(trigger, Threshold):
        facts = {
            "metric": trigger.metric,
            "op": trigger.op,
            "threshold": short_number(trigger.value),
        }
        return trigger.metric, trigger.interval, AlertRule(trigger, watched.state, facts)
    assert isinstance(trigger, Pattern)
    if trigger.kind == "idle":
        rule = rule_of_idle(trigger)
        facts = {"pattern": "idle", "metric": rule.metric}
        facts |= {"op": "<", "threshold": short_number(rule.value)}
        return rule.metric, rule.interval, AlertRule(rule, watched.state, facts)
    return trigger.metric or "", interval_of(trigger), RateRule(trigger, watched.state)


@dataclass(slots=True)
class Asker:
    """A trigger of a job that looks at a group's metric."""

    job: str
    key: str
    word: str
    rule: Rule


@dataclass(slots=True)
class Group:
    """A metric that is looked at every so many seconds, for all who ask for that."""

    metric: str
    interval: float
    look: Look
    due: float
    askers: list[Asker] = field(default_factory=list)
    is_busy: bool = False
    is_hanging: bool = False
    is_blamed: bool = False


class MetricWatch:
    """All triggers that look at metrics. Methods belong to the event loop's thread."""

    def __init__(self, scene: Scene, look_at: Callable[..., Look] = look_at) -> None:
        self._scene = scene
        self._look_at = look_at
        self._groups: dict[tuple[str, float], Group] = {}
        self._jobs: dict[str, dict[str, Group]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # -- who asks

    def sync(self, name: str, watched: Sequence[Watched]) -> None:
        wanted = {one.key for one in watched}
        known = self._jobs.setdefault(name, {})
        for key in known.keys() - wanted:
            self._forget(name, key)
        for one in watched:
            if one.key not in known:
                known[one.key] = self._join(name, one)
        self._arm()

    def drop(self, name: str) -> None:
        for key in list(self._jobs.get(name, ())):
            self._forget(name, key)
        self._jobs.pop(name, None)
        self._scene.context.readings.pop(name, None)
        self._arm()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        self._groups.clear()
        for name in self._jobs:
            self._scene.context.readings.pop(name, None)
        self._jobs.clear()

    def _join(self, name: str, watched: Watched) -> Group:
        metric, interval, rule = rule_of(watched)
        group = self._groups.get((metric, interval))
        if group is None:
            look = self._look_at(parse_metric(metric), self._scene)
            group = Group(metric, interval, look, due=asyncio.get_running_loop().time())
            self._groups[metric, interval] = group
        group.askers.append(Asker(name, watched.key, watched.trigger.WORD, rule))
        return group

    def _forget(self, name: str, key: str) -> None:
        group = self._jobs[name].pop(key)
        self._scene.context.readings.get(name, {}).pop(key, None)
        group.askers = [one for one in group.askers if (one.job, one.key) != (name, key)]
        if not group.askers:
            del self._groups[group.metric, group.interval]

    # -- when to look

    def _arm(self) -> None:
        """Wake up when the next look is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._groups:
            due = min(group.due for group in self._groups.values())
            self._timer = asyncio.get_running_loop().call_at(due, self._look)

    def _look(self) -> None:
        """Look at all that is due. Looks of one interval lie at its multiples."""
        now = asyncio.get_running_loop().time()
        due = [group for group in self._groups.values() if group.due <= now + 0.001]
        for group in due:
            group.due = (math.floor(now / group.interval + 0.001) + 1) * group.interval
        self._arm()
        moment = Moment()
        for group in due:
            if group.look.quick is not None:
                self._settle(group, self._tried(group, group.look.quick, moment))
        free = [group for group in due if not group.is_busy]
        slow = [group for group in free if group.look.slow is not None]
        together = [group for group in slow if not group.is_hanging]
        for groups in [together, *([group] for group in slow if group.is_hanging)]:
            if groups:
                self._begin(self._look_slowly(groups), groups)
        for group in free:
            if group.look.asks is not None:
                self._begin(self._ask(group), [group])

    def _begin(self, work: Any, groups: list[Group]) -> None:
        for group in groups:
            group.is_busy = True
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- looking

    def _tried(self, group: Group, look: Callable[..., float | None], *words: Any) -> float | None:
        """One look; what goes wrong with it is a sample that is missing."""
        try:
            return look(*words)
        except Exception:
            self._blame(group)
            return None

    def _blame(self, group: Group) -> None:
        """Said once: a metric that cannot be measured cannot be so at every look."""
        if not group.is_blamed:
            log.warning("Cannot measure %s:\n%s", group.metric, traceback.format_exc())
        group.is_blamed = True

    async def _look_slowly(self, groups: list[Group]) -> None:
        """In one thread for all of them. One that hangs is looked at in its own from then on."""
        found: dict[int, float | None] = {}
        stuck: list[Group] = []

        def work() -> None:
            for place, group in enumerate(groups):
                if stuck:
                    return
                assert group.look.slow is not None
                found[place] = self._tried(group, group.look.slow)

        def over() -> None:
            for group in stuck:
                group.is_busy = False

        try:
            await aside(work, PATIENCE, over)
        except TimeoutError:
            stuck = [groups[len(found)]]
        for place, group in enumerate(groups):
            is_stuck = group in stuck
            if is_stuck and not group.is_hanging:
                log.warning("%s does not answer; it is looked at apart", group.metric)
            group.is_hanging, group.is_busy = is_stuck, is_stuck
            if place in found:
                self._settle(group, found[place])

    async def _ask(self, group: Group) -> None:
        assert group.look.asks is not None
        try:
            value = await group.look.asks()
        except Exception:
            self._blame(group)
            value = None
        finally:
            group.is_busy = False
        self._settle(group, value)

    # -- what follows

    def _settle(self, group: Group, value: float | None) -> None:
        """Judge a sample for all who asked, and tell of what comes of it."""
        now_ms = self._scene.clock.now_ms()
        for one in group.askers:
            facts = one.rule.judge(value, now_ms)
            self._show(one, group.metric, value, now_ms)
            if facts is not None:
                state = one.rule.state()
                self._scene.post(
                    Occurred(one.job, one.word, now_ms, facts, trigger=one.key, state=state)
                )
            elif one.rule.is_worth_writing():
                over = one.rule.over()
                self._scene.post(Remembered(one.job, one.key, one.rule.state(), over))

    def _show(self, one: Asker, metric: str, value: float | None, now_ms: int) -> None:
        reading = {"metric": metric, "value": short_number(value), "at_ms": now_ms}
        readings = self._scene.context.readings.setdefault(one.job, {})
        readings[one.key] = {**reading, **one.rule.phase()}


def short_number(value: float | None) -> float | int | None:
    """A number as people and programs like it: whole, or with three decimals."""
    if value is None or not math.isfinite(value):
        return None
    rounded = round(value, 3)
    return int(rounded) if rounded == int(rounded) else rounded
