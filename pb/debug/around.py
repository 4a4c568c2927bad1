"""What the dashboard and the terminal UI see for themselves: pb's own daemons, logs, the disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pb.debug.system import FileProblems, disk
from pb.paths import BUILTINS, Home

if TYPE_CHECKING:
    from pb.api import Session

Json = dict[str, Any]


def machine_of(home: Home) -> Callable[[], Json]:
    """Each call looks at the disk, and at the definition files that have changed since the last."""
    problems = FileProblems(home)

    def machine() -> Json:
        return {"home": str(home.root), "disk": disk(home.root), "file_problems": problems.now()}

    return machine


def leaders(connect: Callable[[], Session], home: Home) -> dict[str, int]:
    """The leader's pid of everything that lives: pb's own daemons and the services."""
    own = {one["name"]: one["pid"] for one in services(home) if one["pid"]}
    with connect() as talk:
        found = talk.call("service.list")["services"]
    return own | {one["name"]: one["pid"] for one in found if one["pid"]}


def log_of(connect: Callable[[], Session], home: Home, name: str) -> Path:
    """The log of a daemon or an instance of a service. Raises NotFoundError."""
    if name in BUILTINS:
        return home.log(name)
    with connect() as talk:
        return Path(talk.call("service.list", {"names": [name]})["services"][0]["log_path"])


def services(home: Home) -> list[dict[str, Any]]:
    """The built-in daemons as their PID files and the kernel tell it, in starting order."""
    return [service(home, name) for name in BUILTINS]


def service(home: Home, name: str) -> dict[str, Any]:
    from pb.api.views import rfc3339
    from pb.process.daemons import look

    status = look(home, name)
    record = status.record if status.state == "running" else None
    started = record.started_at_ms if record else None
    return {
        "name": name,
        "state": status.state,
        "reason": status.reason,
        "pid": record and record.pid,
        "mode": record and record.mode,
        "address": record and record.address,
        "started_at": rfc3339(started),
        "uptime_seconds": started and max(0.0, time.time() - started / 1000),
    }
