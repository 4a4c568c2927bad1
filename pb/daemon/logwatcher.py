"""Watching lines of logs for patterns: each log is read on once, through rotation and truncation.

A look a second asks each file whether it has grown, and reads no more of it at a time than the
event loop has patience for. Files that are not ours are read in a thread, since what they lie on
may hang. An expression that takes too long is stopped, loses the line, and is
left alone for a while.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from pb.api.surroundings import from_home
from pb.core.lean import dataclass
from pb.core.reactive import Pattern
from pb.core.service import instance_name
from pb.core.usage_patterns import counted
from pb.daemon.messages import Occurred, Remembered
from pb.daemon.trips import Apart, Trip, in_thread
from pb.daemon.watchers import Scene, Watched
from pb.errors import PbError
from pb.process.logfollow import LogTail, log_end
from pb.process.matching import is_possible, matching

log = logging.getLogger("triggers")

EVERY, AGAIN = 1.0, 0.05
"""Seconds between looks, and until the next while there is more to read."""

SAVE = 30.0
"""Seconds after which it is written how far a log was read in which nothing was found."""

LINE_LIMIT = 8 * 1024
"""Characters of a line that are looked at."""

BATCH = 200
"""Lines that are looked at in one go."""

SECONDS = 0.1
"""Of processor time that they may take."""

HOLD = 60.0
"""Seconds for which an expression is left alone that took longer for one line."""

RUNS = 20
"""The newest runs of a job whose logs are followed."""

MOST_ITEMS, LONGEST_ITEM = 1000, 1024
"""Lines that an occasion tells of, and characters of each."""

PATIENCE = 5.0
"""Seconds for all logs that are read in one thread; one that hangs is read alone from then on."""

Facts = dict[str, Any]
Signs = tuple[int, int, int]


@dataclass(slots=True)
class Followed:
    """One log: how it looked when it was read last, and what of its last piece, which begins at
    ``begun``, was looked at (``handled`` lines) and what not yet (``waiting``). ``skip``: lines
    that an earlier life has looked at."""

    tail: LogTail
    signs: Signs | None = None
    has_more: bool = True
    begun: int = 0
    handled: int = 0
    waiting: int = 0
    skip: int = 0

    def mark(self) -> list[int]:
        """Where to go on after a crash, so that no line is looked at twice."""
        inode = self.signs[0] if self.signs else 0
        if self.waiting:
            return [inode, self.begun, self.handled]
        return [inode, self.tail.offset, self.skip]


@dataclass(slots=True)
class LogRule:
    """One trigger. ``left`` are lines that were read and not looked at yet, with their log.

    ``place`` is a log that is not ours. While it is read for in a thread (``is_away``), nobody
    else touches the rule; ``is_gone``: it is no more wanted when it comes back.
    """

    job: str
    key: str
    rule: Pattern
    regex: re.Pattern[str]
    marks: dict[str, list[int]]
    counting: Facts
    is_new: bool
    place: str | None
    is_away: bool = False
    is_gone: bool = False
    is_hanging: bool = False
    logs: dict[Path, Followed] = field(default_factory=dict)
    left: list[tuple[str, Path]] = field(default_factory=list)
    held_until: float = 0.0
    saved_at: float = 0.0
    is_dirty: bool = False
    is_blamed: bool = False

    def state(self) -> Facts:
        """For the store."""
        self.is_dirty = False
        marks = {str(path): one.mark() for path, one in self.logs.items()}
        return {"marks": marks, **self.counting}


def rule_of(job: str, watched: Watched) -> LogRule:
    assert isinstance(watched.trigger, Pattern)
    state = dict(watched.state or {})
    source = watched.trigger.source or ""
    is_ours = source.partition(":")[0] in ("service", "job")
    return LogRule(
        job,
        watched.key,
        watched.trigger,
        re.compile(watched.trigger.regex or ""),
        marks=state.pop("marks", {}),
        counting=state,
        is_new=watched.state is None,
        place=None if is_ours else from_home(source, os.path.expanduser("~")),
    )


class LogWatcher:
    """All triggers that look at logs. Methods belong to the event loop's thread, but for what
    reads; ``apart`` has that done elsewhere."""

    def __init__(self, scene: Scene, *, apart: Apart = in_thread) -> None:
        self._scene = scene
        self._apart = apart
        self._trips: list[Trip[LogRule]] = []
        self._rules: dict[tuple[str, str], LogRule] = {}
        self._timer: asyncio.TimerHandle | None = None

    # -- who asks

    def sync(self, name: str, watched: Sequence[Watched]) -> None:
        wanted = {one.key: one for one in watched}
        gone = [key for key in self._rules if key[0] == name and key[1] not in wanted]
        for pair in gone:
            self._close(self._rules.pop(pair))
        for key, one in wanted.items():
            if (name, key) not in self._rules:
                self._rules[name, key] = rule_of(name, one)
        if not is_possible() or self._scene.is_guest:
            log.warning("%s: logs are watched by a scheduler of its own process only", name)
            return
        self._look()

    def drop(self, name: str) -> None:
        self.sync(name, ())

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for rule in self._rules.values():
            self._close(rule)
        self._rules.clear()

    def _close(self, rule: LogRule) -> None:
        rule.is_gone = True
        if rule.is_away:
            return  # who is away is closed when it comes back
        for one in rule.logs.values():
            one.tail.close()
        rule.logs.clear()

    # -- looking

    def _look(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        now, has_more = loop.time(), False
        for trip in list(self._trips):
            if now - trip.begun >= PATIENCE:
                self._cut(trip)
        here = [rule for rule in self._rules.values() if not rule.is_away]
        away = [rule for rule in here if rule.place is not None and wants_lines(rule, now)]
        for rule in here:
            if rule not in away:
                has_more = self._follow(rule, now) or has_more
        together = [rule for rule in away if not rule.is_hanging]
        for rules in [together, *([rule] for rule in away if rule.is_hanging)]:
            if rules:
                self._send(rules, now)
        if self._rules:
            self._timer = loop.call_later(AGAIN if has_more else EVERY, self._look)

    def _blame(self, rule: LogRule, why: str) -> None:
        """Said once, until it goes well again."""
        if not rule.is_blamed:
            log.warning("Cannot follow %s for %s: %s", rule.rule.source, rule.job, why)
        rule.is_blamed = True

    # -- reading in a thread

    def _send(self, rules: list[LogRule], now: float) -> None:
        trip = Trip(rules, self._read_all, now)
        self._trips.append(trip)
        for rule in rules:
            rule.is_away = True
        self._apart(trip.go, lambda: self._back(trip))

    def _cut(self, trip: Trip[LogRule]) -> None:
        """One of them hangs: the others go on without it."""
        self._trips.remove(trip)
        at = trip.cut()
        for place, rule in enumerate(trip.stops):
            if place == at:
                rule.is_hanging = True
                self._blame(rule, "it does not answer; it is looked at apart")
            else:
                self._home(rule, trip.errors.get(place))

    def _back(self, trip: Trip[LogRule]) -> None:
        if trip in self._trips:
            self._trips.remove(trip)
            places: Iterable[int] = range(len(trip.stops))
        else:
            places = [at for at in (trip.cut(),) if at >= 0]  # the others did not wait
        more = False
        for place in places:
            more = self._home(trip.stops[place], trip.errors.get(place)) or more
        if more and self._timer is not None:
            self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(AGAIN, self._look)

    def _home(self, rule: LogRule, error: Exception | None) -> bool:
        """A rule is back: look at what was read for it; True when there is more."""
        rule.is_away = False
        if rule.is_gone:
            self._close(rule)
            return False
        if error is not None:
            self._blame(rule, str(error))
        return self._judge(rule, asyncio.get_running_loop().time())

    def _follow(self, rule: LogRule, now: float) -> bool:
        """Read on here and look for the pattern; True when there is more."""
        if wants_lines(rule, now):
            try:
                self._read_all(rule)
            except (OSError, PbError) as error:
                self._blame(rule, str(error))
        return self._judge(rule, now)

    def _judge(self, rule: LogRule, now: float) -> bool:
        """Look for the pattern in what was read; True when there is more."""
        if now < rule.held_until:
            return False
        self._search(rule, now)
        if rule.is_dirty and now - rule.saved_at >= SAVE:
            rule.saved_at = now
            self._scene.post(Remembered(rule.job, rule.key, rule.state()))
        return bool(rule.left) or any(one.has_more for one in rule.logs.values())

    def _read_all(self, rule: LogRule) -> None:
        for path in self._paths(rule):
            self._read(rule, path)
        rule.is_new = False

    def _paths(self, rule: LogRule) -> Iterable[Path]:
        """The logs of its source just now; those that are no more are let go."""
        paths = list(self._sources(rule))
        for path in [path for path in rule.logs if path not in paths]:
            self._read(rule, path)  # what came in before a link was turned, say
            rule.logs.pop(path).tail.close()
            rule.is_dirty = True
        return paths

    def _sources(self, rule: LogRule) -> Iterable[Path]:
        if rule.place is not None:
            yield Path(os.path.realpath(rule.place))
            return
        home, store = self._scene.context.home, self._scene.context.store
        family, _, name = (rule.rule.source or "").partition(":")
        if family == "service":
            for row in store.services.instances(name):
                instance = instance_name(row.service, row.instance)
                yield from (home.log(instance), home.error_log(instance))
        else:
            runs = store.runs(job=name, n=RUNS)
            yield from (Path(run.log_path) for run in runs if run.log_path)

    def _read(self, rule: LogRule, path: Path) -> None:
        """A chunk of what has been written since, if anything was."""
        signs = signs_of(path)
        one = rule.logs.get(path)
        if one is None:
            if signs is None and not rule.is_new:
                return  # read from its beginning, once it is there
            offset, skip = self._begin(rule, path, signs)
            one = rule.logs[path] = Followed(LogTail(path, offset), skip=skip)
            rule.is_dirty = True
        if signs is None or (signs == one.signs and not one.has_more):
            return
        one.begun, one.handled = one.tail.offset, one.skip
        lines = one.tail.read()
        one.signs, one.has_more = signs, lines is not None
        if lines:
            fresh, one.skip = lines[one.skip :], 0
            one.waiting = len(fresh)
            rule.left += [(line[:LINE_LIMIT], path) for line in fresh]
        rule.is_dirty = rule.is_dirty or lines is not None
        rule.is_blamed = False

    def _begin(self, rule: LogRule, path: Path, signs: Signs | None) -> tuple[int, int]:
        """Where to begin to read: where an earlier life has come to, or at the end; a log that has
        appeared since, or was replaced while nobody looked, from its beginning."""
        mark = rule.marks.pop(str(path), None)
        if mark is None:
            return (log_end(path) if rule.is_new else 0), 0
        inode, offset, skip = mark
        is_other = signs is not None and signs[0] != inode
        is_ours = self._scene.context.home.root in path.parents  # counts on through rotation
        if (is_other and not is_ours) or offset > log_end(path):
            return 0, 0
        return offset, skip

    # -- finding

    def _search(self, rule: LogRule, now: float) -> None:
        batch = rule.left[:BATCH]
        if not batch:
            return
        found, done = matching(rule.regex, [line for line, _ in batch], SECONDS)
        if done == 0:
            done = 1
            rule.held_until = now + HOLD
            self._blame(rule, "its expression takes too long; left alone for a minute")
        for _, path in rule.left[:done]:
            if (one := rule.logs.get(path)) is not None:
                one.handled, one.waiting = one.handled + 1, one.waiting - 1
        del rule.left[:done]
        if found:
            self._found(rule, [batch[place] for place in found])

    def _found(self, rule: LogRule, found: list[tuple[str, Path]]) -> None:
        """Count the lines; what completes the pattern in one look is one occasion."""
        now_ms = self._scene.clock.now_ms()
        fires = 0
        for _ in found:
            state, is_enough = counted(rule.rule, rule.counting, now_ms)
            rule.counting, fires = dict(state), fires + is_enough
        if not fires:
            self._scene.post(Remembered(rule.job, rule.key, rule.state()))
            return
        items = [
            {"line": line[:LONGEST_ITEM], "path": rule.place or str(path)} for line, path in found
        ]
        facts: Facts = {"pattern": "log", "source": rule.rule.source, "regex": rule.rule.regex}
        facts |= {"value": max(len(found), rule.rule.count), **items[-1]}
        self._scene.post(
            Occurred(
                rule.job,
                "pattern",
                now_ms,
                facts,
                items=items[-MOST_ITEMS:],
                trigger=rule.key,
                state=rule.state(),
            )
        )


def wants_lines(rule: LogRule, now: float) -> bool:
    """Whether it has looked at all that was read, and is not left alone."""
    return not rule.left and now >= rule.held_until


def signs_of(path: Path) -> Signs | None:
    """What changes when a log is written to, or replaced; None without one."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns
