"""What an importer finds: definitions, and a remark for everything that came over otherwise.

The importers fill an ``Import`` key by key; ``result`` checks every definition as pb itself would,
so that what is handed on can be added.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any

from pb.core.definition import DefinitionError, job_dump, job_from
from pb.core.fields import RESERVED_ENV as OF_A_RUN
from pb.core.lean import dataclass
from pb.core.service_definition import RESERVED_ENV, service_dump, service_from
from pb.errors import InvalidError

Definition = dict[str, Any]
"""A job or a service in the spelling of a definition file, its name among the keys."""


class Fate(StrEnum):
    """What became of something that did not come over as it was."""

    REFUSED = "refused"
    LEFT_OUT = "left_out"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One thing that did not come over as it was, where it stands, and what to do about it."""

    fate: Fate
    file: str
    line: int | None
    key: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        said = f"{self.fate.value.replace('_', ' ')}: {self.message}"
        return f"{where}: {self.key}: {said}" if self.key else f"{where}: {said}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Everything that one import found; remarks stand in the order of the file."""

    services: tuple[Definition, ...] = ()
    jobs: tuple[Definition, ...] = ()
    remarks: tuple[Remark, ...] = ()

    def count(self, fate: Fate) -> int:
        return sum(remark.fate is fate for remark in self.remarks)

    def prefixed(self, prefix: str) -> Imported:
        """The same with ``prefix`` before every name, also where one names another."""
        if not prefix:
            return self
        return Imported(
            services=tuple(with_prefix(one, prefix) for one in self.services),
            jobs=tuple(with_prefix(one, prefix) for one in self.jobs),
            remarks=self.remarks,
        )

    def disabled(self) -> Imported:
        """The same with every service and job disabled."""
        return Imported(
            services=tuple({**one, "enabled": False} for one in self.services),
            jobs=tuple({**one, "enabled": False} for one in self.jobs),
            remarks=self.remarks,
        )


def with_prefix(definition: Definition, prefix: str) -> Definition:
    renamed = {**definition, "name": prefix + definition["name"]}
    if needs := definition.get("depends_on"):
        renamed["depends_on"] = [{**n, "service": prefix + n["service"]} for n in needs]
    return renamed


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a peer's file with its value, as text or as JSON or YAML gave it."""

    file: str
    line: int | None
    key: str
    value: Any

    @property
    def text(self) -> str:
        return self.value if isinstance(self.value, str) else str(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Who imports, where: what a peer's file refers to without saying it."""

    env: Mapping[str, str]
    user: str
    is_root: bool = False


class Import:
    """An import under way: definitions by name, and remarks."""

    def __init__(self, file: str, around: Surroundings) -> None:
        self.file = file
        self.around = around
        self.services: dict[str, Draft] = {}
        self.jobs: dict[str, Draft] = {}
        self.remarks: list[Remark] = []

    def remark(self, fate: Fate, entry: Entry, message: str, hint: str | None = None) -> None:
        self.remarks.append(
            Remark(
                fate=fate, file=entry.file, line=entry.line, key=entry.key,
                message=message, hint=hint,
            )
        )  # fmt: skip

    def refuse(self, entry: Entry, message: str, hint: str | None = None) -> None:
        self.remark(Fate.REFUSED, entry, message, hint)

    def leave_out(self, entry: Entry, message: str, hint: str | None = None) -> None:
        self.remark(Fate.LEFT_OUT, entry, message, hint)

    def change(self, entry: Entry, message: str, hint: str | None = None) -> None:
        self.remark(Fate.CHANGED, entry, message, hint)

    def service(self, name: str, place: Entry) -> Draft:
        return self._draft(self.services, name, place)

    def job(self, name: str, place: Entry) -> Draft:
        return self._draft(self.jobs, name, place)

    def _draft(self, among: dict[str, Draft], name: str, place: Entry) -> Draft:
        """A definition to be filled; its name is made one that pb can have, and is told."""
        usable = free_name(usable_name(name), {*self.services, *self.jobs})
        if usable != name:
            self.change(place, f"is called {usable} in pb")
        among[usable] = Draft(self, usable, place)
        return among[usable]

    def drop(self, draft: Draft) -> None:
        self.services.pop(draft.name, None)
        self.jobs.pop(draft.name, None)

    def result(self) -> Imported:
        """The definitions that pb can take; one that it cannot is refused, each fault told."""
        for path in circles(self.services):
            draft = self.services.pop(path[0])
            self.refuse(draft.place, f"{draft.name} would wait for itself: {' → '.join(path)}")
        services = [draft.checked(canonical_service) for draft in self.services.values()]
        jobs = [draft.checked(canonical_job) for draft in self.jobs.values()]
        return Imported(
            services=tuple(one for one in services if one is not None),
            jobs=tuple(one for one in jobs if one is not None),
            remarks=tuple(sorted(self.remarks, key=lambda one: (one.file, one.line or 0))),
        )


class Draft:
    """One definition on its way."""

    def __init__(self, found: Import, name: str, place: Entry) -> None:
        self.found = found
        self.name = name
        self.place = place
        self.definition: Definition = {"name": name}

    def put(self, path: str, value: Any) -> None:
        """Set the key at a dotted ``path``, making the tables on its way."""
        table = self.definition
        *above, last = path.split(".")
        for key in above:
            table = table.setdefault(key, {})
        table[last] = value

    def get(self, path: str) -> Any:
        value: Any = self.definition
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def append(self, key: str, value: Any) -> None:
        items = self.definition.setdefault(key, [])
        if value not in items:
            items.append(value)

    def leave_out(self, entry: Entry, message: str, hint: str | None = None) -> None:
        self.found.leave_out(self.named(entry), message, hint)

    def change(self, entry: Entry, message: str, hint: str | None = None) -> None:
        self.found.change(self.named(entry), message, hint)

    def named(self, entry: Entry) -> Entry:
        """The entry with this draft's name before its key: one file may hold many."""
        key = f"{self.name}.{entry.key}" if entry.key not in ("", self.name) else self.name
        return Entry(entry.file, entry.line, key, entry.value)

    def checked(self, canonical: Callable[[Definition], Definition]) -> Definition | None:
        """The definition as pb itself would write it; None, and each fault told, for a bad one."""
        self._give_up_names()
        try:
            return canonical(self.definition)
        except DefinitionError as error:
            for fault in error.problems:
                key = f"{self.name}.{fault.key}" if fault.key else self.name
                place = Entry(self.place.file, self.place.line, key, None)
                self.found.refuse(place, fault.message, fault.hint)
            return None

    def _give_up_names(self) -> None:
        """Environment variables that pb sets itself cannot be given; the rest still can."""
        for name in sorted(RESERVED.intersection(self.get("env") or ())):
            del self.definition["env"][name]
            place = Entry(self.place.file, self.place.line, f"env.{name}", None)
            self.leave_out(place, "pb sets it itself")


def circles(drafts: Mapping[str, Draft]) -> list[list[str]]:
    """For each service that depends on itself by way of others, the way: first and last are it."""
    needs = {
        name: [one["service"] for one in draft.definition.get("depends_on", ())]
        for name, draft in drafts.items()
    }

    return [way for name in needs if (way := way_back(needs, name))]


def way_back(needs: Mapping[str, list[str]], name: str) -> list[str] | None:
    """The shortest way from a service over its needs to itself."""
    ways = [[name]]
    seen: set[str] = set()
    for way in ways:  # The list grows while it is walked: breadth first.
        for other in needs.get(way[-1], ()):
            if other == name:
                return [*way, name]
            if other not in seen:
                seen.add(other)
                ways.append([*way, other])
    return None


RESERVED = RESERVED_ENV | OF_A_RUN

Take = Callable[[Draft, Entry], None]
"""Carries one key over into a draft; raises InvalidError for a value that is none."""


def take_keys(
    draft: Draft, entries: Iterable[Entry], keys: Mapping[str, Take], unknown: str
) -> None:
    """Carry every entry over by ``keys``; ``unknown`` is the sentence for a key not in it."""
    for entry in entries:
        take = keys.get(entry.key)
        try:
            if take is None:
                draft.leave_out(entry, unknown)
            else:
                take(draft, entry)
        except InvalidError as error:
            draft.leave_out(entry, error.message, error.hint)


def omit(message: str, hint: str | None = None) -> Take:
    """A key that pb has nothing for, and the sentence that says so."""

    def take(draft: Draft, entry: Entry) -> None:
        draft.leave_out(entry, message, hint)

    return take


def nothing(_draft: Draft, _entry: Entry) -> None:
    """A key that needs no carrying: pb does that anyway, or it was read elsewhere."""


def canonical_service(definition: Definition) -> Definition:
    return service_dump(service_from(definition))


def canonical_job(definition: Definition) -> Definition:
    return job_dump(job_from(definition))


def usable_name(name: str) -> str:
    """``name`` as pb can have it: other characters become dashes."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:64]
    plain = re.sub(r"(?i)\.err$", "-err", plain)
    return (
        plain if plain not in ("", "scheduler", "gateway", "debug", "all") else f"{plain}-1"[-64:]
    )


def free_name(name: str, taken: Iterable[str]) -> str:
    """``name``, or with the first number behind it that makes it a new one."""
    taken, number, free = set(taken), 1, name
    while free in taken:
        number += 1
        free = f"{name[:60]}-{number}"
    return free


def whole(entry: Entry) -> int:
    """The entry's value as a whole number. Raises InvalidError."""
    value = entry.value
    if isinstance(value, bool) or not re.fullmatch(r"[+-]?[0-9]{1,18}", str(value).strip()):
        raise InvalidError(f"{str(value)[:60]!r} is not a whole number, so it was left out")
    return int(value)


def flag(entry: Entry) -> bool:
    """The entry's value as a switch, in any of the words that peers take. Raises InvalidError."""
    word = str(entry.value).strip().lower()
    if word in ("true", "yes", "on", "1"):
        return True
    if word in ("false", "no", "off", "0"):
        return False
    raise InvalidError(f"{word[:60]!r} is neither true nor false, so it was left out")
