"""Rows and columns, and how they fit into a terminal's width. Pure: text in, pieces of text out."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from pb.core.lean import dataclass

GAP = 2
"""Columns between two cells; one after a sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """What a row is about: a ``job``, ``run`` or ``service``, and its name or number."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``key`` stays the same from one look to the next; a row without one cannot be chosen.

    ``spans``: its one cell goes over the whole width, ``indent`` columns from the left.
    """

    cells: tuple[Cell, ...]
    key: str = ""
    thing: Thing | None = None
    spans: bool = False
    indent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """``width``: what it needs at least; ``grows``: it takes what is left over, as far as its
    content is so long; ``drop``: in which order it goes where there is no room (0: never)."""

    title: str
    width: int
    grows: bool = False
    drop: int = 0
    is_right: bool = False


def same(row: Row) -> Row:
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a view shows: ``make`` turns each of ``items`` into its row only once it is looked at,
    and ``key`` names it without that. ``longest`` are the longest texts of the columns that grow,
    ``empty`` is said where there are no items."""

    columns: tuple[Column, ...]
    items: Sequence[Any]
    make: Callable[[Any], Row] = same
    key: Callable[[Any], str] = lambda row: row.key
    longest: tuple[int, ...] = ()
    empty: str = ""
    remark: str = ""


def heading(text: str, tone: str = "head") -> Row:
    return Row(cells=(Cell(text, tone),), spans=True)


def sentence(text: str, tone: str = "", indent: int = 2) -> Row:
    return Row(cells=(Cell(text, tone),), spans=True, indent=indent)


BLANK = sentence("")

# -- width


def width_of(text: str) -> int:
    """Columns that a terminal needs for ``text``."""
    if text.isascii():
        return len(text)
    return sum(map(columns_of, text))


def columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, room: int) -> str:
    """``text`` in at most ``room`` columns; what is left out is three dots in one."""
    if width_of(text) <= room:
        return text
    kept, used = [], 1
    for character in text:
        used += columns_of(character)
        if used > room:
            break
        kept.append(character)
    return "".join(kept) + "…" if room > 0 else ""


def folded(text: str, room: int) -> list[str]:
    """``text`` in lines of at most ``room`` columns, cut between words where that goes."""
    lines, rest = [], text
    while width_of(rest) > room:
        part = cut(rest, room + 1)[:-1] or rest[:1]
        space = part.rfind(" ")
        part = part[: space + 1] if space > room // 3 else part
        lines.append(part.rstrip())
        rest = rest[len(part) :]
    return [*lines, rest]


def widths(columns: Sequence[Column], room: int, longest: Sequence[int] = ()) -> tuple[int, ...]:
    """The width of each column; 0 for those that there is no room for."""
    kept = list(columns)
    while needed(kept) > room and any(column.drop for column in kept):
        kept.remove(max(kept, key=lambda column: column.drop))
    spare = room - needed(kept)
    growing = [column for column in kept if column.grows]
    known = dict(zip([one for one in columns if one.grows], longest, strict=False))
    found = {column: column.width for column in kept}
    for column in growing:
        more = min(spare, max(0, known.get(column, spare) - column.width))
        found[column] += more
        spare -= more
    if growing:  # also where there is too little: the last one gives
        found[growing[-1]] = max(1, found[growing[-1]] + spare)
    return tuple(found.get(column, 0) for column in columns)


def needed(columns: Sequence[Column]) -> int:
    gaps = sum(gap_after(column.width) for column in columns[:-1])
    return sum(column.width for column in columns) + gaps


def gap_after(width: int) -> int:
    return 1 if width == 1 else GAP


def pieces(
    cells: Sequence[Cell], columns: Sequence[Column], sizes: Sequence[int]
) -> Iterator[tuple[str, str]]:
    """One row as texts with their tones, padded to where its last cell begins.

    An empty cell leaves its room to the one before it.
    """
    kept = [at for at, size in enumerate(sizes) if size and at < len(cells)]
    room = {at: sizes[at] for at in kept}
    for before, at in reversed(list(pairwise(kept))):
        if not cells[at].text and not columns[before].is_right:
            room[before] += gap_after(sizes[before]) + room.pop(at)
    kept = list(room)
    for at in kept:
        text, size = cut(cells[at].text, room[at]), room[at]
        space = " " * (size - width_of(text))
        text = space + text if columns[at].is_right else text + space
        yield text, cells[at].tone
        if at != kept[-1]:
            yield " " * gap_after(size), ""
