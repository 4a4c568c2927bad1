"""Service definitions in files against the store: what would change, and changing it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pb.api.applying import set_against, with_switch
from pb.api.context import Context
from pb.api.service_graph import check_graph
from pb.api.service_views import require_service
from pb.api.services import drop, put
from pb.api.views import Json
from pb.core.service import Service
from pb.core.service_definition import service_dump, service_from
from pb.store.services import ServiceRow


def service_apply(
    context: Context,
    *,
    definitions: list[Json],
    source: str,
    beside: list[str],
    dry_run: bool = False,
) -> Json:
    """Make the store's services those of one file, all or none; name what is left alone and why."""
    answer: dict[str, list[Any]] = {"added": [], "changed": [], "unchanged": [], "kept": []}
    services = [service_from(definition) for definition in definitions]
    for service in services:
        row = context.store.services.row(service.name)
        word, entry = compared(service, row, source)
        answer[word].append(entry)
        if word in ("added", "changed") and not dry_run:
            put(context, service, replace=True, source=source)
    kept = {entry["name"] for entry in answer["kept"]}
    drafts = [service for service in services if service.name not in kept] if dry_run else []
    check_graph(context, drafts, beside if dry_run else ())
    return dict(answer)


def compared(service: Service, row: ServiceRow | None, source: str) -> tuple[str, Json]:
    """What applying one service means: added, changed (which keys), unchanged, or kept (why)."""
    wanted = service_dump(service)
    if row is None or row.removing:
        return "added", {"name": service.name, "definition": wanted}
    return set_against(wanted, stored(row), before=row.source, source=source)


def stored(row: ServiceRow) -> Json:
    """The definition as it is stored, but enabled or disabled as it is now."""
    definition: Json = json.loads(row.definition)
    return with_switch(definition, "enabled", row.enabled, default=True)


def service_prune(context: Context, *, scope: str, keep: list[str], dry_run: bool = False) -> Json:
    """Remove the services that came from ``scope`` (a source, or the sources below it) but some."""
    kept = set(keep)
    gone: list[Json] = []
    left: list[Json] = []
    for row in list(context.store.services.rows()):
        if row.name in kept or row.removing:
            continue
        is_inside = row.source == scope or row.source.startswith(scope + "/")
        (gone if is_inside else left).append({"name": row.name, "source": row.source})
    if not dry_run:
        for one in gone:
            drop(context, one["name"])
        check_graph(context)
    return {"removed": gone, "kept": left}


def service_export(context: Context, *, names: list[str]) -> Json:
    """The definitions of some services or all, as a file would have them."""
    return {"services": list(exported(context, names))}


def exported(context: Context, names: list[str]) -> Iterator[Json]:
    rows = [require_service(context, name) for name in names] if names else None
    for row in rows if rows is not None else context.store.services.rows():
        if not row.removing:
            yield stored(row)
