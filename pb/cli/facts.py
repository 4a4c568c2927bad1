"""What is true of the three built-in daemons: PID files and a ping, gathered into documents.

Nothing is printed or changed here, and nothing waits longer than the deadlines below: a stopped
daemon is reported, never waited for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pb.cli.asked import home, session
from pb.errors import PbError, StatusExit
from pb.paths import BUILTINS

if TYPE_CHECKING:
    import socket

    from pb.process.pidfile import PidRecord
    from pb.process.status import DaemonStatus

TITLES = {"scheduler": "Scheduler", "gateway": "Gateway", "debug": "Debug Server"}
STARTERS = {
    "scheduler": "pb scheduler start",
    "gateway": "pb gateway start",
    "debug": "pb debug web",
}

PING_TIME = 1.4
"""Seconds each daemon has to answer a ping; three in a row stay within 5."""

EMPTY: Mapping[str, bool] = MappingProxyType({})

STATES = {"running": "running", "dead": "failed", "stopped": "stopped", "unknown": "unknown"}
EXITS = {
    "running": StatusExit.RUNNING,
    "dead": StatusExit.DEAD_WITH_PID_FILE,
    "stopped": StatusExit.NOT_RUNNING,
    "unknown": StatusExit.UNKNOWN,
}


def state_of(status: DaemonStatus) -> str:
    """The state in the words of ``service status``; one that just starts or stops is "starting"."""
    return "starting" if status.is_settling else STATES[status.state]


def exit_of(status: DaemonStatus) -> StatusExit:
    return StatusExit.NOT_READY if status.is_settling else EXITS[status.state]


def look_at(service: str) -> DaemonStatus:
    from pb.process.status import look

    return look(home(), service)


def rfc3339(milliseconds: int | float | None) -> str | None:
    """Epoch milliseconds as RFC 3339, UTC, with milliseconds and a Z."""
    if milliseconds is None:
        return None
    seconds, rest = divmod(int(milliseconds), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:03d}Z"


def uptime(record: PidRecord) -> float | None:
    """Seconds since the daemon's process began, by the clock of the kernel's own start time."""
    identity = record.identity
    if identity is not None and hasattr(time, "CLOCK_BOOTTIME"):
        began = identity.start_ticks / os.sysconf("SC_CLK_TCK")
        return max(0.0, round(time.clock_gettime(time.CLOCK_BOOTTIME) - began, 3))
    if record.started_at_ms is None:
        return None
    return max(0.0, round(time.time() - record.started_at_ms / 1000, 3))


def service_facts(service: str, status: DaemonStatus, healthy: bool | None) -> dict[str, Any]:
    """One item of ``service status`` (SPEC section 2). ``healthy`` None: it was not asked."""
    record = status.record
    is_up = status.state == "running"
    return {
        "name": service,
        "builtin": True,
        "enabled": True,
        "desired": "stopped" if status.state == "stopped" else "running",
        "state": state_of(status),
        "health": None if healthy is None else "healthy" if healthy else "unhealthy",
        "pid": record.pid if record and is_up else None,
        "started_at": rfc3339(record.started_at_ms) if record and is_up else None,
        "uptime_seconds": uptime(record) if record and is_up else None,
        "restarts": 0,
        "address": record.address if record and is_up else None,
        "last_exit": None,
        "log_path": str(record.log_path if record and record.log_path else home().log(service)),
        "pid_file": str(home().pid_file(service)),
        "mode": record.mode if record and is_up else None,
        "reason": status.reason,
    }


def is_healthy(service: str, record: PidRecord | None) -> bool:
    """Whether the daemon answers: a ping on its socket, or ``/healthz`` on its port."""
    if service == "scheduler":
        return _scheduler_answers()
    address = _http_address(record)
    is_encrypted = record is not None and (record.address or "").startswith("https:")
    return address is not None and _http_answers(*address, is_encrypted=is_encrypted)


def _scheduler_answers() -> bool:
    try:
        with session(local_ok=False) as talk:
            return bool(talk.call("system.ping", timeout=PING_TIME).get("ok"))
    except PbError:
        return False  # Not a swallowed error: "it does not answer" is the answer.


def _http_address(record: PidRecord | None) -> tuple[str, int] | None:
    """Host and port out of an address such as ``http://127.0.0.1:18789``."""
    if record is None or not record.address:
        return None
    rest = record.address.partition("://")[2] or record.address
    host, _, port = rest.split("/", 1)[0].rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdigit() else None


def _http_answers(host: str, port: int, *, is_encrypted: bool = False) -> bool:
    import socket

    try:
        with (
            socket.create_connection((host, port), timeout=PING_TIME) as plain,
            _encrypted(plain) if is_encrypted else plain as connection,
        ):
            connection.sendall(f"GET /healthz HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
            first = connection.recv(64)
    except OSError:
        return False
    return first.startswith(b"HTTP/1.") and b" 200 " in first


def _encrypted(connection: socket.socket) -> socket.socket:
    """The connection, encrypted. Nothing secret is said over it, so anybody may be there."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection)


def services_facts(
    names: tuple[str, ...] = BUILTINS, known: Mapping[str, bool] = EMPTY
) -> list[dict[str, Any]]:
    """``service status``: each daemon looked at, and pinged where it runs.

    ``known``: whether those answer that somebody has talked to just now.
    """
    documents = []
    for name in names:
        status = look_at(name)
        healthy = None
        if status.state == "running":
            healthy = known[name] if name in known else is_healthy(name, status.record)
        documents.append(service_facts(name, status, healthy))
    return documents


def services_exit(services: list[dict[str, Any]]) -> StatusExit:
    """The worst of them: dead, then unknown, then not running, then not healthy."""
    states = {str(service["state"]) for service in services}
    for state, code in (
        ("failed", StatusExit.DEAD_WITH_PID_FILE),
        ("unknown", StatusExit.UNKNOWN),
        ("stopped", StatusExit.NOT_RUNNING),
    ):
        if state in states:
            return code
    unhealthy = any(service["health"] == "unhealthy" for service in services)
    is_ready = not unhealthy and "starting" not in states
    return StatusExit.RUNNING if is_ready else StatusExit.NOT_READY
