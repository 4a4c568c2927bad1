"""Where each value of a service comes from: a line of its file, the command line, or nowhere.

For ``pb service show``. Secrets are hidden; the definition itself comes from the store, and a file
that has changed since it was applied is said to have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pb.config.files import PARSERS
from pb.config.kinds import SERVICE
from pb.config.located import Document, read_text
from pb.core.fields import join_key
from pb.core.lean import dataclass
from pb.core.secrets import hidden, hidden_text
from pb.core.service import Service
from pb.core.service_definition import FIELDS, service_dump, service_from
from pb.core.service_policies import TABLES
from pb.errors import PbError

DEFAULT = "default"
FROM_FILES = ("file:", "apply:")
"""Before the path in the source of a definition that came from a file."""

NAMED_TABLES = ("env",)
"""Tables whose keys are the user's own."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a service, ``key`` dotted (``restart.mode``). ``value`` is as JSON would have
    it, without secrets; ``origin`` is ``default``, ``FILE:LINE``, or the source, such as ``cli``.
    """

    key: str
    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class Written:
    """What a file says of a service now: its table, where that stands, and the service it means."""

    path: Path
    document: Document
    place: str
    table: Mapping[str, object]
    service: Service | None

    def says(self, part: Part) -> bool:
        """Whether the file still says so."""
        now = parts_of(self.service) if self.service else ()
        return any(other.key == part.key and other.value == part.value for other in now)

    def line_of(self, key: str) -> str:
        return f"{self.path}:{self.document.line_of(f'{self.place}.{key}' if key else self.place)}"


@dataclass(frozen=True, slots=True)
class Part:
    """A value by its dotted key, and whether it is the default."""

    key: str
    value: object
    is_default: bool


def service_values(service: Service, source: str) -> list[Value]:
    """Every value that ``service`` has, defaults too, each with its origin."""
    written = written_in(source, service.name)
    return [
        Value(part.key, shown(part.key, part.value), origin_of(part, source, written))
        for part in parts_of(service)
    ]


def shown(key: str, value: object) -> object:
    table, _, name = key.partition(".")
    if table in NAMED_TABLES and isinstance(value, str):
        return hidden_text(name, value)
    return hidden(value)


def parts_of(service: Service) -> Iterator[Part]:
    """Every value as it would be written, in the order of the reference."""
    dumped = service_dump(service)
    for key, field in FIELDS.items():
        value = getattr(service, key)
        if key in NAMED_TABLES:
            yield from (Part(join_key(key, name), text, False) for name, text in value.items())
        elif key in TABLES and key != "depends_on" and value is not None:
            yield from table_parts(key, value, dumped.get(key))
        elif key in dumped and key != "name":
            yield Part(key, dumped[key], False)
        elif key != "name":
            yield Part(key, None if value is None else field.write(value), True)


def table_parts(name: str, policy: Any, dumped: object) -> Iterator[Part]:
    """The keys of one table: what it says, and the defaults of the rest."""
    said = dumped if isinstance(dumped, Mapping) else {}
    for key, field in TABLES[name].items():
        if key in said:
            yield Part(f"{name}.{key}", said[key], False)
        elif hasattr(policy, key):
            value = getattr(policy, key)
            yield Part(f"{name}.{key}", None if value is None else field.write(value), True)


def origin_of(part: Part, source: str, written: Written | None) -> str:
    if written is None:
        return DEFAULT if part.is_default else source
    place = place_of(part, written.table)
    if place is None:
        return DEFAULT if part.is_default else written.line_of("")
    return written.line_of(place) + ("" if written.says(part) else ", changed since")


def place_of(part: Part, table: Mapping[str, object]) -> str | None:
    """The key of the file that says it: its own, or that of a table which is written short."""
    name, _, inner = part.key.partition(".")
    value = table.get(name)
    if not inner or name not in table:
        return name if name in table else None
    if isinstance(value, Mapping):
        return part.key if inner.strip('"') in value else None
    return None if part.is_default else name


def written_in(source: str, name: str) -> Written | None:
    """What the file of ``source`` says of the service now; None where there is no such file, or
    it says nothing of it that could be read."""
    prefix = next((prefix for prefix in FROM_FILES if source.startswith(prefix)), None)
    if prefix is None:
        return None
    path = Path(source.removeprefix(prefix))
    parse = PARSERS.get(path.suffix.lower())
    try:
        document = parse(read_text(path)) if parse else None
    except PbError:
        return None  # What cannot be read has no lines; `pb job validate` says why.
    found = document and table_in(document, path.suffix.lower(), name)
    if not document or not found:
        return None
    place, table = found
    written = Written(path, document, place, table, None)
    try:
        service = service_from(SERVICE.absolute(table, path), name=name)
    except PbError:
        return written
    return replace(written, service=service)


def table_in(document: Document, suffix: str, name: str) -> tuple[str, Mapping[str, object]] | None:
    key = SERVICE.table_name(suffix)
    tables = document.value.get(key)
    if isinstance(tables, Mapping):
        table = tables.get(name)
        return (join_key(key, name), table) if isinstance(table, Mapping) else None
    for index, table in enumerate(tables if isinstance(tables, list) else ()):
        if isinstance(table, Mapping) and table.get("name") == name:
            return f"{key}[{index}]", table
    return None
