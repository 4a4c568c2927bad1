"""docs/howto/client.md says what its Python really prints, and names everything that there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pb.client import Client
from tests.client.stand import Stand
from tests.docs.generate import DOCS
from tests.gateway.serving import TOKEN

PAGE = DOCS / "howto" / "client.md"
PART = re.compile(r"(<!-- not run -->\n)?```(python|text)\n(.*?)```\n", re.DOTALL)


def parts(kind: str) -> str:
    found = PART.findall(PAGE.read_text())
    return "\n".join(text for unused, word, text in found if word == kind and not unused)


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with ExitStack() as stack:
        yield Stand(tmp_path / "home", stack)


def test_the_python_prints_what_is_written(stand: Stand, tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text(parts("python"))

    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PB_HOME": str(stand.home.root)},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )

    assert done.stdout.split() == parts("text").split(), done.stderr


def test_every_method_is_named() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE.read_text().partition("## What there is")[2]))
    with Client("http://127.0.0.1:1", TOKEN) as client:
        owners = (client, client.jobs, client.runs, client.services, client.tokens, client.backups)
        owners += (client.notices,)
        known = {name for one in owners for name in dir(one) if not name.startswith("_")}

    groups = {
        "jobs",
        "runs",
        "services",
        "tokens",
        "backups",
        "notices",
        "url",
        "call",
        "close",
        "from_environment",
    }
    assert known - named == groups - named
