"""A timer on the wall clock that wakes an event loop in time, and when the clock is set.

timerfd_create(2) with TFD_TIMER_CANCEL_ON_SET (Linux); elsewhere there is none and the caller
falls back on its own. Nothing here decides when to wake.
"""

from __future__ import annotations

import os
import sys
import time

_NONBLOCK, _CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
_ABSTIME, _CANCEL_ON_SET = 1, 2


class WallTimer:
    """One timer; ``fileno`` is readable at the moment that was set, or when the clock is set."""

    def __init__(self) -> None:
        """Raises OSError where the system has no such timer."""
        if sys.platform != "linux":
            raise OSError("timerfd is Linux's")
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        self._spec = (ctypes.c_long * 4)()
        self._settime = libc.timerfd_settime
        self._errno = ctypes.get_errno
        self._fd: int = libc.timerfd_create(time.CLOCK_REALTIME, _NONBLOCK | _CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")

    def fileno(self) -> int:
        return self._fd

    def set(self, at_ms: int) -> None:
        """Wake at ``at_ms`` (epoch milliseconds), at once when that has passed."""
        seconds, rest = divmod(max(1, at_ms), 1000)
        # struct itimerspec: the interval (none), then the value; all zeros would disarm it.
        self._spec[2], self._spec[3] = seconds, rest * 1_000_000
        if self._settime(self._fd, _ABSTIME | _CANCEL_ON_SET, self._spec, None) < 0:
            raise OSError(self._errno(), "timerfd_settime")

    def drain(self) -> None:
        """Take the wake-up; ECANCELED says that the clock was set (timerfd_create(2))."""
        try:
            os.read(self._fd, 8)
        except OSError:
            return

    def close(self) -> None:
        os.close(self._fd)
