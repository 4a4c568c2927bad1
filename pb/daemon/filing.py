"""Bringing one shelf of the store in line with what all definition files say: one pass.

A name belongs to one place, a file's broken definition changes nothing of what it was, and what no
file defines any more is removed. Which files there are, and reading them, is ``files``' work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pb.api.applying import WATCHED
from pb.api.context import Context
from pb.api.views import BUILTIN
from pb.config.files import Definitions
from pb.config.located import FileProblem
from pb.core.dependencies import cycle, unknown
from pb.core.lean import dataclass
from pb.daemon.shelves import Shelf
from pb.errors import PbError

Mark = tuple[int, ...]


@dataclass(slots=True)
class Seen:
    """What a file was when it was read last, what it defines (names by the word of the shelf), and
    what is wrong in it."""

    mark: Mark | None
    names: dict[str, set[str]]
    problems: list[FileProblem]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One definition, and where it stands."""

    path: Path
    one: Any
    line: int

    @property
    def name(self) -> str:
        return str(self.one.name)

    @property
    def source(self) -> str:
        return WATCHED + str(self.path)


class Filing:
    """One pass over one shelf. ``owners`` says where each stored definition comes from."""

    def __init__(self, context: Context, shelf: Shelf, seen: Mapping[Path, Seen]) -> None:
        self._context = context
        self._shelf = shelf
        self._seen = seen
        self._dependent: dict[str, Drawn] = {}
        self._home = context.home.root
        sources = shelf.sources(context)
        self.owners = {name: source for name, source in sources if source != BUILTIN}
        self.left: list[FileProblem] = []

    def is_current(self, path: Path) -> bool:
        """Whether the store still has from ``path`` what it defined when it was read last."""
        source = WATCHED + str(path)
        names = self._seen[path].names[self._shelf.word]
        return all(self.owners.get(name) == source for name in names)

    def carry_out(self, read: Mapping[Path, Definitions], paths: Iterable[Path]) -> None:
        """Put what the files that were ``read`` define; remove what none of ``paths`` does."""
        contested: list[Drawn] = []
        sources = {WATCHED + str(path) for path in paths}
        for path, found in read.items():
            lines = self._shelf.lines(found)
            drawn = [Drawn(path, one, lines[one.name]) for one in self._shelf.found(found)]
            contested += self._take(drawn, sources - {WATCHED + str(path)})
        for one in contested:
            self._settle(one)
        self._put_dependent()
        self._remove_undefined()

    def _take(self, drawn: list[Drawn], others: set[str]) -> list[Drawn]:
        """Apply one file's definitions, but those whose names another file or place has."""
        contested = []
        for one in drawn:
            owner = self.owners.get(one.name, one.source)
            if owner in others:
                contested.append(one)
            elif self._is_of_another_home(owner):
                message = f"{owner.removeprefix(WATCHED)}, of another home, defines it too"
                hint = "Remove one of them: both homes have the same database."
                self._refuse(one, message, hint)
            elif not owner.startswith(WATCHED):
                word = self._shelf.word
                message = f"a {word} of this name was added from {owner}"
                hint = f"Run `pb {word} remove {one.name}`, or rename it here."
                self._refuse(one, message, hint)
            else:
                self._put(one)
        return contested

    def _settle(self, one: Drawn) -> None:
        """A name belongs to one place: the file that has it keeps it as long as it defines it."""
        other = Path(self.owners[one.name].removeprefix(WATCHED))
        if self._may_define(other, one.name):
            message = f"{other} defines a {self._shelf.word} of this name too"
            self._refuse(one, message, "Rename one of them, or remove it.")
        else:
            self._put(one)

    def _may_define(self, path: Path, name: str) -> bool:
        """Whether a file defines it; one with a problem still might."""
        seen = self._seen.get(path)
        return seen is not None and (name in seen.names[self._shelf.word] or bool(seen.problems))

    def _put(self, one: Drawn) -> None:
        if self._shelf.needs(one.one) and one.name not in self._dependent:
            # Others of these files may define what it depends on.
            self._dependent[one.name] = one
            self.owners[one.name] = one.source
            return
        try:
            self._shelf.put(self._context, one.one, one.source)
            self.owners[one.name] = one.source
        except PbError as error:
            self._refuse(one, error.message, error.hint)

    def _refuse(self, one: Drawn, message: str, hint: str | None) -> None:
        seen = self._seen[one.path]
        seen.names[self._shelf.word].discard(one.name)
        seen.problems.append(FileProblem(str(one.path), one.line, one.name, message, hint))

    def _put_dependent(self) -> None:
        """What depends on others comes last, without what depends on nothing there is or on itself
        in a circle; the store's graph never has such."""
        stored = self._shelf.stored_needs(self._context)
        names = {name for name, _ in self._shelf.sources(self._context)}
        while True:
            drafts = {name: self._shelf.needs(one.one) for name, one in self._dependent.items()}
            graph = {**stored, **drafts}
            stray, path = unknown(graph, names | set(drafts)), cycle(graph)
            if stray is not None and stray[0] in drafts:
                message, blamed = f"depends on {stray[1]!r}, which does not exist", stray[0]
            elif path is not None and set(path) & set(drafts):
                message = f"would wait for itself for ever: {' → '.join(path)}"
                blamed = max(set(path) & set(drafts))
            else:
                break
            self._refuse(self._dependent.pop(blamed), message, "Correct its depends_on.")
            if blamed not in names:
                del self.owners[blamed]
        for one in self._dependent.values():
            self._put(one)

    def _remove_undefined(self) -> None:
        """Remove what its file defines no more; a file with a problem might still define it, and
        what another depends on stays."""
        gone = {name for name, source in self.owners.items() if self._is_undefined(name, source)}
        needed_by = self._shelf.stored_needs(self._context)
        while kept := {n for one, ns in needed_by.items() if one not in gone for n in ns} & gone:
            gone -= kept
            self.left += [left_over(n, self.owners[n], needed_by) for n in sorted(kept)]
        for name in gone:
            self._shelf.drop(self._context, name)

    def _is_undefined(self, name: str, source: str) -> bool:
        if not source.startswith(WATCHED) or not self._is_at_home(source):
            return False
        return not self._may_define(Path(source.removeprefix(WATCHED)), name)

    def _is_at_home(self, source: str) -> bool:
        return Path(source.removeprefix(WATCHED)).is_relative_to(self._home)

    def _is_of_another_home(self, source: str) -> bool:
        """Whether a file of another home on this store has it; a home that was moved has none."""
        is_file = source.startswith(WATCHED) and not self._is_at_home(source)
        return is_file and Path(source.removeprefix(WATCHED)).exists()


def left_over(name: str, source: str, needed: Mapping[str, list[str]]) -> FileProblem:
    """What no file defines any more, and what stays because another depends on it."""
    needing = next(one for one, names in needed.items() if name in names)
    message = f"is defined no more, and stays because {needing} depends on it"
    hint = f"Change what {needing} depends on."
    return FileProblem(source.removeprefix(WATCHED), None, name, message, hint)
