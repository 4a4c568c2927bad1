"""Starting is recovery: what an earlier scheduler left is adopted, closed, or said to be lost.

So is taking over the runs of another scheduler on the same store that is gone.

At most once is the default: a run whose process may or may not have existed is ``lost``, never
started again by guessing.
"""

from __future__ import annotations

import json

from pb.api.lives import identity_of, set_identity
from pb.core.definition import job_from
from pb.core.lean import dataclass
from pb.core.model import Job, State
from pb.daemon.ledger import Ledger
from pb.daemon.messages import Exited
from pb.daemon.parts import Parts
from pb.daemon.presence import Presence
from pb.daemon.runs import Runs
from pb.errors import PbError
from pb.process.identity import is_alive
from pb.store.rows import Run

LOOK_SECONDS = 60.0


@dataclass(slots=True)
class Tally:
    adopted: int = 0
    closed: int = 0
    lost: int = 0
    queued: int = 0

    def __str__(self) -> str:
        return (
            f"adopted {self.adopted}, closed {self.closed}, lost {self.lost}, "
            f"queued again {self.queued}"
        )


class Recovery:
    """Reads the open runs of the store into the engine. Nothing is guessed."""

    def __init__(self, parts: Parts, runs: Runs, presence: Presence) -> None:
        self._store = parts.context.store
        self._clock = parts.clock
        self._executor = parts.executor
        self._runs = runs
        self._presence = presence
        self._look_at = 0.0

    def recover(self, ledger: Ledger) -> Tally:
        """Take over every open run that has no living owner."""
        tally = Tally()
        rows = [row for row in self._store.open_runs() if self._is_left(row)]
        # Those with a process first: what is queued may have to wait for them.
        for row in sorted(rows, key=lambda row: row.state is State.QUEUED):
            if row.trigger == "cli":
                self._foreground(row, ledger, tally)
            elif row.state is State.QUEUED:
                self._runs.readmit(row, self._job(row), ledger)
                tally.queued += 1
            else:
                self._started(row, ledger, tally)
        if tally != Tally():
            ledger.tell("scheduler.recovered", f"Recovered: {tally}", at_ms=self._clock.now_ms())
        return tally

    def _is_left(self, row: Run) -> bool:
        return row.id not in self._runs.open and row.owner not in self._presence.others

    def look_at_foreground(self, ledger: Ledger) -> None:
        """Close the runs of `pb run`s that were killed; at most once a minute."""
        now = self._clock.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        for row in self._store.open_foreground():
            self._foreground(row, ledger, Tally())

    def _started(self, row: Run, ledger: Ledger, tally: Tally) -> None:
        """A run that has, or may have, a process."""
        identity = self._executor.is_watching(row.id) or identity_of(row)
        if identity is None:
            identity = self._executor.search(row)
        if identity is None:
            self._close(row, None, ledger, tally, "the scheduler died while it was being started")
            return
        if row.state is State.STARTING:
            row.state, row.started_at = State.RUNNING, row.started_at or self._clock.now_ms()
        set_identity(row, identity)
        if self._executor.is_watching(row.id) or self._executor.adopt(row, identity):
            self._runs.readmit(row, self._job(row), ledger)
            tally.adopted += 1
            ledger.tell(
                "run.adopted",
                f"Run {row.id} of {row.job} outlived the scheduler (PID {identity.pid})",
                at_ms=self._clock.now_ms(),
                job=row.job,
                run_id=row.id,
            )
            return
        status = self._executor.collected().pop((identity.pid, identity.start_ticks), None)
        self._close(row, status, ledger, tally, "it ended while no scheduler was watching")

    def _close(
        self, row: Run, status: int | None, ledger: Ledger, tally: Tally, reason: str
    ) -> None:
        row.state = State.RUNNING
        run = self._runs.readmit(row, self._job(row), ledger)
        if status is None:
            tally.lost += 1
            self._runs.finish(run, State.LOST, reason, ledger)
        else:
            tally.closed += 1
            self._runs.exited(Exited(row.id, status, self._clock.now_ms()), ledger)

    def _foreground(self, row: Run, ledger: Ledger, tally: Tally) -> None:
        """A `pb run`: its outcome is that process' to tell, unless it is gone."""
        identity = identity_of(row)
        if identity is not None and is_alive(identity):
            return
        row.state, row.finished_at = State.LOST, self._clock.now_ms()
        row.reason = "`pb run` ended without telling how"
        ledger.finish(row)
        tally.lost += 1

    def _job(self, row: Run) -> Job | None:
        text = self._store.definition(row.job) if row.job else None
        if text is None:
            return None
        try:
            return job_from(json.loads(text))
        except PbError:
            return None
