"""Reading what an import found."""

from __future__ import annotations

from typing import Any

from pb.config.imports.found import Imported, Surroundings

AROUND = Surroundings(env={"PATH": "/usr/bin:/bin", "DATA": "/data"}, user="me")
ROOT = Surroundings(env={"PATH": "/usr/bin:/bin", "HOME": "/root"}, user="root", is_root=True)


def services(found: Imported) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in found.services}


def jobs(found: Imported) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in found.jobs}


def report(found: Imported) -> list[tuple[str, int | None, str]]:
    """What became of what: fate, line, key."""
    return [(remark.fate.value, remark.line, remark.key) for remark in found.remarks]


def said(found: Imported, key: str) -> str:
    """Everything that the report says of one key."""
    return " ".join(
        f"{remark.fate.value}: {remark.message} {remark.hint or ''}"
        for remark in found.remarks
        if remark.key == key
    )
