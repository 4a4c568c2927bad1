"""The JSON Schema of triggers, each kind as a table. What a text says stays the readers' work."""

from __future__ import annotations

from collections.abc import Mapping

from pb.config.shapes import DURATION_HERE, NO_ZERO, Shape
from pb.core.event_names import FAMILIES, LONGEST
from pb.core.file_trigger import EVENTS as FILE_EVENTS
from pb.core.pattern_trigger import KINDS as PATTERN_KINDS
from pb.core.threshold_trigger import OPERATORS
from pb.core.webhook_trigger import LONGEST as LONGEST_KEY
from pb.core.webhook_trigger import SHORTEST as SHORTEST_KEY


def trigger(word: str, /, *required: str | None, **keys: Shape) -> Shape:
    """One kind of trigger written as a table."""
    return {
        "type": "object",
        "properties": {"type": {"const": word}, **keys},
        "required": ["type", *filter(None, required)],
        "additionalProperties": False,
    }


def words(*known: str) -> Shape:
    return {"enum": list(known)}


FLAG: Shape = {"type": "boolean"}
NUMBER: Shape = {
    "description": "A number, or text such as 90% or 2GiB.",
    "anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\s*-?[0-9]"}],
}
PLACE: Shape = {"type": "string", "pattern": r"^(?!~[^/])[^*\u0000]+$"}
FILE_EVENT = words(*FILE_EVENTS)
EVENT_NAME: Shape = {
    "type": "string",
    "maxLength": LONGEST,
    "pattern": rf"^({'|'.join(FAMILIES)})(\.[A-Za-z0-9_*-]+)+$",
}
FILTER: Shape = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
}
KEY: Shape = {
    "type": "string",
    "pattern": rf"^[ -~]{{{SHORTEST_KEY},{LONGEST_KEY}}}$",
}

TRIGGERS: Mapping[str, Shape] = {
    "cron": trigger(
        "cron",
        "expr",
        expr={"type": "string", "minLength": 1, "maxLength": 256},
        day_match=words("and", "or"),
        dst_gap=words("run_after", "skip"),
        dst_overlap=words("first", "second", "both"),
    ),
    "every": trigger("every", "every", every={**NO_ZERO, "minimum": 1}, after=words("finish")),
    "at": trigger("at", "at", at={"type": "string", "minLength": 16}),
    "startup": trigger("startup", None, per=words("boot", "daemon"), delay=DURATION_HERE),
    "file": trigger(
        "file",
        "paths",
        paths={"anyOf": [PLACE, {"type": "array", "minItems": 1, "items": PLACE}]},
        pattern={"type": "string", "pattern": r"^[^/\u0000]+$"},
        events={"anyOf": [FILE_EVENT, {"type": "array", "minItems": 1, "items": FILE_EVENT}]},
        recursive=FLAG,
        settle=DURATION_HERE,
        max_wait=DURATION_HERE,
        initial=FLAG,
        poll=FLAG,
    ),
    "event": trigger("event", "name", name=EVENT_NAME, filter=FILTER),
    "threshold": trigger(
        "threshold",
        "metric",
        "op",
        "value",
        metric={"type": "string", "minLength": 1, "maxLength": 1024},
        op=words(*OPERATORS),
        value=NUMBER,
        **{"for": DURATION_HERE},
        reset=NUMBER,
        cooldown=DURATION_HERE,
        repeat=NO_ZERO,
        interval={**NO_ZERO, "minimum": 1},
    ),
    "pattern": trigger(
        "pattern",
        "kind",
        kind=words(*PATTERN_KINDS),
        event=EVENT_NAME,
        filter=FILTER,
        source={"type": "string", "minLength": 1},
        regex={"type": "string", "minLength": 1, "maxLength": 1024},
        metric={"type": "string", "minLength": 1, "maxLength": 1024},
        count={"type": "integer", "minimum": 1, "maximum": 100_000},
        within=NO_ZERO,
        below=NUMBER,
        change=NUMBER,
        windows={"type": "integer", "minimum": 2, "maximum": 1000},
        job={"type": "string", "pattern": r"^[A-Za-z0-9*][A-Za-z0-9._*-]*$", "maxLength": 64},
        factor={"type": "number", "exclusiveMinimum": 1},
        cooldown=DURATION_HERE,
    ),
    "webhook": trigger("webhook", token=KEY, secret=KEY, tolerance=NO_ZERO),
}
TRIGGER: Shape = {
    "description": 'Short, such as "cron: 30 2 * * *" or "every: 5m", or a table with a type.',
    "anyOf": [
        {"type": "string", "minLength": 1},
        *TRIGGERS.values(),
    ],
}
