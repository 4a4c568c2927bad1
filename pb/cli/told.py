"""Who is told of what, in words, for the screens of jobs and services."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def told_words(told: Json) -> str:
    """``ops of failure, recovery``, and who says so where that is not the definition."""
    origin = "" if told["origin"] == "definition" else " (as the settings say)"
    if not told["to"]:
        return f"nobody{origin}"
    more = [f"{key} {told[key]}" for key in ("cooldown", "repeat") if told[key] not in (None, "0s")]
    words = f"{', '.join(told['to'])} of {', '.join([*told['on'], *more])}"
    missing = f"; there is no channel {', '.join(told['unknown'])}" if told["unknown"] else ""
    return f"{words}{origin}{missing}"
