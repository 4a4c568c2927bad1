"""Services as the JSON that everybody sees (SPEC section 2), from the store.

Without a scheduler a service that lives is ``orphaned``: alive, and nobody watches it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence

from pb.api.applying import differences
from pb.api.context import Context
from pb.api.lives import identity_of
from pb.api.told import policy_of
from pb.api.views import Json, event_view, rfc3339
from pb.core.events import SERVICE_ENDS
from pb.core.service import SCALED_TO_NONE, Desired, instance_name, split_instance
from pb.core.service_definition import service_from
from pb.core.supervision import ENDING, STATES, UP, Phase
from pb.errors import NotFoundError, did_you_mean
from pb.process.identity import is_alive
from pb.store.services import InstanceRow, ServiceRow

ENDS = 5
LOOKED_THROUGH = 200
"""Events of a service among which its last ends are looked for."""

ALIVE = UP | ENDING | {Phase.ORPHANED, Phase.LAUNCHING}
"""Phases in which there may be a process."""

TICKS = os.sysconf("SC_CLK_TCK")


def service_view(context: Context, service: ServiceRow, row: InstanceRow) -> Json:
    """One instance as everybody sees it (SPEC section 2)."""
    state, reason = state_of(context, row)
    name = instance_name(row.service, row.instance)
    is_up = row.pid is not None and state != "stopped"
    log_path, pid_file = context.home.texts(name)
    definition = part_of(service.definition)
    return {
        "name": name,
        "service": row.service,
        "instance": row.instance,
        "builtin": False,
        "enabled": service.enabled,
        "groups": definition.get("groups", []),
        "essential": definition.get("essential", False),
        "desired": str(service.desired),
        "state": state,
        "health": str(row.health),
        "health_reason": row.health_reason,
        "reason": reason,
        "status": row.status_text,
        "pid": row.pid if is_up else None,
        "start_ticks": row.start_ticks if is_up else None,
        "started_at": rfc3339(row.started_at) if is_up else None,
        "ready_at": rfc3339(row.ready_at) if is_up else None,
        "since": rfc3339(row.since_at),
        "uptime_seconds": uptime_of(row, context.now()) if is_up else None,
        "restarts": row.restarts,
        "next_start_at": rfc3339(row.next_start_at) if state == "backoff" else None,
        "changed": is_up and has_drifted(service, row),
        "address": None,
        "last_exit": last_exit(row),
        "log_path": log_path,
        "pid_file": pid_file,
        "source": service.source,
    }


def part_of(definition: str) -> Json:
    """What a view tells of a stored definition; most have neither key, and need no reading."""
    if '"groups"' not in definition and '"essential"' not in definition:
        return {}
    found: Json = json.loads(definition)
    return found


def state_of(context: Context, row: InstanceRow) -> tuple[str, str | None]:
    """Its state in words, and why. Without a scheduler the process itself is asked, and so it is
    when the scheduler cannot write down what it sees."""
    is_watched = context.facts is not None
    if row.phase not in ALIVE or (is_watched and context.refusal is None):
        return str(STATES[row.phase]), row.reason
    identity = identity_of(row)
    is_there = identity is not None and is_alive(identity)
    if is_watched:
        text = f"it has ended, and nothing follows yet: {context.refusal}"
        return (str(STATES[row.phase]), row.reason) if is_there else ("stopped", text)
    if is_there:
        return "orphaned", "it lives, and no scheduler watches it"
    return "stopped", "it ended while no scheduler was watching"


def uptime_of(row: InstanceRow, now_ms: int) -> float | None:
    """Seconds since its process began, by the clock of the kernel's own start time."""
    if row.start_ticks is not None and hasattr(time, "CLOCK_BOOTTIME"):
        began = row.start_ticks / TICKS
        return max(0.0, round(time.clock_gettime(time.CLOCK_BOOTTIME) - began, 3))
    return None if row.started_at is None else max(0.0, (now_ms - row.started_at) / 1000)


def has_drifted(service: ServiceRow, row: InstanceRow) -> bool:
    """Whether it was started with another definition than there is now."""
    return row.definition is not None and row.definition != service.definition


def last_exit(row: InstanceRow) -> Json | None:
    if row.exit_at is None:
        return None
    return {
        "code": row.exit_code,
        "signal": row.exit_signal,
        "at": rfc3339(row.exit_at),
        "reason": row.exit_reason,
        "uptime_seconds": row.exit_lived,
    }


def service_list(context: Context, *, names: list[str]) -> Json:
    """All instances of all services, or those of some services and groups, or some instances."""
    rows: dict[str, list[InstanceRow]] = {}
    for row in context.store.services.instances():
        rows.setdefault(row.service, []).append(row)
    views = [
        service_view(context, service, row)
        for service in context.store.services.rows()
        for row in rows.get(service.name) or [unborn(service)]
    ]
    if names:
        views = chosen(views, names)
    return {"services": views}


def unborn(service: ServiceRow) -> InstanceRow:
    """The instance of a service that no scheduler has seen yet."""
    reason = "starts with the scheduler" if service.desired is Desired.RUNNING else None
    if service.scale == 0:
        reason = SCALED_TO_NONE
    return InstanceRow(service=service.name, instance=0, since_at=service.created_at, reason=reason)


def chosen(views: Sequence[Json], names: Sequence[str]) -> list[Json]:
    """The views that ``names`` mean. Raises NotFoundError for a name that means none."""
    kept: dict[str, Json] = {}
    for name in names:
        found = [view for view in views if is_meant(view, name)]
        if not found:
            known = sorted({word for view in views for word in (view["service"], *view["groups"])})
            hint = did_you_mean(name, known) or "Run `pb service status` to see the services."
            raise NotFoundError(f"There is no service {name!r}", hint=hint)
        kept.update((view["name"], view) for view in found)
    return list(kept.values())


def is_meant(view: Json, name: str) -> bool:
    return name in (view["name"], view["service"], *view["groups"]) or name == "all"


def require_service(context: Context, name: str) -> ServiceRow:
    row = context.store.services.row(name)
    if row is None:
        names = [one.name for one in context.store.services.rows()]
        hint = did_you_mean(name, names) or "Run `pb service status` to see the services."
        raise NotFoundError(f"There is no service {name!r}", hint=hint)
    return row


def service_show(context: Context, *, name: str) -> Json:
    row = require_service(context, split_instance(name)[0])
    instances = context.store.services.instances(row.name) or [unborn(row)]
    views = [service_view(context, row, one) for one in instances]
    first = instances[0]
    running = first.definition if views[0]["pid"] is not None else None
    return {
        "service": views[0],
        "instances": views,
        "definition": json.loads(row.definition),
        "running_definition": json.loads(running) if running else None,
        "changes": differences(json.loads(running), json.loads(row.definition)) if running else [],
        "told": policy_of(context.settings, service_from(json.loads(row.definition)).notify),
        "source": row.source,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
        "exits": last_ends(context, row.name),
    }


def last_ends(context: Context, name: str) -> list[Json]:
    """How its last lives ended, newest first."""
    found = context.store.events(LOOKED_THROUGH, service=name)
    return [event_view(row) for row in found if row.type in SERVICE_ENDS][:ENDS]
