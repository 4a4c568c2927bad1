from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway.house import House, house


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One house for a module's tests, each of which uses names of its own."""
    with house(tmp_path_factory.mktemp("house") / "home") as whole:
        yield whole
