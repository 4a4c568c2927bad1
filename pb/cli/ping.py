"""``pb gateway status`` and ``pb debug status``: the process, and whether it answers."""

from __future__ import annotations

from pb.cli import facts
from pb.cli.asked import asked
from pb.cli.facts import TITLES
from pb.cli.render import clean, emit, fields, mark, note, out


def status(service: str) -> int:
    """Look at one daemon, ping it, and say both."""
    found = facts.look_at(service)
    is_up = found.state == "running"
    healthy = facts.is_healthy(service, found.record) if is_up else None
    document = facts.service_facts(service, found, healthy)
    code = int(facts.services_exit([document]))
    if asked.as_json:
        emit(document)
        return code
    if not is_up:
        _say_absent(service, facts.state_of(found), found.reason)
        return code
    _say_present(document)
    title, address = TITLES[service], clean(document["address"] or "no known address")
    if healthy:
        out(f"\n{mark('ok')} {title} is responding at {address}")
    else:
        out(f"\n{mark('bad')} {title} is not responding at {address}")
        note(f"hint: See `pb service logs {service}`.")
    return code


def _say_absent(service: str, state: str, reason: str | None) -> None:
    title = TITLES[service]
    if state == "failed":
        out(f"{mark('warn')} {title} is not running, but left its PID file")
    elif state == "starting":
        out(f"{mark('warn')} {title} is just starting or stopping")
    elif state == "unknown":
        out(f"{mark('warn')} It is not clear whether {title} runs: {clean(reason or 'no reason')}")
    else:
        out(f"{mark('bad')} {title} is not running")
    if state in {"failed", "stopped"}:
        note(f"hint: Start it with `{facts.STARTERS[service]}`.")


def _say_present(document: dict[str, object]) -> None:
    from pb.core.durations import format_uptime

    up = document["uptime_seconds"]
    out(f"{mark('ok')} {TITLES[str(document['name'])]} process is running")
    fields(
        (
            ("PID", document["pid"]),
            ("Mode", document["mode"]),
            ("Address", document["address"]),
            ("Started", document["started_at"]),
            ("Uptime", format_uptime(up) if isinstance(up, int | float) else None),
            ("Log file", document["log_path"]),
        )
    )
