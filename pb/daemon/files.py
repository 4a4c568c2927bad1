"""Applying the home's definition files: what ``jobs.d`` and ``services.d`` say is what the store
holds. A file in either folder may define both jobs and services.

A broken definition changes nothing of what it was; what its file no longer defines is removed, and
what comes from elsewhere is left alone. When to look is ``fileswatch``'s to say.
"""

from __future__ import annotations

import os
from pathlib import Path

from pb.api.context import Context
from pb.config.files import Definitions, read_definitions
from pb.config.folders import definition_files
from pb.config.located import FileProblem
from pb.daemon.filing import Filing, Mark, Seen
from pb.daemon.shelves import SHELVES
from pb.errors import PbError
from pb.paths import Home


def mark_of(path: Path) -> Mark | None:
    """Something that differs once a file (or what it links to) was written; None: cannot say."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return (facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


def folders_of(home: Home) -> tuple[Path, Path]:
    """Where definition files are applied from."""
    return home.jobs_dir, home.services_dir


class DefinitionFiles:
    """The files of one home. Of ten thousand definitions, only changed files are read again."""

    def __init__(self) -> None:
        self._seen: dict[Path, Seen] = {}
        self._told: set[str] = set()
        self._left: list[FileProblem] = []

    def apply(self, context: Context) -> list[str]:
        """Bring the store in line with the files, in one transaction; answers the problems."""
        paths = [path for folder in folders_of(context.home) for path in files_in(folder)]
        before, self._seen = self._seen, {}
        try:
            with context.store.transaction(durable=True):
                self._pass(context, paths, before)
                problems = [problem for seen in self._seen.values() for problem in seen.problems]
                problems += self._left
                self._tell(context, problems)
        except BaseException:
            self._seen, self._told = {}, set()  # nothing of it is stored: read all the next time
            raise
        return [str(problem) for problem in problems]

    def _pass(self, context: Context, paths: list[Path], before: dict[Path, Seen]) -> None:
        self._seen.update((path, before[path]) for path in paths if path in before)
        filings = [Filing(context, shelf, self._seen) for shelf in SHELVES]
        read: dict[Path, Definitions] = {}
        for path in paths:
            mark, seen = mark_of(path), before.get(path)
            if seen is None or not is_current(path, seen, mark, filings):
                read[path] = read_definitions(path)
                self._seen[path] = seen_of(mark, read[path])
        for filing in filings:
            filing.carry_out(read, paths)
        self._left = [problem for filing in filings for problem in filing.left]

    def _tell(self, context: Context, problems: list[FileProblem]) -> None:
        """An event for each problem that is new."""
        now = {str(problem) for problem in problems}
        for problem in problems:
            if str(problem) not in self._told:
                context.tell("file.invalid", str(problem))
        self._told = now


def files_in(folder: Path) -> list[Path]:
    try:
        return definition_files(folder)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PbError(f"{folder} cannot be read: {reason}") from error


def seen_of(mark: Mark | None, found: Definitions) -> Seen:
    names = {shelf.word: {one.name for one in shelf.found(found)} for shelf in SHELVES}
    return Seen(mark, names, [*found.problems])


def is_current(path: Path, seen: Seen, mark: Mark | None, filings: list[Filing]) -> bool:
    """Whether nothing of a file has changed since, and nothing in the store of what it defines."""
    if mark is None or mark != seen.mark or seen.problems:
        return False
    return all(filing.is_current(path) for filing in filings)


def apply_files(context: Context) -> list[str]:
    """Read and apply all of them, once."""
    return DefinitionFiles().apply(context)
