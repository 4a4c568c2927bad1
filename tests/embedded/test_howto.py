"""The programs of docs/howto/embed.md, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "embed.md"
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
SAID = [
    "succeeded {'orders': 2}\nnightly-report idle 0\npoll idle 1\n",
    "succeeded 0 hello\nTrue\n['succeeded']\nA job named 'hello' exists already\n"
    "There is no job named 'helo' - Did you mean hello?\n",
    "['succeeded', 'failed']\n",
]


@pytest.mark.parametrize(("program", "said"), list(zip(PROGRAMS, SAID, strict=True)))
def test_the_programs_of_the_page_say_what_they_should(
    program: str, said: str, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "tasks.py").write_text(program)

    ran = subprocess.run(
        [sys.executable, "tasks.py"], cwd=tmp_path, env={**os.environ, "PB_HOME": str(home)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (ran.stdout, ran.stderr) == (said, "")
