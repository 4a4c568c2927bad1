"""Services of an earlier scheduler: who lives is adopted, who is gone is judged, none is doubled.

Also reading definitions and wishes from the store, at the start and whenever they change.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from pb.api.lives import identity_of, set_identity
from pb.core.lean import dataclass
from pb.core.service import Desired, Service
from pb.core.supervision import ENDING, UP, End, Event, Phase
from pb.daemon.clock import Clock
from pb.daemon.ledger import Ledger
from pb.daemon.messages import DelayOver, Message
from pb.daemon.outcomes import wait_status
from pb.daemon.service_hands import Hands
from pb.daemon.supervisor import SHORTAGE_SECONDS, Supervisor
from pb.daemon.units import Instance, Unit, definition_of
from pb.errors import PbError
from pb.process.identity import Identity
from pb.store.services import InstanceRow, ServiceRow
from pb.store.store import Store

log = logging.getLogger("services")

HAD_PROCESS = UP | ENDING | {Phase.LAUNCHING, Phase.ORPHANED}
"""Phases in which there is, or may be, a process to be found again."""


@dataclass(slots=True)
class Found:
    """What became of the services of an earlier scheduler."""

    adopted: int = 0
    ended: int = 0

    def __str__(self) -> str:
        return f"{self.adopted} services adopted, {self.ended} ended meanwhile"


class ServiceRecovery:
    """Fills a supervisor from the store. ``collected`` are exit statuses that were kept for us."""

    def __init__(
        self,
        *,
        supervisor: Supervisor,
        store: Store,
        clock: Clock,
        hands: Hands,
        boot_id: str,
        collected: Callable[[], dict[tuple[int, int], int]],
        after: Callable[[float, Message], None],
    ) -> None:
        self._supervisor = supervisor
        self._units = supervisor.units
        self._store = store
        self._clock = clock
        self._hands = hands
        self._boot_id = boot_id
        self._collected = collected
        self._after = after
        self._unusable: dict[str, str] = {}
        """Definitions that were found to be so; each is told of once."""

    # -- at the start

    def recover(self, ledger: Ledger) -> Found:
        """Read all services, find their processes, and bring up what is wanted."""
        found = Found()
        rows: dict[str, list[InstanceRow]] = {}
        for row in self._store.services.instances():
            rows.setdefault(row.service, []).append(row)
        for service in list(self._store.services.rows()):
            unit = self._put(service, ledger)
            if unit is not None:
                self._enter(unit, rows.get(service.name, []))
        for unit in list(self._units):
            self._recover_unit(unit, found, ledger)
        self._supervisor.settle(ledger)
        return found

    def _put(self, row: ServiceRow, ledger: Ledger) -> Unit | None:
        try:
            service = definition_of(row.definition)
        except PbError as error:
            if row.removing:
                return self._put_as(row, Service(name=row.name, command=()))  # only to be stopped
            if self._unusable.get(row.name) != row.definition:
                self._unusable[row.name] = row.definition
                text = f"Service {row.name} cannot be used: {error.message}"
                ledger.tell("service.invalid", text, at_ms=self._clock.now_ms(), service=row.name)
            return None
        self._unusable.pop(row.name, None)
        return self._put_as(row, service)

    def _put_as(self, row: ServiceRow, service: Service) -> Unit:
        unit = self._units.get(row.name)
        instances = unit.instances if unit is not None else {}
        fresh = Unit(row=row, service=service, instances=instances)
        self._units.put(fresh)
        return fresh

    def _enter(self, unit: Unit, rows: list[InstanceRow]) -> None:
        for row in rows:
            service = unit.service
            if row.definition is not None and row.phase in HAD_PROCESS:
                try:
                    service = definition_of(row.definition)
                except PbError as error:
                    log.warning("%s: what it was started with: %s", row.service, error.message)
            unit.instances[row.instance] = Instance(row, service)

    def _recover_unit(self, unit: Unit, found: Found, ledger: Ledger) -> None:
        is_new_boot = unit.row.boot_id is not None and unit.row.boot_id != self._boot_id
        if is_new_boot and not unit.row.enabled:
            self._supervisor.want(unit.row.name, Desired.STOPPED)
        if unit.row.boot_id != self._boot_id:
            self._store.services.set_boot(unit.row.name, self._boot_id)
        for instance in unit.members():
            self._recover_one(instance, is_new_boot, found, ledger)
            ledger.save_instance(instance.row)
        self.fit(unit, ledger)
        if unit.is_wanted:
            for instance in unit.members():
                if instance.phase is Phase.STOPPED and not instance.is_surplus:
                    self._supervisor.happen(instance, Event.START, ledger)

    def _recover_one(
        self, instance: Instance, is_new_boot: bool, found: Found, ledger: Ledger
    ) -> None:
        phase = instance.phase
        if is_new_boot and phase in HAD_PROCESS | {Phase.FAILED, Phase.EXITED, Phase.BACKOFF}:
            self._rebooted(instance, phase)
        elif phase in HAD_PROCESS:
            self._find(instance, found, ledger)
        elif phase is Phase.PREPARING and not is_new_boot:
            self._end_hook(instance, ledger)
        elif phase in (Phase.WAITING, Phase.PREPARING):
            instance.row.phase = Phase.STOPPED
        elif phase is Phase.BACKOFF:
            left = ((instance.row.next_start_at or 0) - self._clock.now_ms()) / 1000
            # No longer than it may be, wherever the clock was set in between.
            most = max(instance.service.restart.max_delay, SHORTAGE_SECONDS)
            seconds, key = min(max(0.0, left), most), instance.key
            ledger.order(lambda: self._after(seconds, DelayOver(key)))

    def _end_hook(self, instance: Instance, ledger: Ledger) -> None:
        """Its pre_start may still run, and nobody waits for it: end it, then begin anew."""
        instance.row.phase = Phase.RESTARTING
        self._supervisor.stop_tree(instance, ledger)
        if not self._supervisor.is_wanted(instance):
            self._supervisor.happen(instance, Event.STOP, ledger)

    def _rebooted(self, instance: Instance, phase: Phase) -> None:
        """The machine was started anew: nothing of it lives, and it gets a fresh start."""
        row = instance.row
        if phase in HAD_PROCESS:
            row.exit_code = row.exit_signal = None
            row.exit_reason, row.exit_at = "the machine was restarted", self._clock.now_ms()
        row.phase, row.lives, row.restarts = Phase.STOPPED, (), 0
        set_identity(row, None)

    def _find(self, instance: Instance, found: Found, ledger: Ledger) -> None:
        """Adopt the process if it lives; else its tree's rest is stopped, and the end judged."""
        key, phase = instance.key, instance.phase
        known = self._hands.is_watching(key)
        identity = known or identity_of(instance.row) or self._hands.search(key)
        is_alive = identity is not None and (
            known is not None or self._hands.adopt(key, instance.service, identity)
        )
        if identity is not None and is_alive:
            found.adopted += 1
            set_identity(instance.row, identity)
            if known is None:
                text = f"Service {instance.name} outlived the scheduler (PID {identity.pid})"
                self._supervisor.tell("service.adopted", text, instance, ledger)
            self._adopted(instance, ledger)
            return
        if identity is None and phase is Phase.LAUNCHING:
            instance.row.phase = Phase.STOPPED  # the claim was written, and nothing started
            return
        found.ended += 1
        instance.end = self._end_of(instance, identity)
        if phase in ENDING or phase is Phase.ORPHANED:
            self._supervisor.stop_tree(instance, ledger)
            return
        instance.row.phase = Phase.RUNNING
        self._supervisor.happen(
            instance, Event.LEFT, ledger, "it ended while no scheduler was watching"
        )

    def _adopted(self, instance: Instance, ledger: Ledger) -> None:
        row = instance.row
        if instance.phase in ENDING:
            self._supervisor.stop_tree(instance, ledger)
            return
        if instance.phase is not Phase.ORPHANED:
            # Not by way of the table: it never stopped being up, so nobody is told so again.
            row.phase = Phase.RUNNING if row.ready_at is not None else Phase.SETTLING
        row.started_at = row.started_at or self._clock.now_ms()
        ledger.save_instance(row)
        self._supervisor.attend(instance, ledger)
        unit = self._units.get(row.service)
        if unit is not None and not unit.is_wanted:
            self._supervisor.happen(instance, Event.STOP, ledger)

    def _end_of(self, instance: Instance, identity: Identity | None) -> End:
        row, status = instance.row, None
        if identity is not None:
            status = self._collected().pop((identity.pid, identity.start_ticks), None)
        code, signal = (None, None) if status is None else wait_status(status)
        lived = max(0.0, (self._clock.now_ms() - (row.started_at or self._clock.now_ms())) / 1000)
        end = End(code=code, signal=signal, lived=lived)
        row.exit_code, row.exit_signal, row.exit_at = code, signal, self._clock.now_ms()
        row.exit_reason, row.exit_lived = end.text, lived
        return end

    # -- whenever something changes

    def refresh(self, name: str, ledger: Ledger) -> None:
        """Read one service again: it was added, changed, scaled or removed."""
        row, unit = self._store.services.row(name), self._units.get(name)
        if row is None:
            if unit is not None:
                self._supervisor.bury(unit, ledger)
            return
        is_new = unit is None
        before = unit.row.desired if unit is not None else None
        unit = self._put(row, ledger)
        if unit is None:
            return
        if is_new:
            # There are instances of one whose definition could not be used before.
            self._enter(unit, self._store.services.instances(name))
            self._store.services.set_boot(name, self._boot_id)
            for instance in unit.members():
                self._recover_one(instance, False, Found(), ledger)
        self.fit(unit, ledger)
        if row.desired is not before or is_new:
            self._follow_wish(unit, ledger)
        self._supervisor.look_again(ledger)

    def _follow_wish(self, unit: Unit, ledger: Ledger) -> None:
        event = Event.START if unit.is_wanted else Event.STOP
        for instance in unit.members():
            self._supervisor.happen(instance, event, ledger)

    def fit(self, unit: Unit, ledger: Ledger) -> None:
        """Have as many instances as there should be; a surplus one is stopped, then forgotten."""
        for number in range(unit.size):
            if number not in unit.instances:
                self._enter_new(unit, number, ledger)
            elif unit.instances[number].is_surplus:
                unit.instances[number].is_surplus = False
            else:
                continue
            if unit.is_wanted and not self._supervisor.is_closing:
                self._supervisor.happen(unit.instances[number], Event.START, ledger)
        for number, instance in list(unit.instances.items()):
            if number >= unit.size:
                instance.is_surplus = True
                self._supervisor.happen(instance, Event.STOP, ledger)
        self._supervisor.let_go(unit, ledger)
        if unit.is_shrinking:
            self._supervisor.shrinking.add(unit.row.name)

    def _enter_new(self, unit: Unit, number: int, ledger: Ledger) -> None:
        name = unit.row.name
        row = InstanceRow(
            service=name,
            instance=number,
            life=self._units.last_life(name, number),
            since_at=self._clock.now_ms(),
        )
        unit.instances[number] = Instance(row, unit.service)
        ledger.save_instance(row)
