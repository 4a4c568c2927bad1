"""How requests are written and answers read: paths, queries, bodies. Pure, and shared by both
clients."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from pb.client.parts import LogLine, LogPart
from pb.client.place import Place
from pb.client.problems import object_of, problem_of, stranger
from pb.errors import InvalidError

Json = dict[str, Any]

ROOT = "/api/v1"

PAGE = 1000
"""Items of one page: as many as a gateway gives."""

ANSWER_TIME = 30.0
"""Seconds for an answer, unless told otherwise."""

SPARE = 15.0
"""Seconds on top of those that a request itself may take."""

STOP_TIME = 130.0
"""Seconds for what ends processes: the gateway answers within 120."""

LONG_TIME = 620.0
"""Seconds for what copies a whole database: the gateway answers within 600."""

SILENCE = 45.0
"""Seconds of silence after which a stream is taken for dead: a living one says so each 15."""

CONNECTIONS = 256
"""Connections at once: each stream has one."""

KEPT = 5.0
"""Seconds for which an idle connection is kept: less than the gateway keeps it."""


JSON_BODY = ("content-type", "application/json")


def headers_of(place: Place) -> list[tuple[str, str]]:
    from pb import __version__

    return [("authorization", f"Bearer {place.token}"), ("user-agent", f"pb/{__version__}")]


def url_of(place: Place, path: str, query: Mapping[str, Any] | None) -> str:
    words = urlencode(query_of(query))
    return f"{place.url}{path}?{words}" if words else f"{place.url}{path}"


def limits_of(seconds: float, silence: float | None = None) -> Json:
    """The time for each step of a request; ``silence``: for the next piece of the answer."""
    steps = dict.fromkeys(("connect", "write", "pool", "read"), seconds)
    return {"timeout": steps if silence is None else {**steps, "read": silence}}


def path_of(*words: str | int) -> str:
    """A path below the root. Raises InvalidError for a word that would be another path."""
    if any(str(word) in ("", ".", "..") for word in words):
        raise InvalidError("That is no name")
    return "/".join([ROOT, *(quote(str(word), safe="@") for word in words)])


def given(**values: Any) -> Json:
    """What was given; None stands for what was not."""
    return {name: value for name, value in values.items() if value is not None}


def several(words: Sequence[str]) -> list[str]:
    """One word, or several: a lone text is one of them, not its letters."""
    return [words] if isinstance(words, str) else [*words]


def query_of(values: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    """Parameters as a query has them; a list is given once for each item."""
    found: list[tuple[str, str]] = []
    for name, value in (values or {}).items():
        items = value if isinstance(value, list | tuple) else [value]
        found += [(name, text_of(item)) for item in items if item is not None]
    return tuple(found)


def text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def patience(seconds: float, least: float = ANSWER_TIME) -> float:
    """Seconds for an answer that is given after ``seconds`` at the latest."""
    return max(least, seconds + SPARE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, whole; the names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @classmethod
    def of(cls, status: int, headers: Iterable[tuple[bytes, bytes]], content: bytes) -> Answer:
        named = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
        return cls(status=status, headers=named, content=content)


def answer_of(url: str, answer: Answer) -> Json:
    """The document of an answer. Raises the error that it stands for."""
    if answer.status >= 400:
        raise problem_of(url, answer.status, answer.content)
    document = object_of(answer.content)
    if document is None or answer.status >= 300:
        raise stranger(url)
    return document


def text_in(url: str, answer: Answer) -> str:
    """The text of an answer. Raises the error that it stands for."""
    if answer.status >= 400:
        raise problem_of(url, answer.status, answer.content)
    return answer.content.decode("utf-8", "replace")


def part_of(url: str, answer: Answer) -> LogPart:
    """The part of a log that an answer is."""
    if answer.status >= 400:
        raise problem_of(url, answer.status, answer.content)
    try:
        begin, following, first, end = (
            int(answer.headers[f"x-log-{word}"]) for word in ("offset", "next", "first", "size")
        )
    except (KeyError, ValueError) as error:
        raise stranger(url) from error
    return LogPart(content=answer.content, begin=begin, next=following, first=first, end=end)


def line_of(text: str, number: str | None) -> LogLine:
    """A line of a log, from the object that it is sent as."""
    content = json.loads(text)
    following = int(number) if number is not None and number.isdigit() else None
    return LogLine(text=content["text"], time=content["time"], next=following)
