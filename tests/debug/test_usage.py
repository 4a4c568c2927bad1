"""What services use: sampled of whole trees, while somebody looks and no longer."""

from __future__ import annotations

import os
import subprocess
import sys

from pb.debug.usage import Usage
from pb.errors import NeedsDaemonError
from tests.kit import eventually

BUSY = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"


def test_a_tree_counts_as_a_whole() -> None:
    with subprocess.Popen([sys.executable, "-c", BUSY], start_new_session=True) as busy:
        usage = Usage(lambda: {"busy": busy.pid, "me": os.getpid()}, every=0.05, patience=60)
        try:
            found = eventually(
                lambda: [one for one in usage.curves().get("busy", []) if one["cpu_percent"]]
            )
        finally:
            os.killpg(busy.pid, 9)
            usage.forget()

    assert found[-1]["rss_bytes"] > 1_000_000
    assert usage.curves()["me"][-1]["rss_bytes"] > 1_000_000
    usage.forget()


def test_nobody_looks_so_nothing_is_sampled() -> None:
    asked: list[int] = []

    def leaders() -> dict[str, int]:
        asked.append(1)
        return {"me": os.getpid(), "gone": 2**22 + 1}

    usage = Usage(leaders, every=0.01, patience=0.2)
    assert not usage.is_sampling
    assert usage.curves() == {}
    eventually(lambda: asked)

    eventually(lambda: not usage.is_sampling)

    known = usage.curves()
    assert known["gone"][-1]["rss_bytes"] == 0
    assert known["me"][0]["cpu_percent"] is None
    usage.forget()


def test_a_scheduler_that_is_away_does_not_end_it() -> None:
    answers = iter([{"me": os.getpid()}] * 3)

    def leaders() -> dict[str, int]:
        try:
            return next(answers)
        except StopIteration:
            raise NeedsDaemonError("No scheduler") from None

    usage = Usage(leaders, every=0.01, patience=60)

    eventually(lambda: len(usage.curves().get("me", [])) == 3)
    assert usage.is_sampling
    usage.forget()
