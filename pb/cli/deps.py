"""``pb job deps``: which jobs wait for which, as a tree or for Graphviz."""

from __future__ import annotations

import sys
from typing import Any

from pb.cli.asked import ANSWER_TIME, asked, session
from pb.cli.render import clean, emit, note, out, speaks_utf8
from pb.core.durations import format_duration

Json = dict[str, Any]

FANCY = ("├─ ", "└─ ", "│  ")
PLAIN = ("|- ", "`- ", "|  ")


def deps(name: str | None, *, dot: bool) -> int:
    """Ask, then draw."""
    with session() as talk:
        answer = talk.call("job.deps", {"name": name}, timeout=ANSWER_TIME)
    if asked.as_json:
        emit(answer)
        return 0
    jobs = {job["name"]: job for job in answer["jobs"]}
    if dot:
        for line in graphviz(jobs):
            out(line)
    elif not any(job["depends_on"] for job in jobs.values()):
        out(f"{clean(name)} depends on nothing, and nothing on it." if name else "No dependencies.")
        note("Chain jobs with: pb job add NAME --depends-on OTHER -- COMMAND")
    else:
        for line in tree(jobs):
            out(line)
    return 0


def tree(jobs: dict[str, Json]) -> list[str]:
    """The jobs that wait for none first, those that wait for them below."""
    roots = [name for name, job in jobs.items() if not job["depends_on"]]
    return [line for root in roots for line in branch(root, None, jobs)]


def branch(name: str, above: str | None, jobs: dict[str, Json]) -> list[str]:
    lines = [clean(name) + (words(jobs[name], above) if above is not None else "")]
    below = [one for one in jobs[name]["dependents"] if one in jobs]
    twig, last_twig, bar = (
        ("├─ ", "└─ ", "│  ") if speaks_utf8(sys.stdout) else ("|- ", "`- ", "|  ")
    )
    for one in below:
        first, *rest = branch(one, name, jobs)
        is_last = one == below[-1]
        lines.append((last_twig if is_last else twig) + first)
        lines += [("   " if is_last else bar) + line for line in rest]
    return lines


def words(job: Json, above: str) -> str:
    """What ``job`` waits for in ``above``."""
    edge = next(one for one in job["depends_on"] if one["job"] == above)
    within = edge["within_seconds"]
    others = len(job["depends_on"]) - 1
    text = f"  (on {edge['on']}"
    text += f", within {format_duration(within)}" if within is not None else ""
    text += f", and {others} more" if others else ""
    return text + ")"


def graphviz(jobs: dict[str, Json]) -> list[str]:
    """The DOT language: an arrow from each job to those that wait for it."""
    lines = ["digraph jobs {", "  rankdir=LR;"]
    for name, job in jobs.items():
        lines.append(f'  "{clean(name)}";')
        lines += [
            f'  "{clean(edge["job"])}" -> "{clean(name)}" [label="{edge["on"]}"];'
            for edge in job["depends_on"]
        ]
    return [*lines, "}"]
