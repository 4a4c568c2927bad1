from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.scheduler import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Make worlds; all of them are closed at the end."""
    made: list[World] = []

    def make(**options: Any) -> World:
        made.append(World(tmp_path / "home", **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
