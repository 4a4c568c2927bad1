"""Services of a scheduler inside another program, of which nothing is used."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from pb import Scheduler
from tests.kit import eventually

SPEAKS = """
import os, socket, time
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
open("made", "w").close()
time.sleep(600)
"""


def definition(folder: Path) -> dict[str, Any]:
    return {
        "name": "web",
        "command": [sys.executable, "-c", SPEAKS],
        "cwd": str(folder),
        "ready": {"notify": True},
        "watch": {"paths": [str(folder)]},
    }


def stop(s: Scheduler) -> None:
    [gone] = s.call("service.stop", {"names": ["web"], "force": True})["services"]
    assert gone["ok"], gone


def test_a_service_starts_in_its_directory_and_the_program_stays_in_its_own(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*words: object) -> None:
        raise AssertionError("this belongs to the whole program")

    folder = tmp_path / "folder"
    folder.mkdir()
    with Scheduler() as s:
        monkeypatch.setattr(os, "chdir", refuse)
        monkeypatch.setattr(os, "umask", refuse)
        s.call("service.add", {"definition": definition(folder)})
        made = folder / "made"
        eventually(made.exists)

        assert made.stat().st_mode & 0o777 == 0o600
        stop(s)


def test_a_scheduler_that_ends_leaves_no_descriptor_behind(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def live() -> set[str]:
        """One life of a scheduler, its service left alive; what is open after it."""
        with Scheduler() as s:
            if not s.call("service.list")["services"]:
                s.call("service.add", {"definition": definition(folder)})
            eventually(lambda: s.call("service.list")["services"][0]["state"] == "running")
        return {os.readlink(f"/proc/self/fd/{fd}") for fd in descriptors() if is_open(fd)}

    try:
        live()
        before = len(descriptors())
        left = live()
        assert len(descriptors()) <= before, left
    finally:
        with Scheduler() as s:
            stop(s)


def descriptors() -> list[str]:
    return os.listdir("/proc/self/fd")


def is_open(fd: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{fd}")
