"""The tables inside a definition: misfire, retry, dependencies, read and written back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pb.core.fields import (
    DURATION,
    DefinitionError,
    Field,
    Problem,
    mismatch,
    read_choice,
    read_each,
    read_integer,
    read_positive_duration,
    read_table,
    read_text,
    refusal,
    shown_text,
    write_duration,
)
from pb.core.model import (
    DEFAULT_MISFIRE,
    DEFAULT_RETRY,
    Backoff,
    CatchUp,
    Dependency,
    DependencyOn,
    Misfire,
    Retry,
)

SIGNALS_THAT_END = (
    *("HUP", "INT", "QUIT", "ILL", "ABRT", "BUS", "FPE", "KILL", "SEGV", "PIPE", "ALRM", "TERM"),
    *("USR1", "USR2", "XCPU", "XFSZ", "SYS"),
)
"""What ``retry.on`` may name: the signals that end a process (signal(7))."""

ON_HINT = 'Use exit codes, "timeout", "signal", a signal such as "KILL", or "pattern:TEXT".'


def read_policy(
    fields: Mapping[str, Field],
    make: type[Any],
    example: str,
    refused: Mapping[str, Problem] = MappingProxyType({}),
) -> Any:
    """A reader of one such table; ``refused`` holds what is said about keys of other programs."""

    def read(value: object) -> Any:
        if not isinstance(value, Mapping):
            raise mismatch("a table", value, f"Write it like {example}.")
        values, problems = read_table(value, fields, refused=refused)
        if problems:
            raise DefinitionError(problems)
        return make(**values)

    return read


def write_policy(fields: Mapping[str, Field], default: object) -> Any:
    """Its writer: keys with default values left out."""

    def write(policy: object) -> dict[str, object]:
        return {
            key: field.write(getattr(policy, key))
            for key, field in fields.items()
            if getattr(policy, key) != getattr(default, key)
        }

    return write


def read_fraction(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise mismatch("a number from 0 to 1", value)
    if not 0 <= value <= 1:
        raise refusal("should be from 0 to 1")
    return float(value)


def read_factor(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise mismatch("a number from 1 to 100", value)
    if not 1 <= value <= 100:
        raise refusal("should be from 1 to 100")
    return float(value)


def read_retry_reason(value: object) -> int | str:
    """One entry of ``retry.on``."""
    if isinstance(value, int) and not isinstance(value, bool):
        return read_integer(1, 255)(value)
    text = read_text(value)
    if text in ("timeout", "signal") or (text.startswith("pattern:") and len(text) > 8):
        return text
    name = text.upper().removeprefix("SIG")
    if name in SIGNALS_THAT_END:
        return name
    raise refusal(f"{shown_text(text)} is not a reason to try again", ON_HINT)


def read_dependency(value: object) -> Dependency:
    """``{"job": …, "on": …, "within": …}``, or short ``"backup"`` and ``"backup:completion"``."""
    if isinstance(value, str):
        job, _, on = value.partition(":")
        value = {"job": job, "on": on} if on else {"job": job}
    if not isinstance(value, Mapping):
        raise mismatch("a job's name or a table", value, 'Write it like {"job": "backup"}.')
    values, problems = read_table(value, DEPENDENCY)
    if problems:
        raise DefinitionError(problems)
    if "job" not in values:
        raise refusal("names no job", 'Write it like {"job": "backup", "on": "success"}.')
    return Dependency(**values)


def read_dependencies(value: object) -> tuple[Dependency, ...]:
    found: tuple[Dependency, ...] = read_each(read_dependency, '["backup"]')(value)
    names = [dependency.job for dependency in found]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise refusal(f"names {name} twice", "Remove one.", key=f"[{index}]")
    return found


def write_dependency(dependency: Dependency) -> dict[str, object]:
    dumped: dict[str, object] = {"job": dependency.job}
    if dependency.on is not DependencyOn.SUCCESS:
        dumped["on"] = str(dependency.on)
    if dependency.within is not None:
        dumped["within"] = write_duration(dependency.within)
    return dumped


MISFIRE: Mapping[str, Field] = {
    "grace": DURATION,
    "catch_up": Field(read_choice(CatchUp), str),
    "window": DURATION,
    "max_catch_up": Field(read_integer(1, 1000)),
    "spread": DURATION,
}

RETRY: Mapping[str, Field] = {
    "max_attempts": Field(read_integer(1, 1000)),
    "backoff": Field(read_choice(Backoff), str),
    "base": DURATION,
    "factor": Field(read_factor),
    "max": DURATION,
    "jitter": Field(read_fraction),
    "on": Field(read_each(read_retry_reason, '[1, "timeout"]'), list),
}

DEPENDENCY: Mapping[str, Field] = {
    "job": Field(read_text),
    "on": Field(read_choice(DependencyOn), str),
    "within": Field(read_positive_duration, write_duration),
}

MISFIRE_FIELD = Field(
    read_policy(MISFIRE, Misfire, '{"grace": "1m", "catch_up": "latest"}'),
    write_policy(MISFIRE, DEFAULT_MISFIRE),
)
RETRY_FIELD = Field(
    read_policy(RETRY, Retry, '{"max_attempts": 3, "base": "10s"}'),
    write_policy(RETRY, DEFAULT_RETRY),
)
DEPENDENCIES_FIELD = Field(read_dependencies, lambda all_: [write_dependency(one) for one in all_])
