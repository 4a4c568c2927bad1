"""One field of a cron expression: numbers, names, ranges, steps, lists, ``H``, ``L``, ``W``, ``#``.

Every mistake is told with its field, what is allowed, and its place. Never a whole expression
(``core.cron_parse``), a date (``core.wallclock``) or a time zone (``core.cron``).
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from pb.core.lean import dataclass
from pb.errors import InvalidError, did_you_mean

FIRST_YEAR, LAST_YEAR = 1970, 2199
LONGEST = 256
_MONTHS = (
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN",
    "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
)  # fmt: skip
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


class CronError(InvalidError):
    """A cron expression that cannot be meant.

    ``field`` names the field at fault (empty when it is the whole expression). ``caret`` is two
    lines: the expression, and ``^`` under the fault.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        expression: str = "",
        at: int = 0,
        length: int = 1,
        field: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.field = field
        shown = "".join(c if c.isprintable() else "?" for c in expression)[: LONGEST + 20]
        self.caret = f"{shown}\n{' ' * at}{'^' * max(1, length)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FromEnd:
    """``L`` and ``L-n``: ``days`` before the last day of the month."""

    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestWorkday:
    """``nW``: Monday to Friday nearest to ``day``, in the same month; None for ``LW``."""

    day: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nth:
    """``n#k`` and ``nL``: the k-th (-1: the last) such weekday of the month; 0 is Sunday."""

    weekday: int
    n: int


DayRule = FromEnd | NearestWorkday | Nth


Allowed = tuple[int, tuple[DayRule, ...]]
"""What a field allows: numbers as bits, and rules about days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What one field allows."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    wraps: bool = False

    @property
    def allowed(self) -> str:
        named = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.low}-{self.high}{named}"


SECOND = Kind(name="second", low=0, high=59)
MINUTE = Kind(name="minute", low=0, high=59)
HOUR = Kind(name="hour", low=0, high=23, wraps=True)
DAY = Kind(name="day of month", low=1, high=31)
MONTH = Kind(name="month", low=1, high=12, names=_MONTHS, wraps=True)
WEEKDAY = Kind(name="day of week", low=0, high=7, names=_WEEKDAYS, wraps=True)
YEAR = Kind(name="year", low=FIRST_YEAR, high=LAST_YEAR)

_HASH = re.compile(r"H(?:\((.*)\))?")
_LAST_WEEKDAY = re.compile(r"L(?P<after>[0-7])|(?P<before>\w+?)#?L", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field as it was written, the values read from it, and where to complain."""

    kind: Kind
    text: str
    at: int
    expression: str
    name: str
    mask: int = 0
    rules: tuple[DayRule, ...] = ()

    @property
    def is_starred(self) -> bool:
        return self.text.lstrip("+").startswith(("*", "?"))

    @property
    def is_everything(self) -> bool:
        kind = self.kind
        high = 6 if kind is WEEKDAY else kind.high
        return self.mask == span(0 if kind is YEAR else kind.low, high - _base(kind))

    def fault(self, message: str, text: str, at: int, *, hint: str | None = None) -> CronError:
        return CronError(
            f"{self.kind.name}: {message} (allowed: {self.kind.allowed})",
            hint=hint,
            expression=self.expression,
            at=at,
            length=len(text),
            field=self.kind.name,
        )


def _base(kind: Kind) -> int:
    return FIRST_YEAR if kind is YEAR else 0


def span(low: int, high: int) -> int:
    return (1 << (high + 1)) - (1 << low)


def read_field(field: Field) -> Field:
    """The field with what it allows. Raises CronError with the place of a fault."""
    known = _plain(field.kind, field.text) if "H" not in field.text else None
    mask, rules = known or _allowed(field)
    return replace(field, mask=mask, rules=rules)


@lru_cache(maxsize=1024)
def _plain(kind: Kind, text: str) -> Allowed | None:
    """What a field without H allows; None for one with a fault, whose place is then found."""
    try:
        return _allowed(Field(kind=kind, text=text, at=0, expression=text, name=""))
    except CronError:
        return None


def _allowed(field: Field) -> Allowed:
    text, at = field.text, field.at
    if field.kind is WEEKDAY and text.startswith("+"):
        text, at = text[1:], at + 1
    mask, rules = 0, list[DayRule]()
    for item in text.split(","):
        if not item:
            raise field.fault("something is missing around a comma", ",", max(field.at, at - 1))
        rule = _read_rule(field, item, at)
        if rule is None:
            mask |= _read_item(field, item, at)
        elif rule not in rules:
            rules.append(rule)
        at += len(item) + 1
    return mask, tuple(rules)


def _read_rule(field: Field, item: str, at: int) -> DayRule | None:
    if field.kind is DAY:
        return _read_day_rule(field, item, at)
    if field.kind is WEEKDAY:
        return _read_weekday_rule(field, item, at)
    return None


def _read_day_rule(field: Field, item: str, at: int) -> DayRule | None:
    if item == "L":
        return FromEnd(days=0)
    if item in ("LW", "WL"):
        return NearestWorkday(day=None)
    if item.startswith("L-"):
        if not item[2:].isdigit() or not 1 <= int(item[2:]) <= 30:
            raise field.fault(f"{item} is not a day before the last, L-1 to L-30", item, at)
        return FromEnd(days=int(item[2:]))
    if item.endswith("W"):
        return NearestWorkday(day=_value(field, item[:-1], at))
    return None


def _read_weekday_rule(field: Field, item: str, at: int) -> DayRule | None:
    if item == "L":
        raise field.fault("L needs a day", item, at, hint="5L is the last Friday of the month.")
    last = _LAST_WEEKDAY.fullmatch(item)
    if last is not None:
        return Nth(weekday=_value(field, last["before"] or last["after"], at) % 7, n=-1)
    day, sign, n = item.partition("#")
    if not sign:
        return None
    if n not in ("1", "2", "3", "4", "5"):
        raise field.fault(f"{item}: after # comes 1 to 5, or L", n or "#", at + len(day) + bool(n))
    return Nth(weekday=_value(field, day, at) % 7, n=int(n))


def _read_item(field: Field, item: str, at: int) -> int:
    base, slash, step_text = item.partition("/")
    if base == "R" or base.startswith("R("):
        raise field.fault(
            "R is random and would change at every start",
            base,
            at,
            hint="Use H: it is spread out too, and stays.",
        )
    step = _step(field, step_text, at + len(base) + 1) if slash else None
    kind = field.kind
    hashed = _HASH.fullmatch(base)
    if hashed is not None:
        return _hashed(field, hashed[1], step, at)
    if base == "*":
        return _values(kind, kind.low, 6 if kind is WEEKDAY else kind.high, step or 1)
    if base == "?":
        return _question(field, item, at)
    low_text, dash, high_text = base.partition("-")
    low = _value(field, low_text, at) if low_text or not dash else None
    if low is None:
        raise field.fault(f"{base} has no beginning", base, at)
    if dash:
        return _range(field, base, low, _value(field, high_text, at + len(low_text) + 1), step, at)
    if step is None:
        return 1 << (low % 7 if kind is WEEKDAY else low - _base(kind))
    return _values(kind, low, 6 if kind is WEEKDAY else kind.high, step)


def _question(field: Field, item: str, at: int) -> int:
    if field.kind not in (DAY, WEEKDAY):
        raise field.fault("? stands only for a day", item, at, hint="Write *.")
    if item != "?" or field.text.lstrip("+") != "?":
        raise field.fault("? stands alone", item, at, hint="Write *.")
    return _values(field.kind, field.kind.low, 6 if field.kind is WEEKDAY else field.kind.high, 1)


def _range(field: Field, base: str, low: int, high: int, step: int | None, at: int) -> int:
    kind = field.kind
    if low > high and kind is WEEKDAY and low == 7:
        low = 0
    if low <= high:
        return _values(kind, low, high, step or 1)
    if not kind.wraps:
        raise field.fault(
            f"the range {base} runs backwards", base, at, hint=f"Write {high}-{low}, or two ranges."
        )
    size = {HOUR: 24, MONTH: 12, WEEKDAY: 7}[kind]
    return _values(kind, low, high + size, step or 1, size=size)


def _values(kind: Kind, low: int, high: int, step: int, *, size: int = 0) -> int:
    mask, base = 0, _base(kind)
    for value in range(low, high + 1, step):
        if kind is WEEKDAY:
            value %= 7
        elif size and value >= size + kind.low:
            value -= size
        mask |= 1 << (value - base)
    return mask


def _step(field: Field, text: str, at: int) -> int:
    if not text.isdigit():
        raise field.fault(
            f"{text or 'nothing'} after / is not a step", text or "/", at - (not text)
        )
    step, most = int(text), field.kind.high - _base(field.kind)
    if step == 0:
        raise field.fault("a step of 0 goes nowhere", text, at, hint="Steps start at 1.")
    if step > most:
        raise field.fault(f"the step {text} is beyond the field, {most} is the most", text, at)
    return step


def _value(field: Field, text: str, at: int) -> int:
    kind = field.kind
    if text.isdigit():
        value = int(text)
        if not kind.low <= value <= kind.high:
            raise field.fault(f"{text} is out of range", text, at)
        return value
    if text in kind.names:
        return kind.names.index(text) + (1 if kind is MONTH else 0)
    if kind.names and text.isalpha():
        near = did_you_mean(text, kind.names)
        raise field.fault(f"{text} is not the name of a {kind.name}", text, at, hint=near)
    raise field.fault(f"{text!r} is not a number" if text else "a number is missing", text, at)


def _hashed(field: Field, bounds: str | None, step: int | None, at: int) -> int:
    """``H``: a value that stays the same for a job and differs between jobs.

    The first eight bytes of SHA-256 of ``FIELD:NAME`` (UTF-8), big-endian, modulo the number of
    values. ``H/n`` begins within the first n values. Days of the month stop at 28, so that none
    is left out in February (Jenkins has the same rule).
    """
    kind = field.kind
    if kind is YEAR:
        raise field.fault("H cannot choose a year", "H", at)
    low, high = kind.low, {DAY: 28, WEEKDAY: 6}.get(kind, kind.high)
    if bounds is not None:
        low_text, dash, high_text = bounds.partition("-")
        low = _value(field, low_text, at + 2)
        high = _value(field, high_text, at + 3 + len(low_text)) if dash else low
        if low > high:
            raise field.fault(f"the range {bounds} runs backwards", bounds, at + 2)
    from hashlib import sha256

    number = int.from_bytes(sha256(f"{kind.name}:{field.name}".encode()).digest()[:8], "big")
    size = high - low + 1
    first = low + number % (min(step, size) if step else size)
    return _values(kind, first, high if step else first, step or 1)
