"""What the page tells of the machine and of pb itself: versions, paths, memory, disk."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from pb import __version__
from pb.config.settings import Settings, load_settings
from pb.paths import BUILTINS, Home
from pb.process.status import look

Json = dict[str, Any]

LITTLE = 100 * 2**20
"""Bytes free below which a disk is nearly full, as for ``pb doctor``."""


def system(home: Home) -> Json:
    """Everything on the page ``System``. Raises PbError for a configuration nobody can read."""
    settings = load_settings(home)
    return {
        "schema": 1,
        "versions": {
            "pb": __version__,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.release()} ({platform.machine()})",
        },
        "paths": paths(home, settings),
        "memory": {name: memory(home, name) for name in BUILTINS},
        "disk": disk(home.root),
    }


def paths(home: Home, settings: Settings) -> Mapping[str, str]:
    return {
        "home": str(home.root),
        "database": str(settings.db_path(home)),
        "socket": str(settings.socket_path(home)),
        "configuration": str(home.config),
        "job files": str(home.jobs_dir),
        "service files": str(home.services_dir),
        "scheduler log": str(home.log("scheduler")),
    }


def memory(home: Home, name: str) -> int | None:
    """Resident bytes of one of pb's own daemons; None when it does not run."""
    status = look(home, name)
    if status.state != "running" or status.record is None:
        return None
    try:
        return int(psutil.Process(status.record.pid).memory_info().rss)
    except psutil.Error:
        return None  # it ended between the two looks


def disk(place: Path) -> Json:
    """Bytes of the disk where the home is, and whether little is left."""
    facts = os.statvfs(place)
    free = facts.f_bavail * facts.f_frsize
    return {"free": free, "total": facts.f_blocks * facts.f_frsize, "is_low": free < LITTLE}


class FileProblems:
    """What is wrong in the definition files. A file is read again only once it has changed."""

    def __init__(self, home: Home) -> None:
        self._folders = (home.jobs_dir, home.services_dir)
        self._read: dict[Path, tuple[tuple[int, int], list[str]]] = {}

    def now(self) -> list[str]:
        read = {}
        for path in self._files():
            mark = mark_of(path)
            known = self._read.get(path)
            read[path] = known if known and known[0] == mark else (mark, problems_of(path))
        self._read = read
        return [problem for _, problems in read.values() for problem in problems]

    def _files(self) -> list[Path]:
        if not any(folder.is_dir() for folder in self._folders):
            return []  # what reads them is not light, and most homes have none
        from pb.config.folders import definition_files

        return [path for folder in self._folders for path in definition_files(folder)]


def mark_of(path: Path) -> tuple[int, int]:
    try:
        facts = path.stat()
    except OSError:
        return (0, 0)  # reading it says what is wrong
    return (facts.st_mtime_ns, facts.st_size)


def problems_of(path: Path) -> list[str]:
    from pb.config.files import read_definitions

    return [str(problem) for problem in read_definitions(path).problems]
