"""The audit trail: one row for each change that somebody asked for and that was carried out.

It is a table of its own and not the event log: events are many and let go soon, and tell what
happened; the trail is small, is kept for long, and tells who wanted it, through which face and from
where. A row is written in the transaction of the change itself. Never in it: definitions, since
those may hold secrets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pb.api.context import Context
from pb.api.history import moment_ms
from pb.api.methods import limited
from pb.api.registry import Method
from pb.api.views import Json, rfc3339
from pb.store.access import AuditRow

TARGETS = ("name", "names", "run_id", "tag")
"""Parameters that say what a change is about."""

UNTOLD = frozenset({*TARGETS, "by", "command", "identity"})

LONGEST = 200
"""Characters of one value that are kept."""

LAST = 2**63 - 1


def note(context: Context, method: Method, params: Mapping[str, Any]) -> None:
    """Record that ``method`` was carried out, inside its transaction; reads are no changes."""
    if method.scope == "read" or not method.audited or params.get("dry_run"):
        return
    told = {
        name: shown(value)
        for name, value in params.items()
        if name not in UNTOLD and value != method.params[name].default and is_small(value)
    }
    write(context, method.name, target_of(params), told)


def note_files(context: Context, changed: Sequence[str]) -> None:
    """Record that definition files have changed these jobs and services."""
    write(context, "scheduler.reload", ", ".join(changed)[:LONGEST] or None, {})


def write(context: Context, method: str, target: str | None, details: Json) -> None:
    face, _, name = context.actor.rpartition(":")
    context.store.access.add_audit(
        at=context.now(),
        actor=name,
        face=face or name,
        peer=context.peer,
        method=method,
        target=target,
        details=json.dumps(details),
    )


def target_of(params: Mapping[str, Any]) -> str | None:
    """What a change is about: names, or the number of a run. Names in definitions count too."""
    for key in TARGETS:
        value = params.get(key)
        if value is not None and value != []:
            words = value if isinstance(value, list) else [value]
            return ", ".join(map(str, words))[:LONGEST]
    definitions = params.get("definitions") or [params.get("definition")]
    names = [str(one["name"]) for one in definitions if isinstance(one, Mapping) and "name" in one]
    return ", ".join(names)[:LONGEST] or None


def is_small(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def shown(value: Any) -> Any:
    return value[:LONGEST] if isinstance(value, str) else value


def audit_list(
    context: Context,
    *,
    n: int,
    since: str | None,
    until: str | None,
    actor: str | None,
    method: str | None,
    target: str | None,
    before: int | None,
) -> Json:
    """The newest rows that match; the next page is ``before`` the last one's number."""
    now = context.now()
    since_ms, until_ms = moment_ms("since", since, now), moment_ms("until", until, now)
    rows = context.store.access.audit(
        {
            "since": 0 if since_ms is None else since_ms,
            "until": LAST if until_ms is None else until_ms,
            "actor": actor,
            "method": method,
            "target": target,
            "before": LAST if before is None else before,
            "n": limited(n),
        }
    )
    return {"changes": [view(row) for row in rows]}


def view(row: AuditRow) -> Json:
    return {
        "seq": row.seq,
        "at": rfc3339(row.at),
        "actor": row.actor,
        "face": row.face,
        "peer": row.peer,
        "method": row.method,
        "target": row.target,
        "details": json.loads(row.details),
    }
