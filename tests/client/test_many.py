"""Ten thousand jobs: in pages, and in one answer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from pb.api import session
from pb.client import Client
from tests.gateway.house import House
from tests.gateway.serving import TOKEN
from tests.kit import eventually
from tests.kit.cli import Cli


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_ten_thousand_jobs_come_in_pages(client: Client, shared: House, tmp_path: Path) -> None:
    names = [f"many-{number:05}" for number in range(10_000)]
    for begin in range(0, len(names), 1_000):
        definitions = [
            {"name": name, "command": ["true"], "tags": ["many"]}
            for name in names[begin : begin + 1_000]
        ]
        with session(shared.home, local_ok=False) as talk:
            talk.call("job.import", {"definitions": definitions}, timeout=120)
    pb = Cli(home=tmp_path / "here", cwd=tmp_path, env={"PB_TOKEN": TOKEN})
    words = ("job", "list", "--json", "--url", shared.gateway.url)

    # On a busy machine the gateway may give an answer up, and say so.
    eventually(lambda: listed(client.jobs.list(tag="many")) == names, timeout=60)
    page = client.jobs.page(n=3, after=names[7], tag="many")["jobs"]
    assert listed(page) == names[8:11]
    eventually(lambda: listed(client.call("job.list", timeout=60)["jobs"]) == names, timeout=60)
    eventually(lambda: listed(pb(*words).json["jobs"]) == names, timeout=60)


def listed(jobs: Iterable[Any]) -> list[str]:
    return [job["name"] for job in jobs]
