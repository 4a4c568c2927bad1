"""The peers: supervisor in a throw-away virtual environment, pm2 where it is on PATH."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.measure import output, timed, until

SUPERVISOR = """\
[supervisord]
logfile={home}/supervisord.log
pidfile={home}/supervisord.pid
[unix_http_server]
file={home}/supervisor.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{home}/supervisor.sock
[program:one]
command=/bin/sleep 100000
"""


@dataclass(kw_only=True)
class Supervisor:
    """supervisord with one program, default settings."""

    home: Path
    name: str = "supervisor"
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def prepare(self) -> str | None:
        """Install it; a word why not, when that fails."""
        venv = self.home / "venv"
        for words in (
            [sys.executable, "-m", "venv", str(venv)],
            [str(venv / "bin/pip"), "install", "-q", "supervisor", "setuptools<81"],
        ):
            ended = subprocess.run(words, capture_output=True, text=True, check=False)
            if ended.returncode:
                return "it could not be installed"
        (self.home / "conf").write_text(SUPERVISOR.format(home=self.home))
        return None

    def words(self, program: str, *more: str) -> list[str]:
        return [str(self.home / "venv/bin" / program), "-c", str(self.home / "conf"), *more]

    @property
    def status(self) -> list[str]:
        return self.words("supervisorctl", "status")

    def start(self) -> tuple[float, float]:
        """Milliseconds until the start command returns, and until status says running."""
        returned = timed(self.words("supervisord"), self.environment)
        running = until(lambda: "RUNNING" in output(self.status, self.environment))
        return returned, returned + running

    def pid(self) -> int:
        return int((self.home / "supervisord.pid").read_text())

    def stop(self) -> None:
        pid = self.pid()
        timed(self.words("supervisorctl", "shutdown"), self.environment)
        until(lambda: not Path(f"/proc/{pid}").exists())

    def close(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self.stop()


@dataclass(kw_only=True)
class Pm2:
    """pm2 with one program, default settings."""

    home: Path
    name: str = "pm2"
    environment: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> str | None:
        if not shutil.which("pm2"):
            return "it is not on PATH"
        self.environment = {**os.environ, "PM2_HOME": str(self.home)}
        return None

    @property
    def status(self) -> list[str]:
        return ["pm2", "list"]

    def start(self) -> tuple[float, float]:
        words = [
            "pm2",
            "start",
            "/bin/sleep",
            "--name",
            "one",
            "--interpreter",
            "none",
            "--",
            "100000",
        ]
        returned = timed(words, self.environment)
        return returned, returned + until(lambda: "online" in output(self.status, self.environment))

    def pid(self) -> int:
        return int((self.home / "pm2.pid").read_text())

    def stop(self) -> None:
        timed(["pm2", "kill"], self.environment)

    def tick(self, log: Path) -> None:
        """A job each second that prints the time."""
        words = ["pm2", "start", "/bin/date", "--name", "tick", "--interpreter", "none"]
        cron = ["--cron-restart", "* * * * * *", "--no-autorestart", "-o", str(log)]
        timed([*words, *cron, "--", "+%s.%N"], self.environment)

    def close(self) -> None:
        if self.environment and (self.home / "pm2.pid").exists():
            with contextlib.suppress(OSError, RuntimeError):
                self.stop()


Peer = Supervisor | Pm2


def available(home: Path) -> tuple[list[Peer], list[str]]:
    """The peers that are here, and a word for each that is not."""
    ready: list[Peer] = []
    skipped = []
    for peer in (Supervisor(home=home / "supervisor"), Pm2(home=home / "pm2")):
        peer.home.mkdir()
        problem = peer.prepare()
        if problem:
            skipped.append(f"{peer.name} is skipped: {problem}")
        else:
            ready.append(peer)
    return ready, skipped
