"""Where the published JSON Schemas lie in the package; making them is ``schema``'s work."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "schemas" / "scheduler"
KINDS = ("job", "service")


def place(kind: str) -> Path:
    """The file of the schema of a ``job`` (and of a whole definition file) or a ``service``."""
    return FOLDER / f"{kind}.json"


def published(kind: str = "job") -> str:
    """The schema's text as it comes with the package."""
    return place(kind).read_text(encoding="utf-8")
