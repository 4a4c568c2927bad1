"""Queued runs whose jobs have conditions: when to look, and what follows from what was seen.

An unmet condition is a recorded skip with its reason, or with ``wait`` a run that stays queued
and is looked at again. Looking is the executor's, deciding whether one holds ``core.conditions``'.
"""

from __future__ import annotations

from collections.abc import Callable

from pb.core.model import State
from pb.daemon.ledger import Ledger
from pb.daemon.messages import ConditionsSeen, LookAgain, Message
from pb.daemon.open_run import Gate, Open
from pb.daemon.parts import Parts
from pb.daemon.runs import Runs

AGAIN = 30.0
"""Seconds between two looks while a run waits for its conditions."""


class Turnstile:
    """The runs that have yet to pass. ``after`` asks for a message in so many seconds."""

    def __init__(self, parts: Parts, runs: Runs, after: Callable[[float, Message], None]) -> None:
        self._clock = parts.clock
        self._executor = parts.executor
        self._runs = runs
        self._after = after

    def ask(self, ledger: Ledger) -> None:
        """Look at those that have come to their gate, once their claims are committed."""
        gated, self._runs.gated = self._runs.gated, []
        for run in gated:
            if self._is_before(run):
                self._look(run, ledger)

    def again(self, run_id: int, ledger: Ledger) -> None:
        run = self._runs.open.get(run_id)
        if run is not None and self._is_before(run):
            self._look(run, ledger)

    def seen(self, message: ConditionsSeen, ledger: Ledger) -> None:
        """Let the run through, look again later, or skip it."""
        run = self._runs.open.get(message.run_id)
        if run is None or run.gate is None or not self._is_before(run):
            return
        if message.reason is None:
            run.gate = None
            self._runs.line.put(run, message.at_ms)
            return
        left = self._seconds_left(run.gate)
        if left > 0:
            run.row.reason = f"waiting: {message.reason}"
            ledger.save(run.row)
            self._after(min(AGAIN, left), LookAgain(run.row.id))
        else:
            self._runs.finish(run, State.SKIPPED, f"condition: {message.reason}", ledger)

    def _seconds_left(self, gate: Gate) -> float:
        """How long the run may still wait; it is counted from now when this is the first time."""
        now = self._clock.monotonic()
        if gate.until is None:
            gate.until = now + gate.wait
        return gate.until - now

    def _is_before(self, run: Open) -> bool:
        is_open = self._runs.open.get(run.row.id) is run
        return is_open and run.gate is not None and run.row.state is State.QUEUED

    def _look(self, run: Open, ledger: Ledger) -> None:
        try:
            job = self._runs.definitions.get(str(run.row.job))
        except Exception as error:
            reason = f"its definition cannot be used: {error}"
            self._runs.finish(run, State.FAILED, reason, ledger)
            return
        ledger.order(lambda: self._executor.look_around(run.row, job))
