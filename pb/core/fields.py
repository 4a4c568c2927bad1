"""Reading one value that a user wrote: kinds of fields, and what is said when one is wrong.

A reader takes an object as JSON or TOML gave it and answers the model's value, or raises
DefinitionError with every problem in it; a writer is its inverse. What keys a job has is
``core.definition``'s table; where a value stands in a file is ``pb.config``'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pb.core.durations import format_duration, parse_duration
from pb.core.lean import dataclass
from pb.core.model import EMPTY
from pb.errors import InvalidError, did_you_mean

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
"""What a key may consist of to be written without quotes (TOML's bare keys)."""

SIGNALS = ("TERM", "INT", "HUP", "QUIT", "KILL", "USR1", "USR2", "ABRT", "ALRM", "WINCH", "PIPE")
"""Signals that may ask a process to end; ones that suspend it would only make ``stop`` wait."""

RESERVED_ENV = frozenset(
    f"PB_{name}"
    for name in (
        *(
            "JOB",
            "RUN_ID",
            "ATTEMPT",
            "FIRE_TIME",
            "EVENT",
            "EVENT_FILE",
            "EVENT_COUNT",
            "EVENT_PATH",
            "EVENT_VALUE",
            "OUTPUT",
            "MARKER",
            "CALL",
        ),
    )
)
"""What pb itself puts into every run (SPEC section 4); a definition cannot set these."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where (a dotted path such as ``triggers[0].expr``), what, advice."""

    key: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


class DefinitionError(InvalidError):
    """A definition with something wrong in it; ``problems`` has all of it, in the order read."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)), hint=self.problems[0].hint)


@dataclass(frozen=True, slots=True)
class Field:
    """How one key is read from what a user wrote, and written back as JSON would have it."""

    read: Callable[[object], Any]
    write: Callable[[Any], object] = lambda value: value


def refusal(message: str, hint: str | None = None, *, key: str = "") -> DefinitionError:
    """The error for one problem; ``key`` is relative to the value being read."""
    return DefinitionError([Problem(key, message, hint)])


def join_key(parent: str, key: str) -> str:
    """The dotted path of ``key`` in ``parent``; quoted unless it is a bare key."""
    shown = key if 0 < len(key) <= 60 and BARE.issuperset(key) else f'"{shown_text(key)[1:-1]}"'
    return f"{parent}.{shown}" if parent else shown


def shown_text(text: str) -> str:
    """``text`` in quotes as a message may carry it: cut when long, nothing unprintable."""
    return repr(text if len(text) <= 60 else text[:57] + "…")


def placed(place: str, error: InvalidError) -> list[Problem]:
    """The problems of ``error``, their keys put under ``place``."""
    if not isinstance(error, DefinitionError):
        return [Problem(place, error.message, error.hint)]
    return [
        Problem(place + ("." if p.key and p.key[0] != "[" else "") + p.key, p.message, p.hint)
        for p in error.problems
    ]


def kind(value: object) -> str:
    """What a value is, in a user's words."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a table"
    return f"a {type(value).__name__}"


def mismatch(wanted: str, value: object, hint: str | None = None) -> DefinitionError:
    return refusal(f"should be {wanted}, not {kind(value)}", hint)


def read_table(
    table: Mapping[str, object],
    fields: Mapping[str, Field],
    *,
    refused: Mapping[str, Problem] = MappingProxyType({}),
) -> tuple[dict[str, Any], list[Problem]]:
    """Read every key of ``table``: the good values, and the problems of the others.

    ``refused`` holds what to say about keys that are known and not readable here.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, value in table.items():
        field = fields.get(key)
        if field is None:
            problems.append(refused.get(key) or unknown_key(key, fields))
            continue
        try:
            values[key] = field.read(value)
        except InvalidError as error:
            problems += placed(key, error)
    return values, problems


def unknown_key(key: object, known: Iterable[str]) -> Problem:
    names = sorted(known)
    hint = did_you_mean(str(key)[:64], names) or f"Known keys: {', '.join(names)}."
    return Problem(join_key("", str(key)), "is not a known key", hint)


def read_text(value: object) -> str:
    """Text that can be stored and handed to a process as UTF-8."""
    if not isinstance(value, str):
        raise mismatch("text", value, quoting_hint(value))
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise refusal("is not valid UTF-8 text") from None
    return value


def quoting_hint(value: object) -> str | None:
    if isinstance(value, bool):
        return f'Put it in quotes: "{str(value).lower()}".'
    return f'Put it in quotes: "{value}".' if isinstance(value, int | float) else None


def read_c_text(value: object) -> str:
    """Text for an argument, a path or an environment entry: no NUL, which would end it."""
    text = read_text(value)
    if "\0" in text:
        raise refusal("contains a NUL character, which no process can be given")
    return text


def read_path(value: object) -> str:
    """An absolute path, or one from the user's home (``~/…``, expanded when it is used)."""
    text = read_c_text(value)
    if text != "~" and not text.startswith(("/", "~/")):
        raise refusal(
            f"{shown_text(text)} is not an absolute path" if text else "is empty",
            "Write the whole path, or one that starts with ~/.",
        )
    return text


def read_flag(value: object) -> bool:
    if not isinstance(value, bool):
        hint = "Write it without quotes." if str(value).lower() in ("true", "false") else None
        raise mismatch("true or false", value, hint)
    return value


def read_integer(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise mismatch(f"a whole number from {low} to {high}", value)
        if not low <= value <= high:
            raise refusal(f"should be from {low} to {high}")
        return value

    return read


def read_duration(value: object) -> float:
    """Seconds from ``90``, ``"90s"`` or ``"1h30m"``; not negative."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise mismatch("a duration", value, 'Write it like 90, "90s", "1h30m" or "2d".')
    return parse_duration(value)


def read_positive_duration(value: object) -> float:
    seconds = read_duration(value)
    if seconds == 0:
        raise refusal("should be more than 0", "Leave the key out for no limit.")
    return seconds


def write_duration(seconds: float) -> str | float:
    """The canonical spelling; a bare number for what that cannot say to the last bit."""
    text = format_duration(seconds)
    return text if parse_duration(text) == seconds else seconds


DURATION = Field(read_duration, write_duration)


def read_choice(words: type[Any]) -> Callable[[object], Any]:
    """One word of a StrEnum, in lower case as it is documented."""
    known = tuple(word.value for word in words)

    def read(value: object) -> Any:
        if isinstance(value, str) and value in known:
            return words(value)
        shown = f", not {shown_text(value)}" if isinstance(value, str) else f", not {kind(value)}"
        raise refusal(
            f"should be one of {', '.join(known)}{shown}",
            did_you_mean(value[:64].lower(), known) if isinstance(value, str) else None,
        )

    return read


def read_each(item: Callable[[object], Any], example: str) -> Callable[[object], tuple[Any, ...]]:
    """A list whose items ``item`` reads; all of their problems are collected."""

    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise mismatch("a list", value, f"Write it like {example}.")
        values, problems = [], []
        for index, element in enumerate(value):
            try:
                values.append(item(element))
            except InvalidError as error:
                problems += placed(f"[{index}]", error)
        if problems:
            raise DefinitionError(problems)
        return tuple(values)

    return read


def read_env(value: object) -> Mapping[str, str]:
    """A job's environment entries: names without ``=``, values that are text."""
    return read_env_but(RESERVED_ENV, value)


def read_env_but(reserved: frozenset[str], value: object) -> Mapping[str, str]:
    """Environment entries, none of them of a ``reserved`` name."""
    if not isinstance(value, Mapping):
        raise mismatch("a table of names and values", value)
    entries: dict[str, str] = {}
    problems: list[Problem] = []
    for name, text in value.items():
        try:
            entries[read_env_name(name, reserved)] = read_c_text(text)
        except DefinitionError as error:
            problems += placed(join_key("", str(name)), error)
    if problems:
        raise DefinitionError(problems)
    return MappingProxyType(entries) if entries else EMPTY


def read_env_name(name: object, reserved: frozenset[str]) -> str:
    text = read_c_text(name)
    if not text or "=" in text:
        raise refusal("is not a name that an environment variable can have")
    if text in reserved:
        raise refusal("is set by pb itself for every run", "Choose another name.")
    return text


def read_umask(value: object) -> int:
    """Octal digits as text, ``"022"``: a bare number would leave its base to be guessed."""
    if not isinstance(value, str):
        raise mismatch("octal digits in quotes", value, 'Write it like "022" or "077".')
    digits = value.removeprefix("0o")
    if not digits or not set(digits) <= set("01234567") or int(digits, 8) > 0o777:
        raise refusal(
            f"{shown_text(value)} is not an octal mask up to 777", 'Write it like "022" or "077".'
        )
    return int(digits, 8)


def read_signal(value: object) -> str:
    """A signal's name without SIG, in capitals."""
    text = read_text(value)
    name = text.upper().removeprefix("SIG")
    if name not in SIGNALS:
        hint = did_you_mean(name[:64], SIGNALS) or f"Use one of {', '.join(SIGNALS)}."
        raise refusal(f"{shown_text(text)} is not a signal that stops a process", hint)
    return name


def read_tag(value: object) -> str:
    text = read_text(value)
    if (
        not text
        or len(text) > 64
        or "," in text
        or not text.isprintable()
        or text.split() != [text]
    ):
        raise refusal(
            f"{shown_text(text)} is not a tag", "A tag has 1 to 64 characters, no space or comma."
        )
    return text


def read_zone(value: object) -> str:
    """An IANA zone's name, or ``local``."""
    text = read_text(value)
    if text != "local":
        load_zone(text)
    return text


def load_zone(name: str) -> ZoneInfo:
    """The zone called ``name``; DefinitionError with the nearest names when there is none.

    ``right/…`` zones are refused: they count leap seconds and would be half a minute off.
    """
    from zoneinfo import ZoneInfo

    try:
        if name in ("", "localtime", "posixrules") or name.startswith("right/"):
            raise KeyError(name)
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # ZoneInfo lets ValueError (absolute, "..", not a TZif file) and OSError (a directory,
        # a name too long) out beside ZoneInfoNotFoundError, which is a KeyError.
        raise refusal(f"there is no time zone {shown_text(name)}", zone_hint(name)) from None


def zone_hint(name: str) -> str:
    """The zones that are spelled nearly like ``name`` or whose city is."""
    from zoneinfo import available_timezones

    zones = sorted(available_timezones())
    name = name[:64]
    word = name.strip().replace(" ", "_").lower()
    near = [zone for zone in zones if word in (zone.lower(), zone.rpartition("/")[2].lower())]
    if near:
        return f"Did you mean {' or '.join(near[:2])}?"
    return did_you_mean(name, zones) or 'Use a name such as Europe/Berlin or UTC, or "local".'
