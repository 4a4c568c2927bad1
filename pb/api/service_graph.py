"""Which services wait for which: checks, layers, and what a name means."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from pb.api.context import Context
from pb.api.service_views import require_service
from pb.api.views import Json
from pb.core.dependencies import cycle, unknown
from pb.core.service import Service, split_instance
from pb.errors import InvalidError, did_you_mean
from pb.store.services import ServiceRow


def graph(context: Context) -> dict[str, list[str]]:
    """The services that each service depends on."""
    return {
        row.name: [one["service"] for one in json.loads(row.definition).get("depends_on", ())]
        for row in context.store.services.rows()
        if not row.removing
    }


def check_graph(context: Context, drafts: Sequence[Service] = (), also: Sequence[str] = ()) -> None:
    """Refuse services that depend on nothing there is, or on themselves in a circle.

    ``drafts`` count as if they were stored, names in ``also`` as if they existed.
    """
    edges = graph(context)
    edges.update({one.name: [d.service for d in one.depends_on] for one in drafts})
    stray = unknown(edges, {*edges, *also})
    if stray is not None:
        hint = did_you_mean(stray[1], list(edges)) or "Add it first."
        raise InvalidError(f"{stray[0]} depends on {stray[1]!r}, which does not exist", hint=hint)
    path = cycle(edges)
    if path is not None:
        raise InvalidError(
            f"Services would wait for each other for ever: {' → '.join(path)}",
            hint="Correct the depends_on of one of them.",
        )


def layers_of(edges: dict[str, list[str]]) -> list[list[str]]:
    """The names in layers, each after those that it depends on; edges out of them do not count."""
    left = {name: {one for one in names if one in edges} for name, names in edges.items()}
    layers: list[list[str]] = []
    while left:
        layer = sorted(name for name, names in left.items() if not names & left.keys())
        if not layer:
            raise InvalidError("Services depend on each other in a circle")
        layers.append(layer)
        for name in layer:
            del left[name]
    return layers


def service_plan(context: Context, *, names: list[str], action: str, deps: bool) -> Json:
    """In which order services would be started or stopped; with ``deps``, and what they depend
    on, or for a stop what depends on them."""
    edges = graph(context)
    wanted = meant_services(context, names, action)
    if deps:
        reach = with_dependencies if action == "start" else with_dependents
        wanted = reach(wanted, edges)
    layers = layers_of({name: edges.get(name, []) for name in wanted})
    return {"layers": layers if action == "start" else layers[::-1], "action": action}


def meant_services(context: Context, names: Sequence[str], action: str) -> list[str]:
    """The services that names, groups and ``all`` mean; ``start all`` means the enabled ones."""
    rows = list(context.store.services.rows())
    members = members_by_word(rows)
    members["all"] = [row.name for row in rows if row.enabled or action != "start"]
    found: dict[str, None] = {}
    for name in names:
        meant = members.get(name) or members.get(split_instance(name)[0], [])
        if not meant and name != "all":
            require_service(context, split_instance(name)[0])
        found.update(dict.fromkeys(meant))
    return list(found)


def members_by_word(rows: Iterable[ServiceRow]) -> dict[str, list[str]]:
    """The services that each word means: the one of that name, and those in that group."""
    found: dict[str, list[str]] = {}
    for row in rows:
        groups = json.loads(row.definition).get("groups", []) if "groups" in row.definition else []
        for word in dict.fromkeys((row.name, *groups)):
            found.setdefault(word, []).append(row.name)
    return found


def with_dependents(names: Sequence[str], edges: dict[str, list[str]]) -> list[str]:
    """``names`` and everything that depends on them."""
    needed_by: dict[str, list[str]] = {}
    for other, needs in edges.items():
        for name in needs:
            needed_by.setdefault(name, []).append(other)
    return with_dependencies(names, needed_by)


def with_dependencies(names: Sequence[str], edges: dict[str, list[str]]) -> list[str]:
    """``names`` and everything that they depend on."""
    found: dict[str, None] = {}
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = None
            todo += edges.get(name, [])
    return list(found)
