"""What the engine remembers of a run without an outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any

from pb.api.views import whole_run_view
from pb.core.lean import dataclass
from pb.core.model import NO_CONDITIONS, Conditions, Job, State
from pb.daemon.messages import Exited, Reply
from pb.store.occasions import RunEvent
from pb.store.rows import Run


@dataclass(slots=True)
class Stop:
    """Why a run is being stopped, and as what it will end."""

    outcome: State
    reason: str


@dataclass(slots=True)
class Gate:
    """Conditions that a run has yet to pass: for how many seconds it is looked at again, and until
    when (monotonic), which counts from the first look that found one unmet."""

    wait: float
    until: float | None = None


@dataclass(slots=True)
class Open:
    """A run without an outcome yet.

    ``job`` is the definition that it was started with; ``on_start`` and ``on_end`` are the people
    who wait. ``gate`` None: no condition keeps it, or all of them hold. ``event``: what it is
    for, from its slot to its start.
    """

    row: Run
    priority: int = 50
    queue: str = "default"
    locks: tuple[str, ...] = ()
    job: Job | None = None
    gate: Gate | None = None
    tries: int = 0
    stop: Stop | None = None
    exited: Exited | None = None
    event: RunEvent | None = None
    on_start: list[Reply] = field(default_factory=list)
    on_end: list[Reply] = field(default_factory=list)

    def anew(self, row: Run) -> Open:
        """Another run of the same kind, which nobody waits for yet."""
        return Open(row, priority=self.priority, queue=self.queue, locks=self.locks)


def gate_of(conditions: Conditions, row: Run) -> Gate | None:
    """The gate of an occasion's first attempt; who asks for a run by hand has looked himself."""
    if conditions == NO_CONDITIONS or row.trigger == "manual" or row.attempt > 1:
        return None
    return Gate(conditions.wait)


def ending(row: Run, survivors: Sequence[tuple[int, str]]) -> dict[str, Any]:
    """What those who wait for a run are told at its end."""
    left = [{"pid": pid, "command": name} for pid, name in survivors]
    return {"run": whole_run_view(row), "done": True, "survivors": left}
