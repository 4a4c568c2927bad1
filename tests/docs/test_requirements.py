"""docs/requirements.md names a test, or a page, for each line that was asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PAGE = (TOP / "docs" / "requirements.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/.]+?\.py)(?:::(\w+))?`", PAGE)))
LINES = {
    *(f"F{number}" for number in range(1, 11)),
    *(f"T{number}" for number in range(1, 9)),
    *(f"X{number}" for number in range(1, 9)),
    *(f"P{number}" for number in range(1, 5)),
    *(f"S{number}" for number in range(1, 16)),
    *(f"D{number}" for number in range(1, 7)),
    "J1",
}


def test_no_line_is_left_out() -> None:
    found = re.findall(r"^\| ([A-Z]\d+(?:, [A-Z]\d+)*) \|", PAGE, re.MULTILINE)

    assert sorted(one for line in found for one in line.split(", ")) == sorted(LINES)


def test_each_line_shows_something() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| [A-Z]\d", line)]
    shown = [r for r in rows if re.search(r"`(tests|python|\.ci)|\.md\)|[A-Z]\d", r[6:])]

    assert rows == shown


@pytest.mark.parametrize(("path", "name"), NAMED, ids=lambda word: word or "whole")
def test_what_is_named_exists(path: str, name: str) -> None:
    text = (TOP / path).read_text()

    assert not name or re.search(rf"^(async )?def {name}\(", text, re.MULTILINE)
