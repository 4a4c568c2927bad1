"""How the value of a setting is read, whether it comes from a file, the environment or a flag.

Each reader takes what somebody gave and answers the value, or raises InvalidError that says what it
should be. Which setting has which reader is in ``settings``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pb.core.lean import dataclass
from pb.errors import InvalidError, did_you_mean
from pb.paths import SOCKET_PATH_LIMIT, user_home


@dataclass(frozen=True, slots=True)
class Given:
    """A value as somebody gave it. ``origin`` is for ``config show``, ``place`` for errors.

    Relative paths start from ``base``; None stands for the working directory. Text from the
    environment or from a flag may stand for a number or for true and false (``is_text``).
    """

    value: object
    origin: str
    place: str
    base: Path | None = None
    is_text: bool = False


Reader = Callable[[Given], Any]


def shown(value: object) -> str:
    """A value as a message may carry it."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def read_whole(low: int, high: int) -> Reader:
    def read(given: Given) -> int:
        value = given.value
        if given.is_text and isinstance(value, str) and value.strip().isdecimal():
            value = int(value) if len(value) <= 20 else high + 1
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InvalidError(f"should be a whole number from {low} to {high}, not {shown(value)}")
        return value

    return read


def read_word(*known: str) -> Reader:
    def read(given: Given) -> str:
        value = given.value
        if isinstance(value, str) and value.strip().lower() in known:
            return value.strip().lower()
        word = value[:64] if isinstance(value, str) else ""
        hint = did_you_mean(word, known)
        raise InvalidError(f"should be one of {', '.join(known)}, not {shown(value)}", hint=hint)

    return read


def read_bool(given: Given) -> bool:
    if isinstance(given.value, bool):
        return given.value
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"0": False, "false": False, "no": False, "off": False}
    if given.is_text and isinstance(given.value, str) and given.value.strip().lower() in words:
        return words[given.value.strip().lower()]
    raise InvalidError(f"should be true or false, not {shown(given.value)}")


def read_seconds(given: Given) -> float:
    from pb.core.fields import read_duration

    return read_duration(given.value)


def read_lease(given: Given) -> float:
    """From a second to an hour: shorter would end in every busy moment."""
    seconds = read_seconds(given)
    if not 1 <= seconds <= 3600:
        raise InvalidError(f"should be from 1s to 1h, not {shown(given.value)}")
    return seconds


def read_bytes(given: Given) -> int:
    from pb.core.durations import parse_size

    value = given.value
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidError(f"should be a size, not {shown(value)}", hint='Write it like "10MiB".')
    size = parse_size(value)
    if size < 1024:
        raise InvalidError("should be at least 1KiB")
    return size


def read_queues(given: Given) -> Mapping[str, int]:
    """Slots by queue: a table, or text such as ``backup=1,network=4``."""
    value = spelled_out(given)
    if given.is_text and isinstance(value, str):
        pairs = (part.partition("=") for part in value.split(",") if part.strip())
        value = {name.strip(): number.strip() for name, _, number in pairs}
    if not isinstance(value, Mapping):
        hint = "Write it like {backup = 1, network = 4}."
        raise InvalidError(f"should be a table of slots, not {value!r}", hint=hint)
    read = read_whole(1, 100_000)
    slots: dict[str, int] = {}
    for name, number in value.items():
        try:
            slots[name] = read(Given(number, given.origin, given.place, is_text=given.is_text))
        except InvalidError as error:
            raise InvalidError(f"the queue {name}: {error.message}") from None
    return slots


def read_zone_name(given: Given) -> str:
    from pb.core.fields import read_zone

    return read_zone(given.value)


def read_host(given: Given) -> str:
    """A host name or address, without a port."""
    value = given.value
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise InvalidError(f"should be a host name or address, not {shown(value)}")
    if not value or set(value) & set(" /@[]") or value.count(":") == 1:
        hint = "Write it without a port, like 127.0.0.1 or ::1."
        raise InvalidError(f"should be a host name or address, not {shown(value)}", hint=hint)
    return value


def read_names(given: Given) -> tuple[str, ...]:
    """Host names or addresses: a list, or text with commas between."""
    value = spelled_out(given)
    if isinstance(value, str) and given.is_text:
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        raise InvalidError(f"should be a list of names, not {shown(value)}")
    return tuple(read_host(Given(name, given.origin, given.place)).lower() for name in value)


def read_file_path(given: Given) -> str:
    """An absolute path; ``~`` is the user's home, a relative one is from ``given.base``."""
    from pb.core.fields import read_c_text

    text = read_c_text(given.value)
    if not text:
        raise InvalidError("is empty", hint="Write a path, or leave the key out.")
    if text == "~" or text.startswith("~/"):
        text = str(user_home()) + text[1:]
    try:
        return os.path.abspath(os.path.join(given.base or "", text))
    except OSError:  # the working directory has been removed
        raise InvalidError(f"{shown(text)} is not an absolute path") from None


def read_socket_path(given: Given) -> str:
    path = read_file_path(given)
    size = len(os.fsencode(path))
    if size > SOCKET_PATH_LIMIT:
        message = f"is {size} bytes long, and a socket's path may have {SOCKET_PATH_LIMIT}"
        raise InvalidError(message, hint="Choose a shorter path.")
    return path


def read_usual_notify(given: Given) -> object:
    """Who is told where a definition says nothing: as ``notify`` of a definition, or text with
    commas between the names."""
    from pb.core.notify import read_notify, write_notify

    return write_notify(read_notify(names_in(given)))


def read_channel_names(given: Given) -> tuple[str, ...]:
    """Names of channels: one, a list, or text with commas between them."""
    from pb.core.notify import read_channels

    return read_channels(names_in(given))


def names_in(given: Given) -> object:
    """From the environment, text with commas is a list."""
    value = spelled_out(given)
    if given.is_text and isinstance(value, str):
        return [name.strip() for name in value.split(",") if name.strip()]
    return value


def spelled_out(given: Given) -> object:
    """Text that is a list or a table, as config.toml would have it: ``["a", "b"]``, ``{a = 1}``."""
    text = given.value
    if not (given.is_text and isinstance(text, str) and text.lstrip().startswith(("[", "{"))):
        return text
    import tomllib

    try:
        return tomllib.loads(f"value = {text.strip()}")["value"]
    except ValueError:
        hint = 'Write it as in config.toml, such as ["a", "b"] or {a = 1}.'
        raise InvalidError(f"is neither a list nor a table: {shown(text)}", hint=hint) from None


def read_channel_tables(given: Given) -> Mapping[str, Mapping[str, Any]]:
    """A table of channels by name; from the environment as JSON."""
    from pb.core.channels import channel_dump, channel_from

    value = given.value
    if given.is_text and isinstance(value, str):
        import json

        try:
            value = json.loads(value)
        except ValueError:
            hint = 'Write it like {"ops": {"type": "webhook", "url": "https://…"}}.'
            raise InvalidError("should be JSON, a table of channels", hint=hint) from None
    if not isinstance(value, Mapping):
        raise InvalidError("should be a table of channels")
    return {name: channel_dump(channel_from(name, table)) for name, table in value.items()}
