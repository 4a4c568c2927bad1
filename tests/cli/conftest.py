"""A home of its own and the real command for every test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.cli import Cli


@pytest.fixture
def pb(tmp_path: Path) -> Cli:
    """The command, with nothing running."""
    work = tmp_path / "work"
    work.mkdir()
    return Cli(home=tmp_path / "home", cwd=work)
