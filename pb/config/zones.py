"""Which time zone this machine is in, and zones by name.

Names only: offsets are never kept, since a zone's rules and the machine's zone both change.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pb.core.fields import load_zone
from pb.errors import InvalidError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

NOT_PLACES = ("right/", "posix/", "localtime", "posixrules", "Factory")
"""Files of a zone database that are copies of others, or no zones that a person would name."""


def zone(name: str) -> ZoneInfo:
    """The IANA zone called ``name``; ``local`` is the machine's.

    Raises InvalidError with the nearest names when there is no such zone.
    """
    return load_zone(local_zone_name() if name == "local" else name)


def local_zone_name(environ: Mapping[str, str] | None = None, *, etc: Path = Path("/etc")) -> str:
    """The IANA name of the local zone: what ``date`` and cron on this machine go by.

    ``TZ`` first, then where ``/etc/localtime`` points to, then ``/etc/timezone`` unless
    ``/etc/localtime`` has other rules (a copy of a zone's file has no name, and tools that change
    it forget the other), then the zone with the content of ``/etc/localtime``. Without any of
    them UTC, as in tzset(3). Raises InvalidError for a ``TZ`` that names no zone.
    """
    tz = (os.environ if environ is None else environ).get("TZ")
    if tz is not None:
        return named_by_tz(tz)
    localtime = etc / "localtime"
    if os.path.islink(localtime) and (name := name_in_path(os.path.realpath(localtime))):
        return name
    rules = bytes_of(localtime)
    name = written_name(etc / "timezone")
    if rules and name and rules in (bytes_of(path) for path in files_of(name)):
        return name
    return (name_by_rules(rules) if rules else None) or name or "UTC"


def named_by_tz(tz: str) -> str:
    """What ``TZ`` names: a zone, a path to one, or with nothing in it UTC (tzset(3))."""
    text = tz.removeprefix(":")
    if not text:
        return "UTC"
    name = (name_in_path(os.path.realpath(text)) or text) if text.startswith("/") else text
    try:
        return load_zone(name).key
    except InvalidError as error:
        raise InvalidError(f"TZ: {error.message}", hint=error.hint) from None


def name_in_path(path: str) -> str | None:
    """The zone whose file ``path`` is, judged by the part after ``zoneinfo/``."""
    name = path.rpartition("/zoneinfo/")[2] if "/zoneinfo/" in path else ""
    name = name.removeprefix("posix/")
    try:
        return load_zone(name).key
    except InvalidError:
        return None


def written_name(path: Path) -> str | None:
    """The zone that Debian's /etc/timezone names."""
    text = (bytes_of(path) or b"").decode("utf-8", "replace").strip()
    try:
        return load_zone(text).key
    except InvalidError:
        return None


def bytes_of(path: str | Path) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def files_of(name: str) -> list[str]:
    from zoneinfo import TZPATH

    return [os.path.join(root, name) for root in TZPATH]


def name_by_rules(rules: bytes) -> str | None:
    """A zone whose file has exactly these rules; of several the one that stands for the others."""
    from zoneinfo import available_timezones

    places = canonical_zones()
    zones = [name for name in available_timezones() if not name.startswith(NOT_PLACES)]
    for name in sorted(zones, key=lambda name: (name not in places, "/" not in name, name)):
        if any(bytes_of(path) == rules for path in files_of(name)):
            return name
    return None


def canonical_zones() -> set[str]:
    """The zones that the database itself keeps apart: the third column of its zone1970.tab."""
    tables = (bytes_of(path) for path in files_of("zone1970.tab"))
    lines = next((table for table in tables if table), b"").decode("utf-8", "replace").splitlines()
    return {line.split("\t")[2] for line in lines if line[:1] != "#" and line.count("\t") >= 2}
