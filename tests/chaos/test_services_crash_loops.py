"""Two hundred services that crash at once, again and again, beside one that is well."""

from __future__ import annotations

import time

import pytest

from tests.kit import eventually
from tests.kit.command import Pb, is_running
from tests.kit.fleet import Fleet, cpu_seconds

LOOPING = 200
SHARE = 0.10
"""Of a core, that the scheduler may use once the delays have grown."""


def sick(number: int) -> dict[str, object]:
    return {
        "name": f"sick{number}",
        "command": ["/bin/sh", "-c", f"echo trouble {number}; exit 3"],
        "restart": {"delay": 0.5, "factor": 4.0, "max_delay": 60, "max_restarts": 1000},
    }


def share_of(pid: int, seconds: float) -> float:
    """CPU time for each second of wall time, over a stretch of time."""
    used, began = cpu_seconds(pid), time.monotonic()
    eventually(lambda: time.monotonic() - began >= seconds, timeout=seconds + 60)
    return (cpu_seconds(pid) - used) / (time.monotonic() - began)


@pytest.mark.slow
def test_crash_loops_are_held_back_and_the_healthy_one_is_untouched(pb: Pb) -> None:
    pb = pb.unmeasured()
    fleet = Fleet(pb)
    pb.ok("scheduler", "start")
    fleet.apply([{"name": "well", "command": ["/bin/sleep", "1000"]}, *map(sick, range(LOOPING))])
    before = fleet.until("running", "well")["well"]

    sick_ones = [f"sick{number}" for number in range(LOOPING)]
    eventually(
        lambda: all(view["restarts"] >= 3 for view in fleet.views(*sick_ones).values()),
        timeout=60,
        interval=0.5,
    )

    share = share_of(pb.pid(), 5.0)
    assert share < SHARE, share
    views = fleet.views()
    well = views.pop("well")
    assert (well["pid"], well["restarts"], well["state"]) == (before["pid"], 0, "running")
    assert is_running(well["pid"])
    held_back = [view for view in views.values() if view["state"] == "backoff"]
    assert len(held_back) > LOOPING * 0.8
    for view in held_back:
        assert view["next_start_at"] is not None
        assert (view["last_exit"]["code"], view["pid"]) == (3, None)
        assert view["reason"] == f"exit code 3: trouble {view['name'].removeprefix('sick')}"
    ended = fleet.stop("all")
    assert len(ended) == LOOPING + 1
    assert set(fleet.states().values()) == {"stopped"}


@pytest.mark.slow
def test_who_ends_too_often_has_failed_until_somebody_resets_it(pb: Pb) -> None:
    pb = pb.unmeasured()
    fleet = Fleet(pb)
    pb.ok("scheduler", "start")
    quick = {"delay": 0.01, "factor": 1.0, "max_restarts": 3}
    fleet.apply({**sick(number), "restart": quick} for number in range(20))

    failed = fleet.until("failed")
    assert {view["restarts"] for view in failed.values()} == {3}
    assert all("4 times within" in view["reason"] for view in failed.values()), failed

    fleet.call("reset", names=["sick0"])
    eventually(lambda: fleet.view("sick0")["last_exit"]["at"] > failed["sick0"]["last_exit"]["at"])
    fleet.until("failed", "sick0")
    untouched = {name: view["last_exit"] for name, view in fleet.views().items()}
    assert untouched["sick1"] == failed["sick1"]["last_exit"]
