"""The metrics that triggers can look at: their names, their units, what is wrong with others.

A name is plain (``cpu.percent``), or has a subject: a path, an address or a command after a colon
(``disk.percent:/``), a service, job or queue in its middle (``job.backup.last_duration``). Pure;
measuring is the daemon's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pb.core.durations import duration_words, format_uptime, shown_size
from pb.core.fields import read_path, read_text, refusal, shown_text
from pb.core.lean import dataclass
from pb.core.model import NAME_PATTERN
from pb.core.urls import parse_url
from pb.errors import InvalidError, did_you_mean

PERCENT, BYTES, RATE, SECONDS, CELSIUS, NUMBER = "%", "bytes", "bytes/s", "s", "°C", ""

LONGEST = 1024
"""Characters of a metric's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What there is of one kind. ``subject``: what stands for it in ``example``, none for plain."""

    unit: str
    words: str
    example: str
    subject: str = ""


def plain(name: str, unit: str, words: str) -> tuple[str, Known]:
    return name, Known(unit=unit, words=words, example=name)


def after(name: str, subject: str, unit: str, words: str) -> tuple[str, Known]:
    return name, Known(unit=unit, words=words, example=f"{name}:{subject}", subject=subject)


def of(family: str, word: str, unit: str, words: str) -> tuple[str, Known]:
    example = f"{family}.NAME.{word}"
    return f"{family}.{word}", Known(unit=unit, words=words, example=example, subject="NAME")


METRICS: Mapping[str, Known] = dict(
    (
        plain("cpu.percent", PERCENT, "Of all processors, how busy they were since the last look"),
        plain("load1", NUMBER, "Load of the last minute"),
        plain("load5", NUMBER, "Load of the last 5 minutes"),
        plain("load15", NUMBER, "Load of the last 15 minutes"),
        plain("mem.percent", PERCENT, "Memory that programs cannot have without swapping"),
        plain("mem.available", BYTES, "Memory that programs can have without swapping"),
        plain("swap.percent", PERCENT, "Swap space in use; 0 without any"),
        plain("net.rx_rate", RATE, "Received on all interfaces but lo, a second"),
        plain("net.tx_rate", RATE, "Sent on all interfaces but lo, a second"),
        plain("battery.percent", PERCENT, "Charge of the fullest battery"),
        plain("temp.max", CELSIUS, "The hottest sensor"),
        after("disk.percent", "/path", PERCENT, "Of what this user may use there, how much is"),
        after("disk.free", "/path", BYTES, "What this user can still write there"),
        after("file.size", "/path", BYTES, "Size of a file; of several with * together"),
        after("file.age", "/path", SECONDS, "Since a file was written; with * the newest one"),
        after("file.count", "/path", NUMBER, "Files in a directory, or that match with *"),
        after("http.status", "URL", NUMBER, "Status that a GET is answered with; 0 for no answer"),
        after("http.latency", "URL", SECONDS, "Until the answer to a GET has begun"),
        after("cmd", "COMMAND", NUMBER, "The last number that a shell command prints"),
        of("service", "rss", BYTES, "Memory of all processes of a service"),
        of("service", "cpu", PERCENT, "Processor time of a service since the last look, of one"),
        of("service", "restarts", NUMBER, "Restarts of a service since it was last started"),
        of("service", "uptime", SECONDS, "Since the youngest instance was started; 0 when none is"),
        of("job", "consecutive_failures", NUMBER, "Runs that failed since one last succeeded"),
        of("job", "seconds_since_success", SECONDS, "Since a run last succeeded, or it was added"),
        of("job", "last_duration", SECONDS, "What its last run took"),
        of("job", "queue_wait", SECONDS, "How long what waits has waited, else the last run had"),
        of("queue", "length", NUMBER, "Runs that wait in a queue"),
    )
)
"""By kind: the name without its subject."""

FAMILIES = ("service", "job", "queue")
NAME = re.compile(NAME_PATTERN)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its ``kind`` in ``METRICS``, and what it is measured of."""

    kind: str
    subject: str = ""

    @property
    def unit(self) -> str:
        return METRICS[self.kind].unit


def parse_metric(text: str) -> Metric:
    """Raises DefinitionError."""
    before, colon, subject = text.partition(":")
    if colon and METRICS.get(before) and METRICS[before].example.startswith(f"{before}:"):
        return Metric(before, checked_subject(before, subject))
    family, _, rest = text.partition(".")
    if family in FAMILIES and not colon:
        return of_family(family, rest, text)
    known = METRICS.get(before)
    if known is None or bool(known.subject) != bool(colon):
        raise refusal(f"there is no metric {shown_text(text)}", hint_for(before))
    return Metric(text)


def of_family(family: str, rest: str, text: str) -> Metric:
    """``NAME.WORD`` of a service, job or queue."""
    name, _, word = rest.rpartition(".")
    words = [key.partition(".")[2] for key in METRICS if key.startswith(f"{family}.")]
    if word not in words:
        near = did_you_mean(word, words) or f"Known are {', '.join(words)}."
        raise refusal(f"no metric of a {family} is called {shown_text(word)}", near)
    if not NAME.fullmatch(name):
        raise refusal(f"{shown_text(text)} does not say which {family}", f"{family}.NAME.{word}")
    return Metric(f"{family}.{word}", name)


def hint_for(name: str) -> str:
    """What is close to a name that is no metric's."""
    if name in METRICS:
        return f'Such as "{METRICS[name].example}".'
    near = did_you_mean(name, tuple(METRICS))
    return near or "`pb metric list` shows those that there are."


def checked_subject(kind: str, subject: str) -> str:
    if kind.startswith(("disk.", "file.")):
        if not subject.startswith(("/", "~")):
            example = METRICS[kind].example
            raise refusal(f"{shown_text(subject)} is not an absolute path", f'Such as "{example}".')
        return str(read_path(subject))
    if kind.startswith("http."):
        try:
            parse_url(subject)
        except InvalidError as error:
            raise refusal(error.message, error.hint) from None
    if not subject.strip():
        raise refusal("says nothing to measure", f'Such as "{METRICS[kind].example}".')
    return subject


def read_metric(value: object) -> str:
    """A metric's name as a definition has it. Raises DefinitionError."""
    text = read_text(value)
    if not text or text != text.strip() or not text.isprintable() or len(text) > LONGEST:
        raise refusal(f"{shown_text(text)} is not a metric", 'Such as "disk.percent:/".')
    parse_metric(text)
    return text


def shown_value(metric: str, value: float) -> str:
    """A value with its unit, for people: ``93.1 %``, ``1.5 GiB``, ``2 hours``."""
    unit = parse_metric(metric).unit
    if unit in (BYTES, RATE):
        size = f"-{shown_size(round(-value))}" if value < 0 else shown_size(round(value))
        return size + ("/s" if unit == RATE else "")
    if unit == SECONDS and value >= 0:
        return duration_words(round(value) if value >= 10 else round(value, 3))
    return f"{round(value, 2):.12g} {unit}".rstrip()


def measured_value(metric: str, value: float) -> str:
    """What was measured, as short as a table needs it: ``3m 11s`` where that is ten or more."""
    is_time = parse_metric(metric).unit == SECONDS
    if is_time and value >= 0:
        return format_uptime(value) if value >= 10 else f"{round(value, 3):.12g}s"
    return shown_value(metric, value)
