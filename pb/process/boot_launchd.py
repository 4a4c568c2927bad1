"""Booting with launchd: an agent of the user's, which starts with a login (launchd.plist(5))."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from shutil import which

from pb.process.boot import AtBoot, BootState, as_installed, ask, remove_file, text_of, write_file


class Launchd:
    """``~/Library/LaunchAgents/pb.boot.plist``."""

    name = "launchd"

    def state(self, wanted: AtBoot) -> BootState:
        path = agent_path(wanted)
        text = text_of(path)
        is_here = sys.platform == "darwin" and which("launchctl") is not None
        return BootState(
            way=self.name,
            place=str(path),
            why_not=None if is_here else "this is not macOS",
            is_enabled=text is not None,
            is_current=text == self.text(as_installed(wanted, text, path_of(text))),
            path=path_of(text),
        )

    def text(self, wanted: AtBoot) -> str:
        """The agent. Without AbandonProcessGroup launchd would kill what it started; PATH is
        said, because launchd's own has nothing but the system's directories."""
        import plistlib

        table = {
            "Label": label(wanted),
            "ProgramArguments": list(wanted.argv),
            "RunAtLoad": True,
            "AbandonProcessGroup": True,
            "EnvironmentVariables": {"PATH": wanted.path},
            "WorkingDirectory": "/",
            "StandardInPath": "/dev/null",
            "ProcessType": "Background",
        }
        return plistlib.dumps(table, sort_keys=False).decode()

    def enable(self, wanted: AtBoot) -> list[str]:
        """Writing is all: launchd loads the agents of a user at login."""
        path = agent_path(wanted)
        return [f"wrote {path}"] if write_file(path, self.text(wanted)) else []

    def disable(self, wanted: AtBoot) -> list[str]:
        path = agent_path(wanted)
        if not remove_file(path):
            return []
        if which("launchctl"):
            ask("launchctl", "bootout", f"gui/{os.geteuid()}/{label(wanted)}")
        return [f"removed {path}"]


def path_of(text: str | None) -> str | None:
    import plistlib

    try:
        found = plistlib.loads((text or "").encode())["EnvironmentVariables"]["PATH"]
    except (ValueError, LookupError, TypeError, plistlib.InvalidFileException):
        return None  # No agent, or one that somebody else has written.
    return str(found)


def label(wanted: AtBoot) -> str:
    return f"{wanted.label}.boot"


def agent_path(wanted: AtBoot) -> Path:
    return wanted.user_home / "Library" / "LaunchAgents" / f"{label(wanted)}.plist"
