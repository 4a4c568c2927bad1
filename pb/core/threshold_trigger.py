"""Threshold triggers: how they are read, written and said. Pure; measuring is the daemon's."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from pb.core.durations import duration_words, parse_duration, parse_size
from pb.core.fields import (
    DURATION,
    Field,
    Problem,
    mismatch,
    read_duration,
    read_positive_duration,
    refusal,
    shown_text,
    write_duration,
)
from pb.core.metric_names import (
    BYTES,
    CELSIUS,
    NUMBER,
    PERCENT,
    RATE,
    SECONDS,
    parse_metric,
    read_metric,
    shown_value,
)
from pb.core.reactive import USUAL_FOR, Threshold
from pb.core.reactive_kinds import Kind
from pb.errors import InvalidError

OPERATORS = (">", ">=", "<", "<=", "==", "!=")
EXAMPLE = "threshold: disk.percent:/ > 90 for 5m"
WORDS = {"for": "for", "reset": "reset", "cooldown": "cooldown", "repeat": "repeat"}
WORDS |= {"every": "interval", "interval": "interval"}
"""What may follow in a short text, and which key that is."""

MORE = rf"[\s,]+(?P<word>{'|'.join(WORDS)})\s+(?P<rest>[^\s,]+)"
SHORT = re.compile(
    r"(?P<metric>.+?)\s*(?P<op>>=|<=|==|!=|>|<)\s*(?P<value>[^\s,]+)"
    rf"(?P<more>(?:{re.sub('[?]P<[a-z]+>', '?:', MORE)})*)"
)
LONGEST = 2048
DURATION_TEXT = re.compile(r"(?:[0-9.]+\s*(?:ms|[smhdw])\s*)+")
"""Small letters: ``5m`` is five minutes, ``5M`` five mebibytes."""

NUMBER_HINT = 'Write it like 90, "90%", "2GiB" or "26h".'
UNIT_WORDS = {
    PERCENT: "percent",
    BYTES: "bytes",
    RATE: "bytes a second",
    SECONDS: "seconds",
    CELSIUS: "degrees",
}
UNIT_HINTS = {
    PERCENT: 'Write it like 90 or "90%".',
    BYTES: 'Write it like "500MiB" or "2GiB".',
    RATE: 'Write it like "1MiB/s".',
    SECONDS: 'Write it like 90, "5m" or "26h".',
    CELSIUS: "Write it like 80.",
}

SHORTEST = 1.0
"""Seconds between two looks."""


def read_operator(value: object) -> str:
    if value not in OPERATORS:
        raise refusal(f"should be one of {' '.join(OPERATORS)}")
    return str(value)


class Amount(float):
    """A number, and in which unit it was written: one of a metric's, or none."""

    __slots__ = ("unit",)

    def __new__(cls, value: float, unit: str = NUMBER) -> Amount:
        made = super().__new__(cls, value)
        made.unit = unit
        return made

    unit: str


def read_number(value: object) -> Amount:
    """A number, ``"90%"``, a size (``"2GiB"``, ``"1MiB/s"``), or a time (``"26h"``)."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise mismatch("a number", value, NUMBER_HINT)
    text = value.strip() if isinstance(value, str) else value
    try:
        if isinstance(text, str) and text.endswith("%"):
            number = Amount(float(text[:-1]), PERCENT)
        else:
            number = Amount(float(text))
    except (ValueError, OverflowError):
        number = spelled_number(str(text))
    if not math.isfinite(number):
        raise refusal("should be a finite number")
    return number


def spelled_number(text: str) -> Amount:
    try:
        if DURATION_TEXT.fullmatch(text):
            return Amount(parse_duration(text), SECONDS)
        return Amount(float(parse_size(text.removesuffix("/s"))), BYTES)
    except InvalidError:
        raise refusal(f"{shown_text(text)} is not a number", NUMBER_HINT) from None


def fits_unit(metric: str, number: float) -> bool:
    """Whether a number was written in the unit of its metric; what has none takes any."""
    unit = parse_metric(metric).unit
    written = getattr(number, "unit", NUMBER)
    return NUMBER in (unit, written) or written == (BYTES if unit == RATE else unit)


def of_another_unit(key: str, metric: str) -> Problem:
    unit = parse_metric(metric).unit
    return Problem(key, f"is no number of {UNIT_WORDS[unit]}, as {metric} is", UNIT_HINTS[unit])


def write_number(value: float) -> int | float:
    return int(value) if value == int(value) and abs(value) < 2**53 else float(value)


def read_interval(value: object) -> float:
    seconds = read_duration(value)
    if seconds < SHORTEST:
        raise refusal("should be at least one second")
    return seconds


def read_short(rest: str) -> Mapping[str, object]:
    """``disk.percent:/ > 90 for 5m, reset 80, cooldown 1h, repeat 6h, every 30s``."""
    found = SHORT.fullmatch(rest) if len(rest) <= LONGEST else None
    if found is None:
        raise refusal(f"{shown_text(rest)} is not a threshold", f'Write it like "{EXAMPLE}".')
    values: dict[str, object] = {key: found[key] for key in ("metric", "op", "value")}
    for more in re.finditer(MORE, found["more"]):
        key = WORDS[more["word"]]
        if key in values:
            raise refusal("is given twice", key=key)
        values[key] = more["rest"]
    return values


def check(values: Mapping[str, Any]) -> list[Problem]:
    """``value`` and ``reset`` are of the metric's unit, and ``reset`` lies on the good side."""
    for key in ("value", "reset"):
        if key in values and not fits_unit(values["metric"], values[key]):
            return [of_another_unit(key, values["metric"])]
    op, value, reset = values["op"], values["value"], values.get("reset")
    if reset is None:
        return []
    if op in ("==", "!="):
        return [Problem("reset", f"means nothing with {op}", "Leave it out.")]
    if (op in (">", ">=") and reset > value) or (op in ("<", "<=") and reset < value):
        return [Problem("reset", "lies on the bad side of value", "Below it for >, above for <.")]
    return []


def shown(value: float) -> str:
    return f"{value:.12g}"


def short(trigger: Threshold) -> str:
    usual = Threshold(metric="", op="", value=0)
    text = f"threshold: {trigger.metric} {trigger.op} {shown(trigger.value)}"
    if trigger.lasting != USUAL_FOR:
        text += f" for {write_duration(trigger.lasting)}"
    if trigger.reset is not None:
        text += f" reset {shown(trigger.reset)}"
    if trigger.cooldown != usual.cooldown:
        text += f" cooldown {write_duration(trigger.cooldown)}"
    if trigger.repeat is not None:
        text += f" repeat {write_duration(trigger.repeat)}"
    if trigger.interval != usual.interval:
        text += f" every {write_duration(trigger.interval)}"
    return text


def describe(trigger: Threshold) -> str:
    """``When disk.percent:/ > 90 % for 5 minutes``."""
    metric = trigger.metric
    held = f" for {duration_words(trigger.lasting)}" if trigger.lasting else ""
    again = f", again every {duration_words(trigger.repeat)}" if trigger.repeat else ""
    over = "" if trigger.reset is None else f", until it is {shown_value(metric, trigger.reset)}"
    return f"When {metric} {trigger.op} {shown_value(metric, trigger.value)}{held}{again}{over}"


KIND = Kind(
    model=Threshold,
    keys={
        "metric": Field(read_metric),
        "op": Field(read_operator),
        "value": Field(read_number, write_number),
        "for": DURATION,
        "reset": Field(read_number, write_number),
        "cooldown": DURATION,
        "repeat": Field(read_positive_duration, write_duration),
        "interval": Field(read_interval, write_duration),
    },
    required=("metric", "op", "value"),
    example=EXAMPLE,
    read_short=read_short,
    short=short,
    describe=describe,
    attributes={"for": "lasting"},
    check=check,
)
