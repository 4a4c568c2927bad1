"""What happens to services, message by message: what it means is ``supervisor``'s to carry out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pb.api.lives import set_identity
from pb.core.service import Health, HealthAction, instance_name
from pb.core.supervision import UP, End, Event, Phase
from pb.daemon.clock import Clock
from pb.daemon.ledger import Ledger
from pb.daemon.messages import (
    CommandEnded,
    DelayOver,
    FilesChanged,
    HealthChanged,
    InstanceExited,
    InstanceGone,
    InstanceReady,
    InstanceRefused,
    InstanceStarted,
    MemoryExceeded,
    NotReadyInTime,
    ServiceMessage,
    StatusText,
)
from pb.daemon.outcomes import wait_status
from pb.daemon.service_hands import Hands
from pb.daemon.units import Instance

if TYPE_CHECKING:
    from pb.daemon.supervisor import Supervisor


FROM_OUTSIDE = frozenset({"SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"})
"""Signals that somebody sends: what it wrote last says nothing about such an end."""


class Happenings:
    """Takes messages about instances. Each goes to its own short method."""

    def __init__(self, supervisor: Supervisor, clock: Clock, hands: Hands) -> None:
        self._supervisor = supervisor
        self._clock = clock
        self._hands = hands
        self._bodies: dict[type, Callable[[Instance, Any, Ledger], None]] = {
            InstanceStarted: self._started,
            InstanceRefused: self._refused,
            InstanceExited: self._exited,
            InstanceGone: self._gone,
            InstanceReady: self._is_ready,
            NotReadyInTime: self._is_unwell,
            MemoryExceeded: self._is_unwell,
            FilesChanged: self._files_changed,
            HealthChanged: self._health,
            StatusText: self._says,
            CommandEnded: self._command_ended,
            DelayOver: self._is_due,
        }

    def handle(self, message: ServiceMessage, ledger: Ledger) -> None:
        """One message about one life; about a life that is over it is void."""
        instance = self._supervisor.units.instance(message.key)
        if instance is not None:
            self._bodies[type(message)](instance, message, ledger)
        elif isinstance(message, CommandEnded):
            self._hook_failed(message, ledger)

    def _is_ready(self, instance: Instance, message: InstanceReady, ledger: Ledger) -> None:
        if instance.phase is Phase.SETTLING:
            self._supervisor.is_now_ready(instance, message.at_ms, ledger)

    def _is_unwell(
        self, instance: Instance, message: NotReadyInTime | MemoryExceeded, ledger: Ledger
    ) -> None:
        self._unwell(instance, message.reason, ledger)

    def _files_changed(self, instance: Instance, message: FilesChanged, ledger: Ledger) -> None:
        self._supervisor.happen(instance, Event.RESTART, ledger, message.reason)

    def _says(self, instance: Instance, message: StatusText, ledger: Ledger) -> None:
        instance.row.status_text = message.text
        ledger.save_instance(instance.row)

    def _is_due(self, instance: Instance, message: DelayOver, ledger: Ledger) -> None:
        self._supervisor.happen(instance, Event.DUE, ledger)

    def _started(self, instance: Instance, message: InstanceStarted, ledger: Ledger) -> None:
        row = instance.row
        set_identity(row, message.identity)
        row.started_at, instance.started = message.at_ms, self._clock.monotonic()
        text = f"Service {instance.name} started (PID {message.identity.pid})"
        self._supervisor.tell("service.started", text, instance, ledger)
        ledger.save_instance(row)
        self._supervisor.happen(instance, Event.SPAWNED, ledger)

    def _refused(self, instance: Instance, message: InstanceRefused, ledger: Ledger) -> None:
        if message.is_transient:
            self._supervisor.happen(instance, Event.REFUSED, ledger, f"waiting: {message.reason}")
            return
        self._supervisor.note_end(instance, End(cause=message.reason), message.at_ms)
        self._supervisor.verdict(instance, ledger)

    def _exited(self, instance: Instance, message: InstanceExited, ledger: Ledger) -> None:
        code, signal = (None, None) if message.status is None else wait_status(message.status)
        is_known = message.status is not None
        is_telling = bool(code or signal) and signal not in FROM_OUTSIDE
        said = self._hands.last_words(instance.key) if is_telling else None
        lived = self._supervisor.lived(instance, message.at_ms)
        end = End(code=code, signal=signal, lived=lived, words=said)
        if instance.end is None or is_known:
            self._supervisor.note_end(instance, end, message.at_ms)
            ledger.save_instance(instance.row)
        if instance.phase is Phase.ORPHANED:
            self._supervisor.stop_tree(instance, ledger)  # it has died at last; is that all of it?
        if instance.phase not in UP:
            return
        if message.has_left:
            self._supervisor.happen(
                instance, Event.LEFT, ledger, f"{end.text}; its other processes are stopped"
            )
        else:
            key, service = instance.key, instance.service
            ledger.order(lambda: self._hands.sweep(key, service))
            self._supervisor.verdict(instance, ledger)

    def _gone(self, instance: Instance, message: InstanceGone, ledger: Ledger) -> None:
        if message.survivors:
            names = ", ".join(f"{pid} ({name})" for pid, name in message.survivors)
            self._supervisor.happen(
                instance, Event.STUCK, ledger, f"still alive after SIGKILL: {names}"
            )
        elif instance.phase is Phase.CLEANING:
            self._supervisor.verdict(instance, ledger)
        elif instance.phase is Phase.ORPHANED:
            self._supervisor.happen(instance, Event.GONE, ledger)
            if self._supervisor.is_wanted(instance):
                self._supervisor.happen(instance, Event.START, ledger)
        else:
            note = "killed: it did not end within its time" if message.killed else None
            self._supervisor.happen(instance, Event.GONE, ledger, note)

    def _unwell(self, instance: Instance, reason: str, ledger: Ledger) -> None:
        if instance.phase in UP:
            instance.cause = reason
            self._supervisor.happen(instance, Event.UNWELL, ledger, reason)

    def _health(self, instance: Instance, message: HealthChanged, ledger: Ledger) -> None:
        row, before = instance.row, instance.row.health
        if instance.phase not in UP:
            return
        row.health, row.health_reason = message.health, message.reason
        self._supervisor.stir()
        ledger.save_instance(row)
        if message.health is Health.HEALTHY and before is Health.UNHEALTHY:
            self._supervisor.tell(
                "service.healthy", f"Service {instance.name} is healthy again", instance, ledger
            )
        if message.health is not Health.UNHEALTHY:
            return
        why = f"unhealthy: {message.reason}"
        self._supervisor.tell(
            "service.unhealthy", f"Service {instance.name} is {why}", instance, ledger
        )
        policy = instance.service.health
        action = policy.action if policy is not None else HealthAction.NONE
        if action is HealthAction.RESTART:
            self._unwell(instance, why, ledger)
        elif action is HealthAction.STOP:
            self._supervisor.stop_all(instance.row.service, ledger, why)

    def _command_ended(self, instance: Instance, message: CommandEnded, ledger: Ledger) -> None:
        if message.what != "pre_start":
            self._hook_failed(message, ledger)
        if message.what != "pre_start" or instance.phase is not Phase.PREPARING:
            return
        if message.reason is None:
            self._supervisor.happen(instance, Event.PREPARED, ledger)
        else:
            end = End(cause=f"pre_start failed: {message.reason}")
            self._supervisor.note_end(instance, end, self._clock.now_ms())
            self._supervisor.verdict(instance, ledger)

    def _hook_failed(self, message: CommandEnded, ledger: Ledger) -> None:
        """A command that was run for a service, in this life or an earlier one, went wrong."""
        if message.reason is not None:
            name = instance_name(message.key.service, message.key.instance)
            text = f"{message.what} of service {name} failed: {message.reason}"
            at_ms = self._clock.now_ms()
            ledger.tell("service.hook_failed", text, at_ms=at_ms, service=message.key.service)
