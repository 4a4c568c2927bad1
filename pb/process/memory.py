"""Giving memory back to the system after a large piece of work."""

from __future__ import annotations

import sys


def give_back() -> bool:
    """Return free heap pages to the system (malloc_trim(3)); False where there is no such call.

    glibc keeps what a large answer needed for ever; a daemon that lives long should not.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim is not None and bool(trim(0))
