"""The pages about services are true: every key is there, and what they show can be read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from pb.config.files import parse_definitions
from pb.core.service_definition import FIELDS, service_from
from pb.core.service_policies import TABLES
from tests.docs.generate import DOCS

REFERENCE = (DOCS / "reference" / "services.md").read_text()
HOWTO = (DOCS / "howto" / "keep-a-program-running.md").read_text()
KEYS = sorted({*FIELDS, *(key for table in TABLES.values() for key in table)})
BLOCKS = re.findall(r"^```(toml|json)\n(.*?)^```", REFERENCE + HOWTO, re.M | re.S)
FILES = [(kind, text) for kind, text in BLOCKS if "service" in text]
LINES = re.findall(r"^((?:ready|restart|stop|reload) = .*)$", HOWTO, re.M)
SHORT = re.findall(r"`((?:ready|health|restart|stop|reload) = [^`…]*)`", REFERENCE)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_documented(key: str) -> None:
    assert re.search(rf"^\| `{key}` \|", REFERENCE, re.M)


@pytest.mark.parametrize("table", [name for name in TABLES if name != "depends_on"])
def test_every_table_has_its_keys_under_its_own_heading(table: str) -> None:
    section = re.split(rf"^## `{table}`", REFERENCE, flags=re.M)[1].split("\n## ")[0]

    assert [key for key in TABLES[table] if f"| `{key}` |" not in section] == []


@pytest.mark.parametrize(("kind", "text"), FILES)
def test_the_files_that_are_shown_define_what_they_say(kind: str, text: str) -> None:
    found = parse_definitions(text, Path("/somewhere") / f"pb.{kind}")

    assert found.problems == ()
    assert found.services


@pytest.mark.parametrize("line", [*LINES, *SHORT])
def test_the_lines_that_are_shown_can_be_read(line: str) -> None:
    service_from({"name": "s", "command": "x", **tomllib.loads(line)})


def test_there_is_something_to_look_at() -> None:
    assert len(FILES) >= 6
    assert len(LINES) >= 8
    assert len(SHORT) >= 3
