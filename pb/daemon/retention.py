"""Keeping each job's past within its limits, a little at a time and beside the engine's work.

Looking for what may go, and removing logs, happens in the thread that rotates logs; rows are
deleted by the engine, so few in one step that nobody notices. Logs go first: a crash in between
leaves rows that the next look finds again, never logs that nobody knows of.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pb.api.letting_go import Names, drop_log, rule_from, search
from pb.config.settings import RetentionSettings
from pb.daemon.ledger import Ledger
from pb.daemon.messages import LetGo, Message
from pb.errors import PbError
from pb.store.retention import Rule
from pb.store.store import Store

if TYPE_CHECKING:
    from pb.daemon.parts import Parts

log = logging.getLogger("retention")

LOOK_MS = 3_600_000
"""Between two looks at all jobs of one store, whoever takes them."""

LOOKED_AT = "retention_at"
"""The store's own fact: when all jobs were last looked at, epoch milliseconds."""

SLICE = 50
"""Rows deleted in one step: a millisecond or two."""

OVER = 10
"""A job is looked at after a tenth of what it keeps."""

Background = Callable[[Callable[[], Message]], None]
"""Does the work in another thread, and posts what it answers."""


class Past:
    """What the engine knows of the past: how many records came since each job was looked at.

    ``counts``: what is let go is added to the rollups, unless it was before.
    """

    def __init__(self, parts: Parts, post: Callable[[Message], None]) -> None:
        settings = parts.context.settings
        self._store = parts.context.store
        self._counts = settings.maintenance.rollups
        self._default = rule_from(settings.retention)
        self._now_ms = parts.clock.now_ms
        self._post = post
        self._in_background = parts.in_background
        self._since: dict[str | None, int] = {}
        self._keeps: dict[str | None, int] = {}
        self._crowded: set[str | None] = set()
        self._next_ms = 0
        self._has_changed = False
        self._is_looking = False

    def keep(self, settings: RetentionSettings, *, counts: bool) -> None:
        """Have another rule from now on; all jobs are looked at once more if it is another."""
        self._counts = counts
        rule = Rule(settings.keep_runs, settings.keep_days)
        if rule != self._default:
            self._default = rule
            self._next_ms, self._has_changed = 0, True

    def ended(self, jobs: Iterable[str | None]) -> None:
        """Records of these jobs were written: is any due for a look?"""
        for job in jobs:
            count = self._since.get(job, 0) + 1
            keeps = self._keeps.get(job, self._default.keep_runs)
            if count * OVER >= keeps:
                self._crowded.add(job)
                count = 0
            self._since[job] = count

    def mind(self, ledger: Ledger) -> None:
        """Start a look when there is a reason and none is under way."""
        if self._is_looking:
            return
        now = self._now_ms()
        if not 0 < self._next_ms - now <= LOOK_MS:
            self._look_at_all(now, ledger)
        elif self._crowded:
            names = tuple(self._crowded)
            self._crowded.clear()
            self._look(names, ledger)

    def _look_at_all(self, now: int, ledger: Ledger) -> None:
        """Unless another scheduler on this store has done so within the hour."""
        last = int(self._store.meta(LOOKED_AT) or 0)
        if 0 <= now - last < LOOK_MS and not self._has_changed:
            self._next_ms = last + LOOK_MS
            return
        self._store.set_meta(LOOKED_AT, str(now))
        self._next_ms, self._has_changed = now + LOOK_MS, False
        self._since.clear()
        self._look(None, ledger)

    def _look(self, names: Names | None, ledger: Ledger) -> None:
        self._is_looking = True
        path, default, now = self._store.path, self._default, self._now_ms()
        ledger.order(lambda: self._in_background(lambda: look(path, names, default, now)))

    def let_go(self, message: LetGo, ledger: Ledger) -> None:
        """Delete a few of the rows that were found; the rest has its turn in the next step."""
        self._keeps.update(message.keeps)
        from pb.store import rollups  # not before something goes

        rollups.let_go(self._store, message.ids[:SLICE], counts=self._counts)
        rest = LetGo(message.ids[SLICE:], message.left)
        if rest.ids:
            ledger.order(lambda: self._post(rest))
        elif message.left:
            self._look(message.left, ledger)
        else:
            self._is_looking = False


def look(path: Path, names: Names | None, default: Rule, now_ms: int) -> LetGo:
    """Find runs that may go, of these jobs or of all, and remove their logs."""
    try:
        with Store(path, readonly=True) as store:
            found = search(store.select, names, default, now_ms)
    except PbError as error:
        log.warning("Cannot look for runs to let go: %s", error.message)
        return LetGo((), ())
    rows, left, keeps = found
    for row in rows:
        drop_log(row)
    return LetGo(tuple(row.id for row in rows), left, keeps)
