"""``pb job run --with-deps``: first what a job depends on, in order, then the job itself.

A job without triggers follows by itself when those it waits for have ended; that run is waited
for then, and no second one is started.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from pb.cli import jobs
from pb.cli.asked import ANSWER_TIME, asked, session
from pb.cli.render import clean, emit, mark, note
from pb.core.dependencies import Ended, unmet
from pb.core.model import Dependency, DependencyOn, State

Json = dict[str, Any]


def run_chain(name: str, *, follow: bool = False) -> int:
    """Run it all, one after the other; answers the exit code of the last run, good or bad."""
    with session(local_ok=False) as talk:
        answer = talk.call("job.deps", {"name": name}, timeout=ANSWER_TIME)
        newest = talk.call("job.history", {"name": None, "n": 1}, timeout=ANSWER_TIME)["runs"]
    graph = {job["name"]: job for job in answer["jobs"]}
    before = newest[0]["run_id"] if newest else 0
    chain = order(name, graph)
    runs: list[Json] = []
    reason = None
    for one in chain:
        runs.append(run_one(one, before, follow=follow))
        reason = why_to_stop(runs[-1], [graph[job] for job in chain])
        if reason is not None:
            note(f"{mark('bad')} Stopped before {clean(name)}: {clean(reason)}")
            break
    if asked.as_json:
        emit({"runs": runs})
    return jobs.exit_code(runs[-1]) or int(reason is not None)


def order(name: str, graph: dict[str, Json]) -> list[str]:
    """``name`` last, and each job after all that it depends on."""
    found: list[str] = []

    def visit(one: str) -> None:
        for needed in graph.get(one, {}).get("depends_on", []):
            visit(needed["job"])
        if one not in found:
            found.append(one)

    visit(name)
    return found


def run_one(name: str, before: int, *, follow: bool) -> Json:
    """One run of a job, from its start to its end: the one that has followed, or a new one."""
    with session(local_ok=False) as talk:
        newest = talk.call("job.history", {"name": name, "n": 1}, timeout=ANSWER_TIME)["runs"]
        run: Json
        if newest and newest[0]["run_id"] > before and newest[0]["state"] not in jobs.NOT_RUN:
            run = newest[0]
        else:
            run = talk.call("job.run", {"name": name}, timeout=jobs.START_TIME)["run"]
    if not jobs.never_ran(run):
        note(f"{mark('ok')} Run {run['run_id']} of '{clean(name)}' {jobs.started(run)}")
    if follow:
        jobs.follow_output(run)
    run = jobs.wait_for(run)
    note(jobs.sentence(run))
    return run


def why_to_stop(run: Json, chain: list[Json]) -> str | None:
    """Why those of the chain that wait for this run will not run; None when they may."""
    now_ms = time.time_ns() // 1_000_000
    ended_ms = milliseconds(run["finished_at"]) if run["finished_at"] else now_ms
    ended = Ended(run["run_id"], State(run["state"]), ended_ms)
    for job in chain:
        for edge in job["depends_on"]:
            if edge["job"] == run["job"]:
                wanted = Dependency(job=edge["job"], on=DependencyOn(edge["on"]))
                reason = unmet(wanted, ended, now_ms)
                if reason is not None:
                    return reason
    return None


def milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)
