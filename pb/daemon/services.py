"""Services in the engine: the supervisor with its recovery and its commands, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pb.daemon.ledger import Ledger
from pb.daemon.messages import Command, Message, PatienceOver
from pb.daemon.parts import Parts
from pb.daemon.service_commands import ServiceCommands
from pb.daemon.service_recovery import Found, ServiceRecovery
from pb.daemon.supervisor import Supervisor
from pb.errors import ConflictError, NeedsDaemonError, PbError

Body = Callable[[Command, Ledger], None]


class Services:
    """All that the engine has to do with services.

    Of several schedulers that share a store, one at a time keeps the services (``sharing`` says
    who): for the others there are none. ``keeper`` is its home, None while it is this one.
    """

    def __init__(self, parts: Parts, after: Callable[[float, Message], None]) -> None:
        self.keeper: str | None = None
        self._has_recovered = False
        self._store = parts.context.store
        self._hands = parts.hands
        self.supervisor = Supervisor(
            store=self._store, clock=parts.clock, hands=parts.hands, after=after
        )
        self._recovery = ServiceRecovery(
            supervisor=self.supervisor,
            store=self._store,
            clock=parts.clock,
            hands=parts.hands,
            boot_id=parts.boot_id,
            collected=parts.executor.collected,
            after=after,
        )
        self._commands = ServiceCommands(
            supervisor=self.supervisor, context=parts.context, hands=parts.hands, after=after
        )
        self.handle = self.supervisor.handle
        self.settle = self.supervisor.settle

    def bodies(self) -> dict[str, Callable[[Command, Ledger], None]]:
        bodies = self._commands.bodies()
        return {name: self._for_the_keeper(body) for name, body in bodies.items()}

    def _for_the_keeper(self, body: Body) -> Body:
        def carry_out(command: Command, ledger: Ledger) -> None:
            if self.keeper is not None:
                raise ConflictError(
                    f"The scheduler of {self.keeper} keeps the services of this database",
                    hint=f"Ask it: PB_HOME={self.keeper} pb service …",
                )
            body(command, ledger)

        return carry_out

    def recover(self, ledger: Ledger) -> Found:
        """Adopt what an earlier scheduler has left, and bring up what is wanted."""
        if self.keeper is not None:
            return Found()
        self._has_recovered = True
        return self._recovery.recover(ledger)

    def refresh(self, names: Sequence[str], ledger: Ledger) -> None:
        """Read some services again: they were added, changed, scaled or removed.

        Before the recovery nothing is done: it will read them, and start none a second time.
        """
        if self.keeper is not None or not self._has_recovered:
            return
        for name in names:
            self._recovery.refresh(name, ledger)
        ledger.refreshed += names
        if names:
            self.settle(ledger)

    def reread(self, ledger: Ledger) -> None:
        """Read all of them again: somebody else has written to the store."""
        if self.keeper is not None:
            return
        known = {unit.row.name: unit.row for unit in self.supervisor.units}
        stored = {row.name: row for row in self._store.services.rows()}
        names = sorted(known.keys() | stored.keys())
        self.refresh([name for name in names if known.get(name) != stored.get(name)], ledger)

    def give_up(self, message: PatienceOver, ledger: Ledger) -> None:
        self.supervisor.waits.give_up(message.number)
        self.settle(ledger)

    def clear(self, error: PbError) -> None:
        """Forget everything, to be read from the store again. Processes are not touched."""
        self.supervisor.clear(error)

    def hand_over(self, error: PbError) -> None:
        """Forget everything, because another scheduler keeps them by now."""
        for unit in self.supervisor.units:
            for instance in unit.members():
                self._hands.end(instance.key)
        self.clear(error)

    def close(self) -> None:
        """Start nothing any more; what runs goes on, and is the next scheduler's."""
        self.supervisor.is_closing = True

    def dismiss(self) -> None:
        """The scheduler ends: whoever still waits for something hears that."""
        text = "The scheduler has stopped; what was asked for is remembered"
        hint = "Its next start goes on with it: pb scheduler start"
        self.supervisor.waits.clear(NeedsDaemonError(text, hint=hint))
