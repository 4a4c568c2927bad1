"""The doctor's look at what runs: daemons, services, ports, orphans, and other homes."""

from __future__ import annotations

import os
from collections.abc import Iterator

from pb.cli.findings import Finding, Look, noted, problem, warning, well
from pb.paths import BUILTINS
from pb.process.identity import is_alive
from pb.process.table import MARKER_VARIABLE, Row, Table, identity_of, take_table

AT_REST = ("stopped", "waiting", "exited", "failed", "backoff")
"""Phases of an instance in which nothing of its last life should be left."""

STARTERS = {
    "scheduler": "pb scheduler start",
    "gateway": "pb gateway start",
    "debug": "pb debug web",
}
MODULES = {"pb.daemon": "scheduler", "pb.gateway": "gateway", "pb.debug": "debug server"}


def daemons(look: Look) -> Iterator[Finding]:
    """The three daemons: running and answering, and of this very pb."""
    from importlib.metadata import version

    from pb.cli.facts import is_healthy
    from pb.process.status import look as look_at

    for name in BUILTINS:
        status = look_at(look.home, name)
        record = status.record
        if status.state == "unknown":
            yield warning("daemons", f"{name}: {status.reason}", f"pb service status {name}")
        elif status.state == "running" and record is not None:
            if not is_healthy(name, record):
                said = f"{name} is alive (PID {record.pid}) and does not answer"
                yield problem("daemons", said, f"pb service restart {name}")
            elif record.pb_version not in (None, version("ponybunny")):
                said = f"{name} is of pb {record.pb_version}, and this is {version('ponybunny')}"
                yield warning("daemons", said, f"pb service restart {name}")
            else:
                yield well("daemons", f"{name} runs and answers (PID {record.pid})")
        elif name == "scheduler" and look.home.exists():
            yield noted("daemons", "the scheduler is not running", STARTERS[name])


def settings_of_daemons(look: Look) -> Iterator[Finding]:
    """Another database or socket in this shell's settings than the running scheduler has."""
    from pb.process.status import look as look_at

    record = look_at(look.home, "scheduler").record
    if look.settings is None or record is None:
        return
    for what, wanted, has in (
        ("database", look.settings.db_path(look.home), record.db_path),
        ("socket", look.settings.socket_path(look.home), record.socket_path),
    ):
        if has is not None and os.path.realpath(has) != os.path.realpath(wanted):
            said = f"the scheduler's {what} is {has}, and this shell's settings say {wanted}"
            yield warning("environment", said, "pb config show --origin")


def ports(look: Look) -> Iterator[Finding]:
    """Ports that our daemons would want and somebody else has."""
    from pb.process.listen import port_owner
    from pb.process.status import look as look_at

    if look.settings is None:
        return
    wanted = (
        ("gateway", "gateway.port", look.settings.gateway.port),
        ("gateway", "gateway.grpc_port", look.settings.gateway.grpc_port),
        ("debug", "debug.port", look.settings.debug.port),
    )
    free = []
    for daemon, setting, port in wanted:
        if port == 0 or look_at(look.home, daemon).state == "running":
            continue
        if is_taken(port):
            owner = port_owner(port) or "a program of another user"
            said = f"port {port} ({setting}) is taken by {owner}"
            yield warning(
                "ports", said, "Stop it, or set another port in config.toml (0: a free one)"
            )
        else:
            free.append(str(port))
    if free:
        yield well("ports", f"{', '.join(free)} are free")


def is_taken(port: int) -> bool:
    """Whether something accepts connections there; nothing is bound to find out."""
    import socket

    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def orphans(look: Look) -> Iterator[Finding]:
    """Processes with the marker of one of our runs or services that no open record knows."""
    from pb.store.store import Store

    if look.settings is None or not look.settings.db_path(look.home).exists():
        return
    table = take_table()
    with Store(look.settings.db_path(look.home), readonly=True) as store:
        prefix = f"{MARKER_VARIABLE}={store.store_id}/"
        marked = dict(marked_by(table, prefix))
        known = {str(run.id) for run in store.open_runs()}
        lives = [i for i in store.services.instances() if i.phase not in AT_REST]
        known |= {f"s/{one.service}/{one.instance}/{one.life}" for one in lives}
    # What has ended between the two looks was just being stopped.
    lost = {
        row: what
        for row, what in marked.items()
        if what not in known and is_alive(identity_of(row))
    }
    for row, what in lost.items():
        origin = f"service {what.split('/')[1]}" if what.startswith("s/") else f"run {what}"
        said = f"process {row.pid} ({row.name}) is left over from {origin}"
        yield warning("orphans", said, f"kill {row.pid}")
    if not lost:
        yield well("orphans", "no process is left over from a run or a service")


def marked_by(table: Table, prefix: str) -> Iterator[tuple[Row, str]]:
    above = {os.getpid(), *table.ancestors(os.getpid())}
    for row in table.rows.values():
        if row.is_dead or row.pid in above:
            continue
        for entry in table.markers(row):
            text = os.fsdecode(entry)
            if text.startswith(prefix):
                yield row, text.removeprefix(prefix)


def foreign_homes(look: Look) -> Iterator[Finding]:
    """Daemons of pb that this user runs for other homes."""
    others = [
        (pid, what, home)
        for pid, what, home in running_daemons()
        if os.path.realpath(home) != os.path.realpath(look.home.root)
    ]
    for pid, what, home in others:
        yield noted("other homes", f"a {what} of this user runs for {home} (PID {pid})")
    is_asked = bool(os.environ.get("PB_HOME"))
    schedulers = {home for _, what, home in others if what == "scheduler"}
    if is_asked and len(schedulers) == 1 and not is_running_here(look):
        (home,) = schedulers
        said = f"PB_HOME says {look.home.root}, and the scheduler that runs is that of {home}"
        yield warning("environment", said, f"export PB_HOME={home}")
    if not others:
        yield well("other homes", "no other pb of this user runs")


def is_running_here(look: Look) -> bool:
    from pb.process.status import look as look_at

    return look_at(look.home, "scheduler").state == "running"


def running_daemons() -> Iterator[tuple[int, str, str]]:
    """PID, kind and home of each daemon of pb, by the words that it was started with."""
    import psutil

    for process in psutil.process_iter():
        try:
            if process.uids().effective != os.geteuid():
                continue
            words = process.cmdline()
        except (psutil.Error, OSError):
            continue
        if "-m" not in words or "--home" not in words[:-1]:
            continue
        module = words[words.index("-m") + 1 : words.index("-m") + 2]
        if module and module[0] in MODULES:
            yield process.pid, MODULES[module[0]], words[words.index("--home") + 1]


def services(look: Look) -> Iterator[Finding]:
    """Services that have failed, or are not healthy."""
    from pb.core.service import Health, instance_name
    from pb.core.supervision import Phase
    from pb.store.store import Store

    if look.settings is None or not look.settings.db_path(look.home).exists():
        return
    with Store(look.settings.db_path(look.home), readonly=True) as store:
        found = store.services.instances()
    bad = [i for i in found if i.phase is Phase.FAILED or i.health is Health.UNHEALTHY]
    for one in bad:
        name, has_failed = instance_name(one.service, one.instance), one.phase is Phase.FAILED
        why = one.reason if has_failed else one.health_reason
        said = (
            f"{name} {'has failed' if has_failed else 'is not healthy'}{f' ({why})' if why else ''}"
        )
        then = f", then: pb service reset {name}" if has_failed else ""
        yield problem("services", said, f"pb service logs {name}{then}")
    if found and not bad:
        yield well("services", f"none of {len(found)} has failed")


EXAMINATIONS = (daemons, settings_of_daemons, ports, orphans, foreign_homes, services)
