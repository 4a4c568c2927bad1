"""A home of its own for each test, and a module of jobs to import."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

MODULE = '''
"""Jobs of a shop."""
from pb import job

@job(every="1h", args=[2], kwargs={"factor": 21}, timeout="30s")
def multiply(number, factor):
    """Multiply two numbers.

    More words that nobody needs in a list.
    """
    return number * factor

@job("cron: 30 2 * * *", name="nightly")
async def at_night():
    return "slept"

def undeclared():
    return 1
'''


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PB_SCHEDULER__SHUTDOWN_TIMEOUT", "1s")
    monkeypatch.setenv("PB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module that only this program's own path leads to."""
    folder = tmp_path / "code"
    folder.mkdir()
    name = f"shop_{abs(hash(tmp_path))}"
    (folder / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(folder))
    yield __import__(name)
    del sys.modules[name]
