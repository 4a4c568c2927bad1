from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pb.api.client import Client
from pb.paths import Home
from tests.kit import eventually


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Home]:
    """A real scheduler in the foreground, in a home of its own."""
    home = Home(tmp_path / "home")
    home.ensure()
    log = open(tmp_path / "out", "wb")  # noqa: SIM115 - the child's
    process = subprocess.Popen(
        [sys.executable, "-m", "pb.daemon", "--home", str(home.root), "--mode", "foreground"],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    log.close()
    try:
        eventually(lambda: Client(home.socket).__enter__().close() is None, timeout=30)
        yield home
    finally:
        process.terminate()
        process.wait(20)
