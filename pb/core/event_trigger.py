"""Event triggers: how they are read, written and said. Pure; names are ``event_names``'."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pb.core.event_names import read_pattern, spelled
from pb.core.fields import (
    DefinitionError,
    Field,
    Problem,
    join_key,
    mismatch,
    placed,
    read_text,
    refusal,
)
from pb.core.reactive import NO_FILTER, Event
from pb.core.reactive_kinds import Kind

EXAMPLE = "event: service.*.failed"


def read_filter(value: object) -> Mapping[str, str]:
    """What facts must be, by key; a number or a truth value is as good as its text."""
    if not isinstance(value, Mapping):
        raise mismatch("a table of keys and values", value, 'Write it like {"exit_code": 3}.')
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for key, wanted in value.items():
        try:
            found[read_text(key)] = read_wanted(wanted)
        except DefinitionError as error:
            problems += placed(join_key("", str(key)), error)
    if problems:
        raise DefinitionError(problems)
    return MappingProxyType(found) if found else NO_FILTER


def read_wanted(value: object) -> str:
    if not isinstance(value, str | int | float | bool | None):
        raise mismatch("text, a number, true, false or null", value)
    text = read_text(value) if isinstance(value, str) else spelled(value)
    if len(text) > 1024:
        raise refusal("is longer than 1024 characters")
    return text


def describe(trigger: Event) -> str:
    """``On service.*.failed``, with what its facts must be."""
    facts = " and ".join(f"{key} is {wanted}" for key, wanted in trigger.filter.items())
    return f"On {trigger.name}" + (f", where {facts}" if facts else "")


KIND = Kind(
    model=Event,
    keys={"name": Field(read_pattern), "filter": Field(read_filter, dict)},
    required=("name",),
    example=EXAMPLE,
    read_short=lambda rest: {"name": rest},
    short=lambda trigger: f"event: {trigger.name}",
    describe=describe,
)
