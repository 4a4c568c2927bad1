"""The open runs of the other schedulers on this store, as this step's transaction sees them.

They count for overlap, queues and locks like our own; only their owners start and stop them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pb.core.model import State
from pb.daemon.messages import Reply
from pb.store.rows import Run
from pb.store.sharing import OpenRun


class Elsewhere:
    """Runs by job. ``waiting``: people here who wait for the end of such a run, by its number."""

    def __init__(self) -> None:
        self._by_job: dict[str, list[OpenRun]] = {}
        self.waiting: dict[int, list[Reply]] = {}

    def see(self, runs: Iterable[OpenRun]) -> None:
        self._by_job = {}
        for run in runs:
            self._by_job.setdefault(run.job, []).append(run)

    def __iter__(self) -> Iterator[OpenRun]:
        return (run for runs in self._by_job.values() for run in runs)

    def of_job(self, name: str | None) -> list[OpenRun]:
        return self._by_job.get(name or "", [])

    def find(self, run_id: int) -> OpenRun | None:
        return next((run for run in self if run.id == run_id), None)

    def comes_before(self, row: Run) -> bool:
        """Whether a run of ours that waits for others of its job has to wait for one of these: for
        one with a process; else attempts that wait for their backoff go first, then the oldest."""
        mine = (row.attempt == 1, row.id)
        return any(
            run.state is not State.QUEUED or (run.attempt == 1, run.id) < mine
            for run in self.of_job(row.job)
        )

    def wait(self, run_id: int, reply: Reply) -> None:
        """Answer once the run has ended, as ``run.wait`` does."""
        self.waiting.setdefault(run_id, []).append(reply)
