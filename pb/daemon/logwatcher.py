"""Watching lines of logs for patterns: each log is read on once, through rotation and truncation.

A look a second asks each file whether it has grown, and reads no more of it at a time than the
event loop has patience for. An expression that takes too long is stopped, loses the line, and is
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
    """One trigger. ``left`` are lines that were read and not looked at yet, with their log."""

    job: str
    key: str
    rule: Pattern
    regex: re.Pattern[str]
    marks: dict[str, list[int]]
    counting: Facts
    is_new: bool
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
    return LogRule(
        job,
        watched.key,
        watched.trigger,
        re.compile(watched.trigger.regex or ""),
        marks=state.pop("marks", {}),
        counting=state,
        is_new=watched.state is None,
    )


class LogWatcher:
    """All triggers that look at logs. Methods belong to the event loop's thread."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
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
        for one in rule.logs.values():
            one.tail.close()
        rule.logs.clear()

    # -- looking

    def _look(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        has_more = False
        for rule in list(self._rules.values()):
            try:
                has_more = self._follow(rule) or has_more
            except (OSError, PbError) as error:
                self._blame(rule, str(error))
        if self._rules:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(AGAIN if has_more else EVERY, self._look)

    def _blame(self, rule: LogRule, why: str) -> None:
        """Said once, until it goes well again."""
        if not rule.is_blamed:
            log.warning("Cannot follow %s for %s: %s", rule.rule.source, rule.job, why)
        rule.is_blamed = True

    def _follow(self, rule: LogRule) -> bool:
        """Read on and look for the pattern; True when there is more."""
        now = asyncio.get_running_loop().time()
        if now < rule.held_until:
            return False
        if not rule.left:
            for path in self._paths(rule):
                self._read(rule, path)
            rule.is_new = False
        self._search(rule, now)
        if rule.is_dirty and now - rule.saved_at >= SAVE:
            rule.saved_at = now
            self._scene.post(Remembered(rule.job, rule.key, rule.state()))
        return bool(rule.left) or any(one.has_more for one in rule.logs.values())

    def _paths(self, rule: LogRule) -> Iterable[Path]:
        """The logs of its source just now; those that are no more are let go."""
        paths = list(self._sources(rule.rule.source or ""))
        for path in [path for path in rule.logs if path not in paths]:
            rule.logs.pop(path).tail.close()
            rule.is_dirty = True
        return paths

    def _sources(self, source: str) -> Iterable[Path]:
        home, store = self._scene.context.home, self._scene.context.store
        family, _, name = source.partition(":")
        if family == "service":
            for row in store.services.instances(name):
                instance = instance_name(row.service, row.instance)
                yield from (home.log(instance), home.error_log(instance))
        elif family == "job":
            runs = store.runs(job=name, n=RUNS)
            yield from (Path(run.log_path) for run in runs if run.log_path)
        else:
            yield Path(from_home(source, os.path.expanduser("~")))

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
        items = [{"line": line[:LONGEST_ITEM], "path": str(path)} for line, path in found]
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


def signs_of(path: Path) -> Signs | None:
    """What changes when a log is written to, or replaced; None without one."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns
