"""What tests share: waiting for the truth without sleeping blindly, builders and fakes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_never = threading.Event()


def eventually(check: Callable[[], T], timeout: float = 30.0, interval: float = 0.02) -> T:
    """Call ``check`` until it answers something truthy, and answer that.

    An exception counts as "not yet". Raises AssertionError after ``timeout`` seconds, naming the
    last answer or exception.
    """
    deadline = time.monotonic() + timeout
    while True:
        problem: BaseException | None = None
        answer: T | None = None
        try:
            answer = check()
        except Exception as error:
            problem = error
        if problem is None and answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(
                f"not within {timeout} s; last answer {answer!r}, last exception {problem!r}"
            ) from problem
        _never.wait(interval)
