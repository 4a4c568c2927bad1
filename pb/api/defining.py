"""The definitions of a backup, and nothing else of it, put into the present database.

Jobs and services that the backup does not know stay; history, counters and what runs stay as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pb.api import archive, graph, methods, service_files, services
from pb.api.applying import WATCHED, stored, with_switch
from pb.api.archive import DATABASE, DEFINITIONS, BackupError
from pb.api.backups import OWN, find, unfinished, written
from pb.api.backups import document_of as definitions_of
from pb.api.context import Context
from pb.api.restoring import is_database, unpacked
from pb.api.service_graph import check_graph
from pb.api.views import Json
from pb.core.definition import job_from
from pb.core.lean import dataclass
from pb.core.service_definition import service_from
from pb.errors import PbError

SOURCE = "backup"
"""Where a definition comes from that nobody had before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What is there of a name: its definition as an export would have it, and its source."""

    definition: Json
    source: str


Answer = dict[str, list[Any]]


def backup_definitions(context: Context, *, name: str) -> Json:
    """All of them in one transaction. What a watched file defines stays that file's."""
    path = find(context.home, context.settings, name)
    with unfinished(context.settings.backup_dir(context.home), is_ours=True) as inside:
        document = document_of(path, inside)
    answer: Answer = {"added": [], "changed": [], "unchanged": [], "kept": []}
    jobs = {
        row.name: Present(definition=paused(row), source=row.source) for row in rows_of(context)
    }
    present = {
        row.name: Present(definition=service_files.stored(row), source=row.source)
        for row in list(context.store.services.rows())
        if not row.removing
    }
    take_all(
        document["jobs"],
        jobs,
        answer,
        lambda one, source: methods.put(context, job_from(one), replace=True, source=source),
    )
    take_all(
        document["services"],
        present,
        answer,
        lambda one, source: services.put(context, service_from(one), replace=True, source=source),
    )
    graph.check(context)
    check_graph(context)
    return {"restored": str(path), **answer}


def rows_of(context: Context) -> Iterable[Any]:
    return list(context.store.jobs())


def paused(row: Any) -> Json:
    return with_switch(stored(row), "paused", row.paused_at is not None, default=False)


def document_of(path: Path, inside: Path) -> Json:
    """The definition file of a backup; of a bare database one that is made now."""
    if not is_database(path):
        archive.unpack(path, inside, wanted=lambda name: name == DEFINITIONS)
        text = (inside / DEFINITIONS).read_text(encoding="utf-8")
    else:
        unpacked(path, inside)
        text = written(definitions_of(inside / DATABASE))
    try:
        document = json.loads(text)
        return {"jobs": list(document["jobs"]), "services": list(document["services"])}
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{path} is damaged: its definitions cannot be read") from error


def take_all(
    definitions: Sequence[Json],
    present: dict[str, Present],
    answer: Answer,
    put: Callable[[Json, str], object],
) -> None:
    for one in definitions:
        name = str(one.get("name"))
        now = present.get(name)
        if now is not None and now.definition == one:
            answer["unchanged"].append(name)
        elif now is not None and now.source == OWN:
            answer["kept"].append({"name": name, "reason": "pb itself has a job of that name"})
        elif now is not None and now.source.startswith(WATCHED):
            reason = f"it comes from {now.source.removeprefix(WATCHED)}"
            answer["kept"].append({"name": name, "reason": reason})
        else:
            answer["added" if now is None else "changed"].append(name)
            try:
                put(one, SOURCE if now is None else now.source)
            except PbError as error:
                raise type(error)(f"{name}: {error.message}", hint=error.hint) from error
