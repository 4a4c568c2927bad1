"""Becoming the one that orphaned descendants are given to (Linux, prctl(2) since 3.4).

Nothing else of prctl lives here; who reaps what it was given is the guardian's affair.
"""

from __future__ import annotations

import os
import sys

from pb.errors import PbError

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37


def become_subreaper() -> bool:
    """Have every orphaned descendant become our child; False where the system has no such thing.

    Call it after the last fork: a child does not inherit the attribute. Raises PbError.
    """
    if not sys.platform.startswith("linux"):
        return False
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    return True


def is_subreaper() -> bool:
    """Whether orphaned descendants of this process become its children."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    answer = ctypes.c_int(0)
    _prctl(_PR_GET_CHILD_SUBREAPER, ctypes.addressof(answer))
    return answer.value == 1


def _prctl(option: int, argument: int) -> None:
    import ctypes  # late: only the guardian pays for it

    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    if libc.prctl(ctypes.c_int(option), ctypes.c_ulong(argument), zero, zero, zero) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise PbError(f"Cannot become the parent of orphaned processes: {reason.lower()}")
