"""A supervisord.conf becomes services: its programs, groups and included files.

The keys are those of supervisor's documentation (4.x). What supervisor does for itself (its
sockets, event listeners, FastCGI) is reported, never guessed at.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping

from pb.config.imports.found import Draft, Entry, Import, Imported, Surroundings, take_keys
from pb.config.imports.ini import Section, supervisor_sections
from pb.config.imports.supervisor_keys import KEYS, environment
from pb.config.located import read_text
from pb.errors import InvalidError, PbError

OWN = ("supervisord", "supervisorctl", "unix_http_server", "inet_http_server")
UMASK = "022"
"""What supervisord gives its children unless its own ``umask`` says otherwise."""

FASTCGI = "holds a FastCGI socket for its processes, which pb does not"
LISTENER = "gets supervisor's events on its standard input, which pb does not send"
LISTENER_HINT = "For what it reacts to, see: pb service events -f --json, and a job's triggers."


def read_supervisor(text: str, *, path: str, around: Surroundings) -> Imported:
    """Import a supervisor configuration at ``path`` (absolute); included files are read as well.

    Never raises for what the files say.
    """
    reader = SupervisorReader(path, around)
    reader.read(text, path)
    reader.finish()
    return reader.found.result()


class SupervisorReader:
    """One configuration with its included files: the sections, then the programs."""

    def __init__(self, path: str, around: Surroundings) -> None:
        self.found = Import(path, around)
        self.here = os.path.dirname(path)
        self.sections: list[Section] = []
        self.drafts: dict[str, list[Draft]] = {}
        self.env: dict[str, str] = {}
        self.umask = UMASK

    def read(self, text: str, path: str) -> None:
        sections, faults = supervisor_sections(text, path)
        for fault in faults:
            self.found.refuse(fault, "is neither a section nor a key with its value")
        for section in sections:
            if section.name == "include":
                self._include(section)
            else:
                self.sections.append(section)

    def _include(self, section: Section) -> None:
        """Read the files that ``files`` names; an included file cannot include others."""
        for entry in section.entries:
            if entry.key != "files":
                continue
            for pattern in self._expand(entry, {}).split():
                names = sorted(glob.glob(os.path.join(self.here, pattern)))
                if not names:
                    self.found.leave_out(entry, f"{pattern} matches no file")
                for name in names:
                    self._included(entry, name)

    def _included(self, entry: Entry, name: str) -> None:
        try:
            text = read_text(name)
        except PbError as error:
            self.found.refuse(entry, f"{name}: {error.message}", error.hint)
            return
        sections, faults = supervisor_sections(text, name)
        for fault in faults:
            self.found.refuse(fault, "is neither a section nor a key with its value")
        self.sections += [section for section in sections if section.name != "include"]

    def finish(self) -> None:
        for section in self.sections:
            if section.name == "supervisord":
                self._defaults(section)
        for section in self.sections:
            self._take(section)
        for section in self.sections:
            if section.name.startswith("group:"):
                self._group(section)
        self._order()

    def _defaults(self, section: Section) -> None:
        """What ``[supervisord]`` hands down to every program."""
        for entry in section.entries:
            try:
                if entry.key == "environment":
                    self.env = environment(self._expand(entry, {}))
                elif entry.key == "umask":
                    self.umask = entry.text.zfill(3)
            except InvalidError as error:
                self.found.leave_out(entry, error.message, error.hint)

    def _take(self, section: Section) -> None:
        kind, _, name = section.name.partition(":")
        match kind:
            case "program":
                self._program(section, name.strip())
            case "eventlistener":
                self.found.refuse(section.place, LISTENER, LISTENER_HINT)
            case "fcgi-program":
                self.found.refuse(section.place, FASTCGI, "Run the program with its own socket.")
            case "rpcinterface":
                self.found.leave_out(section.place, "extends supervisor itself")
            case "group":
                pass
            case _ if section.name in OWN:
                self._own(section)
            case _:
                self.found.leave_out(section.place, "is a section that supervisor does not know")

    def _own(self, section: Section) -> None:
        """Supervisor's own settings, told once; programs have what concerns them already."""
        keys = [e.key for e in section.entries if e.key not in ("environment", "umask")]
        if keys:
            message = f"is about supervisor itself ({', '.join(keys)})"
            self.found.leave_out(section.place, message, "pb's own settings: pb config show")

    def _program(self, section: Section, name: str) -> None:
        count = number_of(section, "numprocs", 1)
        first = number_of(section, "numprocs_start", 0)
        if not section.text("command"):
            self.found.refuse(section.place, "has no command")
        elif count > 1 and uses_number(section):
            process = section.text("process_name") or "%(program_name)s"
            for number in range(first, first + count):
                known = self._names(name, number)
                try:
                    named = process % known
                except (KeyError, ValueError, TypeError):
                    named = f"{name}_{number:02d}"
                draft = self._one(section, name, named, known)
                draft.append("groups", draft_group(name))
        else:
            draft = self._one(section, name, name, self._names(name, first))
            if count > 1:
                draft.put("replicas", count)
                place = Entry(section.file, section.line, "numprocs", None)
                draft.change(place, f"the processes are called {name}, {name}@1 and so on")

    def _one(self, section: Section, name: str, named: str, known: Mapping[str, object]) -> Draft:
        draft = self.found.service(named, section.place)
        self.drafts.setdefault(name, []).append(draft)
        if self.env:
            draft.put("env", dict(self.env))
        draft.put("umask", self.umask)
        draft.put("restart.mode", "on-failure")
        draft.put("stop.scope", "main")
        entries = list(self._expanded(draft, section, known))
        take_keys(draft, entries, KEYS, "is not a key that supervisor has")
        return draft

    def _names(self, name: str, number: int) -> dict[str, object]:
        return {"program_name": name, "group_name": name, "process_num": number, "numprocs": number}

    def _expanded(
        self, draft: Draft, section: Section, known: Mapping[str, object]
    ) -> Iterator[Entry]:
        for entry in section.entries:
            try:
                value = self._expand(entry, known)
            except InvalidError as error:
                self.found.refuse(draft.named(entry), error.message, error.hint)
                self.found.drop(draft)
                continue
            if entry.key == "directory":
                value = os.path.normpath(os.path.join(self.here, os.path.expanduser(value)))
            yield Entry(entry.file, entry.line, entry.key, value)

    def _expand(self, entry: Entry, known: Mapping[str, object]) -> str:
        """``%(name)s`` as supervisor replaces it; what comes from the environment is told."""
        env = {f"ENV_{name}": value for name, value in self.found.around.env.items()}
        names = {**env, "here": self.here, "host_node_name": os.uname().nodename, **known}
        try:
            value = entry.text % names
        except KeyError as error:
            hint = (
                f"Set it and import again: {str(error)[5:-1]}=…" if "ENV_" in str(error) else None
            )
            raise InvalidError(f"%({error.args[0]})s has no value here", hint=hint) from None
        except (ValueError, TypeError):
            raise InvalidError("has a % that supervisor could not read", hint="Write %%.") from None
        for name in re.findall(r"%\(ENV_(\w+)\)", entry.text):
            self.found.change(entry, f"has the value that {name} has now")
        return value

    def _group(self, section: Section) -> None:
        group = section.name.partition(":")[2].strip()
        for entry in section.entries:
            if entry.key != "programs":
                self.found.leave_out(entry, ORDER)
                continue
            for name in filter(None, (part.strip() for part in entry.text.split(","))):
                if name not in self.drafts:
                    self.found.leave_out(entry, f"there is no program {name}")
                for draft in self.drafts.get(name, ()):
                    draft.append("groups", draft_group(group))

    def _order(self) -> None:
        """Priorities are an order of starting and no more; say whom each one follows."""
        ranks = {
            d.name: int(d.definition.pop("priority", 999)) for d in self.found.services.values()
        }
        for section in self.sections:
            name = section.name.partition(":")[2].strip()
            for entry in section.entries:
                if entry.key != "priority" or section.name.startswith("group:"):
                    continue
                for draft in self.drafts.get(name, ()):
                    rank = ranks.get(draft.name, 999)
                    before = sorted(n for n, other in ranks.items() if other < rank)
                    names = ", ".join(f'"{n}"' for n in before[:5])
                    hint = f"If it needs them: depends_on = [{names}]" if before else None
                    draft.leave_out(entry, ORDER, hint)


ORDER = "pb starts by dependencies, not by priorities"


def draft_group(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)


def number_of(section: Section, key: str, default: int) -> int:
    text = section.text(key)
    return int(text) if text is not None and text.isdecimal() else default


def uses_number(section: Section) -> bool:
    """Whether the processes of a program differ in more than their names."""
    return any(
        "%(process_num)" in entry.text
        for entry in section.entries
        if entry.key != "process_name" and "_logfile" not in entry.key
    )
