"""How long nobody has typed anything, as far as terminals tell.

A terminal's file is read when somebody types into it, and its access time says so (to about eight
seconds, as w(1) shows it). What happens in a graphical session is not seen here, so where this user
has one that is active, nobody can tell.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pb.process.machine import text_of

DEV = Path("/dev")
SESSIONS = Path("/run/systemd/sessions")

GRAPHICAL = ("x11", "wayland", "mir")


def idle_seconds(
    now: float, *, uid: int | None = None, dev: Path = DEV, sessions: Path = SESSIONS
) -> float | None:
    """Seconds since this user has typed into any terminal; None where nobody can tell."""
    me = os.getuid() if uid is None else uid
    if has_graphical_session(me, sessions):
        return None
    used = [at for path in terminals(dev) if (at := last_used(path, me)) is not None]
    return max(0.0, now - max(used)) if used else None


def terminals(dev: Path) -> list[Path]:
    return [*dev.glob("pts/[0-9]*"), *dev.glob("tty[0-9]*")]


def last_used(path: Path, uid: int) -> float | None:
    """When a terminal of that user was read last."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    is_own = stat.S_ISCHR(facts.st_mode) and facts.st_uid == uid
    return facts.st_atime if is_own else None


def has_graphical_session(uid: int, sessions: Path) -> bool:
    """As systemd-logind keeps it: a file of NAME=value lines for each session."""
    for path in sessions.glob("*"):
        lines = dict(line.partition("=")[::2] for line in text_of(path).splitlines())
        is_here = lines.get("UID") == str(uid) and lines.get("ACTIVE") == "1"
        if is_here and lines.get("TYPE") in GRAPHICAL:
            return True
    return False
