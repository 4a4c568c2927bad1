"""The screen of ``pb service status``: a line for each service, then what is wrong and what next.

It makes lines out of documents; nothing is asked, printed or changed here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from pb.cli.outcomes import count
from pb.cli.render import clean, mark, paint
from pb.core.durations import format_uptime, shown_size
from pb.core.service import SCALED_TO_NONE

Json = dict[str, Any]

TRANSIENT = ("starting", "stopping", "backoff", "orphaned", "unknown")
COLOURS = {"running": "green", "failed": "red", "backoff": "yellow", "starting": "yellow"}

MOST_LOGS = 10
"""Of so many services that are not well the last log lines are shown."""

LOG_LINES = 3

BLOCKS = 60
"""Columns below which each service gets two lines instead of a row."""

HEADINGS = ("NAME", "STATE", "HEALTH", "PID", "UPTIME", "RESTARTS", "MEMORY", "PORTS")
DROPPED = ("RESTARTS", "HEALTH", "MEMORY", "PORTS", "UPTIME")
"""What a narrow terminal goes without, in this order."""

Tail = Callable[[Json, int], Sequence[str]]
"""The last lines of a service's log."""


def lines(
    services: Sequence[Json], columns: int | None, tail: Tail, *, is_watched: bool
) -> list[str]:
    """The whole screen; ``columns`` of the terminal, None for none: nothing is left out then."""
    shown = (
        _blocks(services) if columns is not None and columns < BLOCKS else _table(services, columns)
    )
    unwell = [view for view in services if is_unwell(view, is_watched)]
    for number, view in enumerate(unwell):
        shown += ["", *_trouble(view, tail if number < MOST_LOGS else no_tail, is_watched)]
    return shown + _remarks(services, is_watched)


def no_tail(_view: Json, _count: int) -> Sequence[str]:
    return ()


# -- the table


def cells_of(view: Json) -> tuple[str, ...]:
    """The cells of one service, in the order of ``HEADINGS``."""
    up, memory = view["uptime_seconds"], view.get("memory_bytes")
    return (
        clean(view["name"]),
        f"{view['state']}{'*' if view.get('changed') else ''}",
        "-" if view["health"] in (None, "none") else str(view["health"]),
        "-" if view["pid"] is None else str(view["pid"]),
        "-" if up is None else format_uptime(up),
        str(view["restarts"]),
        "-" if memory is None else shown_size(memory),
        ports_of(view) or "-",
    )


def ports_of(view: Json) -> str:
    """Where it listens: ports, or the address that one of pb's daemons names."""
    if view.get("ports"):
        return ", ".join(map(str, view["ports"]))
    address = str(view.get("address") or "")
    return clean(address.rpartition(":")[2]) if address.rpartition(":")[2].isdigit() else ""


def _table(services: Sequence[Json], columns: int | None) -> list[str]:
    rows = [cells_of(view) for view in services]
    kept = _columns(rows, columns)
    widths = {at: max(len(HEADINGS[at]), *(len(row[at]) for row in rows)) for at in kept}
    shown = [paint("  " + "  ".join(_padded(HEADINGS, kept, widths)).rstrip(), "bold")]
    looks: dict[tuple[str, ...], tuple[str, str]] = {}
    for view, row in zip(services, rows, strict=True):
        # A thousand services are in a handful of conditions: each is painted once.
        look = (row[1], str(view["state"]), str(view["health"]), str(view["desired"]))
        if look not in looks:
            looks[look] = sign(view), _coloured(row[1], view)
        mark_, state = looks[look]
        padded = _padded(row, kept, widths)
        padded[1] = state + padded[1][len(row[1]) :]
        shown.append(f"{mark_} {'  '.join(padded).rstrip()}")
    return shown


def _padded(cells: Sequence[str], kept: Sequence[int], widths: dict[int, int]) -> list[str]:
    return [cells[at].ljust(widths[at]) for at in kept]


def _columns(rows: Sequence[Sequence[str]], columns: int | None) -> list[int]:
    """Which cells there is room for; those that say nothing go first."""
    kept = list(range(len(HEADINGS)))
    idle = [at for at in kept if at in (2, 5, 7) and {row[at] for row in rows} <= {"-", "0"}]
    order = [*idle, *(HEADINGS.index(name) for name in DROPPED)]
    for at in order:
        widths = [max(len(HEADINGS[one]), *(len(row[one]) for row in rows)) for one in kept]
        if columns is None or sum(widths) + 2 * len(widths) <= columns:
            break
        if at in kept:
            kept.remove(at)
    return kept


def _coloured(state: str, view: Json) -> str:
    colour = "yellow" if view["health"] == "unhealthy" else COLOURS.get(str(view["state"]))
    return paint(state, colour) if colour else state


def sign(view: Json) -> str:
    """✓ for what is as it should be, ✗ for what does not run, ● for what is on its way."""
    state = view["state"]
    if state in TRANSIENT:
        return mark("turn")
    if state == "running":
        return mark("warn" if view["health"] == "unhealthy" else "ok")
    if state == "exited":
        return mark("ok")
    return mark("off" if state == "stopped" and view["desired"] == "stopped" else "bad")


def _blocks(services: Sequence[Json]) -> list[str]:
    shown = []
    for view in services:
        name, state, health, pid, up, restarts, memory, ports = cells_of(view)
        shown.append(f"{sign(view)} {name}  {_coloured(state, view)}")
        facts = (
            health if health not in ("-", "healthy") else "",
            f"PID {pid}" if pid != "-" else "",
            f"up {up}" if up != "-" else "",
            count(int(restarts), "restart") if restarts != "0" else "",
            memory if memory != "-" else "",
            f"port {ports}" if ports != "-" else "",
        )
        if any(facts):
            shown += _folded([fact for fact in facts if fact])
    return shown


def _folded(facts: Sequence[str], room: int = 38) -> list[str]:
    """The facts in as many short lines as it takes."""
    found = [""]
    for fact in facts:
        joined = f"{found[-1]}, {fact}" if found[-1] else fact
        if len(joined) > room and found[-1]:
            found.append(fact)
        else:
            found[-1] = joined
    return [f"  {line}" for line in found]


# -- below it


def is_unwell(view: Json, is_watched: bool) -> bool:
    """Whether there is more to say of it than its row."""
    if view["builtin"]:
        return bool(view["reason"]) and view["state"] != "running"
    if view["state"] in ("failed", "backoff", "stopping") or view["health"] == "unhealthy":
        return True
    if view["state"] in ("starting", "orphaned"):
        return bool(view["reason"]) and is_watched
    return view["state"] == "stopped" and view["desired"] == "running" and is_watched


def _trouble(view: Json, tail: Tail, is_watched: bool) -> list[str]:
    """Why it is as it is, what it said last, and what happens next."""
    name = clean(view["name"])
    shown = [f"{sign(view)} {paint(name, 'bold')}: {clean(_why(view))}"]
    if view["state"] in ("failed", "backoff") or view["health"] == "unhealthy":
        shown += [paint(f"    | {clean(line)}", "grey") for line in tail(view, LOG_LINES)]
    following = next_of(view, is_watched)
    return [*shown, f"    {following}"] if following else shown


def _why(view: Json) -> str:
    if view["state"] == "running":
        return f"unhealthy: {view.get('health_reason') or 'its probe fails'}"
    return f"{view['state']}: {view['reason']}" if view["reason"] else str(view["state"])


def next_of(view: Json, is_watched: bool) -> str:
    """What happens next, and when; or what there is to do."""
    name, state = clean(view["name"]), view["state"]
    if view["builtin"]:
        return f"Start it: pb service start {name}" if state in ("stopped", "failed") else ""
    if state == "failed" and (view.get("last_exit") or {}).get("code") == 0:
        return (
            "It ends by itself, and well: keep it in the foreground, or say that it may end with "
            f'restart = "on-failure". Then: pb service reset {name}'
        )
    if state == "failed":
        return f"Failed for good. Once it is mended: pb service reset {name}"
    if state == "backoff" and not is_watched:
        return "It starts again with the scheduler."
    if state == "backoff":
        return f"It starts again{_when(view.get('next_start_at'))}."
    if state == "orphaned":
        return f"See its processes: pb service ps {name}"
    if state == "stopped" and view["reason"] == SCALED_TO_NONE:
        return f"Let it run again: pb service scale {name}=1"
    if state == "stopped":
        return f"Start it: pb service start {name}"
    return ""


def _when(instant: object) -> str:
    """``in 12 s``, for an instant that is still to come."""
    if not isinstance(instant, str):
        return ""
    left = datetime.fromisoformat(instant).timestamp() - time.time()
    return f" in {format_uptime(left)}" if left >= 1 else " at once"


def _remarks(services: Sequence[Json], is_watched: bool) -> list[str]:
    """What concerns several of them: changed definitions, and that nobody watches."""
    found = []
    changed = list(dict.fromkeys(str(view["service"]) for view in services if view.get("changed")))
    if changed:
        names = " ".join(map(clean, changed))
        found += ["", f"* changed since it was started; apply it: pb service restart {names}"]
    own = [view for view in services if not view["builtin"]]
    orphans = [view for view in own if view["state"] == "orphaned"]
    due = [view for view in own if view["desired"] == "running" and view["pid"] is None]
    said = [f"{count(len(orphans), 'service')} that nobody watches over"] if orphans else []
    said += [f"{count(len(due), 'service')} to be started"] if due else []
    if not is_watched and said and any(map(is_on_its_way, services)):
        found += ["", f"The scheduler is on its way: {', '.join(said)}."]
    elif not is_watched and said:
        found += ["", f"No scheduler runs: {', '.join(said)}.", "  Start it: pb scheduler start"]
    return found


def is_on_its_way(view: Json) -> bool:
    """Whether this is the scheduler, and it starts, or is being started again."""
    is_scheduler = bool(view["builtin"]) and view["name"] == "scheduler"
    return is_scheduler and view["state"] == "starting"
