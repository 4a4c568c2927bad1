from __future__ import annotations

from collections.abc import Iterator

import pytest

from pb.client import Client
from tests.gateway.house import House, house
from tests.gateway.serving import TOKEN


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One house for a module's tests, each of which uses names of its own."""
    with house(tmp_path_factory.mktemp("house") / "home") as whole:
        yield whole


@pytest.fixture
def client(shared: House) -> Iterator[Client]:
    """An admin's."""
    with Client(shared.gateway.url, TOKEN) as made:
        yield made
