"""A courier as the scheduler starts it, with settings of the test's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pb.api.certificate import Certificate, certificate_of
from pb.config.settings import GatewaySettings
from pb.paths import Home
from tests.courier.sending import Post


@pytest.fixture
def post(tmp_path: Path) -> Post:
    home = Home(tmp_path / "home")
    home.ensure()
    return Post(home)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For this machine, and signed by nobody else."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl")
    home = Home(tmp_path_factory.mktemp("tls"))
    made = certificate_of(home, GatewaySettings(tls=True))
    assert made is not None
    return made
