"""Unit files become services, and timers become jobs.

Files are read together, so that units may name one another. The keys are those of
systemd.unit(5), .service(5), .exec(5), .kill(5), .resource-control(5) and .timer(5).
"""

from __future__ import annotations

import glob
import os
import re
from dataclasses import field

from pb.config.imports.found import Draft, Entry, Import, Imported, Surroundings, take_keys
from pb.config.imports.ini import Section, unit_sections
from pb.config.imports.systemd_foreground import FOREGROUND
from pb.config.imports.systemd_groups import GROUPED, group_of
from pb.config.imports.systemd_keys import KEYS, ORDERING, is_user_unit
from pb.config.imports.systemd_timer import TIMER_KEYS
from pb.config.imports.systemd_words import CommandLine, command_line, specified
from pb.config.located import read_text
from pb.core.lean import dataclass
from pb.errors import InvalidError, NotFoundError

UnitFiles = dict[str, tuple[tuple[str, str], ...]]
"""By the name of a unit, its file's path and text, and those of its drop-ins."""

STRONG = ("Requires", "BindsTo", "PartOf", "Requisite")
FOLDERS = (
    *("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system"),
    *("/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/user"),
    "/usr/lib/systemd/user",
)
TYPES = ("simple", "exec", "notify", "notify-reload", "oneshot", "forking", "idle", "dbus")


@dataclass(slots=True)
class Unit:
    """One unit file: its name (``web.service``), where it lies, its keys."""

    name: str
    path: str
    sections: list[Section]
    draft: Draft | None = None
    env: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> Entry:
        return Entry(self.path, None, "", None)

    @property
    def stem(self) -> str:
        return self.name.rpartition(".")[0]

    def entries(self, *sections: str) -> list[Entry]:
        return [e for s in self.sections if s.name in sections for e in s.entries]

    def last(self, key: str, section: str = "Service") -> Entry | None:
        found = [entry for entry in self.entries(section) if entry.key == key]
        return found[-1] if found else None

    def text(self, key: str, default: str = "", section: str = "Service") -> str:
        entry = self.last(key, section)
        return entry.text if entry else default


def unit_files(names: list[str]) -> UnitFiles:
    """The path and text of each unit by its name: paths, or names in systemd's directories.

    A timer brings the service that it starts, an instance is its template, and drop-ins follow
    their unit. Raises NotFoundError, and what ``read_text`` raises.
    """
    files: UnitFiles = {}
    for name in names:
        path = unit_path(name)
        files[os.path.basename(name)] = with_drop_ins(path)
    for name, parts in list(files.items()):
        if not name.endswith(".timer"):
            continue
        path, text = parts[0]
        named = re.search(r"^\s*Unit\s*=\s*(\S+)", text, re.M)
        service = named[1] if named else f"{name.removesuffix('.timer')}.service"
        beside = os.path.join(os.path.dirname(path), service)
        if service not in files and os.path.isfile(beside):
            files[service] = with_drop_ins(beside)
    return files


def unit_path(name: str) -> str:
    """The file of a unit; an instance ``web@1.service`` may be its template ``web@.service``."""
    folder, base = os.path.split(name)
    template = re.sub(r"@[^.]+\.", "@.", base)
    home = os.path.expanduser("~/.config/systemd/user")
    folders = [folder or "."] if folder or os.path.exists(name) else [*FOLDERS, home]
    for place in folders:
        for wanted in (base, template):
            path = os.path.join(place, wanted)
            if os.path.isfile(path):
                return os.path.abspath(path)
            if os.path.realpath(path) == os.devnull:
                raise NotFoundError(
                    f"{name} is masked", hint="systemd starts it never; nor need pb."
                )
    raise NotFoundError(f"There is no unit {name}", hint="Name a unit file, or an installed unit.")


def with_drop_ins(path: str) -> tuple[tuple[str, str], ...]:
    paths = [path, *sorted(glob.glob(f"{path}.d/*.conf"))]
    return tuple((part, read_text(part)) for part in paths)


def read_units(files: UnitFiles, *, around: Surroundings) -> Imported:
    """Import units together: by name (``web@1.service``) the path and text of each, drop-ins last.

    Never raises for what the files say.
    """
    first = next(iter(files.values()))[0][0]
    reader = UnitReader(Import(first, around), files)
    reader.read()
    return reader.found.result()


class UnitReader:
    """All units of one import."""

    def __init__(self, found: Import, files: UnitFiles) -> None:
        self.found = found
        self.units: dict[str, Unit] = {}
        for name, parts in files.items():
            self.units[name] = Unit(name, parts[0][0], [])
            for path, text in parts:
                sections, faults = unit_sections(text, path)
                self.units[name].sections += sections
                for fault in faults:
                    found.leave_out(fault, "is neither a section nor a key with its value")

    def read(self) -> None:
        timers = [unit for name, unit in self.units.items() if name.endswith(".timer")]
        timed = {self._timed(timer): timer for timer in timers}
        for name, unit in self.units.items():
            if name.endswith(".service"):
                self._service(unit, timed.pop(name, None))
            elif not name.endswith(".timer"):
                kind = name.rpartition(".")[2]
                self.found.refuse(unit.place, f"is a {kind} unit, for which pb has nothing")
        for name, timer in timed.items():
            hint = f"Import both: pb import systemd {timer.name} {name}"
            self.found.refuse(timer.place, f"starts {name}, which is not among the files", hint)
        for unit in self.units.values():
            if unit.draft is not None:
                self._depend(unit, unit.draft)

    def _timed(self, timer: Unit) -> str:
        return timer.text("Unit", f"{timer.stem}.service", "Timer")

    def _service(self, unit: Unit, timer: Unit | None) -> None:
        lines = effective(unit.entries("Service"), "ExecStart")
        kind = unit.text("Type", "dbus" if unit.last("BusName") else "simple")
        if not lines:
            self.found.refuse(unit.place, "has no ExecStart")
            return
        if kind not in TYPES:
            self.found.refuse(unit.last("Type") or unit.place, f"{kind} is not a type of service")
            return
        is_job = kind == "oneshot" or timer is not None
        name = unit.stem.replace("@", "-")
        make = self.found.job if is_job else self.found.service
        draft = make(name, unit.last("ExecStart") or unit.place)
        try:
            self._command(unit, draft, lines, kind)
        except InvalidError as error:
            self.found.refuse(lines[0], error.message, error.hint)
            self.found.drop(draft)
            return
        if not is_job:
            unit.draft = draft
            self._defaults(unit, draft, kind)
        elif timer is None:
            self._by_hand(unit, draft)
        self._keys(unit, draft)
        if timer is not None:
            self._timer(timer, draft)

    def _by_hand(self, unit: Unit, draft: Draft) -> None:
        """A oneshot unit is work that ends: a job, at boot where it is installed there."""
        kind = unit.last("Type") or unit.place
        if unit.entries("Install"):
            draft.put("triggers", [{"type": "startup", "per": "boot"}])
            draft.change(kind, "is a job that runs once after each boot")
        else:
            draft.change(kind, "is a job that runs by hand", f"Run it: pb job run {draft.name}")

    def _command(self, unit: Unit, draft: Draft, lines: list[Entry], kind: str) -> None:
        """ExecStart: an argv where it is one, a shell where variables or several lines ask it."""
        is_user = is_user_unit(unit.path)
        around = self.found.around
        parsed = [command_line(specified(e.text, unit.name, around, is_user)) for e in lines]
        if kind == "forking":
            parsed = [self._foreground(unit, draft, parsed[0].plain)]
        for entry, line in zip(lines, parsed, strict=False):
            if set(line.prefix) & set("+!"):
                draft.change(entry, "pb runs everything with your own rights")
        if len(parsed) == 1 and not parsed[0].needs_shell and not parsed[0].may_fail:
            draft.put("command", parsed[0].plain)
            return
        draft.put("shell", True)
        shown = [f"{line.shell} || :" if line.may_fail else line.shell for line in parsed]
        is_one = len(shown) == 1 and not parsed[0].may_fail
        draft.put(
            "command", f"exec {shown[0]}" if is_one else " && ".join(f"{{ {s}; }}" for s in shown)
        )

    def _foreground(self, unit: Unit, draft: Draft, argv: list[str]) -> CommandLine:
        """The command of a forking unit made one that stays, where the program is known."""
        place = unit.last("Type") or unit.place
        program = os.path.basename(argv[0])
        change = FOREGROUND.get(program)
        if change is None:
            hint = f"Find {program}'s switch for staying in the foreground, and: "
            hint += f"pb service add {draft.name} -- {' '.join(argv)} SWITCH"
            message = "is forking: it leaves its parent, and pb keeps what it starts itself"
            raise InvalidError(f"{message}", hint=hint)
        stays = change(argv)
        draft.change(place, f"it stays in the foreground now: {' '.join(stays)}")
        from shlex import quote

        return CommandLine(
            tuple(w.replace("$", "$$") for w in stays), " ".join(map(quote, stays)), ""
        )

    def _defaults(self, unit: Unit, draft: Draft, kind: str) -> None:
        """What systemd does where a unit says nothing, and pb does otherwise."""
        draft.put("restart.mode", "never")
        if not is_user_unit(unit.path):
            draft.put("umask", "022")
        if kind.startswith("notify"):
            draft.put("ready.notify", True)
        if kind == "notify-reload":
            draft.put("reload.signal", "HUP")
        if kind == "dbus":
            draft.leave_out(unit.last("Type") or unit.place, "pb cannot see names on a D-Bus")

    def _keys(self, unit: Unit, draft: Draft) -> None:
        is_user = is_user_unit(unit.path)
        grouped: dict[str, list[Entry]] = {}
        entries = []
        for entry in unit.entries("Unit", "Service"):
            try:
                value = specified(entry.text, unit.name, self.found.around, is_user)
            except InvalidError as error:
                draft.leave_out(entry, error.message, error.hint)
                continue
            group = None if entry.key in KEYS else group_of(entry.key)
            if group is not None and value:
                grouped.setdefault(group, []).append(entry)
            elif group is None:
                entries.append(Entry(entry.file, entry.line, entry.key, value))
        take_keys(draft, entries, KEYS, "is not a key that pb knows")
        self._install(unit, draft)
        for group, found in grouped.items():
            keys = ", ".join(dict.fromkeys(entry.key for entry in found))
            draft.leave_out(Entry(unit.path, found[0].line, keys, None), GROUPED[group])

    def _install(self, unit: Unit, draft: Draft) -> None:
        for entry in unit.entries("Install"):
            if entry.key in ("Alias", "Also", "DefaultInstance"):
                draft.leave_out(entry, "pb knows a service by one name")
        if not unit.entries("Install") and draft.name in self.found.services:
            draft.put("enabled", False)
            draft.change(
                unit.place, "is disabled: it has no [Install], so something else starts it"
            )

    def _timer(self, timer: Unit, draft: Draft) -> None:
        draft.put("triggers", [])
        entries = timer.entries("Unit", "Timer")
        take_keys(draft, entries, TIMER_KEYS, "is not a key that pb knows")
        if not any(entry.key == "Persistent" for entry in entries):
            draft.put("misfire.catch_up", "none")
        if not draft.definition["triggers"]:
            message = "has no time that cron can say, so the job runs by hand only"
            draft.change(timer.place, message, f"Give it one: pb job edit {draft.name}")

    def _depend(self, unit: Unit, draft: Draft) -> None:
        """Requirements and orders among the imported units; the others are told once."""
        after = {name for e in unit.entries("Unit") if e.key == "After" for name in e.text.split()}
        strangers: list[str] = []
        first: Entry | None = None
        for entry in unit.entries("Unit"):
            if entry.key not in ORDERING:
                continue
            for name in entry.text.split():
                other = self.units.get(name)
                if other is None or other.draft is None:
                    strangers.append(name)
                    first = first or entry
                elif entry.key in (*STRONG, "Wants"):
                    self._requirement(entry, draft, other, name in after)
                elif entry.key in ("Before", "After") and not named_with(unit, other.name):
                    hint = f'If it needs it: depends_on = ["{other.draft.name}"]'
                    draft.leave_out(entry, f"is an order only, with {name}", hint)
        if first is not None:
            names = ", ".join(dict.fromkeys(strangers))
            place = Entry(first.file, first.line, first.key, None)
            draft.leave_out(place, f"names units that were not imported: {names}")

    def _requirement(self, entry: Entry, draft: Draft, other: Unit, is_after: bool) -> None:
        name = other.draft.name if other.draft else ""
        if any(one["service"] == name for one in draft.definition.get("depends_on", ())):
            return
        is_notify = other.draft is not None and other.draft.get("ready") is not None
        dependency: dict[str, object] = {"service": name}
        dependency["condition"] = "ready" if is_after and is_notify else "started"
        if entry.key in ("BindsTo", "PartOf", "Requires"):
            dependency["restart_with"] = True
        draft.append("depends_on", dependency)
        if entry.key == "Wants":
            draft.change(entry, f"is a need now: it is not started while {name} cannot be")
        elif not is_after:
            draft.change(entry, f"it is started after {name}, no more at the same time")


def named_with(unit: Unit, name: str) -> bool:
    """Whether the unit also needs the other, so that an order says nothing more."""
    keys = (*STRONG, "Wants")
    return any(e.key in keys and name in e.text.split() for e in unit.entries("Unit"))


def effective(entries: list[Entry], key: str) -> list[Entry]:
    """The values of a key that counts up; an empty one begins anew."""
    found: list[Entry] = []
    for entry in entries:
        if entry.key == key:
            found = [*found, entry] if entry.text else []
    return found
