"""The settings of a home: the one table of them, and where each value came from.

Defaults, then ``config.toml``, then the environment, then flags (SPEC section 1). A setting that
cannot be read is an error, never a silent default. Applying settings is everybody else's work.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import field, fields
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pb.config.setting_values import (
    Given,
    Reader,
    read_bool,
    read_bytes,
    read_channel_names,
    read_channel_tables,
    read_file_path,
    read_host,
    read_lease,
    read_names,
    read_queues,
    read_seconds,
    read_socket_path,
    read_usual_notify,
    read_whole,
    read_word,
    read_zone_name,
)
from pb.core.lean import dataclass
from pb.errors import InvalidError, did_you_mean
from pb.paths import Home

if TYPE_CHECKING:
    from pb.config.located import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerSettings:
    """``db`` and ``socket`` are absolute paths, None for the home's own. Seconds where a time.

    ``queues`` are slots by queue: ``default`` has no bound of its own, others have one slot.
    """

    db: str | None = None
    socket: str | None = None
    shutdown_timeout: float = 30.0
    max_running: int = 256
    queues: Mapping[str, int] = field(default_factory=dict)
    timezone: str = "local"
    lease: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """``max_size`` in bytes of one log; ``keep`` rotated ones, gzipped with ``compress``.

    The rest is of the daemons' own logs: ``system`` is where their lines go besides, ``socket``
    that one's, None for the usual place.
    """

    max_size: int = 10 * 2**20
    keep: int = 5
    compress: bool = True
    level: str = "info"
    format: str = "text"
    system: str = "off"
    socket: str | None = None
    syslog_format: str = "rfc3164"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """How much of each job's past is kept, unless its definition says otherwise; and for how many
    days what it adds up to is kept by the hour (by day, week and month: for good)."""

    keep_runs: int = 100
    keep_days: int = 30
    hourly_days: int = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceSettings:
    """The jobs that pb itself has (``api.builtin``); each kind can be switched off. ``digests_to``
    are the channels that digests are sent to."""

    rollups: bool = True
    compaction: bool = True
    retention: bool = True
    backup: bool = True
    digests: bool = True
    digests_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSettings:
    """Where backups are kept, None for the home's own directory, and how many of them."""

    directory: str | None = None
    keep: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """Where the gateway listens; port 0 picks a free one. ``tls_cert`` and ``tls_key`` are PEM
    files; with ``tls`` alone they are made. ``names`` are further names it is reached by.
    ``rate_limit`` is requests a second of one token, 0 for any number."""

    host: str = "127.0.0.1"
    port: int = 18789
    grpc_port: int = 50051
    tls: bool = False
    tls_cert: str | None = None
    tls_key: str | None = None
    names: tuple[str, ...] = ()
    rate_limit: int = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugSettings:
    """Where the debug server listens; port 0 picks a free one."""

    host: str = "127.0.0.1"
    port: int = 18790


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySettings:
    """Where people are told, and who is where a definition says nothing; both as JSON has them
    (``core.channels`` and ``core.notify`` read them)."""

    default: Any = ()
    channels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings; ``origins`` says of each (``gateway.port``) where its value came from:
    ``default``, ``FILE:LINE``, ``environment NAME`` or ``flag``."""

    scheduler: SchedulerSettings = SchedulerSettings()
    logs: LogSettings = LogSettings()
    retention: RetentionSettings = RetentionSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    backup: BackupSettings = BackupSettings()
    gateway: GatewaySettings = GatewaySettings()
    debug: DebugSettings = DebugSettings()
    notify: NotifySettings = NotifySettings()
    origins: Mapping[str, str] = field(default_factory=dict)

    def db_path(self, home: Home) -> Path:
        return Path(self.scheduler.db) if self.scheduler.db else home.db

    def socket_path(self, home: Home) -> Path:
        return Path(self.scheduler.socket) if self.scheduler.socket else home.socket

    def backup_dir(self, home: Home) -> Path:
        return Path(self.backup.directory) if self.backup.directory else home.backups


Problems = list[tuple[str, str | None]]
"""What is wrong, each with its place, and its hint."""


MAINTENANCE = tuple(one.name for one in fields(MaintenanceSettings) if one.default is True)

SETTINGS: Mapping[str, Reader] = {
    "scheduler.db": read_file_path,
    "scheduler.socket": read_socket_path,
    "scheduler.shutdown_timeout": read_seconds,
    "scheduler.max_running": read_whole(1, 100_000),
    "scheduler.queues": read_queues,
    "scheduler.timezone": read_zone_name,
    "scheduler.lease": read_lease,
    "logs.max_size": read_bytes,
    "logs.keep": read_whole(1, 1000),
    "logs.compress": read_bool,
    "logs.level": read_word("debug", "info", "warning", "error"),
    "logs.format": read_word("text", "json"),
    "logs.system": read_word("off", "journal", "syslog"),
    "logs.socket": read_socket_path,
    "logs.syslog_format": read_word("rfc3164", "rfc5424"),
    "retention.keep_runs": read_whole(1, 10_000_000),
    "retention.keep_days": read_whole(1, 36_500),
    "retention.hourly_days": read_whole(8, 36_500),
    **{f"maintenance.{key}": read_bool for key in MAINTENANCE},
    "maintenance.digests_to": read_channel_names,
    "backup.directory": read_file_path,
    "backup.keep": read_whole(1, 1000),
    "gateway.host": read_host,
    "gateway.port": read_whole(0, 65_535),
    "gateway.grpc_port": read_whole(0, 65_535),
    "gateway.tls": read_bool,
    "gateway.tls_cert": read_file_path,
    "gateway.tls_key": read_file_path,
    "gateway.names": read_names,
    "gateway.rate_limit": read_whole(0, 1_000_000),
    "debug.host": read_host,
    "debug.port": read_whole(0, 65_535),
    "notify.default": read_usual_notify,
    "notify.channels": read_channel_tables,
}
"""Every setting and how its value is read; the defaults are those of the dataclasses."""

SECTIONS: Mapping[str, type[Any]] = {
    "scheduler": SchedulerSettings,
    "logs": LogSettings,
    "retention": RetentionSettings,
    "maintenance": MaintenanceSettings,
    "backup": BackupSettings,
    "gateway": GatewaySettings,
    "debug": DebugSettings,
    "notify": NotifySettings,
}

OTHER_NAMES = {
    "PONY_DB_PATH": "scheduler.db",
    "PONY_SCHEDULER_SOCKET": "scheduler.socket",
    "PONY_GATEWAY_HOST": "gateway.host",
    "PONY_GATEWAY_PORT": "gateway.port",
    "DEBUG_SERVER_PORT": "debug.port",
}
"""Names of an older program that are honoured; a ``PB_`` name of the same setting wins."""


def variable(setting: str) -> str:
    """The environment variable of a setting: ``gateway.port`` is ``PB_GATEWAY__PORT``."""
    return "PB_" + setting.replace(".", "__").upper()


def load_settings(
    home: Home,
    *,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """The settings of ``home``: defaults < ``config.toml`` < environment < flags.

    ``file`` is another one to be taken for ``config.toml``: to check it first.

    ``flags`` go by setting (``{"gateway.port": 0}``); None in it is a flag that was not given. An
    empty environment variable counts as not set. ``PB_`` names win over the ``PONY_`` ones.
    Raises InvalidError that names the place of each problem (``FILE:LINE: KEY: …``), and
    PermissionDeniedError when ``config.toml`` may not be read.
    """
    problems: Problems = []
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for setting, given in chain(
        file_values(home.config if file is None else file, home.root, problems),
        environment_values(os.environ if environ is None else environ, problems),
        flag_values(flags or {}, problems),
    ):
        try:
            values[setting] = SETTINGS[setting](given)
            origins[setting] = given.origin
        except InvalidError as error:
            problems.append((f"{given.place}: {error.message}", error.hint))
    if problems:
        raise InvalidError("; ".join(text for text, _ in problems), hint=problems[0][1])
    return assembled(values, origins)


def assembled(values: Mapping[str, Any], origins: Mapping[str, str]) -> Settings:
    sections: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for setting, value in values.items():
        section, _, key = setting.partition(".")
        sections[section][key] = value
    return Settings(
        **{section: SECTIONS[section](**given) for section, given in sections.items()},
        origins={setting: origins.get(setting, "default") for setting in SETTINGS},
    )


def file_values(path: Path, base: Path, problems: Problems) -> Iterator[tuple[str, Given]]:
    """What ``config.toml`` says, when there is one; a dangling link is not "none".

    Relative paths in it are from ``base``.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError:
        pass  # One that cannot be looked at is not "none" either: reading it tells why.
    from pb.core.fields import join_key

    document = read_config(path)
    for section, table in document.value.items():
        name = join_key("", section)
        place = f"{path}:{document.line_of(name)}: {name}"
        if section not in SECTIONS:
            problems.append((f"{place}: is not a known section", nearest(section, SECTIONS)))
        elif not isinstance(table, Mapping):
            problems.append((f"{place}: should be a section", f"Write [{section}]."))
        elif section == "notify":
            yield from notify_values(path, base, document, table, problems)
        else:
            yield from section_values(path, base, document, section, table, problems)


def section_values(
    path: Path,
    base: Path,
    document: Document,
    section: str,
    table: Mapping[str, object],
    problems: Problems,
) -> Iterator[tuple[str, Given]]:
    from pb.core.fields import join_key

    for key, value in table.items():
        setting = join_key(section, key)
        origin = f"{path}:{document.line_of(setting)}"
        if setting in SETTINGS:
            yield setting, Given(value, origin, f"{origin}: {setting}", base)
        else:
            known = [name.partition(".")[2] for name in SETTINGS if name.startswith(f"{section}.")]
            problems.append((f"{origin}: {setting}: is not a known setting", nearest(key, known)))


def notify_values(
    path: Path, base: Path, document: Document, table: Mapping[str, object], problems: Problems
) -> Iterator[tuple[str, Given]]:
    """``[notify]``: its settings, and a table for each channel, under the name that it is given."""
    from pb.core.channels import RESERVED, channel_from
    from pb.core.fields import DefinitionError, join_key

    named = {name: one for name, one in table.items() if name not in RESERVED}
    rest = {name: one for name, one in table.items() if name in RESERVED}
    yield from section_values(path, base, document, "notify", rest, problems)
    for name, one in named.items():
        try:
            channel_from(name, one)
        except DefinitionError as error:
            for problem in error.problems:
                place = join_key("notify", name) + (f".{problem.key}" if problem.key else "")
                text = f"{path}:{document.line_of(place)}: {place}: {problem.message}"
                problems.append((text, problem.hint))
    if named and "channels" in rest:
        place = f"{path}:{document.line_of('notify.channels')}: notify.channels"
        problems.append((f"{place}: stands beside [notify.NAME]", "Write one or the other."))
    if named and not problems:
        origin = str(path)
        yield "notify.channels", Given(named, origin, origin, base)


def read_config(path: Path) -> Document:
    from pb.config.located import DocumentError, parse_toml, read_text
    from pb.errors import PermissionDeniedError

    try:
        return parse_toml(read_text(path))
    except DocumentError as error:
        place = f"{path}:{error.line}" if error.line else str(path)
        raise InvalidError(f"{place}: {error.message}", hint=error.hint) from None
    except PermissionDeniedError as error:
        raise PermissionDeniedError(f"{path}: {error.message}", hint=error.hint) from None


def environment_values(
    environ: Mapping[str, str], problems: Problems
) -> Iterator[tuple[str, Given]]:
    """What the environment says. ``PB_`` names without ``__`` (PB_HOME, PB_JOB) are no settings."""
    known = {variable(setting): setting for setting in SETTINGS}
    for name in sorted(environ, key=lambda name: name not in OTHER_NAMES):
        setting = OTHER_NAMES.get(name) or known.get(name)
        if setting and environ[name]:
            place = f"environment {name}"
            yield setting, Given(environ[name], place, place, is_text=True)
        elif setting is None and name.startswith("PB_") and "__" in name:
            hint = nearest(name, known)
            problems.append((f"environment {name}: is not a known setting", hint))


def flag_values(flags: Mapping[str, object], problems: Problems) -> Iterator[tuple[str, Given]]:
    for setting, value in flags.items():
        if setting not in SETTINGS:
            problems.append((f"flag {setting}: is not a known setting", nearest(setting, SETTINGS)))
        elif value is not None:
            place = f"flag --{setting.partition('.')[2].replace('_', '-')}"
            yield setting, Given(value, "flag", place, is_text=True)


def nearest(word: str, known: Mapping[str, object] | list[str]) -> str:
    return did_you_mean(word[:64], tuple(known)) or f"Known: {', '.join(sorted(known))}."
