"""What each setting is for, in a sentence, and when a change of it counts.

The reference, the comments of a new ``config.toml`` and ``pb config`` all take it from here.
"""

from __future__ import annotations

from collections.abc import Mapping

from pb.config.settings import SETTINGS, Settings
from pb.core.lean import dataclass

AT_ONCE = "at once"
"""When a scheduler reads its settings again; `pb config set` asks it to."""

RESTART = {
    "scheduler": "pb scheduler restart",
    "gateway": "pb gateway restart",
    "debug": "pb debug stop; pb debug web",
}
"""What makes a change count that is read at the start of that daemon only."""

MEANINGS: Mapping[str, str] = {
    "scheduler.db": "The database, an absolute path. Default: pony.db in the home.",
    "scheduler.socket": "The socket, an absolute path of at most 107 bytes. Default: gateway.sock "
    "in the home.",
    "scheduler.shutdown_timeout": "How long a stopping scheduler waits for active runs before it "
    'stops them, in seconds or as "1m30s".',
    "scheduler.max_running": "How many runs may be active at once; further ones wait, by priority.",
    "scheduler.queues": "Slots by queue, such as {backup = 1, network = 4} (in the environment "
    "backup=1,network=4). The queue default has no bound of its own unless it is named here, any "
    "other queue has one slot.",
    "scheduler.timezone": "The zone that jobs get which name none, when they are added. local is "
    "the machine's.",
    "scheduler.lease": "Where several schedulers share a database, how long the others wait for "
    'one that has fallen silent before they take over its runs: from "1s" to "1h".',
    "logs.max_size": 'When a log is rotated, in bytes or as "10MiB". Holds for the daemons\' logs '
    "and for each run's.",
    "logs.keep": "How many rotated logs are kept beside the current one.",
    "logs.compress": "Whether rotated logs are gzipped, from the second one on.",
    "logs.level": "What the daemons write to their own logs: debug, info, warning or error, and "
    "worse. The scheduler takes it at once, the others at their start; see also "
    "`pb scheduler log-level`.",
    "logs.format": "text, or json: a document a line, in the daemons' own logs.",
    "logs.system": "Where the lines of the daemons' own logs go besides: off, journal (journald) "
    "or syslog. What cannot be sent is counted, and nothing waits for it.",
    "logs.socket": "The socket of that log, an absolute path. Default: "
    "/run/systemd/journal/socket or /dev/log (on macOS /var/run/syslog).",
    "logs.syslog_format": "How syslog is spoken to: rfc3164, which every local one knows, or "
    "rfc5424.",
    "retention.keep_runs": "How many of each job's runs are kept (and as many skips, and as many "
    "misses), unless its own retention says otherwise. Runs of `pb run` without a name count as "
    "one job's.",
    "retention.keep_days": "After how many days a run is let go, whatever their number.",
    "retention.hourly_days": "For how many days what runs add up to is kept by the hour, for "
    "`pb stats`. By day, week and month it is kept for good.",
    "maintenance.rollups": "Whether runs are added up, at night and before they are let go. "
    "Without, `pb stats` and `pb job stats` know only runs that are still there.",
    "maintenance.compaction": "Whether pb tidies and checks its database on Sundays.",
    "maintenance.retention": "Whether pb looks each night for all that is too old. A living "
    "scheduler lets runs go in any case.",
    "maintenance.backup": "Whether pb makes a backup on Sundays.",
    "maintenance.digests": "Whether pb writes a digest each evening, and one on Sundays.",
    "maintenance.digests_to": "The channels that each digest is sent to, by name "
    "([`[notify.NAME]`](../howto/get-told.md)). It is written to a file in any case.",
    "backup.directory": "Where backups are kept, an absolute path. Default: backups in the home.",
    "backup.keep": "How many backups are kept there; the oldest go when a new one has been "
    "verified.",
    "gateway.host": "Where the gateway listens.",
    "gateway.port": "Its HTTP port; 0 picks a free one, which the PID file and `status` name.",
    "gateway.grpc_port": "Its gRPC port; 0 picks a free one.",
    "gateway.tls": "Whether everything is encrypted (HTTP, WebSocket and gRPC). Without a "
    "certificate of your own one is made with openssl, gateway.crt and gateway.key in the home; "
    "its fingerprint is in the gateway's log. Beyond this machine the gateway only listens "
    "encrypted.",
    "gateway.tls_cert": "A certificate of your own (with its chain), a PEM file.",
    "gateway.tls_key": "Its key, a PEM file that must be yours alone and have no password.",
    "gateway.rate_limit": "Requests a second that one token may make, in bursts of as many; more "
    "are answered 429 (in gRPC RESOURCE_EXHAUSTED). 0: any number.",
    "gateway.names": "Further names or addresses by which the gateway is reached, such as "
    '["pb.example.org"] (in the environment with commas). Every other Host is refused. They also '
    "go into a certificate that is made.",
    "debug.host": "Where the debug server listens.",
    "debug.port": "Its port; 0 picks a free one.",
    "notify.default": "Who is told of what where a job or service does not say: names of channels, "
    'such as ["ops"], or a table as in a definition (in the environment names with commas). '
    "Default: nobody.",
    "notify.channels": "Where people are told. In the file each is a table of its own, "
    "[notify.NAME]; in the environment all of them are one JSON object.",
}
"""Every setting with its meaning."""

FLAGS: Mapping[str, str] = {
    "scheduler.db": "--db",
    "scheduler.socket": "--socket",
    "gateway.host": "--host",
    "gateway.port": "--port",
    "gateway.grpc_port": "--grpc-port",
    "debug.host": "--host",
    "debug.port": "--port",
}
"""Settings that are a flag of their daemon's start, too."""

AT_START: Mapping[str, tuple[str, ...]] = {
    "scheduler.db": ("scheduler", "gateway", "debug"),
    "scheduler.socket": ("scheduler",),
    "scheduler.lease": ("scheduler",),
    **{name: ("gateway",) for name in SETTINGS if name.startswith("gateway.")},
    **{name: ("debug",) for name in SETTINGS if name.startswith("debug.")},
}
"""Settings that a daemon takes when it starts, and by which daemons; all others count at once."""


def value_of(settings: Settings, name: str) -> object:
    section, _, key = name.partition(".")
    return getattr(getattr(settings, section), key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a daemon makes of settings that have changed: those that count now, and those that
    wait for a start (by name). ``settings`` are the ones it has from now on."""

    settings: Settings
    at_once: tuple[str, ...] = ()
    at_start: tuple[str, ...] = ()


def taken(now: Settings, fresh: Settings) -> Taken:
    """What of ``fresh`` a running scheduler takes; what it takes at its start stays as it is."""
    from pb.config.settings import assembled

    changed = [name for name in SETTINGS if value_of(now, name) != value_of(fresh, name)]
    side = {name: now if "scheduler" in AT_START.get(name, ()) else fresh for name in SETTINGS}
    return Taken(
        settings=assembled(
            {name: value_of(side[name], name) for name in SETTINGS},
            {name: side[name].origins.get(name, "default") for name in SETTINGS},
        ),
        at_once=tuple(name for name in changed if name not in AT_START),
        at_start=tuple(name for name in changed if name in AT_START),
    )
