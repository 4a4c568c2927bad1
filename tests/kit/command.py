"""The installed ``pb`` command in a home of its own, as a person at a prompt has it.

Nothing here looks inside pb: only the command, its files and the process table.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kit import eventually

SETTINGS = {
    "PB_GATEWAY__PORT": "0",
    "PB_GATEWAY__GRPC_PORT": "0",
    "PB_DEBUG__PORT": "0",
    "PB_SCHEDULER__SHUTDOWN_TIMEOUT": "1s",
    "PB_MAINTENANCE__ROLLUPS": "false",
    "PB_MAINTENANCE__COMPACTION": "false",
    "PB_MAINTENANCE__RETENTION": "false",
    "PB_MAINTENANCE__BACKUP": "false",
    "PB_MAINTENANCE__DIGESTS": "false",
}
"""Free ports, so that homes do not meet; no long wait for runs when a test is over; and nothing
that runs by itself at some hour of the night, when tests may be running."""


BY_HAND = ("--at", "2099-01-01T00:00:00Z")
"""The time of a job that a test runs itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How one call of the command ended. ``seconds`` is the wall time it took."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def text(self) -> str:
        return self.out + self.err


def command() -> list[str]:
    """The ``pb`` beside this interpreter, or the same entry point where pb is not installed."""
    beside = Path(sys.executable).with_name("pb")
    return [str(beside)] if beside.exists() else [sys.executable, "-c", ENTRY_POINT]


ENTRY_POINT = "import sys; from pb.cli.main import main; sys.exit(main())"


class Pb:
    """One home and the command that works on it; ``close`` ends whatever was started there."""

    def __init__(
        self, home: Path, environment: Mapping[str, str] | None = None, *, exactly: bool = False
    ) -> None:
        self.home = home
        if exactly:
            self.environment = dict(environment or {})
            return
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PB_", "PONY_"))}
        self.environment = {**kept, **SETTINGS, "PB_HOME": str(home), **(environment or {})}

    def unmeasured(self) -> Pb:
        """The same home, its processes without coverage: for tests of time and of full disks."""
        kept = {k: v for k, v in self.environment.items() if not k.startswith("COV")}
        return Pb(self.home, kept, exactly=True)

    def __call__(self, *words: str, timeout: float = 60, stdin: str | None = None) -> Ran:
        """Run ``pb WORDS`` with its output in pipes, and wait until both pipes are closed."""
        began = time.monotonic()
        ended = subprocess.run(
            [*command(), *words],
            env=self.environment, input=stdin or "", capture_output=True, text=True,
            errors="replace", timeout=timeout, check=False,
        )  # fmt: skip
        return Ran(
            code=ended.returncode,
            out=ended.stdout,
            err=ended.stderr,
            seconds=time.monotonic() - began,
        )

    def ok(self, *words: str, timeout: float = 60, stdin: str | None = None) -> Ran:
        """The same, for a command that must succeed."""
        ran = self(*words, timeout=timeout, stdin=stdin)
        assert ran.code == 0, f"pb {' '.join(words)} ended {ran.code}:\n{ran.text}"
        return ran

    def popen(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command(), *words],
            env=self.environment, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def record(self, service: str = "scheduler") -> dict[str, Any]:
        """What the service's PID file says."""
        found: dict[str, Any] = json.loads((self.home / f"{service}.pid").read_text())
        return found

    def pid(self, service: str = "scheduler") -> int:
        return int(self.record(service)["pid"])

    def history(self, job: str, n: int = 50) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ok("job", "history", job, "-n", str(n), "--json").json[
            "runs"
        ]
        return found

    def job(self, name: str) -> dict[str, Any]:
        jobs = self.ok("job", "list", "--json").json["jobs"]
        return next(dict(j) for j in jobs if j["name"] == name)

    def processes(self) -> dict[int, str]:
        """Every live process of this home: its environment or its arguments name it."""
        return {
            pid: line for pid, line in _table(str(self.home).encode()).items() if pid != os.getpid()
        }

    def daemons(self, room: str = "pb.daemon") -> list[int]:
        """The live processes that are this home's daemon, by what they were started as."""
        return [pid for pid, line in self.processes().items() if f"-m {room} " in f"{line} "]

    def close(self) -> None:
        """End everything of this home, first politely, and wait until it is gone."""
        if self.home.is_dir():
            for service in ("debug", "gateway", "scheduler"):
                if (self.home / f"{service}.pid").is_file():
                    self(service, "stop")
        eventually(self._all_killed, timeout=20)

    def _all_killed(self) -> bool:
        alive = self.processes()
        for pid in alive:
            kill(pid, signal.SIGKILL)
        return not alive


def kill(pid: int, signum: int) -> None:
    """Signal one process that this test started; gone already is fine."""
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return


def is_running(pid: int) -> bool:
    """Whether there is such a process and it is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def _table(needle: bytes) -> dict[int, str]:
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or not is_running(int(entry)):
            continue
        try:
            words = Path(f"/proc/{entry}/cmdline").read_bytes()
            environment = Path(f"/proc/{entry}/environ").read_bytes()
        except OSError:
            continue
        if b"PB_HOME=" + needle + b"\0" in environment or needle in words.split(b"\0"):
            found[int(entry)] = words.replace(b"\0", b" ").decode(errors="replace").strip()
    return found
