"""The daemons as processes of their own, started in the foreground as the CLI starts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kit import eventually

FREE = {
    "gateway": ("--port", "0", "--grpc-port", "0"),
    "debug": ("--port", "0"),
    "daemon": ("--mode", "foreground"),
}
"""The arguments of each when a test gives none."""

NAMES = {"daemon": "scheduler"}
"""The name in the home of the one whose package is called differently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a face told through its readiness pipe, and its process."""

    process: subprocess.Popen[str]
    said: dict[str, Any]
    home: Path
    service: str

    @property
    def pid_file(self) -> Path:
        return self.home / f"{NAMES.get(self.service, self.service)}.pid"

    @property
    def record(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.pid_file.read_text())
        return record

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(15)

    def end(self) -> str:
        """Wait for its own end; what it wrote to its standard error."""
        self.process.wait(15)
        assert self.process.stderr
        return self.process.stderr.read()


@contextmanager
def face(
    service: str, home: Path, *arguments: str, environ: dict[str, str] | None = None
) -> Iterator[Told]:
    """Start ``python -m pb.SERVICE`` in the foreground and read what it tells when it is ready."""
    home.mkdir(mode=0o700, exist_ok=True)
    read, write = os.pipe()
    command = [sys.executable, "-m", f"pb.{service}", "--home", str(home), "--ready-fd", str(write)]
    process = subprocess.Popen(
        [*command, *(arguments or FREE[service])],
        pass_fds=(write,),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environ or {})},
    )
    os.close(write)
    with process, open(read, encoding="utf-8") as pipe:
        try:
            yield Told(
                process=process, said=json.loads(pipe.readline()), home=home, service=service
            )
        finally:
            if process.poll() is None:
                process.terminate()
            eventually(lambda: process.poll() is not None)
