"""Durations and sizes: from what people write to numbers and back.

Numbers and words only. Never a clock, never an instant: those are ``core.triggers``' and the
daemon's.
"""

from __future__ import annotations

import math
import re

from pb.errors import InvalidError

LONGEST = 36_500 * 86_400.0
"""A duration over a hundred years is a slip of the pen, and would overflow a ``datetime``."""

_SECONDS = {
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3_600.0,
    "d": 86_400.0,
    "w": 604_800.0,
}
_ALIASES = {
    "µs": "us",
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "min": "m",
    "mins": "m",
    "minute": "m",
    "minutes": "m",
    "hr": "h",
    "hrs": "h",
    "hour": "h",
    "hours": "h",
    "day": "d",
    "days": "d",
    "week": "w",
    "weeks": "w",
}
UNITS = (*_SECONDS, *_ALIASES)
"""Every unit that a duration may be written with, in any case."""

_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-zµ]*)\s*", re.ASCII)
_DURATION_HINT = (
    "Write a number of seconds, or a number with a unit: 250ms, 90s, 5m, 1h30m, 2d, 1w."
)

_BYTES = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "k": 2**10,
    "m": 2**20,
    "g": 2**30,
    "t": 2**40,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_SIZE = re.compile(r"([0-9]+)(?:\.([0-9]+))?\s*([a-z]*)", re.ASCII)
_SIZE_HINT = "Write a number of bytes, or a number with a unit: 64KiB, 512MiB, 2GiB, 10MB."
_LARGEST = 2**63 - 1


def parse_duration(text: str | int | float) -> float:
    """Seconds, from ``90``, ``"90"``, ``"90s"``, ``"1h30m"``, ``"250ms"``, ``"2d"``, ``"1w"``.

    A number without a unit is seconds. Zero is allowed. Raises InvalidError for anything
    negative, empty, not finite, repeated (``1s1s``), over a hundred years, or not a duration.
    """
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise InvalidError(f"a duration cannot be {text!r}", hint=_DURATION_HINT)
    seconds = _spelled(text) if isinstance(text, str) else _plain(text)
    if seconds > LONGEST:
        raise InvalidError(f"the duration {text!r} is longer than a hundred years")
    return seconds


def _plain(number: int | float) -> float:
    try:
        seconds = float(number)
    except OverflowError:
        seconds = math.inf
    if math.isnan(seconds) or seconds < 0:
        raise InvalidError(f"a duration cannot be {number!r}", hint=_DURATION_HINT)
    return seconds


def _spelled(text: str) -> float:
    rest = text.strip().lower()
    if not rest:
        raise InvalidError("the duration is empty", hint=_DURATION_HINT)
    total, seen, at = 0.0, set[str](), 0
    while at < len(rest):
        part = _PART.match(rest, at)
        if part is None:
            raise InvalidError(f"{text!r} is not a duration", hint=_DURATION_HINT)
        number, unit = part.groups()
        unit = _ALIASES.get(unit, unit)
        if not unit and part.span() == (0, len(rest)):
            unit = "s"
        if unit not in _SECONDS or unit in seen:
            raise InvalidError(f"{text!r} is not a duration", hint=_DURATION_HINT)
        seen.add(unit)
        # Divided, not multiplied: 250 / 1000 is exactly a quarter, 250 * 1e-3 need not be.
        scale = _SECONDS[unit]
        total += float(number) * scale if scale >= 1 else float(number) / round(1 / scale)
        at = part.end()
    return total


def format_duration(seconds: float) -> str:
    """The canonical spelling, ``1h30m``: ``parse_duration`` gives the same number back.

    Weeks only where nothing is left over (``2w``, but ``15d``); below a millisecond a decimal
    number of seconds. Raises InvalidError for what is no duration.
    """
    seconds = parse_duration(seconds)
    milliseconds = round(seconds * 1000)
    if milliseconds / 1000 != seconds:
        return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"
    if milliseconds and milliseconds % 604_800_000 == 0:
        return f"{milliseconds // 604_800_000}w"
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, milliseconds = divmod(milliseconds, size)
        if count:
            parts.append(f"{count}{unit}")
    text = "".join(parts) or "0s"
    # A sum of parts can miss the nearest float: 1 + 0.515 is 1.5150000000000001.
    return text if parse_duration(text) == seconds else f"{seconds!r}s"


def duration_words(seconds: float) -> str:
    """The same for a sentence: ``5 minutes``, ``1 hour and 30 minutes``, ``1.5 seconds``."""
    whole = int(seconds)
    parts = []
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    left = whole + (seconds - int(seconds))
    if left or not parts:
        parts.append(f"{left:.6g} second{'' if left == 1 else 's'}")
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def format_uptime(seconds: float) -> str:
    """Uptime as SPEC 2 wants it: ``1d 2h 15m``, ``2h 15m 30s``, ``5m 3s``, ``12s``."""
    whole = max(0, int(seconds))
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, left = divmod(rest, 60)
    if days:
        return f"{days}d {hours}h {minutes}m"
    if hours:
        return f"{hours}h {minutes}m {left}s"
    if minutes:
        return f"{minutes}m {left}s"
    return f"{left}s"


def parse_size(text: str | int) -> int:
    """Bytes, from ``1048576``, ``"512MiB"``, ``"2G"``, ``"10MB"``.

    K, M, G, T and KiB, MiB, GiB, TiB count by 1024; KB, MB, GB, TB by 1000. Raises InvalidError for
    anything negative, empty, or not a whole number of bytes.
    """
    if isinstance(text, bool) or not isinstance(text, str | int):
        raise InvalidError(f"a size cannot be {text!r}", hint=_SIZE_HINT)
    size = text if isinstance(text, int) else _spelled_size(text)
    if size < 0 or size > _LARGEST:
        raise InvalidError(f"a size cannot be {text!r}", hint=_SIZE_HINT)
    return size


def _spelled_size(text: str) -> int:
    part = _SIZE.fullmatch(text.strip().lower())
    if part is None or len(part[0]) > 40 or part[3] not in _BYTES:
        raise InvalidError(f"{text!r} is not a size", hint=_SIZE_HINT)
    whole, decimals, unit = part.groups()
    decimals = decimals or ""
    denominator: int = 10 ** len(decimals)
    size, left = divmod(int(whole + decimals) * _BYTES[unit], denominator)
    if left:
        raise InvalidError(f"{text!r} is not a whole number of bytes", hint=_SIZE_HINT)
    return size


def format_size(size: int) -> str:
    """The canonical spelling, ``512MiB`` or ``1500B``; ``parse_size`` reads it back."""
    size = parse_size(size)
    for unit, scale in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size and size % scale == 0:
            return f"{size // scale}{unit}"
    return f"{size}B"


def shown_size(size: int) -> str:
    """A size for people, with three digits at the most: ``71 MiB``, ``1.5 GiB``."""
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    number, at = float(size), 0
    while number >= 1024 and at < len(units) - 1:
        number, at = number / 1024, at + 1
    shown = f"{number:.1f}" if number < 10 and at else f"{number:.0f}"
    return f"{shown.removesuffix('.0')} {units[at]}"
