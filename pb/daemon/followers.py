"""Jobs that depend on other jobs: as a trigger when those end, as a gate at their own fire times.

What satisfies is ``core.dependencies``'; what has ended is read from the store, so that nothing
of it can be lost in a crash.
"""

from __future__ import annotations

from pb.core.dependencies import Ended, unmet
from pb.core.model import Dependency
from pb.core.scheduling import Fire
from pb.daemon.clock import Clock
from pb.daemon.ledger import Ledger
from pb.daemon.runs import Runs
from pb.daemon.timetable import Entry, Timetable
from pb.store.rows import Run
from pb.store.store import Store


class Followers:
    """Decides for the entries of one timetable."""

    def __init__(self, *, store: Store, clock: Clock, runs: Runs, timetable: Timetable) -> None:
        self._store = store
        self._clock = clock
        self._runs = runs
        self._timetable = timetable

    def why_not(self, entry: Entry) -> str | None:
        """Why a job with fire times of its own may not run now; None when it may."""
        for dependency in entry.depends_on:
            reason = unmet(dependency, self._ended(dependency), self._clock.now_ms())
            if reason is not None:
                return f"dependency: {reason}"
        return None

    def follow(self, ledger: Ledger) -> None:
        """Fire the jobs without triggers that waited for the runs which have just ended."""
        ended, self._runs.ended = self._runs.ended, []
        ended = [row for row in ended if self._timetable.followers(row.job)]
        if ended:
            ledger.write_runs()  # two that end in one step must see each other
        for row in ended:
            for entry in self._timetable.followers(row.job):
                if entry.is_on and not entry.triggers:
                    self._follow(entry, row, ledger)

    def _follow(self, entry: Entry, row: Run, ledger: Ledger) -> None:
        fire = Fire(row.finished_at or self._clock.now_ms(), "job")
        own = next(one for one in entry.depends_on if one.job == row.job)
        reason = unmet(own, self._ended(own), self._clock.now_ms())
        if reason is not None:
            self._runs.refuse(entry, fire, f"dependency: {reason}", ledger)
        elif all(self._is_fresh(one, entry) for one in entry.depends_on):
            self._runs.fire(entry, fire, ledger)

    def _is_fresh(self, dependency: Dependency, entry: Entry) -> bool:
        """Whether it is satisfied by a run that has ended since the job last followed."""
        ended = self._ended(dependency)
        if ended is None or unmet(dependency, ended, self._clock.now_ms()) is not None:
            return False
        return ended.at_ms > self._store.last_follow(entry.name)

    def _ended(self, dependency: Dependency) -> Ended | None:
        found = self._store.last_end(dependency.job)
        return Ended(*found) if found is not None else None
