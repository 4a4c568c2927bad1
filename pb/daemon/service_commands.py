"""The commands about services that only a running scheduler carries out.

Each body runs inside a transaction of its own. Most answer later, when what was asked for is so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pb.api.context import Context
from pb.api.service_graph import (
    graph,
    layers_of,
    meant_services,
    with_dependencies,
    with_dependents,
)
from pb.api.service_views import service_view
from pb.api.views import Json
from pb.core.service import SCALED_TO_NONE, Desired, Health, StopScope, split_instance
from pb.core.supervision import ENDING, UP, Event, Phase
from pb.daemon.ledger import Ledger
from pb.daemon.messages import Command, Message, PatienceOver, Reply
from pb.daemon.service_hands import Hands
from pb.daemon.service_waits import Judge, Waiter
from pb.daemon.supervisor import Supervisor
from pb.daemon.units import Instance
from pb.errors import (
    ConflictError,
    InvalidError,
    NeedsDaemonError,
    NotFoundError,
    PbError,
    UnsupportedError,
    did_you_mean,
)
from pb.process.signals import signal_number

WAITS = ("ready", "started", "none")
GOALS = ("ready", "healthy", "stopped")
OVER = tuple(f"({state})" for state in ("failed", "stopped", "exited", SCALED_TO_NONE))
"""How a reason to wait ends (``gates.why_not``) that nobody does anything about."""

ENDED = (Phase.BACKOFF, Phase.FAILED, Phase.ORPHANED)


class ServiceCommands:
    """The engine's own methods about services. Raises PbError to refuse."""

    def __init__(
        self,
        *,
        supervisor: Supervisor,
        context: Context,
        hands: Hands,
        after: Callable[[float, Message], None],
    ) -> None:
        self._supervisor = supervisor
        self._context = context
        self._hands = hands
        self._after = after

    def bodies(self) -> dict[str, Callable[[Command, Ledger], None]]:
        return {
            "service.start": self._start,
            "service.stop": self._stop,
            "service.restart": self._restart,
            "service.reload": self._reload,
            "service.reset": self._reset,
            "service.signal": self._signal,
            "service.wait": self._wait,
        }

    # -- whom

    def _instances(self, names: Sequence[str]) -> list[Instance]:
        """The instances that services' and instances' names mean, in the order of the services."""
        found: dict[str, Instance] = {}
        for name in names:
            unit = self._supervisor.units.get(name.partition("@")[0])
            if unit is None:
                raise self._unknown(name)
            chosen = [one for one in unit.members() if name in (one.name, unit.row.name)]
            if not chosen and "@" in name:
                raise NotFoundError(
                    f"There is no instance {name}",
                    hint=f"{unit.row.name} has {len(unit.instances)}.",
                )
            found.update({one.name: one for one in chosen})
        return list(found.values())

    def _unknown(self, name: str) -> PbError:
        if self._context.store.services.row(split_instance(name)[0]) is not None:
            return ConflictError(
                f"The definition of {name} cannot be used by this version of pb",
                hint="`pb scheduler logs` says why. Correct it, or remove the service.",
            )
        hint = did_you_mean(name, [unit.row.name for unit in self._supervisor.units])
        return NotFoundError(f"There is no service {name!r}", hint=hint or "See: pb service status")

    def _meant(self, names: Sequence[str], action: str) -> list[str]:
        """Services by name; an instance stands for itself when it is named alone."""
        services = meant_services(self._context, names, action)
        single = {name for name in names if "@" in name}
        whole = [name for name in services if not any(s.startswith(f"{name}@") for s in single)]
        return [*whole, *sorted(single)]

    def _require_some(self, names: Sequence[str]) -> None:
        """Raises ConflictError for a service that is named and has nothing to be started.

        One that only a group or ``all`` means is left as it is.
        """
        for name in names:
            unit = self._supervisor.units.get(name)
            if unit is not None and unit.row.scale == 0 and not unit.members():
                raise ConflictError(
                    f"{name} is scaled to 0, so there is nothing to start",
                    hint=f"Let it run again: pb service scale {name}=1",
                )

    # -- starting and stopping

    def _start(self, command: Command, ledger: Ledger) -> None:
        asked = command.params
        one_of("wait", asked["wait"], WAITS)
        names = self._meant(asked["names"], "start")
        if asked["deps"]:
            services = [split_instance(name)[0] for name in names]
            needed = with_dependencies(services, graph(self._context))
            names += [name for name in needed if name not in services]
        instances = self._instances(names)
        self._require_some(asked["names"])
        for name in names:
            self._supervisor.want(name, Desired.RUNNING)
        before = {one.name: one.phase for one in instances}
        # What others depend on first, so that nobody is told to wait for what has failed before.
        for layer in reversed(self._layers(instances, graph(self._context))):
            for instance in layer:
                self._supervisor.happen(instance, Event.START, ledger)
        self._wait_for(
            command.reply,
            instances,
            lambda one: self._came_up(one, asked["wait"], was_up=before[one.name] in UP),
            asked["timeout"],
            f"not {asked['wait']} within {asked['timeout']:g} s; it goes on",
        )

    def _came_up(self, instance: Instance, wait: str, *, was_up: bool) -> Json | None:
        phase = instance.phase
        is_there = phase in UP if wait == "started" else phase is Phase.RUNNING
        if wait == "none" or is_there or phase is Phase.EXITED:
            action = "already_running" if was_up else "started"
            return {**self._view(instance), "ok": True, "action": action}
        is_short = phase is Phase.BACKOFF and (instance.row.reason or "").startswith("waiting")
        if phase in (Phase.FAILED, Phase.ORPHANED) or (phase is Phase.BACKOFF and not is_short):
            return {**self._view(instance), "ok": False, "action": "failed"}
        if phase in (Phase.STOPPED, Phase.STOPPING):
            reason = "it was stopped meanwhile"
            return {**self._view(instance), "ok": False, "action": "failed", "reason": reason}
        if self._waits_in_vain(instance):
            return {**self._view(instance), "ok": False, "action": "waiting"}
        return None

    def _waits_in_vain(self, instance: Instance) -> bool:
        """Whether what it waits for does not come by itself: it is over, and nobody restarts it."""
        if instance.phase is not Phase.WAITING or not (instance.row.reason or "").endswith(OVER):
            return False
        is_due = self._supervisor.waits.is_due
        return not any(is_due(one.service) for one in instance.service.depends_on)

    def _stop(self, command: Command, ledger: Ledger) -> None:
        asked = command.params
        names, edges = self._meant(asked["names"], "stop"), graph(self._context)
        if asked["dependents"]:
            names = with_dependents(names, edges)
        instances = self._instances(names)
        for name in names:
            self._supervisor.want(name, Desired.STOPPED)
        before = {one.name: one.is_at_rest for one in instances}
        for instance in instances:
            self._set_patience(instance, asked["timeout"], ledger, force=asked["force"])
        layers = self._layers(instances, edges)
        self._supervisor.waits.descend(layers, Event.STOP, ledger)
        self._wait_for(
            command.reply, instances, lambda one: self._went_down(one, before[one.name]), None, ""
        )

    def _set_patience(
        self, instance: Instance, timeout: float | None, ledger: Ledger, *, force: bool
    ) -> None:
        if timeout is not None:
            stop = replace(instance.service.stop, timeout=timeout)
            instance.service = replace(instance.service, stop=stop)
        if force:
            self._supervisor.hurry(instance, ledger)

    def _layers(
        self, instances: Sequence[Instance], edges: dict[str, list[str]]
    ) -> list[list[Instance]]:
        """Dependents first."""
        names = {one.row.service for one in instances}
        layers = layers_of({name: edges.get(name, []) for name in names})
        return [
            [one for one in instances if one.row.service in layer] for layer in reversed(layers)
        ]

    def _went_down(self, instance: Instance, was_down: bool) -> Json | None:
        reason = instance.row.reason or ""
        if instance.is_at_rest:
            action = "not_running" if was_down else "killed" if "killed" in reason else "stopped"
            return {**self._view(instance), "ok": True, "action": action, "survivors": []}
        if instance.phase is Phase.ORPHANED:
            return {**self._view(instance), "ok": False, "action": "failed", "survivors": [reason]}
        is_due = self._supervisor.waits.is_due(instance.row.service)
        if instance.phase not in ENDING and not is_due:
            text = "it was started meanwhile"
            return {**self._view(instance), "ok": False, "action": "failed", "reason": text}
        return None

    def _restart(self, command: Command, ledger: Ledger) -> None:
        asked = command.params
        one_of("wait", asked["wait"], WAITS)
        names = self._meant(asked["names"], "restart")
        instances = self._instances(names)
        self._require_some(asked["names"])
        for name in names:
            self._supervisor.want(name, Desired.RUNNING)
        for instance in instances:
            self._set_patience(instance, None, ledger, force=asked["force"])
        lives = {one.name: last_life(one) for one in instances}
        layers = self._layers(instances, graph(self._context))
        self._supervisor.waits.descend(layers, Event.RESTART, ledger, f"by {command.actor}")
        self._wait_for(
            command.reply,
            instances,
            lambda one: self._came_back(one, asked["wait"], lives[one.name]),
            asked["timeout"],
            f"not {asked['wait']} within {asked['timeout']:g} s; it goes on",
        )

    def _came_back(self, instance: Instance, wait: str, life: int) -> Json | None:
        if self._supervisor.waits.is_due(instance.row.service):
            return None
        is_old = instance.row.life == life and not self._waits_in_vain(instance)
        return None if is_old else self._came_up(instance, wait, was_up=False)

    # -- the rest

    def _reload(self, command: Command, ledger: Ledger) -> None:
        name = command.params["name"]
        instances = [one for one in self._instances([name]) if one.phase in UP]
        if not instances:
            raise not_running(name)
        for instance in instances:
            reload = instance.service.reload
            if reload is None:
                raise UnsupportedError(
                    f"{name} has no reload key, so it cannot be told to reload",
                    hint=f"Restart it: pb service restart {name}",
                )
            self._reload_one(instance, ledger)
        ledger.order(lambda: command.reply({"reloaded": [one.name for one in instances]}))

    def _reload_one(self, instance: Instance, ledger: Ledger) -> None:
        reload, key, service = instance.service.reload, instance.key, instance.service
        if reload is not None and reload.signal is not None:
            number = signal_number(reload.signal)

            def send() -> None:
                self._hands.signal(key, number, StopScope.MAIN)

            ledger.order(send)
        else:
            ledger.order(lambda: self._hands.run_hook(key, service, "reload", {}))

    def _reset(self, command: Command, ledger: Ledger) -> None:
        instances = self._instances(self._meant(command.params["names"], "reset"))
        for instance in instances:
            unit = self._supervisor.units.get(instance.row.service)
            if instance.phase is Phase.FAILED and unit is not None and not unit.is_wanted:
                self._supervisor.happen(instance, Event.STOP, ledger)
            self._supervisor.happen(instance, Event.RESET, ledger)
            text = f"Service {instance.name}: its failures were forgotten"
            self._supervisor.tell("service.reset", text, instance, ledger)
        ledger.order(lambda: command.reply({"services": [self._view(one) for one in instances]}))

    def _signal(self, command: Command, ledger: Ledger) -> None:
        asked = command.params
        one_of("scope", asked["scope"], tuple(StopScope))
        number, scope = signal_number(asked["signal"]), StopScope(asked["scope"])
        instances = [one for one in self._instances([asked["name"]]) if one.row.pid is not None]
        if not instances:
            raise not_running(asked["name"])
        keys = [one.key for one in instances]

        def send() -> None:
            sent = sum(self._hands.signal(key, number, scope) for key in keys)
            command.reply({"sent": sent})

        ledger.order(send)

    def _wait(self, command: Command, ledger: Ledger) -> None:
        asked = command.params
        one_of("for", asked["for"], GOALS)
        instances = self._instances(self._meant(asked["names"], "wait"))
        reason = f"not {asked['for']} within {asked['timeout']:g} s"
        self._wait_for(
            command.reply,
            instances,
            lambda one: self._reached(one, asked["for"]),
            asked["timeout"],
            reason,
        )

    def _reached(self, instance: Instance, goal: str) -> Json | None:
        is_ready = instance.phase is Phase.RUNNING
        is_well = instance.service.health is None or instance.row.health is Health.HEALTHY
        reached = {
            "ready": is_ready,
            "healthy": is_ready and is_well,
            "stopped": instance.is_at_rest,
        }[goal]
        return {**self._view(instance), "ok": True, "reached": True} if reached else None

    # -- answering

    def _wait_for(
        self,
        reply: Reply,
        instances: Sequence[Instance],
        judge: Judge,
        timeout: float | None,
        late: str,
    ) -> None:
        """Answer when every instance is decided, or patience is over."""

        def too_late(instance: Instance) -> Json:
            why = instance.row.reason or late
            return {**self._view(instance), "ok": False, "action": "late", "reason": why}

        waiter = Waiter(
            reply,
            judge,
            too_late,
            {one.name: one for one in instances},
            tuple(one.name for one in instances),
        )
        number = self._supervisor.waits.wait(waiter)
        if timeout is not None:
            self._after(timeout, PatienceOver(number))

    def _view(self, instance: Instance) -> dict[str, Any]:
        unit = self._supervisor.units.get(instance.row.service)
        if unit is not None:
            return service_view(self._context, unit.row, instance.row)
        row = instance.row
        gone = {"name": instance.name, "service": row.service, "instance": row.instance}
        return {**gone, "desired": "stopped", "state": "stopped", "reason": "it was removed"}


def last_life(instance: Instance) -> int:
    """The life after which a restart has come about: one that is only beginning is as good."""
    is_beginning = instance.phase in (Phase.PREPARING, Phase.LAUNCHING)
    return instance.row.life - 1 if is_beginning else instance.row.life


def not_running(name: str) -> NeedsDaemonError:
    return NeedsDaemonError(f"{name} does not run", hint=f"Start it: pb service start {name}")


def one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise InvalidError(f"{name} should be one of {', '.join(known)}, not {value!r}")
