"""What has happened to files between two looks, and what of it has come to rest. Pure.

Looking, and being woken up, is ``process.filewatch``'s; when to look is the daemon's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from pb.core.lean import dataclass


class Mark(NamedTuple):
    """What tells a file from what it was. ``changed_ns`` is the time of the last change of
    anything of it (st_ctime), which no program can set, in ns since the epoch."""

    inode: int
    modified_ns: int
    size: int
    changed_ns: int

    @property
    def content(self) -> tuple[int, int, int]:
        """What matters: new rights are no change."""
        return self.inode, self.modified_ns, self.size


Seen = Mapping[str, Mark]
"""The files there were at one look, by path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happened to one file: ``create``, ``write``, ``delete``, or ``move`` (from ``source``).

    ``mark`` is what it is now; None when it is gone.
    """

    event: str
    path: str
    mark: Mark | None = None
    source: str | None = None

    def item(self) -> dict[str, object]:
        """As a run is told of it."""
        told: dict[str, object] = {"event": self.event, "path": self.path}
        if self.source is not None:
            told["from"] = self.source
        if self.mark is not None:
            told["size"] = self.mark.size
        return told


def changes(before: Seen, now: Seen) -> list[Change]:
    """Everything that is different, by path. A file that was renamed is known by its inode."""
    gone = {mark.inode: path for path, mark in before.items() if path not in now}
    found = []
    for path, mark in now.items():
        known = before.get(path)
        if known is not None:
            if known.content != mark.content:
                found.append(Change(event="write", path=path, mark=mark))
        elif mark.inode in gone:
            source = gone.pop(mark.inode)
            found.append(Change(event="move", path=path, mark=mark, source=source))
        else:
            found.append(Change(event="create", path=path, mark=mark))
    found += [Change(event="delete", path=path) for path in gone.values()]
    return sorted(found, key=lambda change: change.path)


def wanted(change: Change, events: Collection[str]) -> Change | None:
    """The change as somebody sees it who asks for ``events`` only; None: it is none of his.

    A new file that holds something was also written to. A move is the end of one file and the
    beginning of another.
    """
    if change.event in events:
        return change
    if change.event == "create" and "write" in events and change.mark and change.mark.size:
        return Change(event="write", path=change.path, mark=change.mark)
    if change.event == "move" and "create" in events:
        return Change(event="create", path=change.path, mark=change.mark)
    if change.event == "move" and "delete" in events and change.source is not None:
        return Change(event="delete", path=change.source)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What counts as rest: nothing has changed for ``settle_ns``, or for ``longest_ns`` where
    somebody may still have it open. ``last`` is the look before, if it was that long ago."""

    now_ns: int
    settle_ns: int
    longest_ns: int
    unclosed: Collection[str]
    last: Seen | None = None

    def wait_ns(self, change: Change) -> int:
        """How much longer to wait for one change; 0: it rests."""
        mark = change.mark
        if mark is None:
            return 0
        age = self.now_ns - mark.changed_ns
        if age < 0 or change.path not in self.unclosed:
            known = self.last.get(change.path) if self.last is not None else None
            if known is not None and known.content == mark.content:
                return 0  # the clock of whoever keeps the file may be another
            return 0 if age >= self.settle_ns else self.settle_ns - max(0, age)
        return max(0, self.longest_ns - age)


def after(known: Seen, told: Collection[Change]) -> dict[str, Mark]:
    """What is known once these changes were told."""
    left = dict(known)
    for change in told:
        left.pop(change.source or change.path, None)
        if change.mark is not None:
            left[change.path] = change.mark
    return left


def seen_until(now_ns: int, waiting: Collection[Change]) -> int:
    """The time up to which everything that has changed was told, ns since the epoch."""
    times = (change.mark.changed_ns - 1 for change in waiting if change.mark is not None)
    return min([now_ns, *times])


def known_since(now: Seen, until_ns: int) -> dict[str, Mark]:
    """What was known at ``until_ns`` of the files that are there now."""
    return {path: mark for path, mark in now.items() if mark.changed_ns <= until_ns}
