"""How a run learns what it was started for: variables, and a file of JSON lines beside its log.

The file is there before the process is, and stays as long as the log does.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pb.api.letting_go import event_path
from pb.store.occasions import RunEvent, json_text

EVENT_VARIABLES = (
    *("PB_EVENT", "PB_EVENT_COUNT", "PB_EVENT_PATH", "PB_EVENT_FILE"),
    "PB_EVENT_VALUE",
)

LONGEST = 16 * 1024
"""Bytes of PB_EVENT; one variable can have 128 KiB at most (execve(2), MAX_ARG_STRLEN)."""

LONGEST_FACT = 1024
"""Characters of each fact in an event that would be longer."""


def given_event(event: RunEvent, log: Path) -> dict[str, str]:
    """The variables of a run; its file is written. Raises OSError."""
    count = event.count or event.occasions
    first = json.loads(event.lines.partition(b"\n")[0]) if event.lines else {}
    path = event.event.get("path", first.get("path"))
    facts = {**event.event, "count": count}
    found = {"PB_EVENT_COUNT": str(count)}
    if isinstance(path, str) and "\0" not in path:
        facts["path"] = path
        found["PB_EVENT_PATH"] = path
    if isinstance(value := facts.get("value"), int | float):
        found["PB_EVENT_VALUE"] = str(value)
    found["PB_EVENT"] = shortened(facts)
    if event.lines:
        found["PB_EVENT_FILE"] = str(event_path(log))
        write_lines(event_path(log), event.lines)
    return found


def shortened(facts: dict[str, Any]) -> str:
    """As JSON; where that is too long for a variable, without what makes it so."""
    text = json_text(facts)
    if len(text) > LONGEST:
        text = json_text({key: cut(fact) for key, fact in facts.items()})
    if len(text) > LONGEST:
        kept = ("event", "at", "count", "path", "value")
        text = json_text({key: cut(facts[key]) for key in kept if key in facts})
    return text


def cut(fact: Any) -> Any:
    """A fact that is long is cut; of a table that is long it is said that it is in the file."""
    if isinstance(fact, str):
        return fact[:LONGEST_FACT]
    return fact if len(json_text(fact)) <= LONGEST_FACT else None


def write_lines(path: Path, lines: bytes) -> None:
    """A private file, whole."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(lines)
