"""What has to hold around a job at its fire time: its ``conditions``, read, written and judged.

Pure. Looking around is ``process.machine``' work, asking the network and running ``exec``
the daemon's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from pb.core.argv import read_argv
from pb.core.durations import shown_size
from pb.core.fields import (
    DURATION,
    DefinitionError,
    Field,
    join_key,
    mismatch,
    placed,
    read_each,
    read_integer,
    read_path,
    read_positive_duration,
    read_text,
    refusal,
    shown_text,
    write_duration,
)
from pb.core.lean import dataclass
from pb.core.limits import SIZE, read_size, write_size
from pb.core.model import NO_CONDITIONS, NO_SIZES, Conditions, Hours
from pb.core.policies import read_policy, write_policy
from pb.errors import InvalidError, did_you_mean

if TYPE_CHECKING:
    from pb.core.service import Tcp

ONLINE, MAINS = "online", "mains"

NO_CHARGE_IS_ENOUGH = 101
"""The percentage that stands for ``mains``."""

DAY = 24 * 60

SPAN = re.compile(r"(\d{1,2})(?::(\d{2}))?\s*-\s*(\d{1,2})(?::(\d{2}))?")
HOURS_HINT = 'Write it like "22:00-06:00".'
DISK_HINT = 'Write it like {"/mnt/backup": "10GiB"} or "/mnt/backup:10GiB".'
NETWORK_HINT = 'Use "online", an interface such as "wlan0", or an address such as "nas.local:22".'
INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")


# -- reading and writing


def read_load(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise mismatch("a number", value, "Write it like 2 or 0.5, as uptime(1) shows the load.")
    if not 0 < value < 1e6:
        raise refusal("should be more than 0", "Leave the key out to run at any load.")
    return float(value)


def read_battery(value: object) -> int:
    if isinstance(value, str):
        if value == MAINS:
            return NO_CHARGE_IS_ENOUGH
        hint = did_you_mean(value[:64].lower(), (MAINS,)) or "Write 30 for thirty percent."
        raise refusal(f'should be "{MAINS}" or a percentage, not {shown_text(value)}', hint)
    percent: int = read_integer(1, 100)(value)
    return percent


def write_battery(percent: int) -> int | str:
    return MAINS if percent == NO_CHARGE_IS_ENOUGH else percent


def read_hours(value: object) -> tuple[Hours, ...]:
    """One part of the day, or a list of them."""
    return one_or_many(read_span, value, '["22:00-06:00"]')


def read_span(value: object) -> Hours:
    text = read_text(value).strip()
    found = SPAN.fullmatch(text)
    if found is None:
        raise refusal(f"{shown_text(text)} is not a part of the day", HOURS_HINT)
    first, minute, last, its_minute = (int(part or 0) for part in found.groups())
    since, until = first * 60 + minute, last * 60 + its_minute
    if minute > 59 or its_minute > 59 or since >= DAY or until > DAY:
        raise refusal(f"{shown_text(text)} has a time that no day has", HOURS_HINT)
    if since == until:
        raise refusal(f"{shown_text(text)} is no time at all", "Leave the key out for any hour.")
    return Hours(since=since, until=until)


def write_span(hours: Hours) -> str:
    return f"{clock(hours.since)}-{clock(hours.until)}"


def clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def read_network(value: object) -> tuple[str, ...]:
    """One thing to be reached, or a list of them."""
    return one_or_many(read_reach, value, '["online"]')


def read_reach(value: object) -> str:
    text = read_text(value).strip()
    if ":" in text:
        address_of(text)
    elif not INTERFACE.fullmatch(text):
        raise refusal(f"{shown_text(text)} is nothing that a network has", NETWORK_HINT)
    return text


def address_of(reach: str) -> Tcp | None:
    """The address in a ``network`` entry; None for an interface and ``online``."""
    if ":" not in reach:
        return None
    from pb.core.checks import read_tcp

    return read_tcp(reach)


def read_disk(value: object) -> Mapping[str, int]:
    """Sizes by path: a table, or ``PATH:SIZE``, one or many."""
    if isinstance(value, str | list | tuple):
        pairs = one_or_many(read_room, value, '["/mnt/backup:10GiB"]')
        return dict(pairs)
    if not isinstance(value, Mapping):
        raise mismatch("a table of paths and sizes", value, DISK_HINT)
    sizes, problems = {}, []
    for path, size in value.items():
        try:
            sizes[read_path(path)] = read_size(size)
        except InvalidError as error:
            problems += placed(join_key("", str(path)), error)
    if problems:
        raise DefinitionError(problems)
    return sizes or NO_SIZES


def read_room(value: object) -> tuple[str, int]:
    path, colon, size = read_text(value).rpartition(":")
    if not colon:
        raise refusal(f"{shown_text(size)} is not a path and a size", DISK_HINT)
    return read_path(path), read_size(size)


def one_or_many(item: Callable[[object], Any], value: object, example: str) -> tuple[Any, ...]:
    many: tuple[Any, ...] = read_each(item, example)([value] if isinstance(value, str) else value)
    return many


CONDITIONS: Mapping[str, Field] = {
    "exec": Field(read_argv, list),
    "exec_timeout": Field(read_positive_duration, write_duration),
    "load": Field(read_load),
    "memory": SIZE,
    "disk": Field(read_disk, lambda sizes: {path: write_size(sizes[path]) for path in sizes}),
    "battery": Field(read_battery, write_battery),
    "network": Field(read_network, list),
    "hours": Field(read_hours, lambda all_: [write_span(one) for one in all_]),
    "wait": DURATION,
}

CONDITIONS_FIELD = Field(
    read_policy(CONDITIONS, Conditions, '{"load": 2, "hours": "22:00-06:00"}'),
    write_policy(CONDITIONS, NO_CONDITIONS),
)


# -- judging


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was found around a job. A text in ``free`` says why nobody can tell.

    ``minute`` is that of the day in the job's zone. None: it was not asked for, or the system
    does not tell. ``is_on_mains`` is true also for a machine that has no battery.
    """

    minute: int = 0
    load: float | None = None
    memory: int | None = None
    free: Mapping[str, int | str] = field(default_factory=lambda: NO_SIZES)
    is_on_mains: bool = True
    charge: int | None = None


def unmet(conditions: Conditions, seen: Seen) -> str | None:
    """Why the job may not run now, in words; None when all of these hold."""
    judges = (unmet_hours, unmet_load, unmet_memory, unmet_disk, unmet_battery)
    reasons = (judge(conditions, seen) for judge in judges)
    return next((reason for reason in reasons if reason is not None), None)


def unmet_hours(conditions: Conditions, seen: Seen) -> str | None:
    if not conditions.hours or any(is_in(seen.minute, span) for span in conditions.hours):
        return None
    return f"{clock(seen.minute)} is not in {', '.join(map(write_span, conditions.hours))}"


def is_in(minute: int, hours: Hours) -> bool:
    if hours.since < hours.until:
        return hours.since <= minute < hours.until
    return minute >= hours.since or minute < hours.until


def unmet_load(conditions: Conditions, seen: Seen) -> str | None:
    if conditions.load is None:
        return None
    if seen.load is None:
        return "this system does not tell its load"
    is_lower = seen.load < conditions.load
    return None if is_lower else f"load {seen.load:.2f} is not below {conditions.load:g}"


def unmet_memory(conditions: Conditions, seen: Seen) -> str | None:
    if conditions.memory is None:
        return None
    if seen.memory is None:
        return "this system does not tell its memory"
    return too_little("memory", "available", seen.memory, conditions.memory)


def unmet_disk(conditions: Conditions, seen: Seen) -> str | None:
    for path, wanted in conditions.disk.items():
        free = seen.free.get(path, "was not looked at")
        reason = free if isinstance(free, str) else too_little("", "free", free, wanted)
        if reason is not None:
            return f"{path}: {reason}"
    return None


def too_little(what: str, how: str, found: int, wanted: int) -> str | None:
    if found >= wanted:
        return None
    of = f" of {what}" if what else ""
    return f"{shown_size(found)}{of} {how}, less than {shown_size(wanted)}"


def unmet_battery(conditions: Conditions, seen: Seen) -> str | None:
    wanted = conditions.battery
    if wanted is None or seen.is_on_mains:
        return None
    if wanted == NO_CHARGE_IS_ENOUGH:
        return "no mains power"
    if seen.charge is None:
        return "on battery, and nobody knows its charge"
    return None if seen.charge >= wanted else f"battery at {seen.charge} %, less than {wanted} %"
