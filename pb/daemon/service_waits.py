"""Who waits for services, and in which order services go down.

Both are looked at once in each step of the engine, after everything that happened in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from pb.api.views import Json
from pb.core.lean import dataclass
from pb.core.supervision import ENDING, Event
from pb.daemon.ledger import Ledger
from pb.daemon.messages import Reply
from pb.daemon.units import Instance
from pb.errors import PbError

if TYPE_CHECKING:
    from pb.daemon.supervisor import Supervisor

Judge = Callable[[Instance], Json | None]
"""What to answer about an instance; None while that is not known yet."""


@dataclass(slots=True)
class Waiter:
    """Somebody who wants to know how some instances fare; answered when all are decided."""

    reply: Reply
    judge: Judge
    late: Judge
    pending: dict[str, Instance]
    order: tuple[str, ...]
    found: dict[str, Json] = field(default_factory=dict)

    def look(self) -> bool:
        """Ask the judge about whoever is undecided; whether all are decided."""
        for name, instance in list(self.pending.items()):
            answer = self.judge(instance)
            if answer is not None:
                self.found[name] = answer
                del self.pending[name]
        return not self.pending

    def give_up(self) -> None:
        """Its patience is over: what is undecided is answered as it is."""
        for name, instance in self.pending.items():
            self.found[name] = self.late(instance) or {}
        self.pending.clear()

    def answer(self) -> Json:
        return {"services": [self.found[name] for name in self.order]}


@dataclass(slots=True)
class Descent:
    """Layers of instances that get an event one layer after the other, each when the one before
    is not being stopped any more."""

    layers: list[list[Instance]]
    event: Event
    reason: str | None
    current: list[Instance] = field(default_factory=list)

    def is_due(self, service: str) -> bool:
        return any(one.row.service == service for layer in self.layers for one in layer)


class Waits:
    """The waiters and the descents of one supervisor."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._waiters: dict[int, Waiter] = {}
        self._descents: list[Descent] = []
        self._number = 0

    def is_due(self, service: str) -> bool:
        """Whether a service still waits for its turn to go down."""
        return any(one.is_due(service) for one in self._descents)

    def descend(
        self,
        layers: Sequence[Sequence[Instance]],
        event: Event,
        ledger: Ledger,
        reason: str | None = None,
    ) -> None:
        """Take the first layer down now, the others in turn."""
        descent = Descent([list(layer) for layer in layers], event, reason)
        self._descents.append(descent)
        self._advance(descent, ledger)

    def _advance(self, descent: Descent, ledger: Ledger) -> None:
        while descent.layers and not any(one.phase in ENDING for one in descent.current):
            descent.current = descent.layers.pop(0)
            for instance in descent.current:
                if self._supervisor.units.instance(instance.key) is instance:  # or it was removed
                    self._supervisor.happen(instance, descent.event, ledger, descent.reason)
        if not descent.layers:
            self._descents.remove(descent)

    def wait(self, waiter: Waiter) -> int:
        """Answer when all are decided; the number is for ``give_up``."""
        self._number += 1
        self._waiters[self._number] = waiter
        return self._number

    def give_up(self, number: int) -> None:
        """Its time is over: with the next ``settle`` it is answered as things are."""
        waiter = self._waiters.get(number)
        if waiter is not None:
            waiter.give_up()

    def settle(self, ledger: Ledger) -> None:
        """Go on where the present layer is down, and answer whose question is decided."""
        for descent in list(self._descents):
            self._advance(descent, ledger)
        for number, waiter in list(self._waiters.items()):
            if waiter.look():
                del self._waiters[number]
                ledger.answer(waiter.reply, waiter.answer)

    def clear(self, error: PbError) -> None:
        """Everything is read anew: whoever waits is told why there is no answer."""
        for waiter in self._waiters.values():
            waiter.reply(error)
        self._waiters.clear()
        self._descents.clear()
