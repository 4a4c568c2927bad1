"""The blocking client is made from the one for asyncio: `python -m tests.client.generate`.

Only words are replaced, then ruff puts lines and imports in order; a test compares.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).resolve().parents[2] / "pb" / "client"
SOURCE, MADE = CLIENT / "aio", CLIENT / "blocking"

WORDS = (
    (r"async (def|with|for) ", r"\1 "),
    (r"await ", ""),
    (r"__a(enter|exit)__", r"__\1__"),
    (r"\ba(read|iter_stream|close)\b", r"\1"),
    (r"Async(Iterator|Client|ConnectionPool)", r"\1"),
    (r"asynccontextmanager", "contextmanager"),
    (r"import asyncio", "import time"),
    (r"asyncio\.sleep", "time.sleep"),
    (r"pb\.client\.aio", "pb.client.blocking"),
    (r"``async with``", "``with``"),
)


def sources() -> list[Path]:
    return sorted(path for path in SOURCE.glob("*.py") if path.name != "__init__.py")


def made_from(path: Path) -> str:
    """The module of the same name in ``blocking``."""
    text = path.read_text()
    for pattern, word in WORDS:
        text = re.sub(pattern, word, text)
    place = str(MADE / path.name)
    for words in (("check", "--select", "I", "--fix", "--quiet"), ("format", "--quiet")):
        command = [sys.executable, "-m", "ruff", *words, "--stdin-filename", place, "-"]
        text = subprocess.run(
            command, input=text, capture_output=True, text=True, check=True
        ).stdout
    return text


if __name__ == "__main__":
    for path in sources():
        (MADE / path.name).write_text(made_from(path))
        print(path.name)
