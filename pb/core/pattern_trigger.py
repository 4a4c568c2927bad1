"""Pattern triggers: how they are read, written and said. Pure; looking is the daemon's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pb.core.durations import duration_words
from pb.core.event_names import read_pattern
from pb.core.event_trigger import read_filter
from pb.core.fields import (
    DURATION,
    DefinitionError,
    Field,
    Problem,
    mismatch,
    read_integer,
    read_path,
    read_positive_duration,
    read_text,
    refusal,
    shown_text,
    write_duration,
)
from pb.core.metric_names import NUMBER, PERCENT, read_metric, shown_value
from pb.core.model import NAME_PATTERN
from pb.core.reactive import USUAL_WINDOWS, Pattern
from pb.core.reactive_kinds import Kind
from pb.core.threshold_trigger import (
    fits_unit,
    of_another_unit,
    read_number,
    shown,
    write_number,
)
from pb.errors import did_you_mean

KINDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "log": (("source", "regex"), ("count", "within")),
    "count": (("event", "count", "within"), ("filter",)),
    "absence": (("event", "within"), ("filter",)),
    "idle": (("metric", "below", "within"), ()),
    "rate": (("metric", "change", "within"), ("windows",)),
    "slow": (("job",), ("factor", "windows")),
}
"""What each kind needs, and what it may have besides."""

EXAMPLES = {
    "absence": "absence job.backup.succeeded 26h",
    "count": "count job.import.failed 3 in 1h",
    "slow": "slow backup 2x",
    "idle": "idle cpu.percent < 5 for 30m",
    "rate": "rate net.tx_rate 80% over 1h",
    "log": "log 3 in 5m /var/log/app.log ERROR|FATAL",
}
EXAMPLE = f"pattern: {EXAMPLES['absence']}"

MOST_EVENTS = 1000
"""The largest ``count``: all of their times are written at each."""

SHORTEST_WINDOW = 10.0
"""Seconds of a window whose mean is worth anything."""

COOL = r"(?:[\s,]+cooldown\s+(?P<cooldown>\S+))?"
SHORT: Mapping[str, re.Pattern[str]] = {
    "absence": re.compile(rf"(?:of\s+)?(?P<event>\S+)\s+(?:for\s+)?(?P<within>[^\s,]+){COOL}"),
    "count": re.compile(
        rf"(?P<event>\S+)\s+(?P<count>\d{{1,6}})\s+(?:in\s+|within\s+)?(?P<within>[^\s,]+){COOL}"
    ),
    "log": re.compile(
        r"(?:(?P<count>\d{1,6})\s+in\s+(?P<within>\S+)\s+)?(?P<source>\S+)\s+(?P<regex>\S.*)"
    ),
    "idle": re.compile(
        rf"(?P<metric>.+?)\s*<\s*(?P<below>\S+)\s+(?:for\s+)?(?P<within>[^\s,]+){COOL}"
    ),
    "rate": re.compile(
        r"(?P<metric>.+?)\s+(?P<change>[\d.]+%?)\s+(?:over\s+)?(?P<within>[^\s,]+)"
        rf"(?:[\s,]+windows\s+(?P<windows>\d+))?{COOL}"
    ),
    "slow": re.compile(
        rf"(?P<job>\S+)(?:\s+(?P<factor>[\d.]+)x?)?(?:[\s,]+windows\s+(?P<windows>\d+))?{COOL}"
    ),
}
"""What follows the kind in a short text."""

JOB = re.compile(NAME_PATTERN.replace("[A-Za-z0-9", "[A-Za-z0-9*"))


def read_kind(value: object) -> str:
    text = value if isinstance(value, str) else ""
    if text not in KINDS:
        hint = did_you_mean(text[:64], tuple(KINDS)) or f"One of {', '.join(KINDS)}."
        raise refusal(f"there is no pattern {shown_text(str(value))}", hint)
    return text


def read_regex(value: object) -> str:
    text = read_text(value)
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise refusal(f"is not a regular expression: {error}") from None
    if not text or len(text) > 1024:
        raise refusal("should have 1 to 1024 characters")
    return text


def read_source(value: object) -> str:
    """A file, or the log of a service or job."""
    text = read_text(value)
    family, colon, name = text.partition(":")
    if colon and family in ("service", "job"):
        if not re.fullmatch(NAME_PATTERN, name):
            raise refusal(f"{shown_text(text)} does not say which {family}", f"{family}:NAME")
        return text
    try:
        return read_path(value)
    except DefinitionError as error:
        hint = 'Such as "/var/log/app.log", "service:web" or "job:backup".'
        raise refusal(f"{shown_text(text)} is no source of lines", hint) from error


def read_job(value: object) -> str:
    text = read_text(value)
    if not JOB.fullmatch(text):
        raise refusal(f"{shown_text(text)} is not the name of a job", "It may have * in it.")
    return text


def read_factor(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise mismatch("a number", value, "Write it like 2 or 1.5.")
    if not 1 < value <= 1e6:
        raise refusal("should be more than 1", "2 is twice as long as usual.")
    return float(value)


def read_short(rest: str) -> Mapping[str, object]:
    """``absence EVENT DURATION``, ``count EVENT N DURATION``, ``log SOURCE REGEX``,
    ``idle METRIC < N for DURATION``, ``rate METRIC N% over DURATION``, ``slow JOB 2x``."""
    kind, _, more = rest.partition(" ")
    found = SHORT[kind].fullmatch(more.strip()) if kind in KINDS and len(rest) < 4096 else None
    if found is None:
        example = EXAMPLES.get(kind, EXAMPLES["absence"])
        raise refusal(
            f"{shown_text(rest)} is not a pattern", f'Such as "pattern: {example}"; or as a table.'
        )
    values: dict[str, object] = {key: text for key, text in found.groupdict().items() if text}
    for key in ("count", "windows"):
        if key in values:
            values[key] = int(str(values[key]))
    if "factor" in values:
        values["factor"] = read_number(values["factor"])
    return {"kind": kind, **values}


def check(values: Mapping[str, Any]) -> list[Problem]:
    """Each kind has keys of its own."""
    kind = values["kind"]
    needed, more = KINDS[kind]
    known = {"kind", "cooldown", *needed, *more}
    problems = [
        Problem(key, f"is missing, which {kind} needs") for key in needed if key not in values
    ]
    problems += [Problem(key, f"means nothing with {kind}") for key in values if key not in known]
    return problems or bounds(kind, values)


def bounds(kind: str, values: Mapping[str, Any]) -> list[Problem]:
    """What a kind can do with good values."""
    if kind == "log" and values.get("count", 1) > 1 and "within" not in values:
        return [Problem("within", "is missing", "Say in which time so many have to come.")]
    if values.get("count", 1) > MOST_EVENTS:
        return [Problem("count", f"should be {MOST_EVENTS} at most")]
    if kind == "rate" and values["within"] < SHORTEST_WINDOW:
        return [Problem("within", f"should be at least {SHORTEST_WINDOW:.0f} seconds")]
    if kind == "idle" and not fits_unit(values["metric"], values["below"]):
        return [of_another_unit("below", values["metric"])]
    if kind == "rate" and getattr(values["change"], "unit", NUMBER) not in (NUMBER, PERCENT):
        return [Problem("change", "should be percent", 'Such as 80 or "80%".')]
    if kind == "rate" and values["change"] <= 0:
        return [Problem("change", "should be more than 0", "It is percent, up or down.")]
    return []


def short(trigger: Pattern) -> str:
    within = "" if trigger.within is None else str(write_duration(trigger.within))
    windows = f" windows {trigger.windows}" if trigger.windows != USUAL_WINDOWS else ""
    cool = f" cooldown {write_duration(trigger.cooldown)}" if trigger.cooldown else ""
    match trigger.kind:
        case "absence":
            return f"pattern: absence {trigger.event} {within}{cool}"
        case "count":
            return f"pattern: count {trigger.event} {trigger.count} {within}{cool}"
        case "idle":
            return f"pattern: idle {trigger.metric} < {shown(trigger.below or 0)} {within}{cool}"
        case "rate":
            change = f"{shown(trigger.change or 0)}%"
            return f"pattern: rate {trigger.metric} {change} {within}{windows}{cool}"
        case "slow":
            return f"pattern: slow {trigger.job} {shown(trigger.factor)}x{windows}{cool}"
    often = f"{trigger.count} in {within} " if within else ""
    return f"pattern: log {often}{trigger.source} {trigger.regex}"


def describe(trigger: Pattern) -> str:
    within = "" if trigger.within is None else duration_words(trigger.within)
    metric = trigger.metric or ""
    match trigger.kind:
        case "absence":
            return f"When there was no {trigger.event} for {within}"
        case "count":
            return f"When {trigger.event} has happened {trigger.count} times in {within}"
        case "idle":
            return (
                f"When {metric} stays below {shown_value(metric, trigger.below or 0)} for {within}"
            )
        case "rate":
            change = shown(trigger.change or 0)
            return (
                f"When {metric} in {within} is {change} % off its mean of {trigger.windows} before"
            )
        case "slow":
            return f"When a run of {trigger.job} takes {shown(trigger.factor)} times its median"
    often = f" {trigger.count} times in {within}" if trigger.count > 1 else ""
    return f"When {trigger.regex!r} appears{often} in {trigger.source}"


KIND = Kind(
    model=Pattern,
    keys={
        "kind": Field(read_kind),
        "event": Field(read_pattern),
        "filter": Field(read_filter, dict),
        "source": Field(read_source),
        "regex": Field(read_regex),
        "metric": Field(read_metric),
        "count": Field(read_integer(1, 100_000)),
        "within": Field(read_positive_duration, write_duration),
        "below": Field(read_number, write_number),
        "change": Field(read_number, write_number),
        "windows": Field(read_integer(2, 1000)),
        "job": Field(read_job),
        "factor": Field(read_factor, write_number),
        "cooldown": DURATION,
    },
    required=("kind",),
    example=EXAMPLE,
    read_short=read_short,
    short=short,
    describe=describe,
    check=check,
)
