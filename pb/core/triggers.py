"""Triggers: when one fires next, how it is written, what it says in words.

Pure. Which triggers exist is ``core.model``'s; cron's own rules are ``core.cron``'s. Never a
clock: "now" is always an argument.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import assert_never

from pb.core.cron import CronExpr, parse_cron
from pb.core.durations import duration_words, format_duration, parse_duration
from pb.core.model import At, Cron, Every, Startup, Timed, Trigger
from pb.core.reactive import REACTIVE, Reactive
from pb.core.reactive_kinds import kind_named
from pb.errors import InvalidError, did_you_mean

SHORTEST_PERIOD = 1.0
"""Seconds. A scheduler that starts processes has no business below that."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TYPES = ("cron", "every", "at", "startup", *sorted(REACTIVE))
_HINT = (
    'Write "cron: 30 2 * * *", "every: 5m", "at: 2026-11-20T18:00:00Z", "startup: +10m", '
    'or words such as "daily at 18:00".'
)
AFTER_FINISH = " after finish"
"""What ``every: 5m after finish`` ends with."""

_KEYS: dict[str, tuple[str, ...]] = {
    "cron": ("expr", "day_match", "dst_gap", "dst_overlap"),
    "every": ("every", "after"),
    "at": ("at",),
    "startup": ("per", "delay"),
}


def next_fire(trigger: Trigger, after: datetime, zone: tzinfo, name: str) -> datetime | None:
    """The first fire time strictly later than ``after`` (aware), in UTC; None for never again.

    ``name`` is the job's, for ``H``. A Startup trigger has no fire time: the scheduler's start is
    its occasion. Nor has one that counts from the end of a run (``pause_of``), or one that reacts.
    Raises CronError for an expression that was never checked.
    """
    if isinstance(trigger, Reactive):
        return None
    match trigger:
        case Cron():
            return cron_of(trigger, name).next(after, zone)
        case Every(after_finish=True):
            return None
        case Every(seconds=seconds):
            period = timedelta(seconds=seconds) // _MICROSECOND
            passed = (after.astimezone(UTC) - _EPOCH) // _MICROSECOND
            return _EPOCH + (passed // period + 1) * period * _MICROSECOND
        case At(at=at):
            return at.astimezone(UTC) if at > after else None
        case Startup():
            return None
        case _:
            assert_never(trigger)


def next_fire_of(
    triggers: Iterable[Trigger], after: datetime, zone: tzinfo, name: str
) -> datetime | None:
    """The earliest fire time of several triggers strictly later than ``after``, or None."""
    times = (next_fire(trigger, after, zone, name) for trigger in triggers)
    return min((time for time in times if time is not None), default=None)


def pause_of(triggers: Iterable[Trigger]) -> float | None:
    """Seconds from the end of a job's run to its next fire time; None where no end is counted."""
    pauses = (one.seconds for one in triggers if isinstance(one, Every) and one.after_finish)
    return min(pauses, default=None)


def cron_of(trigger: Cron, name: str | None = None) -> CronExpr:
    """The compiled expression of a cron trigger. Raises CronError."""
    return parse_cron(
        trigger.expr,
        name=name,
        day_match=trigger.day_match,
        dst_gap=trigger.dst_gap,
        dst_overlap=trigger.dst_overlap,
    )


def trigger_from(value: str | Mapping[str, object]) -> Trigger:
    """Read a trigger as SPEC 4 writes it: a mapping with a ``type``, or its short text.

    Raises InvalidError (CronError for the expression) with one sentence and a hint.
    """
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, Mapping):
        return _from_mapping(value)
    raise InvalidError(f"a trigger is a text or a table, not {value!r}", hint=_HINT)


def _from_text(text: str) -> Trigger:
    kind, colon, rest = text.partition(":")
    kind, rest = kind.strip().lower(), rest.strip()
    if kind == "startup":
        return _startup_from_text(rest)
    if kind in REACTIVE and (colon or kind == "webhook"):
        return _reactive(kind, rest)
    if kind == "every" and rest.lower().endswith(AFTER_FINISH):
        return _every({"every": rest[: -len(AFTER_FINISH)], "after": "finish"})
    if colon and kind in _TYPES:
        return _READERS[kind]({_KEYS[kind][0]: rest})
    if text.strip().startswith("@"):
        return _cron({"expr": text})
    from pb.core.phrases import cron_of_phrase

    phrase = cron_of_phrase(text)
    if phrase is not None:
        return _cron({"expr": phrase})
    near = did_you_mean(kind, _TYPES) if colon else None
    raise InvalidError(f"{text!r} is not a trigger", hint=near or _HINT)


def _startup_from_text(rest: str) -> Startup:
    """``startup``, ``startup: +10m``, ``startup: daemon``, ``startup: daemon +10m``."""
    per, words = "boot", rest.split()
    if words and words[0] in ("boot", "daemon"):
        per = words.pop(0)
    if len(words) > 1:
        raise InvalidError(f"'startup: {rest}' is not a trigger", hint='Write "startup: +10m".')
    return _startup({"per": per, "delay": words[0].removeprefix("+")} if words else {"per": per})


def _from_mapping(value: Mapping[str, object]) -> Trigger:
    kind = value.get("type")
    if kind is None:
        raise InvalidError("a trigger needs a type", hint=f"Types are {', '.join(_TYPES)}.")
    if isinstance(kind, str) and kind in REACTIVE:
        return _reactive(kind, {key: part for key, part in value.items() if key != "type"})
    if not isinstance(kind, str) or kind not in _KEYS:
        near = did_you_mean(str(kind), _TYPES)
        raise InvalidError(
            f"there is no trigger type {kind!r}", hint=near or f"Types are {', '.join(_TYPES)}."
        )
    allowed = _KEYS[kind]
    for key in value:
        if key != "type" and key not in allowed:
            near = did_you_mean(str(key), allowed) or f"Known are {', '.join(allowed)}."
            raise InvalidError(f"a trigger of type {kind} has no key {key!r}", hint=near)
    return _READERS[kind](value)


def _reactive(word: str, value: str | Mapping[str, object]) -> Reactive:
    kind = kind_named(word)
    found: Reactive = kind.read_text(value) if isinstance(value, str) else kind.read(value)
    return found


def _text(value: Mapping[str, object], key: str, example: str) -> str:
    text = value.get(key)
    if text is None or text == "":
        raise InvalidError(f"{key} is missing", hint=f'Such as "{example}".')
    if not isinstance(text, str):
        raise InvalidError(f"{key} is a text, not {text!r}", hint=f'Such as "{example}".')
    return text


def _optional(value: Mapping[str, object], key: str) -> str | None:
    return None if value.get(key) is None else _text(value, key, "and")


def _cron(value: Mapping[str, object]) -> Timed:
    expr = " ".join(_text(value, "expr", "30 2 * * *").split())
    if expr.lower() == "@reboot":
        return Startup(per="boot")
    if expr.lower().startswith("@every "):
        return _every({"every": expr[7:]})
    trigger = Cron(
        expr=expr,
        day_match=_optional(value, "day_match"),
        dst_gap=_optional(value, "dst_gap"),
        dst_overlap=_optional(value, "dst_overlap"),
    )
    cron_of(trigger)
    return trigger


def _every(value: Mapping[str, object]) -> Every:
    period = _duration(value, "every", "5m")
    if period < SHORTEST_PERIOD:
        raise InvalidError("every is at least one second", hint='Such as "every: 5m".')
    if value.get("after", "finish") != "finish":
        hint = "Leave it out for a fixed beat."
        raise InvalidError(f"after is finish, not {value['after']!r}", hint=hint)
    return Every(seconds=period, after_finish="after" in value)


def _startup(value: Mapping[str, object]) -> Startup:
    per = value.get("per", "boot")
    if per not in ("boot", "daemon"):
        raise InvalidError(
            f"per is boot or daemon, not {per!r}",
            hint="boot: once when the machine starts; daemon: whenever the scheduler starts.",
        )
    delay = _duration(value, "delay", "10m") if "delay" in value else 0.0
    return Startup(per=str(per), delay=delay)


def _duration(value: Mapping[str, object], key: str, example: str) -> float:
    duration = value.get(key)
    if not isinstance(duration, str | int | float):
        raise InvalidError(f"{key} is missing or no duration", hint=f'Such as "{key}: {example}".')
    return parse_duration(duration)


def _at(value: Mapping[str, object]) -> At:
    written = value.get("at")
    at = written if isinstance(written, datetime) else _instant(written)
    if at.tzinfo is None or at.utcoffset() is None:
        raise InvalidError(
            f"the time {written!s} has no time zone", hint=f"Add one: {at.isoformat()}Z for UTC."
        )
    try:
        return At(at=at.astimezone(UTC))
    except OverflowError as error:
        raise InvalidError(f"the time {written!s} is beyond the calendar") from error


def _instant(written: object) -> datetime:
    """RFC 3339, with at least a date and a time of day."""
    hint = 'Write it like "2026-11-20T18:00:00Z" or "2026-11-20T18:00:00+01:00".'
    if not isinstance(written, str):
        raise InvalidError("at is missing or no time", hint=hint)
    text = written.strip()
    try:
        if len(text) < 16 or not text.isascii():
            raise ValueError(text)
        return datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise InvalidError(f"{written!r} is not a time", hint=hint) from error


_READERS: dict[str, Callable[[Mapping[str, object]], Timed]] = {
    "cron": _cron,
    "every": _every,
    "at": _at,
    "startup": _startup,
}


def trigger_dump(trigger: Trigger) -> dict[str, object]:
    """The canonical mapping; ``trigger_from`` gives the same trigger back. Defaults left out."""
    if isinstance(trigger, Reactive):
        return kind_named(trigger.WORD).dump(trigger)
    match trigger:
        case Cron():
            pairs = {key: getattr(trigger, key) for key in _KEYS["cron"]}
            return {"type": "cron", **{key: text for key, text in pairs.items() if text}}
        case Every(seconds=seconds, after_finish=after_finish):
            after = {"after": "finish"} if after_finish else {}
            return {"type": "every", "every": format_duration(seconds), **after}
        case At(at=at):
            return {"type": "at", "at": _rfc3339(at)}
        case Startup(per=per, delay=delay):
            dump: dict[str, object] = {"type": "startup"}
            if per != "boot":
                dump["per"] = per
            if delay:
                dump["delay"] = format_duration(delay)
            return dump
        case _:
            assert_never(trigger)


def key_of(trigger: Trigger) -> str:
    """A trigger's canonical JSON: its name in the store and in messages."""
    return json.dumps(trigger_dump(trigger), sort_keys=True, separators=(",", ":"))


def _rfc3339(at: datetime) -> str:
    utc = at.astimezone(UTC)
    precision = "microseconds" if utc.microsecond else "seconds"
    return utc.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def describe(trigger: Trigger, name: str | None = None) -> str:
    """The trigger in plain words, such as ``At 02:30 every day`` or ``Every 5 minutes``."""
    if isinstance(trigger, Reactive):
        return kind_named(trigger.WORD).describe(trigger)
    match trigger:
        case Cron():
            return cron_of(trigger, name).explain()
        case Every(seconds=seconds, after_finish=True):
            return f"{duration_words(seconds).capitalize()} after its last run has ended"
        case Every(seconds=seconds):
            words = duration_words(seconds)
            return f"Every {words if ' and ' in words else words.removeprefix('1 ')}"
        case At(at=at):
            return f"Once, at {_rfc3339(at).replace('T', ' ').removesuffix('Z')} UTC"
        case Startup(per=per, delay=delay):
            what = "the machine" if per == "boot" else "the scheduler"
            later = f"{duration_words(delay)} after" if delay else "When"
            return f"{later} {what} starts".capitalize()
        case _:
            assert_never(trigger)


def short(trigger: Trigger) -> str:
    """One line that ``trigger_from`` reads back, apart from what only a table can say."""
    if isinstance(trigger, Reactive):
        return kind_named(trigger.WORD).short(trigger)
    match trigger:
        case Cron(expr=expr):
            return f"cron: {expr}"
        case Every(seconds=seconds, after_finish=after_finish):
            return f"every: {format_duration(seconds)}{AFTER_FINISH if after_finish else ''}"
        case At(at=at):
            return f"at: {_rfc3339(at)}"
        case Startup(per=per, delay=delay):
            words = ["daemon"] if per == "daemon" else []
            words += [f"+{format_duration(delay)}"] if delay else []
            return f"startup: {' '.join(words)}" if words else "startup"
        case _:
            assert_never(trigger)
