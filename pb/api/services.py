"""Defining services, carried out on the store: the same code in the scheduler and in the CLI.

What needs a running scheduler (starting, above all) is the engine's.
"""

from __future__ import annotations

import json

from pb.api.context import Context
from pb.api.lives import identity_of
from pb.api.service_graph import check_graph, graph
from pb.api.service_views import ALIVE, require_service, service_view, unborn
from pb.api.views import Json
from pb.core.service import Desired, Service
from pb.core.service_definition import MOST_REPLICAS, service_dump, service_from
from pb.errors import ConflictError, InvalidError
from pb.process.identity import is_alive
from pb.store.services import InstanceRow, ServiceRow


def service_add(context: Context, *, definition: Json, replace: bool, source: str) -> Json:
    service = service_from(definition)
    created = put(context, service, replace=replace, source=source)
    check_graph(context)
    row = require_service(context, service.name)
    instances = context.store.services.instances(row.name) or [unborn(row)]
    return {
        "added" if created else "replaced": True,
        "service": service_view(context, row, instances[0]),
    }


def put(
    context: Context,
    service: Service,
    *,
    replace: bool,
    source: str,
    keep_switch: bool = False,
) -> bool:
    """Add a service, or with ``replace`` change one; True when it is new.

    ``keep_switch``: it stays enabled or disabled as it is, unless its definition says otherwise
    than before. Raises ConflictError for a name that is taken.
    """
    row = context.store.services.row(service.name)
    if row is None:
        insert(context, service, source)
        return True
    if not replace and not row.removing:
        raise ConflictError(
            f"A service named {service.name!r} exists already",
            hint=f"Add --replace to change it, or run: pb service remove {service.name}",
        )
    change(context, service, row, source, keep_switch=keep_switch)
    return False


def canonical(service: Service) -> str:
    return json.dumps(service_dump(service), ensure_ascii=False, separators=(",", ":"))


def insert(context: Context, service: Service, source: str) -> None:
    context.store.services.add(
        name=service.name,
        definition=canonical(service),
        source=source,
        enabled=service.enabled,
        desired=Desired.RUNNING if service.enabled else Desired.STOPPED,
        now=context.now(),
    )
    context.services_changed.append(service.name)
    context.tell("service.added", f"Service {service.name} added", service=service.name)


def change(
    context: Context, service: Service, row: ServiceRow, source: str, *, keep_switch: bool
) -> None:
    """Replace a definition; what runs goes on with the old one until it is restarted."""
    text = canonical(service)
    before = json.loads(row.definition).get("enabled", True)
    is_kept = keep_switch and before == service.enabled
    enabled = row.enabled if is_kept else service.enabled
    same = (text, source, enabled) == (row.definition, row.source, row.enabled)
    if same and not row.removing:
        return
    context.store.services.replace(
        name=service.name, definition=text, source=source, enabled=enabled, now=context.now()
    )
    if row.removing:
        desired = Desired.RUNNING if service.enabled else Desired.STOPPED
        context.store.services.set_desired(service.name, desired, now=context.now())
        context.store.services.set_scale(service.name, None, now=context.now())
    context.services_changed.append(service.name)
    if text != row.definition or row.removing:
        context.tell("service.changed", f"Service {service.name} changed", service=service.name)


def drop(context: Context, name: str) -> None:
    """Have a service stopped and then forgotten, at once where nothing of it lives."""
    rows = context.store.services.instances(name)
    if context.facts is None and not any(is_living(row) for row in rows):
        context.store.services.delete(name)
        context.tell("service.removed", f"Service {name} removed", service=name)
    else:
        context.store.services.set_removing(name, now=context.now())
    context.services_changed.append(name)


def is_living(row: InstanceRow) -> bool:
    identity = identity_of(row)
    return row.phase in ALIVE and identity is not None and is_alive(identity)


def service_remove(context: Context, *, name: str) -> Json:
    require_service(context, name)
    needing = [one for one, names in graph(context).items() if name in names]
    if needing:
        raise ConflictError(
            f"{name} is what {', '.join(needing)} depends on",
            hint=f"Change or remove {needing[0]} first.",
        )
    drop(context, name)
    return {"removed": name, "is_gone": context.store.services.row(name) is None}


def service_enable(context: Context, *, name: str) -> Json:
    return set_enabled(context, name, enabled=True)


def service_disable(context: Context, *, name: str) -> Json:
    return set_enabled(context, name, enabled=False)


def set_enabled(context: Context, name: str, *, enabled: bool) -> Json:
    row = require_service(context, name)
    if row.enabled != enabled:
        context.store.services.set_enabled(name, enabled=enabled, now=context.now())
        context.services_changed.append(name)
        word = "enabled" if enabled else "disabled"
        context.tell("service.changed", f"Service {name} {word}", service=name)
    return {"service": name, "enabled": enabled, "changed": row.enabled != enabled}


def service_scale(context: Context, *, name: str, replicas: int) -> Json:
    """Run so many instances instead of the definition's ``replicas``."""
    row = require_service(context, name)
    if not 0 <= replicas <= MOST_REPLICAS:
        raise InvalidError(f"replicas should be from 0 to {MOST_REPLICAS}")
    context.store.services.set_scale(name, replicas, now=context.now())
    context.services_changed.append(name)
    text = f"Service {name} scaled to {replicas}"
    context.tell("service.changed", text, service=name)
    usual = json.loads(row.definition).get("replicas", 1)
    before = usual if row.scale is None else row.scale
    return {"service": name, "replicas": replicas, "before": before}
