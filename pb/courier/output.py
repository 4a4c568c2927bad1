"""The end of a run's or a service's output, for whoever is told of its failure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pb.core.notice import Occasion
from pb.core.notice_words import safe
from pb.process.stdio import last_lines

TELLING = frozenset({str(Occasion.FAILURE)})
"""Occasions whose output says something."""


def with_output(notice: Mapping[str, Any], count: int) -> dict[str, Any]:
    """The notice with its last ``count`` lines of output, made safe; a log may be gone."""
    path = notice.get("log_path")
    lines: list[str] = []
    if path and count and notice["occasion"] in TELLING:
        lines = [safe(line) for line in last_lines(Path(path), count)]
    return {**notice, "output": lines}
