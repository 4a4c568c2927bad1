"""Retry as tables: which ends are tried again, and after how long."""

from __future__ import annotations

import pytest

from pb.core.model import Backoff, Retry, State
from pb.core.retry import delay, is_retried


@pytest.mark.parametrize(
    ("on", "state", "exit_code", "signal", "expected"),
    [
        ((), State.FAILED, 1, None, True),
        ((), State.FAILED, None, "SIGKILL", True),
        ((), State.TIMED_OUT, None, "SIGTERM", True),
        ((), State.SUCCEEDED, 0, None, False),
        ((), State.CANCELLED, None, "SIGTERM", False),
        ((), State.LOST, None, None, False),
        ((2, 3), State.FAILED, 3, None, True),
        ((2, 3), State.FAILED, 1, None, False),
        ((2,), State.TIMED_OUT, 2, None, False),
        (("timeout",), State.TIMED_OUT, None, "SIGTERM", True),
        (("timeout",), State.FAILED, 1, None, False),
        (("signal",), State.FAILED, None, "SIGSEGV", True),
        (("signal",), State.FAILED, 1, None, False),
        (("signal",), State.TIMED_OUT, None, "SIGTERM", False),
        (("KILL",), State.FAILED, None, "SIGKILL", True),
        (("KILL",), State.FAILED, None, "SIGTERM", False),
        (("pattern:try again",), State.FAILED, 1, None, True),
        (("pattern:hopeless",), State.FAILED, 1, None, False),
    ],
)
def test_the_reasons_decide(
    on: tuple[int | str, ...],
    state: State,
    exit_code: int | None,
    signal: str | None,
    expected: bool,
) -> None:
    answer = is_retried(
        Retry(max_attempts=2, on=on),
        attempt=1,
        state=state,
        exit_code=exit_code,
        signal=signal,
        said=lambda text: text in "please try again later",
    )
    assert answer is expected


def test_the_last_attempt_is_the_last() -> None:
    def again(attempt: int) -> bool:
        return is_retried(
            Retry(max_attempts=3),
            attempt=attempt,
            state=State.FAILED,
            exit_code=1,
            signal=None,
            said=lambda text: False,
        )

    assert [again(attempt) for attempt in (1, 2, 3, 4)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("backoff", "expected"),
    [
        (Backoff.FIXED, [10, 10, 10, 10, 10]),
        (Backoff.LINEAR, [10, 20, 30, 40, 50]),
        (Backoff.EXPONENTIAL, [10, 20, 40, 60, 60]),
    ],
)
def test_the_wait_grows_up_to_its_maximum(backoff: Backoff, expected: list[float]) -> None:
    retry = Retry(backoff=backoff, base=10, factor=2, max=60)
    assert [delay(retry, attempt, 0) for attempt in range(1, 6)] == expected


def test_jitter_only_takes_away_and_a_thousand_attempts_do_not_overflow() -> None:
    retry = Retry(base=10, factor=100, max=300, jitter=0.5)
    assert delay(retry, 1, 1.0) == 5
    assert delay(retry, 1000, 0.0) == 300
