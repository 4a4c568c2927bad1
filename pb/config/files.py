"""Definition files: what a ``.json`` or ``.toml`` file defines, and what is wrong in it.

One broken definition never takes the others down: each has its own problems, with file, line and
key. Watching the files and applying them is the daemon's and ``pb apply``'s work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from pb.config.kinds import JOB, KINDS, SERVICE, Kind
from pb.config.located import (
    Document,
    DocumentError,
    FileProblem,
    parse_json,
    parse_toml,
    read_text,
)
from pb.core.fields import DefinitionError, Problem, join_key, shown_text
from pb.core.lean import dataclass
from pb.core.model import Job
from pb.core.service import Service
from pb.errors import PbError, did_you_mean

__all__ = ["Definitions", "FileProblem", "parse_definitions", "read_definitions"]

SCHEMA_MAJOR = "1"
PARSERS = {".json": parse_json, ".toml": parse_toml}
REMARKS = ("$schema", "schema")
"""Keys of a JSON file that say what it is, to an editor or as `pb export --json` does."""


@dataclass(frozen=True, slots=True)
class Definitions:
    """What one file defines. A name is in ``jobs`` at most once, and in ``services``; ``lines``
    and ``service_lines`` say on which line."""

    jobs: tuple[Job, ...] = ()
    problems: tuple[FileProblem, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict)
    services: tuple[Service, ...] = ()
    service_lines: Mapping[str, int] = field(default_factory=dict)


def read_definitions(path: Path) -> Definitions:
    """What a definition file (SPEC section 4, "Files") defines, and every problem in it.

    Never raises for what the file is or holds: a file that is missing, unreadable, not a regular
    file, over 1 MiB, not UTF-8 or not JSON or TOML defines nothing and has one problem.
    """
    suffix = path.suffix.lower()
    if suffix not in PARSERS:
        hint = "Name it something.json or something.toml."
        return failed(path, DocumentError("is neither a .json nor a .toml file", hint=hint))
    try:
        text = read_text(path)
    except PbError as error:
        return failed(path, error)
    return parse_definitions(text, path)


def parse_definitions(text: str, path: Path) -> Definitions:
    """The same for text that stands, or would stand, at ``path`` (whose suffix decides)."""
    suffix = path.suffix.lower()
    try:
        document = PARSERS[suffix](text)
    except DocumentError as error:
        return failed(path, error)
    return Reader(path, suffix, document).read()


def failed(path: Path, error: PbError) -> Definitions:
    line = getattr(error, "line", None)
    next_step = f"Correct line {line}, and check it again." if line else "Name a readable file."
    hint = error.hint or next_step
    return Definitions(problems=(FileProblem(str(path), line, "", error.message, hint),))


def advice(problem: Problem, meanings: Mapping[str, str]) -> str:
    """What to do next: the problem's own hint, else what its key is for."""
    if problem.hint:
        return problem.hint
    words = [part for part in problem.key.replace("[", ".").split(".") if not part.endswith("]")]
    for count in (3, 2, 1):
        key = ".".join(words[:count])
        if key in meanings:
            return f"{key}: {meanings[key]}"
    return "Run `pb job validate --schema` for what may stand here."


class Reader:
    """One document on its way to jobs, services and problems."""

    def __init__(self, path: Path, suffix: str, document: Document) -> None:
        self.path = path
        self.document = document
        self.suffix = suffix
        self.found: dict[Kind, dict[str, Any]] = {kind: {} for kind in KINDS}
        self.lines: dict[Kind, dict[str, int]] = {kind: {} for kind in KINDS}
        self.problems: list[FileProblem] = []

    def read(self) -> Definitions:
        if self._is_readable_version():
            self._check_keys()
            for kind in KINDS:
                for place, name, table in self._tables(kind):
                    self._read_one(kind, place, name, table)
        return Definitions(
            jobs=tuple(self.found[JOB].values()),
            problems=tuple(sorted(self.problems, key=lambda problem: problem.line or 0)),
            lines=self.lines[JOB],
            services=tuple(self.found[SERVICE].values()),
            service_lines=self.lines[SERVICE],
        )

    def _report(self, key: str, message: str, hint: str | None = None) -> None:
        line = self.document.line_of(key)
        self.problems.append(FileProblem(str(self.path), line, key, message, hint))

    def _is_readable_version(self) -> bool:
        """Whether the version is ours; a file of another major may mean something else."""
        version = self.document.value.get("schema_version", "1.0.0")
        numbers = version.split(".") if isinstance(version, str) else []
        if len(numbers) != 3 or not all(part.isascii() and part.isdigit() for part in numbers):
            self._report("schema_version", "is not a version", 'Write "1.0.0".')
            return False
        if numbers[0] != SCHEMA_MAJOR:
            message = f"{version} cannot be read by this version of pb, which knows 1.0.0"
            self._report("schema_version", message, "Upgrade pb, or write the file for 1.0.0.")
            return False
        return True

    def _check_keys(self) -> None:
        known = ("schema_version", *(kind.table_name(self.suffix) for kind in KINDS))
        for key in self.document.value:
            is_remark = key in REMARKS and self.suffix == ".json"
            if key not in known and not is_remark:
                hint = did_you_mean(key[:64], known) or f"Known keys: {', '.join(known)}."
                self._report(join_key("", key), "is not a known key", hint)

    def _tables(self, kind: Kind) -> Iterator[tuple[str, str | None, object]]:
        """Each one's place in the document, its name where the place says it, and its table."""
        key = kind.table_name(self.suffix)
        tables = self.document.value.get(key, () if self.suffix == ".json" else {})
        if self.suffix == ".json":
            if isinstance(tables, list | tuple):
                yield from ((f"{key}[{index}]", None, table) for index, table in enumerate(tables))
            else:
                self._report(key, "should be a list", f'Write "{key}": [{{"name": …}}].')
        elif isinstance(tables, Mapping):
            yield from ((join_key(key, name), name, table) for name, table in tables.items())
        else:
            self._report(key, "should be tables", f"Write [{key}.NAME] above a {key}'s keys.")

    def _read_one(self, kind: Kind, place: str, name: str | None, table: object) -> None:
        if not isinstance(table, Mapping):
            hint = f"Write [{place}] above its keys." if name else 'Write {"name": …}.'
            self._report(place, f"should be a table of a {kind.word}'s keys", hint)
            return
        try:
            one = kind.read(kind.absolute(table, self.path), name=name)
        except DefinitionError as error:
            for problem in error.problems:
                joint = "" if problem.key.startswith("[") or not problem.key else "."
                said = advice(problem, kind.meanings)
                self._report(place + joint + problem.key, problem.message, said)
            return
        if one.name in self.found[kind]:
            message = f"there is another {kind.word} {shown_text(one.name)} above"
            self._report(f"{place}.name", message, "Rename one of them.")
        else:
            self.found[kind][one.name] = one
            self.lines[kind][one.name] = self.document.line_of(place)
