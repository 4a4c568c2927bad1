"""The processes of the user's services: who they are, as trees, and what each one uses.

Looking only. What belongs to a service is asked as a stop would ask it: by session, family and
marker.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pb.cli.render import clean, paint, speaks_utf8, width
from pb.cli.service_names import Chosen, own_views
from pb.cli.service_screen import sign
from pb.core.durations import shown_size
from pb.process.identity import identify
from pb.process.kin import find
from pb.process.survey import (
    TICKS,
    Process,
    command_line,
    everybody,
    listening_ports,
    open_files,
)
from pb.process.table import MARKER_VARIABLE, Table, take_table

Json = dict[str, Any]

SAMPLE = 0.2
"""Seconds over which the use of the processor is measured."""

HEADINGS = ("PID", "CPU", "TIME", "MEMORY", "THREADS", "FILES", "PORTS", "COMMAND")
NARROW = ("PID", "CPU", "MEMORY", "COMMAND")
ROOM = 72
"""Columns below which only the narrow ones are shown."""


def documents(who: Chosen) -> list[Json]:
    """A document for each instance that is meant, with its processes, the leader first."""
    views = own_views(who.own) if who.own else []
    alive = [view for view in views if view["pid"] is not None]
    before = {pid: one.cpu_ticks for pid, (one, _) in everybody().items()} if alive else {}
    if alive:
        time.sleep(SAMPLE)
    rows = {pid: one for pid, (one, _) in everybody().items()} if alive else {}
    table = take_table() if alive else None
    return [_document(view, _members(view, table), rows, before) for view in views]


def _members(view: Json, table: Table | None) -> list[int]:
    """The pids of one service's processes, its leader's first."""
    leader = identify(view["pid"]) if view["pid"] is not None else None
    if leader is None or table is None or leader.start_ticks != view["start_ticks"]:
        return []
    found = find(leader, _marker(leader.pid), table)
    return [row.pid for row in (*found.rows, *found.spared)]


def _marker(pid: int) -> str:
    """The marker of the leader's environment; nothing when it has cleared that."""
    prefix = f"{MARKER_VARIABLE}=".encode()
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return ""
    return next((one[len(prefix) :].decode() for one in entries if one.startswith(prefix)), "")


def _document(
    view: Json, pids: Sequence[int], rows: Mapping[int, Process], before: Mapping[int, int]
) -> Json:
    ports = listening_ports(pids)
    processes = [_process(rows[pid], ports, before) for pid in pids if pid in rows]

    def total(key: str) -> Any:
        known = [one[key] for one in processes if one[key] is not None]
        return sum(known) if known else None

    return {
        **view,
        "rss_bytes": total("rss_bytes"),
        "cpu_seconds": total("cpu_seconds"),
        "cpu_percent": total("cpu_percent"),
        "threads": total("threads"),
        "files": total("files"),
        "ports": sorted({port for one in processes for port in one["ports"]}),
        "processes": processes,
    }


def _process(process: Process, ports: Mapping[int, list[int]], before: Mapping[int, int]) -> Json:
    spent = process.cpu_ticks - before.get(process.pid, process.cpu_ticks)
    return {
        "pid": process.pid,
        "parent": process.parent,
        "name": process.name,
        "command": command_line(process.pid) or f"[{process.name}]",
        "rss_bytes": process.memory_bytes,
        "cpu_seconds": round(process.cpu_ticks / TICKS, 2),
        "cpu_percent": round(100 * spent / TICKS / SAMPLE, 1),
        "threads": process.threads,
        "files": open_files(process.pid),
        "ports": ports.get(process.pid, []),
    }


# -- the screen


def screen(trees: Sequence[Json]) -> list[str]:
    """A heading for each service, and a row for each process, children below their parents."""
    columns = width()
    is_narrow = columns is not None and columns < ROOM
    kept = [HEADINGS.index(name) for name in (NARROW if is_narrow else HEADINGS)]
    rows = [_cells(one, "") for tree in trees for one in tree["processes"]]
    sizes = [max(len(HEADINGS[at]), *(len(row[at]) for row in rows), 0) for at in kept[:-1]]
    shown, elbow = [], "└─ " if speaks_utf8(sys.stdout) else "`- "
    for tree in trees:
        shown.append(_heading(tree))
        if tree["processes"]:
            shown.append(paint(_row(HEADINGS, kept, sizes, columns), "grey"))
        for depth, process in _nested(tree["processes"]):
            branch = f"{'   ' * (depth - 1)}{elbow}" if depth else ""
            shown.append(_row(_cells(process, branch), kept, sizes, columns))
        shown.append("")
    return shown


def _heading(tree: Json) -> str:
    count = len(tree["processes"])
    facts = [str(tree["state"])]
    if count:
        facts += [f"{count} process{'' if count == 1 else 'es'}", shown_size(tree["rss_bytes"])]
    return f"{sign(tree)} {paint(clean(tree['name']), 'bold')}: {', '.join(facts)}"


def _cells(process: Json, branch: str) -> tuple[str, ...]:
    return (
        str(process["pid"]),
        f"{process['cpu_percent']:.0f} %",
        f"{process['cpu_seconds']:.2f} s",
        shown_size(process["rss_bytes"]),
        str(process["threads"]),
        "-" if process["files"] is None else str(process["files"]),
        ", ".join(map(str, process["ports"])) or "-",
        branch + clean(process["command"]),
    )


def _row(
    cells: Sequence[str], kept: Sequence[int], sizes: Sequence[int], columns: int | None
) -> str:
    """One row; only its last cell, the command, is cut where the terminal ends."""
    text = "  " + "".join(
        f"{cells[at].ljust(size)}  " for at, size in zip(kept[:-1], sizes, strict=True)
    )
    last = cells[kept[-1]]
    room = None if columns is None else max(10, columns - len(text))
    return text + (last if room is None or len(last) <= room else last[: room - 1] + "…")


def _nested(processes: Sequence[Json]) -> list[tuple[int, Json]]:
    """Each process with its depth, children right after their parents."""
    pids = {one["pid"] for one in processes}
    children: dict[int, list[Json]] = {}
    for one in processes:
        children.setdefault(one["parent"] if one["parent"] in pids else 0, []).append(one)
    found: list[tuple[int, Json]] = []
    todo = [(0, one) for one in reversed(children.get(0, []))]
    while todo:
        depth, one = todo.pop()
        found.append((depth, one))
        todo += [(depth + 1, child) for child in reversed(children.get(one["pid"], []))]
    return found
