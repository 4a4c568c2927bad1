"""Channels: where people are told, as ``config.toml`` names them, read and shown. Pure.

A secret is text, or better a table that says where it stands: ``{file = "…"}`` or ``{env = "…"}``.
It is looked up by whoever sends, when it sends; what is shown here never has one in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pb.core.argv import read_argv
from pb.core.fields import (
    DURATION,
    DefinitionError,
    Field,
    Problem,
    mismatch,
    placed,
    read_c_text,
    read_each,
    read_flag,
    read_integer,
    read_path,
    read_table,
    read_text,
    refusal,
    shown_text,
    unknown_key,
)
from pb.core.lean import dataclass
from pb.core.notify import read_channel_name
from pb.core.secrets import HIDDEN, is_secret
from pb.core.urls import parse_url
from pb.errors import InvalidError, did_you_mean

RESERVED = frozenset(("default", "channels"))
"""Keys of ``[notify]`` that are settings; no channel can be called so."""

LONGEST_TIMEOUT = 120.0

ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9.-]{1,255}")
HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
HOST = re.compile(r"[A-Za-z0-9._:-]{1,255}")
NAME_IN_URL = "{name}"

Plain = str | Mapping[str, str]
"""Text, or ``{"file": PATH}`` or ``{"env": NAME}``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel. ``options`` are the values of its type's keys, the usual ones filled in."""

    name: str
    type: str
    options: Mapping[str, Any]

    @property
    def is_ping(self) -> bool:
        """Whether it hears of every run, so that silence means something."""
        return self.type == "ping"


# -- reading


def read_secret(value: object) -> Plain:
    """Text, or a table that says where it stands."""
    if isinstance(value, str):
        return one_line(value)
    if not isinstance(value, Mapping) or len(value) != 1:
        raise mismatch("text or a table", value, 'Write {file = "~/.secret"} or {env = "NAME"}.')
    [(where, place)] = value.items()
    if where == "file":
        return {"file": read_path(place)}
    if where == "env":
        return {"env": one_line(place)}
    raise refusal(
        f"{shown_text(str(where))} is no place of a secret", 'Write {file = "…"} or {env = "…"}.'
    )


def read_hidden_secret(value: object) -> Plain:
    """The same, but never as text: a password does not belong into a settings file."""
    if isinstance(value, str):
        hint = (
            'Put it into a file of your own (chmod 600): {file = "~/.secret"}, or {env = "NAME"}.'
        )
        raise refusal("should not stand here", hint)
    return read_secret(value)


def one_line(value: object) -> str:
    text = read_c_text(value)
    if not text.strip():
        raise refusal("is empty")
    if not text.isprintable():
        raise refusal("should be one line without control characters")
    return text


def read_url(value: object) -> Plain:
    found = read_secret(value)
    if isinstance(found, str):
        parse_url(found.replace(NAME_IN_URL, "name"))
    return found


def read_urls(value: object) -> tuple[Plain, ...]:
    values = value if isinstance(value, list | tuple) else [value]
    found: tuple[Plain, ...] = read_each(read_secret, '["tgram://…"]')(values)
    if not found:
        raise refusal("is empty")
    return found


def read_headers(value: object) -> Mapping[str, Plain]:
    if not isinstance(value, Mapping):
        raise mismatch("a table of names and values", value)
    problems: list[Problem] = []
    headers: dict[str, Plain] = {}
    for name, text in value.items():
        try:
            if not HEADER.fullmatch(name):
                raise refusal("is not a name that a header can have")
            headers[name] = read_secret(text)
        except InvalidError as error:
            problems += placed(name, error)
    if problems:
        raise DefinitionError(problems)
    return headers


def read_address(value: object) -> str:
    text = read_text(value)
    if not ADDRESS.fullmatch(text):
        raise refusal(f"{shown_text(text)} is not an address", "Write it like me@example.org.")
    return text


def read_addresses(value: object) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    found: tuple[str, ...] = read_each(read_address, '["me@example.org"]')(values)
    if not found:
        raise refusal("is empty", "Say who gets the mail.")
    return found


def read_host(value: object) -> str:
    text = read_text(value)
    if not HOST.fullmatch(text):
        raise refusal(f"{shown_text(text)} is not a host", "Write it like smtp.example.org.")
    return text


def read_timeout(value: object) -> float:
    seconds: float = DURATION.read(value)
    if not 0.1 <= seconds <= LONGEST_TIMEOUT:
        raise refusal(f"should be from 100ms to {LONGEST_TIMEOUT:g}s")
    return seconds


def word_of(*known: str) -> Field:
    def read(value: object) -> str:
        text = read_text(value)
        if text not in known:
            hint = did_you_mean(text[:64].lower(), known)
            raise refusal(f"should be one of {', '.join(known)}, not {shown_text(text)}", hint)
        return text

    return Field(read)


TIMEOUT = Field(read_timeout, DURATION.write)
LINES = Field(read_integer(0, 200))
CA_FILE = Field(read_path)

COMMON: Mapping[str, Field] = {
    "timeout": TIMEOUT,
    "attempts": Field(read_integer(1, 20)),
    "lines": LINES,
}
"""Keys of every channel."""

TYPES: Mapping[str, Mapping[str, Field]] = {
    "command": {"command": Field(read_argv, list)},
    "webhook": {
        "url": Field(read_url),
        "format": word_of("json", "slack", "discord", "text"),
        "method": word_of("POST", "PUT"),
        "headers": Field(read_headers, dict),
        "secret": Field(read_hidden_secret),
        "ca_file": CA_FILE,
    },
    "mail": {
        "host": Field(read_host),
        "port": Field(read_integer(1, 65_535)),
        "security": word_of("starttls", "tls", "none"),
        "user": Field(one_line),
        "password": Field(read_hidden_secret),
        "from": Field(read_address),
        "to": Field(read_addresses, list),
        "ca_file": CA_FILE,
    },
    "desktop": {"icon": Field(one_line)},
    "ping": {
        "url": Field(read_url),
        "method": word_of("GET", "POST", "HEAD"),
        "start": Field(read_text),
        "fail": Field(read_text),
        "exit_codes": Field(read_flag),
        "ca_file": CA_FILE,
    },
    "apprise": {"urls": Field(read_urls, list)},
}
"""The keys of each type of channel."""

NEEDED: Mapping[str, tuple[str, ...]] = {
    "command": ("command",),
    "webhook": ("url",),
    "mail": ("from", "to"),
    "desktop": (),
    "ping": ("url",),
    "apprise": ("urls",),
}

USUAL: Mapping[str, Mapping[str, Any]] = {
    "command": {},
    "webhook": {"format": "json", "method": "POST", "headers": MappingProxyType({})},
    "mail": {"host": "localhost", "security": "starttls"},
    "desktop": {},
    "ping": {"method": "GET", "start": "/start", "fail": "/fail", "exit_codes": False},
    "apprise": {},
}
COMMONLY: Mapping[str, Any] = {"timeout": 10.0, "attempts": 8, "lines": 20}

PORTS = {"starttls": 587, "tls": 465, "none": 25}


def channel_from(name: str, table: object) -> Channel:
    """The channel that ``table`` describes. Raises DefinitionError with every problem of it."""
    read_channel_name(name)
    if name in RESERVED:
        raise refusal("is not a name that a channel can have", "Choose another one.")
    if not isinstance(table, Mapping):
        raise mismatch("a table", table, f'Write [notify.{name}] and type = "…" below it.')
    kind = table.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        known = tuple(TYPES)
        near = did_you_mean(kind[:64].lower(), known) if isinstance(kind, str) else None
        message = "is missing" if kind is None else f"should be one of {', '.join(known)}"
        raise refusal(message, near or f"Types are {', '.join(known)}.", key="type")
    fields = {**COMMON, **TYPES[kind]}
    rest = {key: value for key, value in table.items() if key != "type"}
    values, problems = read_table(rest, fields)
    problems = [one for one in problems if one.message != "is not a known key"]
    problems += [unknown_key(key, (*fields, "type")) for key in rest if key not in fields]
    problems += [
        Problem(key, "is missing", f"A channel of type {kind} needs it.")
        for key in NEEDED[kind]
        if key not in rest
    ]
    problems += together(kind, values)
    if problems:
        raise DefinitionError(problems)
    options = {**COMMONLY, **USUAL[kind], **values}
    if kind == "mail":
        options.setdefault("port", PORTS[options["security"]])
    return Channel(name=name, type=kind, options=options)


def together(kind: str, values: Mapping[str, Any]) -> list[Problem]:
    """What two values cannot mean together."""
    if kind != "mail":
        return []
    problems = []
    for key, other in (("user", "password"), ("password", "user")):
        if key in values and other not in values:
            problems.append(Problem(key, f"goes with {other}", f"Write {other} too."))
    if values.get("security") == "none" and "password" in values:
        hint = "Use starttls or tls; a server on this machine needs no password."
        problems.append(Problem("password", "would go over the network unencrypted", hint))
    return problems


def channel_dump(channel: Channel) -> dict[str, object]:
    """The table that ``channel_from`` reads back, usual values left out."""
    fields = {**COMMON, **TYPES[channel.type]}
    usual = {**COMMONLY, **USUAL[channel.type]}
    if channel.type == "mail":
        usual["port"] = PORTS[channel.options["security"]]
    return {
        "type": channel.type,
        **{
            key: field.write(channel.options[key])
            for key, field in fields.items()
            if key in channel.options and channel.options[key] != usual.get(key)
        },
    }


# -- showing


def shown_channel(table: Mapping[str, Any]) -> dict[str, object]:
    """A channel's table as it may be shown: where secrets stand, and nothing of them."""
    return {key: shown(key, value) for key, value in table.items()}


def shown(key: str, value: Any) -> object:
    match key:
        case "url":
            return target_of_url(value)
        case "urls":
            return [target_of_url(one) for one in value]
        case "headers":
            return {name: shown_header(name, text) for name, text in value.items()}
    return value


def shown_header(name: str, value: Plain) -> object:
    return HIDDEN if isinstance(value, str) and is_secret(name) else value


def target_of_url(value: Plain) -> object:
    """Scheme and host alone: what follows is the secret of most such addresses."""
    if not isinstance(value, str):
        return dict(value)
    scheme, _, rest = value.partition("://")
    if scheme not in ("http", "https"):
        return f"{scheme}://{HIDDEN}"
    return f"{scheme}://{re.split('[/?#]', rest)[0]}/{HIDDEN}"


def target_of(channel: Channel) -> str:
    """Where it leads, in a few words without a secret."""
    options = channel.options
    match channel.type:
        case "command":
            return str(options["command"][0])
        case "mail":
            return f"{', '.join(options['to'])} by {options['host']}:{options['port']}"
        case "desktop":
            return "this desktop"
        case "apprise":
            return ", ".join(place_of(one) for one in options["urls"])
    return place_of(options["url"])


def place_of(value: Plain) -> str:
    if isinstance(value, str):
        return str(target_of_url(value))
    [(where, place)] = value.items()
    return f"({where} {place})"
