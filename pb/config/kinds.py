"""The two kinds of things that a definition file defines, and what differs between them.

Relative paths in a file mean the file's own directory; which keys hold paths differs by kind.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pb.core.definition import job_from
from pb.core.lean import dataclass
from pb.core.meanings import MEANINGS
from pb.core.service_definition import OPTIONAL, service_from
from pb.core.service_meanings import SERVICE_MEANINGS

PROJECT = ("pb.toml", "pb.json")
"""A project's own file: what it defines runs in the file's directory, unless it says otherwise."""

Table = Mapping[str, object]
Place = Callable[[object], object]


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """``word`` is that of a TOML table, ``plural`` that of a JSON list."""

    word: str
    plural: str
    read: Callable[..., Any]
    meanings: Mapping[str, str]
    paths: Mapping[str, Callable[[object, Place], object]]

    def table_name(self, suffix: str) -> str:
        return self.plural if suffix == ".json" else self.word

    def absolute(self, table: Table, path: Path) -> dict[str, object]:
        """``table``, as it stands in the file ``path``, with its relative paths made absolute."""
        folder = os.path.abspath(path.parent)

        def from_there(value: object) -> object:
            return absolute(value, folder)

        own = {"cwd": folder} if path.name in PROJECT else {}
        place = {
            key: move(table[key], from_there) for key, move in self.paths.items() if key in table
        }
        return {**own, **table, **place}


def absolute(value: object, folder: str) -> object:
    """One path; whatever is none stays for its reader to refuse."""
    if not isinstance(value, str) or not value or value.startswith(("/", "~")):
        return value
    return os.path.normpath(os.path.join(folder, value))


def one(value: object, place: Place) -> object:
    return place(value)


def each(value: object, place: Place) -> object:
    """A path or a list of them."""
    return [place(item) for item in value] if isinstance(value, list) else place(value)


def each_optional(value: object, place: Place) -> object:
    """The same where a path may have the mark of a file that need not be there."""

    def moved(item: object) -> object:
        if isinstance(item, str) and item.startswith(OPTIONAL):
            return f"{OPTIONAL}{place(item[1:])}"
        return place(item)

    return each(value, moved)


def watched(value: object, place: Place) -> object:
    if isinstance(value, Mapping) and "paths" in value:
        return {**value, "paths": each(value["paths"], place)}
    return value if isinstance(value, Mapping) else each(value, place)


def checked(value: object, place: Place) -> object:
    """The file of ``ready``, in a table or short."""
    if isinstance(value, Mapping):
        return {**value, "file": place(value["file"])} if "file" in value else value
    if isinstance(value, str) and value.startswith("file:"):
        return f"file:{place(value.removeprefix('file:').strip())}"
    return value


JOB = Kind("job", "jobs", job_from, MEANINGS, {"cwd": one, "env_file": each})
SERVICE = Kind(
    "service",
    "services",
    service_from,
    SERVICE_MEANINGS,
    {"cwd": one, "env_file": each_optional, "watch": watched, "ready": checked},
)
KINDS = (JOB, SERVICE)
