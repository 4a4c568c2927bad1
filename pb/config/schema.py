"""The JSON Schema of a job and of a definition file: made from the tables of keys.

``pb/schemas/scheduler/job.json`` holds it; ``python -m tests.docs.generate`` makes it anew and a
test compares. What a schema cannot say (zones, cron's fields, words of a command) stays the
readers' work, in ``pb.core``.
"""

from __future__ import annotations

from collections.abc import Mapping

from pb.config.service_schema import service_schema
from pb.config.shapes import (
    CHANNELS,
    COMMAND,
    DURATION,
    NAME,
    NOTIFY_WRITTEN,
    PATH,
    SHELL_RULE,
    SIGNAL,
    SIZE,
    UMASK,
    Drawing,
    Shape,
    environment,
)
from pb.config.trigger_schema import TRIGGER
from pb.core.conditions import CONDITIONS, MAINS
from pb.core.definition import DEFAULTS, FIELDS
from pb.core.fields import RESERVED_ENV
from pb.core.keeping import LOG, RETENTION
from pb.core.limits import LIMITS
from pb.core.meanings import MEANINGS
from pb.core.model import Job
from pb.core.notify import NOTIFY
from pb.core.policies import DEPENDENCY, MISFIRE, RETRY
from pb.core.python_call import BELONGS

VERSION = "1.0.0"

SPAN: Shape = {
    "type": "string",
    "pattern": r"^\s*[0-9]{1,2}(:[0-9]{2})?\s*-\s*[0-9]{1,2}(:[0-9]{2})?\s*$",
}
REACH: Shape = {
    "description": 'online, an interface such as "wlan0", or an address such as "nas.local:22".',
    "type": "string",
    "pattern": r"^\s*([A-Za-z0-9][A-Za-z0-9._-]{0,14}|\S*:[0-9]{1,5})\s*$",
}
ROOM: Shape = {"type": "string", "pattern": r"^(?!~[^/])[^\u0000]+:.*[0-9].*$"}


def one_or_many(shape: Shape) -> Shape:
    return {"anyOf": [shape, {"type": "array", "items": shape}]}


WRITTEN: Mapping[str, Shape] = {
    "name": NAME,
    "command": COMMAND,
    "python": {"type": "string", "pattern": r"^\w+(\.\w+)*:\w+(\.\w+)*$"},
    "args": {"type": "array"},
    "kwargs": {"type": "object"},
    "interpreter": {"type": "string", "pattern": r"^(~$|~?/[^\u0000]*$)"},
    "cwd": PATH,
    "env": environment(RESERVED_ENV),
    "env_file": {"anyOf": [PATH, {"type": "array", "items": PATH}]},
    "umask": UMASK,
    "triggers": {"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/trigger"}},
    "timezone": {"type": "string", "minLength": 1},
    "queue": NAME,
    "locks": {"type": "array", "items": NAME},
    "stop_signal": SIGNAL,
    "tags": {"type": "array", "items": {"type": "string", "pattern": r"^[^\s,]{1,64}$"}},
    "conditions.exec": COMMAND,
    "conditions.load": {"type": "number", "exclusiveMinimum": 0},
    "conditions.disk": {
        "anyOf": [
            {
                "type": "object",
                "propertyNames": PATH,
                "additionalProperties": {"$ref": "#/$defs/size"},
            },
            *one_or_many(ROOM)["anyOf"],
        ]
    },
    "conditions.battery": {
        "anyOf": [{"type": "integer", "minimum": 1, "maximum": 100}, {"const": MAINS}]
    },
    "conditions.network": one_or_many(REACH),
    "conditions.hours": one_or_many(SPAN),
    "retry.on": {"type": "array", "items": {"type": ["integer", "string"]}},
    **NOTIFY_WRITTEN,
}
"""Keys whose written form is not that of the model's type, or says more than it."""

TABLES = {
    "misfire": MISFIRE,
    "retry": RETRY,
    "depends_on": DEPENDENCY,
    "conditions": CONDITIONS,
    "limits": LIMITS,
    "notify": NOTIFY,
    "retention": RETENTION,
    "log": LOG,
}
"""The tables of keys inside a definition."""

DRAWING = Drawing(
    written=WRITTEN,
    tables=TABLES,
    meanings=MEANINGS,
    short={"depends_on[]": {"type": "string", "minLength": 1}, "notify": CHANNELS},
    more={"depends_on": {"required": ["job"]}},
)


FILE: Shape = {
    "description": "A definition file in JSON; in TOML [job.NAME] and [service.NAME] are tables.",
    "type": "object",
    "properties": {
        "$schema": {"type": "string"},
        "schema": {"const": 1},
        "schema_version": {"type": "string", "pattern": r"^1\.[0-9]+\.[0-9]+$"},
        "jobs": {"type": "array", "items": {"$ref": "#"}},
        "services": {"type": "array", "items": {"$ref": "#/$defs/service"}},
    },
    "additionalProperties": False,
}


def job_schema() -> Shape:
    """The schema of one job as a user writes it (SPEC section 4); a whole file is ``$defs/file``.

    A relative ``cwd`` or ``env_file`` is allowed, because in a file it means the file's directory.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:ponybunny:scheduler:job:{VERSION}",
        "title": "A job of pb",
        "version": VERSION,
        **DRAWING.table_of(Job, FIELDS),
        "required": [key for key in FIELDS if key not in DEFAULTS],
        "oneOf": [{"required": ["command"]}, {"required": ["python"]}],
        "dependentRequired": {key: ["python"] for key in BELONGS},
        **SHELL_RULE,
        "$defs": {
            "duration": DURATION,
            "size": SIZE,
            "trigger": TRIGGER,
            "service": service_schema(),
            "file": FILE,
        },
    }
