"""Jobs that are a Python function: ``python``, ``args``, ``kwargs``, ``interpreter``. Pure.

The function is called by ``pb/runner.py``, in a process of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pb.core.fields import (
    DefinitionError,
    Problem,
    join_key,
    kind,
    mismatch,
    read_c_text,
    read_path,
    read_text,
    refusal,
    shown_text,
)

CALL_BYTES = 64 * 1024
"""How long the arguments of a call may be as JSON: they travel in one environment variable, for
which Linux has room for 128 KiB (MAX_ARG_STRLEN, execve(2))."""

BELONGS = ("args", "kwargs", "interpreter")
"""Keys that mean something beside ``python`` only."""


def read_target(value: object) -> str:
    """``module:function``, both possibly dotted."""
    text = read_text(value)
    module, colon, function = text.partition(":")
    words = [*module.split("."), *function.split(".")]
    if not colon or not all(word.isidentifier() for word in words):
        raise refusal(
            f"{shown_text(text)} is not module:function", 'Write it like "shop.sync:run".'
        )
    return text


def read_args(value: object) -> tuple[object, ...]:
    if not isinstance(value, list | tuple):
        raise mismatch("a list", value, 'Write it like ["a", 1].')
    read_json(list(value))
    return tuple(value)


def read_kwargs(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise mismatch("a table", value, 'Write it like {"full": true}.')
    read_json(dict(value))
    return MappingProxyType(dict(value))


def read_json(value: Any) -> None:
    """Refuse what JSON cannot carry unchanged: TOML's dates, say, and what is too long."""
    problems = list(strangers(value, ""))
    if problems:
        raise DefinitionError(problems)
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    except ValueError:
        raise refusal("cannot be written as JSON") from None
    if size > CALL_BYTES:
        raise refusal("is longer than 64 KiB", "Pass the name of a file.")


def strangers(value: Any, place: str, depth: int = 0) -> list[Problem]:
    """Everything in ``value`` that is no JSON, with its place."""
    if depth > 50:
        return [Problem(place, "is nested too deep")]
    if isinstance(value, list | tuple):
        inside = [(f"{place}[{at}]", item) for at, item in enumerate(value)]
    elif isinstance(value, Mapping):
        keys = [key for key in value if not isinstance(key, str)]
        if keys:
            return [Problem(join_key(place, str(keys[0])), "should be text, as JSON's keys are")]
        inside = [(join_key(place, key), item) for key, item in value.items()]
    elif value is None or isinstance(value, str | bool | int | float):
        return []
    else:
        return [Problem(place, f"should be what JSON knows, not {kind(value)}", "Use text.")]
    return [problem for where, item in inside for problem in strangers(item, where, depth + 1)]


def read_interpreter(value: object) -> str | None:
    """A path, or a name that is looked up in PATH."""
    if value is None:
        return None
    text = read_c_text(value)
    if not text:
        raise refusal("is empty", "Leave it out for the Python that pb itself runs on.")
    return read_path(text) if "/" in text else text


def call_problems(values: Mapping[str, Any]) -> list[Problem]:
    """What does not go together: a command and a function, or arguments without one."""
    if "python" not in values:
        hint = "Add python, or write the arguments into command, as a list."
        return [Problem(key, "belongs to python", hint) for key in BELONGS if key in values]
    return [
        Problem(key, "cannot stand beside python", "Leave one of them out.")
        for key in ("command", "shell")
        if values.get(key)
    ]
