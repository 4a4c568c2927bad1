"""File triggers: how they are read, written and said. Pure; watching is the daemon's."""

from __future__ import annotations

from collections.abc import Mapping

from pb.core.durations import duration_words
from pb.core.fields import (
    DURATION,
    Field,
    Problem,
    mismatch,
    read_each,
    read_flag,
    read_path,
    read_text,
    refusal,
    shown_text,
)
from pb.core.reactive import USUAL_MAX_WAIT, USUAL_SETTLE, File
from pb.core.reactive_kinds import Kind
from pb.errors import did_you_mean

EVENTS = ("create", "write", "delete", "move")
GLOB = frozenset("*?[")
WILD = frozenset("*?")
"""What a directory's name seldom has: it was meant as a wildcard."""


def read_paths(value: object) -> tuple[str, ...]:
    """One path or a list of them."""
    values = [value] if isinstance(value, str) else value
    paths: tuple[str, ...] = read_each(read_place, '["~/in"]')(values)
    if not paths:
        raise refusal("is empty", 'Say what to watch, such as ["~/in"].')
    return paths


def read_place(value: object) -> str:
    """One path, as it is: what names in it must match stands in ``pattern``."""
    path = read_path(value)
    if "*" in path:
        raise refusal(
            f"{shown_text(path)} has a wildcard in it",
            'Name the directory, and what names in it must match as pattern = "*.csv".',
        )
    return path


def read_pattern(value: object) -> str:
    """What names must match, such as ``*.csv`` or ``*.{jpg,png}``."""
    text = read_text(value)
    if not text or "/" in text or "\0" in text:
        raise refusal(f"{shown_text(text)} is not a pattern of names", 'Write it like "*.csv".')
    return text


def read_event(value: object) -> str:
    if not isinstance(value, str):
        raise mismatch(f"one of {', '.join(EVENTS)}", value)
    if value not in EVENTS:
        raise refusal(
            f"should be one of {', '.join(EVENTS)}, not {shown_text(value)}",
            did_you_mean(value[:64].lower(), EVENTS),
        )
    return value


def read_events(value: object) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    events: tuple[str, ...] = read_each(read_event, '["create", "write"]')(values)
    if not events:
        raise refusal("is empty", f"Say which: {', '.join(EVENTS)}.")
    return tuple(word for word in EVENTS if word in events)


def read_short(rest: str) -> Mapping[str, object]:
    """``~/in``, ``~/in/*.csv``, ``~/in/**/*.csv``: a path, and what the names in it must match."""
    folder, _, name = rest.rpartition("/")
    if folder.endswith("/**") and GLOB & set(name) and not GLOB & set(folder[:-3]):
        return {"paths": [folder.removesuffix("/**") or "/"], "pattern": name, "recursive": True}
    if (GLOB if GLOB & set(name) else WILD) & set(folder):
        raise refusal(
            f"{shown_text(rest)} has a wildcard before its last part",
            'Write it like "file: ~/in/**/*.csv", or as a table with paths and pattern.',
        )
    if not GLOB & set(name):
        return {"paths": [rest]}
    return {"paths": [folder or "/"], "pattern": name}


def short(trigger: File) -> str:
    first = trigger.paths[0]
    if trigger.pattern is None:
        return f"file: {first}"
    below = "/**" if trigger.recursive else ""
    return f"file: {first.rstrip('/')}{below}/{trigger.pattern}"


def describe(trigger: File) -> str:
    """``When files *.csv are created, written or moved in ~/in (and 1 more)``."""
    past = {"create": "created", "write": "written", "delete": "deleted", "move": "moved"}
    words = [past[word] for word in trigger.events]
    happens = " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    what = f"files {trigger.pattern} are" if trigger.pattern else "files are"
    more = f" (and {len(trigger.paths) - 1} more)" if len(trigger.paths) > 1 else ""
    below = "below" if trigger.recursive else "in"
    settled = f", once quiet for {duration_words(trigger.settle)}" if trigger.settle else ""
    return f"When {what} {happens} {below} {trigger.paths[0]}{more}{settled}"


def check(values: Mapping[str, object]) -> list[Problem]:
    settle, longest = values.get("settle", USUAL_SETTLE), values.get("max_wait", USUAL_MAX_WAIT)
    if isinstance(settle, float) and isinstance(longest, float) and settle > longest:
        return [Problem("max_wait", "is shorter than settle", "Make it at least as long.")]
    return []


KIND = Kind(
    model=File,
    keys={
        "paths": Field(read_paths, list),
        "pattern": Field(read_pattern),
        "events": Field(read_events, list),
        "recursive": Field(read_flag),
        "settle": DURATION,
        "max_wait": DURATION,
        "initial": Field(read_flag),
        "poll": Field(read_flag),
    },
    required=("paths",),
    example="file: ~/in/*.csv",
    read_short=read_short,
    short=short,
    describe=describe,
    check=check,
)
