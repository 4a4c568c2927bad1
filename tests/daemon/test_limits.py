"""The engine and limits: what a run that went too far becomes, and what is kept of every run."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from pb.daemon.messages import Exited, LimitExceeded
from pb.process.usage import Usage
from tests.kit.scheduler import World

Make = Callable[..., World]
TOO_MUCH = "memory limit 64 MiB exceeded (peak 71 MiB)"


def running(world: World, **definition: Any) -> int:
    world.add(**definition)
    return int(world.call("job.run", name="job", by=None)["run"]["run_id"])


def test_a_run_that_uses_too_much_is_stopped_and_has_failed(world: Make) -> None:
    w = world()
    run_id = running(w, limits={"memory": "64MiB"})

    w.engine.post(LimitExceeded(run_id, TOO_MUCH))
    w.settle()

    assert w.executor.stopped == [run_id]
    [row] = w.runs()
    assert (row.state, row.reason, row.signal) == ("failed", TOO_MUCH, "SIGTERM")
    assert w.call("job.show", name="job")["job"]["last_error"] == TOO_MUCH


def test_the_first_reason_to_stop_a_run_stays(world: Make) -> None:
    w = world()
    w.executor.survivors = [(7, "stuck")]
    run_id = running(w, timeout="10s", limits={"output": "1MiB"})

    w.engine.post(LimitExceeded(run_id, TOO_MUCH))
    w.engine.post(LimitExceeded(run_id, "output limit 1 MiB exceeded (wrote 3 MiB)"))
    w.settle()

    assert w.runs()[0].reason == f"{TOO_MUCH}; still alive: 7 (stuck)"


def test_a_run_that_has_ended_by_itself_meanwhile_is_not_blamed(world: Make) -> None:
    w = world()
    run_id = running(w, limits={"memory": "64MiB"})

    w.executor.end(run_id)
    w.engine.post(LimitExceeded(run_id, TOO_MUCH))
    w.settle()

    assert w.states() == ["succeeded"]


def test_what_a_run_used_and_handed_back_is_in_its_record(world: Make) -> None:
    w = world()
    run_id = running(w)
    w.executor.results[run_id] = '{"rows":5}'

    used = Usage(max_rss_bytes=71 << 20, cpu_seconds=1.25)
    w.engine.post(Exited(run_id, 0, w.clock.now_ms(), used))
    w.settle()

    view = w.call("run.show", run_id=run_id)["run"]
    assert (view["max_rss_bytes"], view["cpu_seconds"]) == (71 << 20, 1.25)
    assert view["output"] == {"rows": 5}
    [listed] = w.call("job.history", name="job")["runs"]
    assert listed["max_rss_bytes"] == 71 << 20
    assert "output" not in listed


def test_what_nobody_could_see_stays_unknown(world: Make) -> None:
    w = world()
    run_id = running(w)

    w.executor.end(run_id, None)
    w.settle()

    view = w.call("run.show", run_id=run_id)["run"]
    assert view["state"] == "lost"
    assert (view["max_rss_bytes"], view["cpu_seconds"], view["output"]) == (None, None, None)


def test_a_limit_of_the_kernel_is_the_reason_of_its_signal(world: Make) -> None:
    w = world()
    run_id = running(w, limits={"cpu_time": "5s"})

    used = Usage(cpu_seconds=5.02)
    w.engine.post(Exited(run_id, signal.SIGXCPU, w.clock.now_ms(), used))
    w.settle()

    [row] = w.runs()
    assert (row.state, row.signal) == ("failed", "SIGXCPU")
    assert row.reason == "cpu time limit 5s exceeded (used 5.0 s)"


def test_a_run_that_outlives_the_scheduler_is_watched_by_the_next(world: Make) -> None:
    w = world()
    run_id = running(w, limits={"memory": "64MiB"})
    w.executor.limited.clear()

    after = w.crash()

    assert after.executor.limited == [run_id]
    after.engine.post(LimitExceeded(run_id, TOO_MUCH))
    after.settle()
    assert after.runs()[0].reason == TOO_MUCH
    after.close()
