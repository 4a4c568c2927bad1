"""Stopping and signalling services while no scheduler runs: by identity and marker.

The same methods with a scheduler are its engine's. Nothing is started here, since nobody would
watch it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pb.api.context import Context
from pb.api.lives import identity_of, set_identity
from pb.api.service_graph import graph as graph_of
from pb.api.service_graph import layers_of, meant_services, with_dependents
from pb.api.service_views import ALIVE, service_list, service_view
from pb.api.surroundings import marker_of
from pb.api.views import Json
from pb.core.service import Desired, Health, Service, StopScope, instance_name, split_instance
from pb.core.service_definition import service_from
from pb.core.supervision import Phase
from pb.errors import InvalidError, NeedsDaemonError
from pb.process.identity import is_alive, send_signal
from pb.process.pidfile import PidFileError, read_pid_file, remove_pid_file
from pb.process.signals import signal_number
from pb.process.tree import TreeStop, in_scope, leader_of, members, stop_all
from pb.store.services import InstanceRow


def service_stop(
    context: Context, *, names: list[str], force: bool, timeout: float | None, dependents: bool
) -> Json:
    """Stop services, those that depend on others first, and remember that they are to stay so."""
    edges = graph_of(context)
    single = {split_instance(name)[0] for name in names if "@" in name}
    meant = meant_services(context, names, "stop")
    whole = [name for name in meant if name not in single]
    whole = with_dependents(whole, edges) if dependents else whole
    with context.store.transaction():
        for name in whole:
            context.store.services.set_desired(name, Desired.STOPPED, now=context.now())
    answers: list[Json] = []
    for layer in reversed(layers_of({name: edges.get(name, []) for name in {*meant, *whole}})):
        rows = [row for name in layer for row in context.store.services.instances(name)]
        chosen = [row for row in rows if row.service in whole or _is_named(row, names)]
        answers += _stop(context, chosen, force, timeout)
    return {"services": answers}


def _is_named(row: InstanceRow, names: Sequence[str]) -> bool:
    """An instance may be named by itself: then it stops, and its service is still wanted."""
    return instance_name(row.service, row.instance) in names


def _stop(
    context: Context, rows: list[InstanceRow], force: bool, timeout: float | None
) -> list[Json]:
    """Stop some instances side by side, and write down what became of them."""
    stops = {}
    for row in rows:
        marker = marker_of(context.store.store_id, row.service, row.instance, row.life)
        if row.phase in ALIVE:
            # Its leader may have ended, and others of its tree live on.
            identity = identity_of(row) or leader_of(members(None, marker))
            policy = _definition(context, row).stop
            stops[row.service, row.instance] = TreeStop(
                identity,
                marker,
                signum=signal_number(policy.signal),
                grace=policy.timeout if timeout is None else timeout,
                force=force,
                scope=policy.scope,
                log=context.home.log(instance_name(row.service, row.instance)),
            )
    stop_all(list(stops.values()))
    with context.store.transaction():
        return [_stopped(context, row, stops.get((row.service, row.instance))) for row in rows]


def _definition(context: Context, row: InstanceRow) -> Service:
    """What it was started with; the present definition where that is not known."""
    service = context.store.services.row(row.service)
    text = row.definition or (service.definition if service is not None else "{}")
    return service_from(json.loads(text))


def _stopped(context: Context, row: InstanceRow, stop: TreeStop | None) -> Json:
    stop = stop if stop is not None and stop.has_found else None
    left = [{"pid": one.pid, "command": one.command} for one in stop.survivors] if stop else []
    if stop is not None:
        row.exit_reason, row.exit_at = "stopped while no scheduler was running", context.now()
        row.exit_code = row.exit_signal = None
    row.phase = Phase.ORPHANED if left else Phase.STOPPED
    row.since_at, row.health, row.reason = context.now(), Health.NONE, None
    if not left:
        set_identity(row, None)
        _remove_pid_file(context, row)
    context.store.services.save([row])
    service = context.store.services.row(row.service)
    if service is None:
        raise InvalidError(f"The service {row.service} was removed meanwhile")
    if stop is not None and not left:
        name = instance_name(row.service, row.instance)
        context.tell("service.stopped", f"Service {name} stopped", service=row.service)
    action = "killed" if stop and stop.killed else "stopped" if stop else "not_running"
    view = service_view(context, service, row)
    return {**view, "ok": not left, "action": action, "survivors": left}


def _remove_pid_file(context: Context, row: InstanceRow) -> None:
    """Remove its PID file when the process that it names is gone."""
    path = context.home.pid_file(instance_name(row.service, row.instance))
    try:
        record = read_pid_file(path)
    except PidFileError:
        return  # Not ours to judge: `pb doctor` tells.
    if record is not None and (record.identity is None or not is_alive(record.identity)):
        remove_pid_file(path, record)


def service_signal(context: Context, *, name: str, signal: str, scope: str) -> Json:
    """Send a signal to the instances that ``name`` means."""
    number = signal_number(signal)
    views = service_list(context, names=[name])["services"]
    wanted = {(view["service"], view["instance"]) for view in views if view["pid"] is not None}
    rows = [
        row for row in context.store.services.instances() if (row.service, row.instance) in wanted
    ]
    if not rows:
        raise NeedsDaemonError(f"{name} does not run", hint=f"Start it: pb service start {name}")
    sent = sum(_signal(context, row, number, StopScope(scope)) for row in rows)
    return {"sent": sent}


def _signal(context: Context, row: InstanceRow, number: int, scope: StopScope) -> int:
    identity = identity_of(row)
    if identity is None:
        return 0
    if scope is StopScope.MAIN:
        return int(send_signal(identity, number))
    marker = marker_of(context.store.store_id, row.service, row.instance, row.life)
    found = members(identity, marker)
    return sum(send_signal(one, number) for one in in_scope(found, identity.pid, scope))
