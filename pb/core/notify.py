"""``notify``, of a definition and of the settings: who is told of what, read and written. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pb.core.fields import (
    DURATION,
    DefinitionError,
    Field,
    mismatch,
    read_each,
    read_positive_duration,
    read_table,
    read_text,
    refusal,
    shown_text,
    write_duration,
)
from pb.core.model import NAME_PATTERN
from pb.core.notice import NOBODY, UNASKED, Occasion, Telling
from pb.errors import did_you_mean

EXAMPLE = '["ops"]'

SYNONYMS = {"down": "failure", "up": "recovery"}
"""Words that fit services better; they mean the same."""

NAME = re.compile(NAME_PATTERN)

WORDS = tuple(str(one) for one in Occasion if one not in UNASKED)

HINT = 'Write the names of channels: ["ops"], or {to = ["ops"], on = ["failure", "recovery"]}.'


def read_channel_name(value: object) -> str:
    text = read_text(value)
    if not NAME.fullmatch(text):
        raise refusal(f"{shown_text(text)} is not a name that a channel can have", HINT)
    return text


def read_channels(value: object) -> tuple[str, ...]:
    """One name or a list of them, none twice."""
    values = [value] if isinstance(value, str) else value
    names: tuple[str, ...] = read_each(read_channel_name, EXAMPLE)(values)
    for index, name in enumerate(names):
        if name in names[:index]:
            raise refusal(f"names {name} twice", "Remove one.", key=f"[{index}]")
    return names


def read_occasion(value: object) -> Occasion:
    text = read_text(value)
    word = SYNONYMS.get(text, text)
    if word not in WORDS:
        hint = did_you_mean(text[:64].lower(), (*WORDS, *SYNONYMS))
        raise refusal(f"should be one of {', '.join(WORDS)}, not {shown_text(text)}", hint)
    return Occasion(word)


def read_occasions(value: object) -> tuple[Occasion, ...]:
    values = [value] if isinstance(value, str) else value
    found = read_each(read_occasion, '["failure", "recovery"]')(values)
    if not found:
        raise refusal("is empty", "To tell nobody write notify = [].")
    return tuple(dict.fromkeys(found))


NOTIFY: Mapping[str, Field] = {
    "to": Field(read_channels, list),
    "on": Field(read_occasions, lambda on: [str(one) for one in on]),
    "cooldown": DURATION,
    "repeat": Field(read_positive_duration, write_duration),
    "group": DURATION,
}


def read_notify(value: object) -> Telling | None:
    """Names of channels, or a table. None is what the settings say."""
    if value is None:
        return None
    if isinstance(value, str | list | tuple):
        return Telling(to=read_channels(value))
    if not isinstance(value, Mapping):
        raise mismatch("names of channels", value, HINT)
    values, problems = read_table(value, NOTIFY)
    if problems:
        raise DefinitionError(problems)
    return Telling(**values)


def write_table(notify: Telling | None) -> dict[str, object] | None:
    """As a table, what is as usual left out."""
    if notify is None:
        return None
    return {
        key: field.write(getattr(notify, key))
        for key, field in NOTIFY.items()
        if getattr(notify, key) != getattr(USUALLY, key)
    }


def write_notify(notify: Telling | None) -> object:
    """As short as it can be said: names alone where all else is as usual."""
    table = write_table(notify)
    return table["to"] if table is not None and list(table) == ["to"] else table


USUALLY = Telling()

NOTIFY_FIELD = Field(read_notify, write_notify)
SERVICE_NOTIFY_FIELD = Field(read_notify, write_table)


def effective(own: Telling | None, usual: Telling | None) -> Telling:
    """Who is told of what, where a definition says ``own`` and the settings say ``usual``."""
    if own is None:
        return usual or NOBODY
    if own.to is not None:
        return own
    to = usual.to if usual is not None and usual.to is not None else ()
    return Telling(to=to, on=own.on, cooldown=own.cooldown, repeat=own.repeat, group=own.group)


def policy_view(policy: Telling) -> dict[str, Any]:
    """As JSON, every key of it."""
    return {key: written(field, getattr(policy, key)) for key, field in NOTIFY.items()}


def written(field: Field, value: Any) -> object:
    return None if value is None else field.write(value)
