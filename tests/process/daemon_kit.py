"""What the tests of lifecycle and daemons share: a home that is cleaned up, and a launcher."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pb.paths import Home
from pb.process.daemons import stop
from pb.process.identity import Identity, identify, send_signal, wait_gone

ROOT = Path(__file__).parents[2]
TINY = "tests.process.tiny_daemon"
GUARDIAN = "tests.process.tiny_guardian"

LAUNCHER = """
import json, os, sys
from pathlib import Path
from pb.errors import PbError
from pb.paths import Home
from pb.process.daemons import launch
home, out, *arguments = sys.argv[1:]
try:
    record = launch(Home(Path(home)), "scheduler", arguments, wait=60.0,
                    mode=os.environ.get("LAUNCH_MODE", "background"),
                    module="tests.process.tiny_daemon")
    answer = {"won": record.pid}
except PbError as error:
    answer = {"lost": getattr(error, "pid", None), "message": error.message, "code": error.code}
if out == "-":
    print(json.dumps(answer))
else:
    Path(out).write_text(json.dumps(answer))
"""


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def launcher(home: Home, out: str | Path, *arguments: str) -> list[str]:
    return [sys.executable, "-c", LAUNCHER, str(home.root), str(out), *arguments]


def run_launcher(home: Home, *arguments: str, **options: object) -> dict[str, object]:
    out = home.root.parent / "answer.json"
    options.setdefault("env", environment())
    subprocess.run(launcher(home, out, *arguments), check=True, timeout=90, **options)
    return json.loads(out.read_text())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home of this test's own; whatever daemon it still has at the end is killed."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made = Home(tmp_path / "home")
    made.ensure()
    yield made
    stop(made, "scheduler", force=True, timeout=10)
    for identity in tiny_processes(made):  # a test that failed halfway may have hidden one
        send_signal(identity, signal.SIGKILL)
        wait_gone(identity, 10)


def tiny_processes(home: Home) -> list[Identity]:
    """Every live tiny daemon and guardian of that home, found by its command line."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    found = [identify(pid) for pid in pids if runs_tiny(pid, home)]
    return [identity for identity in found if identity is not None]


def runs_tiny(pid: int, home: Home) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(home.root) in words and not {TINY.encode(), GUARDIAN.encode()}.isdisjoint(
        words
    )


def state_of(pid: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/status").read_text()
    return {key: value.strip() for key, _, value in (x.partition(":") for x in text.splitlines())}
