"""``pb debug tui``: this process becomes the terminal UI.

No typer here, so that the first picture is there at once.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from pb.cli.asked import asked, home
from pb.cli.render import flush
from pb.errors import UsageError


def become() -> NoReturn:
    """Replace this process, so that the terminal has nobody else to obey."""
    if asked.as_json:
        raise UsageError(
            "The terminal UI prints no JSON", hint="For programs: pb top --once --json"
        )
    flush()
    if asked.debug:
        os.environ["PB_DEBUG"] = "1"
    command = [sys.executable, "-m", "pb.debug.terminal", "--home", str(home().root)]
    os.execv(command[0], command)  # noqa: S606 - that no shell is involved is the point
