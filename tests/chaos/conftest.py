"""A home for each test here, and nothing left alive behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.command import Pb


@pytest.fixture
def pb(tmp_path: Path) -> Iterator[Pb]:
    made = Pb(tmp_path / "home")
    yield made
    made.close()
