"""Numbers as one line of characters, higher for more. Pure.

Nothing at all is a dot, so that little can be told from nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

RICH, PLAIN = "▁▂▃▄▅▆▇█", "_-=+*%#@"
NONE = {RICH: "·", PLAIN: "."}


def sparkline(values: Sequence[float], steps: str = RICH) -> str:
    """A character for each value, against the largest; ``PLAIN`` is for streams without UTF-8."""
    top = max(values, default=0)
    return "".join(
        steps[min(len(steps) - 1, int(value / top * len(steps)))] if value > 0 else NONE[steps]
        for value in values
    )
