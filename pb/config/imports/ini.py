"""Sections and keys with their lines: the INI of supervisor, and the unit files of systemd.

Python's configparser tells no lines, and neither dialect is quite its own.
"""

from __future__ import annotations

import re
from dataclasses import field

from pb.config.imports.found import Entry
from pb.core.lean import dataclass

SECTION = re.compile(r"\[([^\]]*)\]")
OPTION = re.compile(r"([^=:\s][^=:]*?)\s*[=:]\s*(.*)")
UNIT_OPTION = re.compile(r"([A-Za-z0-9_-]+)\s*=\s*(.*)")


@dataclass(slots=True)
class Section:
    """One ``[name]`` and what stands below it, in order."""

    file: str
    line: int
    name: str
    entries: list[Entry] = field(default_factory=list)

    @property
    def place(self) -> Entry:
        return Entry(self.file, self.line, f"[{self.name}]", None)

    def text(self, key: str) -> str | None:
        """The last value of ``key``."""
        found = [entry.text for entry in self.entries if entry.key == key]
        return found[-1] if found else None


def supervisor_sections(text: str, file: str) -> tuple[list[Section], list[Entry]]:
    """Sections as supervisor's own parser sees them, and the lines that it would refuse.

    ``;`` and ``#`` begin a comment at the start of a line and after white space; an indented
    line goes on with the value above; a key given twice has its last value.
    """
    sections: list[Section] = []
    faults: list[Entry] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = without_comment(raw)
        if not line.strip():
            continue
        header = SECTION.match(line)
        option = OPTION.fullmatch(line.strip())
        if line[0].isspace() and sections and sections[-1].entries:
            last = sections[-1].entries.pop()
            joined = f"{last.text}\n{line.strip()}"
            sections[-1].entries.append(Entry(file, last.line, last.key, joined))
        elif header:
            sections.append(Section(file, number, header[1].strip()))
        elif option and sections:
            key = option[1].lower()
            entries = [entry for entry in sections[-1].entries if entry.key != key]
            sections[-1].entries = [*entries, Entry(file, number, key, option[2].strip())]
        else:
            faults.append(Entry(file, number, "", raw))
    return sections, faults


def without_comment(line: str) -> str:
    """The line up to its comment, as configparser with inline comments cuts it."""
    if line.lstrip().startswith((";", "#")):
        return ""
    return re.split(r"\s[;#]", line, maxsplit=1)[0].rstrip()


def unit_sections(text: str, file: str) -> tuple[list[Section], list[Entry]]:
    """The sections of a unit file (systemd.syntax(7)); a key may be there many times.

    A backslash at the end of a line joins the next one, comments between them are skipped.
    """
    sections: list[Section] = []
    faults: list[Entry] = []
    for number, line in logical_lines(text):
        header = SECTION.fullmatch(line)
        option = UNIT_OPTION.fullmatch(line)
        if header:
            sections.append(Section(file, number, header[1]))
        elif option and sections:
            sections[-1].entries.append(Entry(file, number, option[1], option[2].strip()))
        else:
            faults.append(Entry(file, number, "", line))
    return sections, faults


def logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines with their continuations, each with the number of its first."""
    lines: list[tuple[int, str]] = []
    open_at: int | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith(("#", ";")) or (not line and open_at is None):
            continue
        goes_on = line.endswith("\\")
        part = line[:-1].rstrip() if goes_on else line
        if open_at is None:
            lines.append((number, part))
        else:
            lines[-1] = (open_at, f"{lines[-1][1]} {part}".strip())
        open_at = (open_at or number) if goes_on else None
    return [(number, line) for number, line in lines if line]
