"""The JSON Schema of a service: made from the table of keys, as ``schema`` makes that of a job.

``pb/schemas/scheduler/service.json`` holds it, and ``job.json`` within the schema of a file. What a
schema cannot say (regular expressions, words of a command) stays the readers' work.
"""

from __future__ import annotations

from collections.abc import Mapping

from pb.config.shapes import (
    CHANNELS,
    COMMAND,
    DURATION,
    NAME,
    NO_ZERO,
    NOTIFY_WRITTEN,
    PATH,
    SHELL_RULE,
    SIGNAL,
    SIZE,
    UMASK,
    Drawing,
    Shape,
    any_case,
    environment,
)
from pb.core.checks import KINDS, LONGEST_PATTERN, SHORTEST
from pb.core.service import RestartMode, Service
from pb.core.service_definition import DEFAULTS, FIELDS, RESERVED_ENV
from pb.core.service_meanings import SERVICE_MEANINGS
from pb.core.service_policies import HOOKS, RESERVED, TABLES, USER

VERSION = "1.0.0"

SERVICE_NAME: Shape = {**NAME, "not": {"pattern": f"^({any_case(tuple(sorted(RESERVED)))})$"}}
OPTIONAL_PATH: Shape = {"type": "string", "pattern": r"^(?!\??~[^/])(?!\?$)[^\u0000]+$"}
MAYBE_COMMAND: Shape = {"anyOf": [*COMMAND["anyOf"], {"type": "array", "maxItems": 0}]}
PAUSE: Shape = {**NO_ZERO, "minimum": SHORTEST}
PATHS: Shape = {"anyOf": [PATH, {"type": "array", "items": PATH, "minItems": 1}]}

HOST = r"([A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])"
URL: Shape = {
    "type": "string",
    "pattern": rf'^[hH][tT][tT][pP][sS]?://{HOST}(:[0-9]{{1,5}})?([/?][!-"$-~]*)?$',
}
TCP: Shape = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 65_535},
        {"type": "string", "pattern": rf"^\s*({HOST}?:)?[0-9]{{1,5}}\s*$"},
    ]
}
STATUS: Shape = {"type": "integer", "minimum": 100, "maximum": 599}
HTTP: Shape = {
    "anyOf": [
        URL,
        {
            "type": "object",
            "properties": {
                "url": URL,
                "status": {"anyOf": [STATUS, {"type": "array", "items": STATUS}]},
                "headers": {
                    "type": "object",
                    "propertyNames": {"pattern": r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$"},
                    "additionalProperties": {"type": "string", "pattern": "^[ -~]*$"},
                },
            },
            "required": ["url"],
            "additionalProperties": False,
        },
    ]
}

WRITTEN: Mapping[str, Shape] = {
    "name": SERVICE_NAME,
    "command": COMMAND,
    "cwd": PATH,
    "env": environment(RESERVED_ENV),
    "env_file": {"anyOf": [OPTIONAL_PATH, {"type": "array", "items": OPTIONAL_PATH}]},
    "umask": UMASK,
    "user": {
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
            {"type": "string", "pattern": f"^({USER.pattern})$"},
        ]
    },
    "groups": {"type": "array", "items": SERVICE_NAME},
    "stop.signal": SIGNAL,
    "stop.command": MAYBE_COMMAND,
    "reload.signal": SIGNAL,
    "reload.command": COMMAND,
    "ready.log": {"type": "string", "minLength": 1, "maxLength": LONGEST_PATTERN},
    "ready.notify": {"const": True},
    "ready.file": PATH,
    "ready.delay": NO_ZERO,
    "ready.interval": PAUSE,
    "health.interval": PAUSE,
    "health.watchdog": PAUSE,
    **{f"{table}.tcp": TCP for table in ("ready", "health")},
    **{f"{table}.http": HTTP for table in ("ready", "health")},
    **{f"{table}.exec": COMMAND for table in ("ready", "health")},
    "depends_on.service": SERVICE_NAME,
    **NOTIFY_WRITTEN,
    **{f"hooks.{hook}": MAYBE_COMMAND for hook in HOOKS if hook != "timeout"},
    "watch.paths": PATHS,
    "watch.pattern": {"type": "string", "pattern": r"^[^/\u0000]+$"},
    "watch.settle": PAUSE,
}


def one_of(*keys: str) -> list[Shape]:
    return [{"required": [key]} for key in keys]


def short_check(*kinds: str) -> Shape:
    """``tcp: 8000``, ``tcp=8000``, ``notify``, or a URL alone; what stands behind is meaning."""
    words = "|".join(rf"{kind}\s*[:=]\s*\S" for kind in kinds if kind != "notify")
    alone = r"|notify\s*[:=]?\s*$" if "notify" in kinds else ""
    return {"type": "string", "pattern": rf"^(https?://|\s*({words}{alone}))"}


DRAWING = Drawing(
    written=WRITTEN,
    tables=TABLES,
    meanings=SERVICE_MEANINGS,
    short={
        "restart": {"enum": [mode.value for mode in RestartMode]},
        "stop": SIGNAL,
        "reload": SIGNAL,
        "ready": short_check(*KINDS),
        "health": short_check("tcp", "http", "exec", "watchdog"),
        "depends_on[]": {"type": "string", "minLength": 1},
        "notify": CHANNELS,
        "watch": PATHS,
    },
    more={
        "reload": {"oneOf": one_of("signal", "command")},
        "ready": {"oneOf": one_of(*KINDS)},
        "health": {
            "oneOf": [
                *one_of("tcp", "http", "exec"),
                {"required": ["watchdog"], "not": {"anyOf": one_of("tcp", "http", "exec")}},
            ]
        },
        "depends_on": {"required": ["service"]},
        "watch": {"required": ["paths"]},
    },
)


def service_schema() -> Shape:
    """The schema of one service as a user writes it (SPEC section 5).

    Relative paths are allowed, because in a file they mean the file's directory.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:ponybunny:scheduler:service:{VERSION}",
        "title": "A service of pb",
        "version": VERSION,
        **DRAWING.table_of(Service, FIELDS),
        "required": [key for key in FIELDS if key not in DEFAULTS],
        **SHELL_RULE,
        "$defs": {"duration": DURATION, "size": SIZE},
    }
