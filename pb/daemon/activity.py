"""Which open runs of a job are under way, and which wait for them: the facts behind overlap.

Runs of other schedulers on the store count too. What becomes of a run is ``runs``'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

from pb.core.lean import dataclass
from pb.daemon.elsewhere import Elsewhere
from pb.daemon.open_run import Open
from pb.store.rows import Run


@dataclass(slots=True)
class Activity:
    """A job's open runs: those that are under way, and those that wait for them."""

    active: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)


class Activities:
    """Activities by job. ``goes_on`` is told of each run that waits no more."""

    def __init__(self, elsewhere: Elsewhere, goes_on: Callable[[Open], None]) -> None:
        self._elsewhere = elsewhere
        self._goes_on = goes_on
        self._by_job: dict[str, Activity] = {}

    def clear(self) -> None:
        self._by_job.clear()

    def active(self, job: str | None) -> list[int]:
        """The numbers of the runs here that are under way."""
        activity = self._by_job.get(job or "")
        return list(activity.active) if activity is not None else []

    def counts(self, job: str) -> tuple[int, int]:
        """How many runs are under way, and how many wait, here and elsewhere.

        Of those elsewhere nobody here knows who waits for whom, but one of them does not.
        """
        activity = self._by_job.get(job) or Activity()
        all_ = len(activity.active) + len(activity.waiting) + len(self._elsewhere.of_job(job))
        active = max(len(activity.active), min(all_, 1))
        return active, all_ - active

    def first(self, job: str) -> int | None:
        """The number of the run that keeps others from starting."""
        numbers = self.active(job) or [run.id for run in self._elsewhere.of_job(job)]
        return numbers[0] if numbers else None

    @property
    def is_waited_in(self) -> bool:
        """Whether any run waits for another one of its job."""
        return any(activity.waiting for activity in self._by_job.values())

    def enter(self, run: Open, *, waits: bool) -> None:
        """Count an open run as under way, or as waiting for those that are."""
        activity = self._by_job.setdefault(run.row.job or "", Activity())
        (activity.waiting if waits else activity.active).append(run.row.id)

    def leave(self, row: Run, open_runs: Mapping[int, Open]) -> None:
        """Take a run out; the first that waited takes its place."""
        job = row.job or ""
        activity = self._by_job[job]
        for ids in (activity.active, activity.waiting):
            if row.id in ids:
                ids.remove(row.id)
        self._promote(activity, open_runs)
        if not activity.active and not activity.waiting:
            del self._by_job[job]

    def go_on(self, open_runs: Mapping[int, Open]) -> None:
        """Runs elsewhere have changed: let go on what waited for them."""
        for activity in self._by_job.values():
            self._promote(activity, open_runs)

    def _promote(self, activity: Activity, open_runs: Mapping[int, Open]) -> None:
        """Let the first that waits go on, unless there is one before it, here or elsewhere."""
        if activity.active or not activity.waiting:
            return
        run = open_runs[activity.waiting[0]]
        if not self._elsewhere.comes_before(run.row):
            activity.active.append(activity.waiting.pop(0))
            self._goes_on(run)
