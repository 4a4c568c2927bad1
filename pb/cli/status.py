"""The status screens: the scheduler's block, the services' list. Ask (facts), then render.

No typer here: the hot read commands come straight to these functions.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pb.cli import facts
from pb.cli.asked import ANSWER_TIME, asked, elsewhere, home, session, settings
from pb.cli.facts import TITLES
from pb.cli.render import (
    clean,
    emit,
    field_lines,
    fields,
    job_table,
    mark,
    note,
    out,
    paint,
    title_box,
    width,
)
from pb.cli.service_facts import Facts, exit_of, gather
from pb.cli.service_names import Chosen, chosen
from pb.errors import NeedsDaemonError, PbError, StatusExit, UnresponsiveError

if TYPE_CHECKING:
    from pb.process.status import DaemonStatus

Json = dict[str, Any]

STEPS = {
    "dead": "Run `pb scheduler start` to start a new instance.",
    "stopped": "Start it with `pb scheduler start`.",
}
"""What to do next when the scheduler does not run."""

EVERYBODY = chosen(None)


def scheduler_status(*, jobs: bool = True) -> int:
    """``pb scheduler status``: the block, then the job table."""
    if elsewhere() is not None:
        return _scheduler_elsewhere(jobs)
    status = facts.look_at("scheduler")
    document, code = _scheduler_document(status, jobs)
    if asked.as_json:
        emit(document)
        return code
    _scheduler_block(document, facts.state_of(status), code)
    if status.state == "dead":
        out(f"\n{mark('warn')} Process is not running but PID file exists")
    if jobs and (document["jobs"] or not document.get("notice")):
        out()
        job_table(document["jobs"])
    if document.get("notice"):
        note(f"{mark('warn', sys.stderr)} {clean(document['notice'])}")
    if status.state in STEPS:
        note(f"hint: {STEPS[status.state]}")
    return code


def _scheduler_elsewhere(jobs: bool) -> int:
    """The same where a gateway is; without a scheduler there the gateway asks the store."""
    with session() as talk:
        document = talk.call("scheduler.status", {"jobs": jobs}, timeout=ANSWER_TIME)
    is_up = bool(document["running"])
    code = int(StatusExit.RUNNING if is_up else StatusExit.NOT_RUNNING)
    if asked.as_json:
        emit(document)
        return code
    out(paint(f"Through {elsewhere()}", "grey"))
    _scheduler_block(document, "running" if is_up else "stopped", code)
    if jobs:
        out()
        job_table(document["jobs"])
    return code


def _scheduler_document(status: DaemonStatus, jobs: bool) -> tuple[Json, int]:
    if status.state != "running":
        return _from_files(status, jobs), int(facts.exit_of(status))
    try:
        with session(local_ok=False) as talk:
            answer = talk.call("scheduler.status", {"jobs": jobs}, timeout=ANSWER_TIME)
    except (UnresponsiveError, NeedsDaemonError) as error:
        document = _from_files(status, jobs=False)
        document["notice"] = error.message
        return document, int(StatusExit.NOT_READY)
    return answer, int(StatusExit.RUNNING)


def _from_files(status: DaemonStatus, jobs: bool) -> Json:
    """What can be said without the scheduler: its PID file, and the store's jobs."""
    record = status.record
    is_up = status.state == "running"
    reason = status.reason if status.state == "unknown" else None
    listed, notice = _stored_jobs() if jobs and reason is None else ([], reason)
    return {
        "running": is_up,
        "pid": record.pid if record else None,
        "mode": record.mode if record else None,
        "db_path": str(record.db_path if record and record.db_path else home().db),
        "socket_path": str(record.socket_path if record and record.socket_path else home().socket),
        "started_at": facts.rfc3339(record.started_at_ms) if record else None,
        "uptime_seconds": facts.uptime(record) if record and is_up else None,
        "log_path": str(home().log("scheduler")),
        "jobs": listed,
        "notice": notice,
    }


def _stored_jobs() -> tuple[list[Json], str | None]:
    """The jobs as the store has them; a store that cannot be read is a notice, not a failure."""
    try:
        if not settings().db_path(home()).exists():
            return [], None
        with session() as talk:
            return talk.call("job.list", timeout=ANSWER_TIME)["jobs"], None
    except PbError as error:
        return [], error.message


def _scheduler_block(document: Json, state: str, code: int) -> None:
    from pb.core.durations import format_uptime

    up = document["uptime_seconds"]
    out("Scheduler Daemon Status:\n")
    out(f"  Status: {_state_words(state, code)}")
    fields(
        (
            ("PID", document["pid"]),
            ("Mode", document["mode"]),
            ("Database", document["db_path"]),
            ("Socket", document["socket_path"]),
            ("Started", document["started_at"]),
            ("Uptime", None if up is None else format_uptime(up)),
            ("Log file", document["log_path"]),
            *(("Shared with", shared(row)) for row in document.get("shared_with", ())),
        )
    )


def shared(row: Json) -> str:
    """Another scheduler on the same database."""
    return f"{row['home']} (PID {row['pid']})"


def _state_words(state: str, code: int) -> str:
    if state == "running":
        is_ready = code == StatusExit.RUNNING
        return paint("Running", "green") if is_ready else paint("Not responding", "yellow")
    if state in {"unknown", "starting"}:
        return paint("Unknown" if state == "unknown" else "Starting or stopping", "yellow")
    return paint("Not running", "red")


def service_status(who: Chosen = EVERYBODY) -> int:
    """``pb service status``: ✓ or ✗ for each, with PID, address and uptime; then what is wrong."""
    found = gather(who)
    code = int(exit_of(found, who))
    if asked.as_json:
        emit({"services": found.services})
        return code
    for line in service_screen(found):
        out(line)
    if found.notice:
        note(f"{mark('warn', sys.stderr)} {clean(found.notice)}")
    return code


def service_screen(found: Facts) -> list[str]:
    """The lines of the status: as a table, or a block for each where there are only pb's own."""
    if not found.own and elsewhere() is not None:
        return ["No services of your own."]
    if not found.own:
        return [
            *title_box("PonyBunny Services Status"),
            *(line for view in found.services for line in _service_block(view)),
        ]
    from pb.cli.service_screen import lines

    return lines(found.services, width(), _tail, is_watched=found.is_watched)


def _tail(view: Json, count: int) -> Sequence[str]:
    """The last lines of a service's log; what reads them is only needed when something is wrong."""
    from pb.cli.logs import last_lines

    return last_lines(view, count)


def _service_block(service: Json) -> list[str]:
    from pb.core.durations import format_uptime

    name, up = str(service["name"]), service["uptime_seconds"]
    shown = [f"  {TITLES[name]}:", f"    {_verdict(service)}"]
    shown += field_lines(
        (
            ("PID", service["pid"]),
            ("Address", service["address"]),
            ("Uptime", None if up is None else format_uptime(up)),
            ("Mode", service["mode"]),
            ("Reason", service["reason"]),
        ),
        indent=4,
    )
    if service["state"] in {"stopped", "failed"}:
        shown.append(f"    Start: pb service start {name}")
    return [*shown, ""]


def _verdict(service: Json) -> str:
    match service["state"], service["health"]:
        case "running", "unhealthy":
            return f"{mark('warn')} Running, but not responding"
        case "running", _:
            return f"{mark('ok')} {paint('Running', 'green')}"
        case "failed", _:
            return f"{mark('bad')} {paint('Not running', 'red')} (it died and left its PID file)"
        case "unknown" | "starting" as state, _:
            return f"{mark('warn')} {'Unknown' if state == 'unknown' else 'Starting or stopping'}"
        case _:
            return f"{mark('bad')} {paint('Not running', 'red')}"


def job_list(*, every: bool = False) -> int:
    """``pb job list``: the job table; with ``every`` pb's own jobs too."""
    with session() as talk:
        answer = talk.call("job.list", {"all": every}, timeout=ANSWER_TIME)
    if asked.as_json:
        emit(answer)
        return 0
    job_table(answer["jobs"], answer.get("standings") or {})
    if not answer["jobs"]:
        note('hint: Add one: pb job add hello --every 1m -- echo "hello"')
    return 0
