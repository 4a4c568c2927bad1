"""How the triggers of a job that react stand just now: in words, with state and value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pb.api.context import Context
from pb.api.views import Json, rfc3339
from pb.core.metric_names import measured_value
from pb.core.model import Job
from pb.core.reactive import Pattern, Reactive
from pb.core.triggers import describe, key_of, trigger_dump
from pb.core.usage_patterns import absent_at


def reactions(context: Context, job: Job) -> list[Json]:
    """Each in the order of the definition. What the scheduler has measured last is known while it
    runs; what a trigger remembers, always."""
    reactive = [one for one in job.triggers if isinstance(one, Reactive)]
    states = context.store.occasions.states(job.name)
    readings = context.readings.get(job.name, {})
    return [
        {
            "trigger": trigger_dump(one),
            "explain": describe(one, job.name),
            **standing(one, states.get(key_of(one), {}), readings.get(key_of(one), {})),
        }
        for one in reactive
    ]


def standing(trigger: Reactive, state: Mapping[str, Any], reading: Mapping[str, Any]) -> Json:
    """State and value; None for what is not known, or does not exist for such a trigger."""
    value = reading.get("value")
    return {
        "state": state_of(trigger, state, reading),
        "since": moment(reading.get("since_ms", state.get("since_ms"))),
        "value": value,
        "shown": None if value is None else measured_value(reading["metric"], value),
        "seen_at": moment(reading.get("at_ms")),
        "fired_at": moment(state.get("fired_ms")),
        "due_at": moment(due_ms(trigger, state)),
        "counted": len(state["times"]) if "times" in state else None,
    }


def state_of(trigger: Reactive, state: Mapping[str, Any], reading: Mapping[str, Any]) -> str | None:
    """Inactive, pending or firing."""
    found = reading.get("phase", state.get("phase"))
    if found is None and isinstance(trigger, Pattern) and "is_told" in state:
        return "firing" if state["is_told"] else "inactive"
    return None if found is None else str(found)


def due_ms(trigger: Reactive, state: Mapping[str, Any]) -> int | None:
    """When something will have been absent for too long."""
    if isinstance(trigger, Pattern) and trigger.kind == "absence" and state:
        return absent_at(trigger, state)
    return None


def moment(at_ms: int | None) -> str | None:
    return None if at_ms is None else rfc3339(at_ms)
