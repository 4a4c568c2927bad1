"""The real command, run as a user runs it: in a process of its own, with a home of its own."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass, field
from fcntl import ioctl
from pathlib import Path
from typing import Any

import pb
from tests.kit.command import SETTINGS

OURS = ("PB_", "PONY_", "_PB_", "DEBUG_SERVER_PORT", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "TZ")

ANY_PORT = {name: value for name, value in SETTINGS.items() if "SHUTDOWN" not in name}


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of one command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def all(self) -> str:
        return self.out + self.err


@dataclass(slots=True)
class Cli:
    """``pb`` with one home. Call it with the words of a command line."""

    home: Path
    cwd: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def argv(self) -> list[str]:
        return [sys.executable, "-P", "-m", "pb"]

    def environ(self, extra: dict[str, str] | None = None) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
        here = {"PB_HOME": str(self.home), "TERM": "xterm-256color", "TZ": "UTC"}
        here["PYTHONPATH"] = str(Path(pb.__file__).parents[1])
        return {**kept, **here, **ANY_PORT, **self.env, **(extra or {})}

    def __call__(
        self,
        *words: str,
        stdin: str = "",
        env: dict[str, str] | None = None,
        timeout: float = 60.0,
    ) -> Ran:
        done = subprocess.run(
            [*self.argv, *words],
            input=stdin.encode(),
            capture_output=True,
            env=self.environ(env),
            cwd=self.cwd,
            timeout=timeout,
            check=False,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """The command, running; the caller ends it."""
        return subprocess.Popen(
            [*self.argv, *words],
            env=self.environ(),
            cwd=self.cwd,
            start_new_session=True,
            **options,
        )

    def on_terminal(
        self,
        *words: str,
        columns: int = 80,
        rows: int = 24,
        env: dict[str, str] | None = None,
        typed: str = "",
    ) -> Ran:
        """The command with a pseudo-terminal for stdin, stdout and stderr."""
        main, side = pty.openpty()
        ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        process = subprocess.Popen(
            [*self.argv, *words],
            stdin=side,
            stdout=side,
            stderr=side,
            env=self.environ(env),
            cwd=self.cwd,
            start_new_session=True,
        )
        os.close(side)
        os.write(main, typed.encode())
        try:
            seen = _everything(main, 60.0)
            return Ran(process.wait(10), seen.decode().replace("\r\n", "\n"), "")
        finally:
            os.close(main)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait(10)

    def pid(self, service: str = "scheduler") -> int:
        """The PID that the service's PID file names."""
        return int(json.loads((self.home / f"{service}.pid").read_text())["pid"])

    def end_everything(self) -> None:
        """Stop what this home runs, by the PIDs in its own files."""
        ended = self("service", "stop", "all", "--force", "--timeout", "10s")
        assert ended.code == 0, ended


def _everything(fd: int, timeout: float) -> bytes:
    """All that is written to a terminal until its last writer closes it (EIO, pty(7))."""
    seen, deadline = b"", time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
            break
        try:
            part = os.read(fd, 65536)
        except OSError:
            return seen
        if not part:
            return seen
        seen += part
    raise AssertionError(f"the command did not end; it wrote {seen!r}")
