"""Whether what a service depends on is there. Looks only, at the states of the others."""

from __future__ import annotations

from collections.abc import Callable

from pb.core.service import SCALED_TO_NONE, DependsCondition, Health, Service
from pb.core.supervision import STATES, UP, Phase
from pb.daemon.units import Instance, Unit, Units

WANTED = {
    DependsCondition.STARTED: "to start",
    DependsCondition.READY: "to be ready",
    DependsCondition.HEALTHY: "to be healthy",
    DependsCondition.COMPLETED: "to complete",
}


def why_not(service: Service, units: Units, is_due: Callable[[str], bool]) -> str | None:
    """What a service has to wait for, in words; None when everything is there.

    ``is_due``: whether a service is about to be restarted, and so does not count as there.
    """
    for one in service.depends_on:
        unit = units.get(one.service)
        if unit is None:
            return f"waiting for {one.service}, which does not exist"
        if is_due(one.service) or not is_met(one.condition, unit):
            return f"waiting for {one.service} {WANTED[one.condition]} ({condition_of(unit)})"
    return None


def is_met(condition: DependsCondition, unit: Unit) -> bool:
    members = unit.members()
    return bool(members) and all(_is_met(condition, unit, one) for one in members)


def _is_met(condition: DependsCondition, unit: Unit, instance: Instance) -> bool:
    phase = instance.phase
    match condition:
        case DependsCondition.STARTED:
            return phase in UP or phase is Phase.EXITED
        case DependsCondition.READY:
            return phase is Phase.RUNNING
        case DependsCondition.HEALTHY:
            is_well = unit.service.health is None or instance.row.health is Health.HEALTHY
            return phase is Phase.RUNNING and is_well
        case DependsCondition.COMPLETED:
            return phase is Phase.EXITED


def condition_of(unit: Unit) -> str:
    """How the least advanced of its instances is, in words."""
    for phase in (Phase.FAILED, Phase.STOPPED, Phase.BACKOFF):
        if any(one.phase is phase for one in unit.members()):
            return str(STATES[phase])
    states = sorted({str(STATES[one.phase]) for one in unit.members()} - {"running"})
    return states[0] if states else "running" if unit.members() else SCALED_TO_NONE
