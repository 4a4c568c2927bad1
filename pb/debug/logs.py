"""A piece of a log for the page: the last lines, or what came since. Files are the truth here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pb.process.logread import LogSource, Selection, starting_point
from pb.process.logtext import RawLine

Json = dict[str, Any]

MOST = 2000
"""Lines of one answer at most."""

CHUNK = 256 * 1024
"""Bytes written since that are still read through; of more, only the last lines are shown."""

LONGEST = 4000
"""Characters of a line that are shown."""


def piece(path: Path, *, lines: int, after: int | None = None) -> Json:
    """The last ``lines`` lines of a log, or all from the logical offset ``after`` on.

    ``next`` is what to ask for later: an unfinished last line is told again once it has grown.
    Raises InvalidError when something else than a file stands in the log's place.
    """
    try:
        source = LogSource(path)
    except FileNotFoundError:
        return {"lines": [], "next": 0, "exists": False, "follows": False}
    try:
        return found(source, min(lines, MOST), after)
    finally:
        source.close()


def found(source: LogSource, lines: int, after: int | None) -> Json:
    extent = source.extent()
    selection = Selection(times=extent.times)
    follows = after is not None and extent.first <= after <= extent.end <= after + CHUNK
    begin = after if follows else starting_point(source, extent, lines, selection)
    assert begin is not None
    raws = list(source.lines(begin, extent.end, torn=begin == extent.first and extent.torn))
    is_whole = not raws or source.read(extent.end - 1, 1)[1] == b"\n"
    return {
        "lines": [shown(raw, selection) for raw in raws[-MOST:]],
        "next": extent.end if is_whole else raws[-1].offset,
        "exists": True,
        "follows": follows,
    }


def shown(raw: RawLine, selection: Selection) -> Json:
    """``at`` is the epoch ms by which it was written, where that is known."""
    text = raw.text()
    cut = text if len(text) <= LONGEST else text[:LONGEST] + "…"
    return {"offset": raw.offset, "text": cut, "at": selection.times.at(raw.offset)}
