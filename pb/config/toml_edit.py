"""Changing one value of a TOML file in place: comments, order and layout stay as they are.

Only for keys within a table of the first level, as settings are. Whatever comes out is read again,
and must say what was meant and nothing else; where it does not, nothing is changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pb.config.located import DocumentError, parse_toml
from pb.config.toml_text import Span, TomlLines
from pb.config.toml_write import inline, key
from pb.errors import UnsupportedError


def with_value(text: str, section: str, name: str, value: object) -> str:
    """``text`` with ``[section] name = value``, in the place where it stands, where a comment
    proposes it, or at the end of its section."""
    path, written = f"{section}.{name}", inline(value)
    places = TomlLines(text)
    line = f"{key(name)} = {written}"
    if path in places.pairs:
        span = places.pairs[path]
        changed = text[: span.value] + written + text[span.end :]
    elif section in places.headers:
        changed = in_section(text, places, section, line, name)
    elif rows := dotted(places, section):
        at = end_of_line(text, max(span.end for span in rows))
        changed = text[:at] + f"{newline(text)}{key(section)}.{line}" + text[at:]
    else:
        gap = "" if not text.strip() else newline(text)
        end = "" if not text or text.endswith("\n") else newline(text)
        changed = f"{text}{end}{gap}[{key(section)}]{newline(text)}{line}{newline(text)}"
    return checked(text, changed, section, name, value)


def dotted(places: TomlLines, section: str) -> list[Span]:
    """Where keys of the section stand with its name before them, under no header."""
    if any(place.startswith(f"{section}.") for place in places.headers):
        return []  # they belong to tables inside of it
    return [span for place, span in places.pairs.items() if place.startswith(f"{section}.")]


def without(text: str, section: str, name: str) -> str:
    """``text`` without that key; the same text where it is not there."""
    path, places = f"{section}.{name}", TomlLines(text)
    if path not in places.pairs:
        return checked(text, text, section, name, None)
    span = places.pairs[path]
    start = text.rfind("\n", 0, span.start) + 1
    after = end_of_line(text, span.end)
    after = after + len(newline(text)) if after < len(text) else after
    if text[start : span.start].strip():
        raise refusal(path)  # an inline table, whose commas are not ours to mend
    return checked(text, text[:start] + text[after:], section, name, None)


def in_section(text: str, places: TomlLines, section: str, line: str, name: str) -> str:
    """Where a comment proposes the key, else after the section's last key."""
    start = places.headers[section].end
    others = [span.start for span in places.headers.values() if span.start > start]
    end = min(others, default=len(text))
    proposed = re.compile(rf"^#[ \t]*{re.escape(name)}[ \t]*=[^\r\n]*", re.MULTILINE)
    if found := proposed.search(text, start, end):
        return text[: found.start()] + line + text[found.end() :]
    last = max((s.end for s in places.pairs.values() if start < s.end < end), default=start)
    at = end_of_line(text, last)
    return text[:at] + newline(text) + line + text[at:]


def end_of_line(text: str, at: int) -> int:
    """Where the line of ``at`` ends: a comment behind a value stays with it."""
    found = text.find("\n", at)
    end = len(text) if found < 0 else found
    return end - 1 if text[:end].endswith("\r") and found >= 0 else end


def newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def checked(before: str, after: str, section: str, name: str, value: object) -> str:
    """``after``, which says what ``before`` does but for that one value."""
    wanted: dict[str, Any] = dict(parse_toml(before).value)
    table = wanted.get(section, {})
    if not isinstance(table, Mapping):
        raise refusal(f"{section}.{name}")
    rest = {place: part for place, part in table.items() if place != name}
    wanted[section] = rest if value is None else {**rest, name: plain(value)}
    try:
        says: dict[str, Any] = dict(parse_toml(after).value)
    except DocumentError:
        raise refusal(f"{section}.{name}") from None
    if {**says, section: says.get(section, {})} != wanted:
        raise refusal(f"{section}.{name}")
    return after


def plain(value: object) -> object:
    """As TOML gives it back."""
    return list(value) if isinstance(value, tuple) else value


def refusal(path: str) -> UnsupportedError:
    return UnsupportedError(
        f"{path} stands in the file in a way that cannot be changed from here",
        hint="Change it in your editor: pb config edit",
    )
