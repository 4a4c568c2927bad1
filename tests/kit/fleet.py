"""Many services of one home, driven through the scheduler's socket (or the store without one)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pb.api import session
from pb.paths import Home
from tests.kit import eventually
from tests.kit.command import Pb, is_running, kill

LONG = 120.0
"""Seconds that a call may take on a busy machine."""


class Fleet:
    """The services of ``pb``'s home. Every answer is what the methods answer, nothing added."""

    def __init__(self, pb: Pb) -> None:
        self.pb = pb

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        with session(Home(self.pb.home)) as asked:
            return asked.call(f"service.{method}", params, timeout=LONG)

    def apply(self, definitions: Iterable[Mapping[str, Any]]) -> None:
        """Add all of them at once; an enabled one is started by a running scheduler."""
        made = [dict(definition) for definition in definitions]
        self.call("apply", definitions=made, source="test")

    def start(self, *names: str, **how: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("start", names=list(names), **how)["services"]
        return found

    def stop(self, *names: str, **how: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("stop", names=list(names), **how)["services"]
        return found

    def views(self, *names: str) -> dict[str, dict[str, Any]]:
        """Each instance's view, by its name."""
        return {view["name"]: view for view in self.call("list", names=list(names))["services"]}

    def kill_scheduler(self) -> None:
        """SIGKILL, and wait until it is gone."""
        pid = self.pb.pid()
        kill(pid, signal.SIGKILL)
        eventually(lambda: not is_running(pid))

    def view(self, name: str) -> dict[str, Any]:
        return self.views(name)[name]

    def states(self) -> dict[str, str]:
        return {name: view["state"] for name, view in self.views().items()}

    def pids(self) -> dict[str, int | None]:
        return {name: view["pid"] for name, view in self.views().items()}

    def until(self, state: str, *names: str, timeout: float = 60.0) -> dict[str, dict[str, Any]]:
        """Wait until all (or some) are in a state; their views."""

        def there() -> dict[str, dict[str, Any]]:
            found = self.views(*names)
            return found if all(view["state"] == state for view in found.values()) else {}

        return eventually(there, timeout=timeout, interval=0.1)


def living(home: Path, needle: str = "PB_SERVICE=") -> dict[int, str]:
    """Every live process with a service's environment of that home: its PID and service."""
    found = {}
    wanted = f"PB_HOME={home}".encode()
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{entry}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        names = [word for word in words if word.startswith(needle.encode())]
        if wanted in words and names and is_running(int(entry)):
            found[int(entry)] = names[0].decode().partition("=")[2]
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has had, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
