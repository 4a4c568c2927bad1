"""``pb`` alone: what runs, what is planned, and the next step to take; and the version.

No typer here, so that the first thing anybody sees is there at once.
"""

from __future__ import annotations

import sys
from typing import Any

import pb
from pb.cli import facts
from pb.cli.asked import asked, elsewhere, home, session, settings
from pb.cli.render import clean, emit, local_minute, mark, out, paint
from pb.cli.service_facts import Facts, gather
from pb.cli.service_names import chosen
from pb.cli.service_screen import sign
from pb.errors import PbError

Json = dict[str, Any]

FEW = 8
"""So many services have a line each."""

UNWELL = ("failed", "backoff")


def version() -> int:
    """``pb version``."""
    if asked.as_json:
        python = ".".join(str(part) for part in sys.version_info[:3])
        emit({"version": pb.__version__, "python": python, "platform": sys.platform})
    else:
        out(f"pb {pb.__version__}")
    return 0


def overview() -> int:
    """All services, the jobs in one line, and what to do next; elsewhere how the scheduler is."""
    if elsewhere() is not None:
        from pb.cli.status import scheduler_status

        return scheduler_status()
    found, trouble = _services()
    services, own = found.services, found.own
    jobs, trouble_of_jobs = _jobs()
    trouble = trouble or trouble_of_jobs
    step, why = _next_step(services, jobs, trouble)
    if asked.as_json:
        emit({"home": str(home().root), "services": services, "jobs": jobs, "next_step": step})
        return 0
    out(f"{paint('pb', 'bold')} {pb.__version__}  {clean(home().root)}\n")
    for service in services:
        if service["builtin"]:
            out(_line(service))
    for line in _own_lines(own):
        out(f"  {line}")
    out(f"  {_jobs_line(jobs, trouble)}")
    out(f"\n{why}\n  {paint(step, 'bold')}")
    out("\nAll commands: pb --help")
    return 0


def _services() -> tuple[Facts, str | None]:
    """The services, and what is wrong with that knowledge."""
    try:
        found = gather(chosen(None))
    except PbError as error:
        return Facts(services=facts.services_facts(), own=[]), error.message
    return found, None if found.is_known else found.notice


def _own_lines(own: list[Json]) -> list[str]:
    """The user's services, one a line; of many those that are not well, and how many there are."""
    if not own:
        return []
    well = [view for view in own if view["state"] == "running" and view["health"] != "unhealthy"]
    shown = own if len(own) <= FEW else [view for view in own if view not in well][:FEW]
    lines = [f"{sign(view)} {clean(view['name'])}: {_state(view)}" for view in shown]
    if shown is not own:
        lines.append(f"{len(own)} services of your own, {len(well)} of them running")
    return lines


def _state(view: Json) -> str:
    if view["state"] != "running":
        return clean(view["state"] + (f" ({view['reason']})" if view["reason"] else ""))
    return f"{'unhealthy' if view['health'] == 'unhealthy' else 'running'} (PID {view['pid']})"


def _jobs() -> tuple[list[Json], str | None]:
    try:
        if not settings().db_path(home()).exists():
            return [], None
        with session() as talk:
            return talk.call("job.list", timeout=facts.PING_TIME)["jobs"], None
    except PbError as error:
        return [], error.message


def _line(service: Json) -> str:
    title = facts.TITLES[service["name"]]
    match service["state"], service["health"]:
        case "running", "unhealthy":
            return f"  {mark('warn')} {title}: running, not responding (PID {service['pid']})"
        case "running", _:
            where = f", {clean(service['address'])}" if service["address"] else ""
            return f"  {mark('ok')} {title}: running (PID {service['pid']}{where})"
        case "unknown" | "starting", _:
            return f"  {mark('warn')} {title}: {clean(service['reason'] or service['state'])}"
        case _:
            return f"  {mark('bad')} {title}: not running"


def _jobs_line(jobs: list[Json], trouble: str | None) -> str:
    if trouble:
        return f"{mark('warn')} {clean(trouble)}"
    if not jobs:
        return "No jobs yet"
    count = f"{len(jobs)} job{'' if len(jobs) == 1 else 's'}"
    coming = sorted((job["next_run"], job["name"]) for job in jobs if job["next_run"])
    if not coming:
        return f"{count}, none of them due"
    instant, name = coming[0]
    return f"{count}, next: {clean(name)} at {local_minute(instant)}"


def _next_step(services: list[Json], jobs: list[Json], trouble: str | None) -> tuple[str, str]:
    states_of_pb = {one["name"]: one["state"] for one in services if one["builtin"]}
    failed = [job["name"] for job in jobs if job["last_result"] in {"failed", "timed_out", "lost"}]
    if trouble:
        return "pb scheduler logs", "Something is wrong; see what the scheduler said:"
    if states_of_pb["scheduler"] != "running":
        return "pb service start all", "Start the scheduler, the gateway and the debug server:"
    bad = [one["name"] for one in services if not one["builtin"] and one["state"] in UNWELL]
    if bad:
        return f"pb service status {bad[0]}", "A service is not well; see why:"
    if not jobs and len(services) > len(states_of_pb):
        return "pb service status", "See how the services fare:"
    if not jobs:
        return 'pb job add hello --every 1m -- echo "hello"', "Add a first job:"
    if failed:
        return f"pb job logs {failed[0]}", "A job failed last time; read what it said:"
    return "pb job list", "See the jobs:"
