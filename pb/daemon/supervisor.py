"""Keeping services as they are wanted: what happens to an instance goes through ``core``'s table.

Every change goes through the step's ledger; processes are the hands'. Nothing here waits.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from pb.api.lives import set_identity
from pb.core.durations import format_duration
from pb.core.service import Desired, Health
from pb.core.supervision import (
    ENDING,
    TABLE,
    UP,
    Act,
    End,
    Event,
    Phase,
    Verdict,
    judge,
)
from pb.daemon.clock import Clock
from pb.daemon.gates import why_not
from pb.daemon.happenings import Happenings
from pb.daemon.ledger import Ledger, instance_facts
from pb.daemon.messages import (
    DelayOver,
    Message,
)
from pb.daemon.service_hands import Hands
from pb.daemon.service_waits import Waits
from pb.daemon.units import Instance, Unit, Units
from pb.errors import PbError
from pb.store.store import Store

SHORTAGE_SECONDS = 1.0
"""After a refused fork (EAGAIN, ENOMEM) how long until the next try; it counts as no failure."""


BUSY = ENDING | UP | {Phase.PREPARING, Phase.LAUNCHING, Phase.ORPHANED}
"""Phases of a life; who leaves them has none any more."""


class Supervisor:
    """All services of a scheduler. ``after`` asks the engine for a message later on."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        hands: Hands,
        after: Callable[[float, Message], None],
    ) -> None:
        self.units = Units()
        self.waits = Waits(self)
        self.is_closing = False
        self.shrinking: set[str] = set()
        self._store = store
        self._clock = clock
        self._hands = hands
        self._after = after
        self._waiting: set[tuple[str, int]] = set()
        self._is_moved = False
        self._era = 0
        self.handle = Happenings(self, clock, hands).handle

    def clear(self, error: PbError) -> None:
        """Forget everything, to be read from the store again. Processes are not touched."""
        self._era += 1
        self.waits.clear(error)
        self.units.clear()
        self._waiting.clear()
        self.shrinking.clear()

    # -- through the table

    def happen(
        self, instance: Instance, event: Event, ledger: Ledger, reason: str | None = None
    ) -> None:
        """Record what follows when ``event`` happens to an instance, and order it done."""
        row, before = instance.row, instance.row.phase
        cell = TABLE[before, event]
        after = cell.phase if cell.phase is not None else before
        if after is not before:
            row.phase, row.since_at, row.reason = after, self._clock.now_ms(), reason
            self._is_moved = True
            self._mind_waiting(instance)
            if before in UP and after not in UP:
                self._leave(instance, ledger)
            if before in BUSY and after not in BUSY:
                self._over(instance, ledger)
        if after is not before or cell.acts:
            ledger.save_instance(row)
        for act in cell.acts:
            self._do(act, instance, ledger)
        if after is not before and row.phase is after:  # an act may have led on from there
            self._announce(instance, before, ledger)

    def _do(self, act: Act, instance: Instance, ledger: Ledger) -> None:
        match act:
            case Act.FORGET:
                instance.row.lives, instance.row.restarts = (), 0
            case Act.LOOK:
                self._look(instance, ledger)
            case Act.PREPARE:
                self._prepare(instance, ledger)
            case Act.ABANDON:
                ledger.order(lambda key=instance.key: self._hands.abandon_hook(key))  # type: ignore[misc]
            case Act.LAUNCH:
                self._launch(instance, ledger)
            case Act.WATCH:
                self.attend(instance, ledger)
            case Act.STOP_TREE:
                self.stop_tree(instance, ledger)
            case Act.DELAY:
                self._delay(instance, instance.delay, ledger)
            case Act.SPARE:
                self._delay(instance, SHORTAGE_SECONDS, ledger)

    # -- on the way up

    def _look(self, instance: Instance, ledger: Ledger) -> None:
        if instance.is_surplus:
            self.happen(instance, Event.STOP, ledger)
            return
        unit = self.units.get(instance.row.service)
        if unit is not None:
            instance.service = unit.service
        refusal = self._refusal(instance)
        if refusal is None:
            self.happen(instance, Event.CLEAR, ledger)
        elif instance.row.reason != refusal:
            instance.row.reason = refusal
            ledger.save_instance(instance.row)

    def _refusal(self, instance: Instance) -> str | None:
        if self.is_closing:
            return "waiting: the scheduler is stopping"
        return why_not(instance.service, self.units, self.waits.is_due)

    def stir(self) -> None:
        """Something that others may wait for has changed."""
        self._is_moved = True

    def settle(self, ledger: Ledger) -> None:
        """After everything that happened in a step: let others go on, answer, and let go."""
        while self._is_moved:
            self._is_moved = False
            self.waits.settle(ledger)
            self.look_again(ledger)
            for name in list(self.shrinking):
                self._let_go_of(name, ledger)
        self.waits.settle(ledger)

    def _let_go_of(self, name: str, ledger: Ledger) -> None:
        unit = self.units.get(name)
        if unit is not None:
            self.let_go(unit, ledger)
        if unit is None or not unit.is_shrinking:
            self.shrinking.discard(name)

    def let_go(self, unit: Unit, ledger: Ledger) -> None:
        """Forget surplus instances that are down, and a service that was removed."""
        for number, instance in list(unit.instances.items()):
            if instance.is_surplus and instance.is_at_rest:
                self.units.take_out(instance)
                ledger.drop_instance(unit.row.name, number)
        if unit.row.removing and not unit.instances:
            ledger.drop_service(unit.row.name)
            self.units.remove(unit.row.name)
            text = f"Service {unit.row.name} removed"
            at_ms = self._clock.now_ms()
            ledger.tell("service.removed", text, at_ms=at_ms, service=unit.row.name)

    def bury(self, unit: Unit, ledger: Ledger) -> None:
        """Somebody else has deleted a service from the store: what lives of it is stopped."""
        for instance in unit.members():
            if instance.phase in BUSY:
                key = instance.key
                self.stop_tree(instance, ledger)
                ledger.order(lambda key=key: self._hands.end(key))  # type: ignore[misc]
            # Not by way of the table: there is no row any more. Who waits for it goes on.
            instance.row.phase, instance.row.reason = Phase.STOPPED, "it was removed"
            self._mind_waiting(instance)
            self.units.take_out(instance)
        self.units.remove(unit.row.name)
        self.stir()

    def look_again(self, ledger: Ledger) -> None:
        """Let those that wait for others look whether they are there now."""
        for name, number in sorted(self._waiting):
            unit = self.units.get(name)
            if unit is not None and number in unit.instances:
                self._look(unit.instances[number], ledger)

    def _mind_waiting(self, instance: Instance) -> None:
        place = (instance.row.service, instance.row.instance)
        if instance.row.phase is Phase.WAITING:
            self._waiting.add(place)
        else:
            self._waiting.discard(place)

    def _prepare(self, instance: Instance, ledger: Ledger) -> None:
        row, unit = instance.row, self.units.get(instance.row.service)
        row.life += 1
        row.definition = unit.row.definition if unit is not None else row.definition
        row.started_at = row.ready_at = row.next_start_at = row.status_text = None
        row.health = Health.NONE
        instance.end = instance.cause = instance.started = None
        instance.is_forced = False
        if instance.service.hooks.pre_start:
            self._hook(instance, "pre_start", ledger)
        else:
            self.happen(instance, Event.PREPARED, ledger)

    def _hook(self, instance: Instance, hook: str, ledger: Ledger) -> None:
        key, service, row = instance.key, instance.service, instance.row
        facts: dict[str, object] = {"name": instance.name, "restarts": row.restarts}
        if hook in ("post_stop", "on_failed"):
            facts |= {"exit_code": row.exit_code, "signal": row.exit_signal}
            facts["reason"] = row.reason or row.exit_reason
        ledger.order(lambda: self._hands.run_hook(key, service, hook, facts))

    def _launch(self, instance: Instance, ledger: Ledger) -> None:
        key, service, era = instance.key, instance.service, self._era
        # Not after ``clear``: another scheduler may have launched it by then.
        ledger.order(lambda: self._hands.launch(key, service) if era == self._era else None)

    def attend(self, instance: Instance, ledger: Ledger) -> None:
        """Its process lives: see whether it is ready, and then whether it is well."""
        key, service = instance.key, instance.service
        is_ready = instance.row.ready_at is not None or service.ready is None
        if service.health is not None:
            instance.row.health = Health.STARTING
        ledger.order(lambda: self._hands.attend(key, service, is_ready=is_ready))
        if is_ready:
            self.is_now_ready(instance, instance.row.ready_at or self._clock.now_ms(), ledger)

    def is_now_ready(self, instance: Instance, at_ms: int, ledger: Ledger) -> None:
        """Its readiness check has passed, or it has none."""
        is_first = instance.row.ready_at is None
        instance.row.ready_at = at_ms
        self.happen(instance, Event.READY, ledger)
        if is_first and instance.service.hooks.post_start:
            self._hook(instance, "post_start", ledger)
        unit = self.units.get(instance.row.service)
        if (
            unit is not None
            and unit.is_back
            and all(i.phase is Phase.RUNNING for i in unit.members())
        ):
            unit.is_back = False
            self._take_along(unit, ledger)

    def _take_along(self, unit: Unit, ledger: Ledger) -> None:
        """A service is up again: those that are to restart with it do."""
        for other in self.units.dependents(unit.row.name):
            along = [d for d in other.service.depends_on if d.service == unit.row.name]
            if any(one.restart_with for one in along):
                for instance in other.members():
                    if instance.phase in UP:
                        reason = f"{unit.row.name} was restarted"
                        self.happen(instance, Event.RESTART, ledger, reason)

    # -- on the way down

    def stop_tree(self, instance: Instance, ledger: Ledger) -> None:
        """Have everything that its life has become stopped."""
        key, service, force = instance.key, instance.service, instance.is_forced
        ledger.order(lambda: self._hands.stop(key, service, force=force))

    def hurry(self, instance: Instance, ledger: Ledger) -> None:
        """A stop that is under way gets no more time."""
        instance.is_forced = True
        if instance.phase in ENDING:
            self.stop_tree(instance, ledger)

    def _delay(self, instance: Instance, seconds: float, ledger: Ledger) -> None:
        instance.row.next_start_at = self._clock.now_ms() + round(seconds * 1000)
        if seconds <= 0:
            self.happen(instance, Event.DUE, ledger)
        else:
            key = instance.key
            ledger.order(lambda: self._after(seconds, DelayOver(key)))

    def _leave(self, instance: Instance, ledger: Ledger) -> None:
        """It was up, and is no more."""
        unit = self.units.get(instance.row.service)
        if unit is not None and instance.row.phase is not Phase.STOPPING:
            unit.is_back = True
        instance.row.health = Health.NONE

    def _over(self, instance: Instance, ledger: Ledger) -> None:
        """A life is over: its process is gone, and whoever attended to it is let go."""
        key, service = instance.key, instance.service
        set_identity(instance.row, None)
        ledger.order(lambda: self._hands.end(key))
        if instance.row.started_at is not None and service.hooks.post_stop:
            self._hook(instance, "post_stop", ledger)

    def verdict(self, instance: Instance, ledger: Ledger) -> None:
        """Nothing of a life is left, and nobody asked for that: decide what follows."""
        end = instance.end or End(lived=self.lived(instance), cause=instance.cause)
        if instance.cause is not None:
            end = End(code=end.code, signal=end.signal, lived=end.lived, cause=instance.cause)
        luck = random.random()  # noqa: S311 - spreads restarts, guards nothing
        found = judge(instance.service.restart, end, instance.row.lives, luck)
        instance.row.lives, instance.delay = found.lives, found.delay
        instance.row.exit_reason = end.text
        if found.event is Event.AGAIN:
            instance.row.restarts += 1
        self._tell_end(instance, found, ledger)
        self.happen(instance, found.event, ledger, found.reason)

    def note_end(self, instance: Instance, end: End, at_ms: int) -> None:
        row, instance.end = instance.row, end
        row.exit_code, row.exit_signal, row.exit_at = end.code, end.signal, at_ms
        row.exit_reason, row.exit_lived = end.text, end.lived

    def lived(self, instance: Instance, at_ms: int | None = None) -> float:
        """Seconds that its present life lasted; by the wall clock for one that was adopted."""
        if instance.started is not None:
            return max(0.0, self._clock.monotonic() - instance.started)
        if instance.row.started_at is None:
            return 0.0
        return max(0.0, ((at_ms or self._clock.now_ms()) - instance.row.started_at) / 1000)

    # -- telling

    def _announce(self, instance: Instance, before: Phase, ledger: Ledger) -> None:
        row, name = instance.row, instance.name
        match row.phase:
            case Phase.RUNNING if instance.service.ready is not None:
                took = format_duration(round(self.lived(instance), 2))
                self.tell(
                    "service.ready", f"Service {name} is ready after {took}", instance, ledger
                )
            case Phase.STOPPING | Phase.RESTARTING if before not in ENDING:
                why = f": {row.reason}" if row.reason else ""
                self.tell(
                    "service.stopping", f"Service {name} is being stopped{why}", instance, ledger
                )
            case Phase.STOPPED:
                self.tell("service.stopped", f"Service {name} stopped", instance, ledger)
            case Phase.FAILED:
                self.tell(
                    "service.failed", f"Service {name} failed: {row.reason}", instance, ledger
                )
                if instance.service.hooks.on_failed:
                    self._hook(instance, "on_failed", ledger)
            case Phase.ORPHANED:
                text = f"Service {name} cannot be stopped: {row.reason}"
                self.tell("service.failed", text, instance, ledger)

    def _tell_end(self, instance: Instance, found: Verdict, ledger: Ledger) -> None:
        row = instance.row
        after = f" after {format_duration(round(row.exit_lived or 0, 1))}"
        text = f"Service {instance.name}: {row.exit_reason}{after}"
        if found.event is Event.AGAIN:
            text += f"; starts again in {format_duration(round(found.delay, 2))}"
        self.tell("service.exited", text, instance, ledger)

    def tell(self, kind: str, text: str, instance: Instance, ledger: Ledger) -> None:
        row, at_ms = instance.row, self._clock.now_ms()
        facts = instance_facts(kind, row)
        ledger.tell(kind, text, at_ms=at_ms, service=row.service, facts=facts)

    # -- wishes

    def want(self, name: str, desired: Desired) -> None:
        """Remember what was asked for; inside the step's transaction."""
        unit = self.units.get(name)
        if unit is not None and unit.row.desired is not desired:
            self._store.services.set_desired(name, desired, now=self._clock.now_ms())
            self.reread(unit)

    def is_wanted(self, instance: Instance) -> bool:
        unit = self.units.get(instance.row.service)
        return unit is not None and unit.is_wanted and not instance.is_surplus

    def stop_all(self, name: str, ledger: Ledger, reason: str) -> None:
        """Stop a service for good: a rule says so, and it holds until somebody starts it."""
        self.want(name, Desired.STOPPED)
        unit = self.units.get(name)
        for instance in unit.members() if unit is not None else ():
            self.happen(instance, Event.STOP, ledger, reason)

    def reread(self, unit: Unit) -> None:
        row = self._store.services.row(unit.row.name)
        if row is not None:
            unit.row = row
