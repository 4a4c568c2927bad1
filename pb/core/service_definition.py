"""Services as users write them: the one table of their keys, read to a Service and dumped back.

Pure: a mapping in, a Service or every problem of it out. Files and their lines are ``pb.config``'s,
what the values mean while a service runs is ``core.supervision``'s and the daemon's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from pb.core.argv import read_command
from pb.core.checks import HEALTH_FIELD, READY_FIELD, optional
from pb.core.definition import NAME_HINT, settle_command
from pb.core.fields import (
    DefinitionError,
    Field,
    Problem,
    mismatch,
    read_each,
    read_env_but,
    read_flag,
    read_integer,
    read_path,
    read_table,
    read_text,
    read_umask,
)
from pb.core.limits import read_size, write_size
from pb.core.notify import SERVICE_NOTIFY_FIELD
from pb.core.service import Service
from pb.core.service_policies import (
    DEPENDS_FIELD,
    GROUPS_FIELD,
    HOOKS_FIELD,
    LIMITS_FIELD,
    LOG_FIELD,
    RELOAD_FIELD,
    RESTART_FIELD,
    STOP_FIELD,
    WATCH_FIELD,
    read_service_name,
    read_user,
)
from pb.core.service_words import SERVICE_WORDS

__all__ = ["DefinitionError", "Problem", "service_dump", "service_from"]

MOST_REPLICAS = 1000

RESERVED_ENV = frozenset(
    (
        *("PB_SERVICE", "PB_INSTANCE", "PB_HOME", "PB_MARKER"),
        *("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"),
    )
)
"""What pb itself puts into every service; a definition cannot set these."""

OPTIONAL = "?"
"""Before the path of an ``env_file`` that need not be there."""


def read_env_file(value: object) -> str:
    """A path; after a leading ``?`` one of a file that need not be there."""
    text = read_text(value)
    path = text.removeprefix(OPTIONAL)
    return text[: len(text) - len(path)] + read_path(path)


def read_env_files(value: object) -> tuple[str, ...]:
    """One path or a list of them; later files win."""
    values = [value] if isinstance(value, str) else value
    paths: tuple[str, ...] = read_each(read_env_file, '[".env", "?.env.local"]')(values)
    return paths


FIELDS: Mapping[str, Field] = {
    "name": Field(read_service_name),
    "description": Field(read_text),
    "command": Field(read_command, list),
    "shell": Field(read_flag),
    "cwd": optional(read_path, str),
    "env": Field(lambda value: read_env_but(RESERVED_ENV, value), dict),
    "env_file": Field(read_env_files, list),
    "umask": optional(read_umask, lambda mask: f"{mask:03o}"),
    "nice": optional(read_integer(-20, 19), int),
    "limits": LIMITS_FIELD,
    "max_memory": optional(read_size, write_size),
    "user": optional(read_user, str),
    "replicas": Field(read_integer(1, MOST_REPLICAS)),
    "enabled": Field(read_flag),
    "essential": Field(read_flag),
    "groups": GROUPS_FIELD,
    "restart": RESTART_FIELD,
    "stop": STOP_FIELD,
    "reload": RELOAD_FIELD,
    "ready": READY_FIELD,
    "health": HEALTH_FIELD,
    "depends_on": DEPENDS_FIELD,
    "log": LOG_FIELD,
    "hooks": HOOKS_FIELD,
    "notify": SERVICE_NOTIFY_FIELD,
    "watch": WATCH_FIELD,
}
"""Every key that a service may have: how it is read, and how it is written back."""

DEFAULTS: Mapping[str, object] = {
    field.name: field.default if field.default_factory is MISSING else field.default_factory()
    for field in fields(Service)
    if field.default is not MISSING or field.default_factory is not MISSING
}


def service_from(mapping: Mapping[str, object], *, name: str | None = None) -> Service:
    """The service that ``mapping`` defines (SPEC section 5); keys left out have ``Service``'s
    defaults.

    ``name`` is the name where it stands outside of the mapping, as in a TOML table's header.
    Raises DefinitionError with every problem found.
    """
    if not isinstance(mapping, Mapping):
        raise mismatch("a table of a service's keys", mapping)
    given = dict(mapping) if name is None else {"name": name, **mapping}
    values, problems = read_table(given, FIELDS, refused=SERVICE_WORDS)
    if name is not None and values.get("name", name) != name:
        problems.append(Problem("name", f"says otherwise than {name!r}", "Leave it out."))
    for key, hint in (("name", NAME_HINT), ("command", "Say what to run.")):
        if key not in given:
            problems.append(Problem(key, "is missing", hint))
    problems += settle_command(values) + own_dependency(values)
    if problems:
        raise DefinitionError(problems)
    return Service(**values)


def own_dependency(values: Mapping[str, Any]) -> list[Problem]:
    """A service that would wait for itself."""
    return [
        Problem(f"depends_on[{index}]", "is the service itself", "Remove it.")
        for index, one in enumerate(values.get("depends_on", ()))
        if one.service == values.get("name")
    ]


def service_dump(service: Service) -> dict[str, object]:
    """The definition of ``service`` as JSON would have it, keys with default values left out.

    ``service_from(service_dump(service)) == service``; policies are always tables, never short.
    """
    dumped = {
        key: field.write(getattr(service, key))
        for key, field in FIELDS.items()
        if key not in DEFAULTS or getattr(service, key) != DEFAULTS[key]
    }
    if service.shell:
        dumped["command"] = service.command[0]
    return dumped
