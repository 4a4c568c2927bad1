"""The Python API: a scheduler inside this very process, with real runs."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pb import Scheduler, job
from pb.errors import (
    ConflictError,
    InvalidError,
    NeedsDaemonError,
    NotFoundError,
    PbError,
    UnresponsiveError,
)
from tests.kit import eventually

PRINT = [sys.executable, "-c", "print('hello')"]
SLEEP = ["sleep", "60"]


def test_a_job_is_added_run_paused_and_removed(home: Path) -> None:
    with Scheduler() as s:
        added = s.add_job("greet", PRINT, every="5m", tags=["x"])
        ended = s.run("greet")
        paused = s.pause_job("greet", note="holiday")
        resumed = s.resume_job("greet")
        known = s.get_job_status("greet")

        assert (added["name"], added["paused"]) == ("greet", False)
        assert added["next_run"]
        assert (ended["state"], ended["exit_code"], ended["trigger"]) == ("succeeded", 0, "manual")
        assert Path(ended["log_path"]).read_text() == "hello\n"
        assert ended["by"].startswith("python:")
        assert (paused["paused"], resumed["paused"]) == (True, False)
        assert (known["run_count"], known["last_result"]) == (1, "succeeded")
        assert [row["name"] for row in s.list_jobs()] == ["greet"]
        assert [run["run_id"] for run in s.history("greet")] == [ended["run_id"]]
        assert s.history(states=["failed"]) == []

        s.remove_job("greet")

        assert s.list_jobs() == []
    assert s.home == home


def test_a_job_runs_at_its_time_without_being_asked(home: Path) -> None:
    with Scheduler() as s:
        s.add_job("tick", PRINT, every=timedelta(seconds=1))

        [run] = eventually(lambda: s.history("tick", states=["succeeded"], n=1))

        assert run["trigger"] == "every"


def test_every_trigger_has_a_short_form(home: Path) -> None:
    at = datetime(2099, 1, 1, tzinfo=UTC)
    with Scheduler() as s:
        s.add_job("all", PRINT, triggers="startup: +1h", cron="0 3 * * *", every=90, at=at)

        definition = s.call("job.show", {"name": "all"})["definition"]

        assert [t["type"] for t in definition["triggers"]] == ["startup", "cron", "every", "at"]


@pytest.mark.parametrize(
    ("ask", "kind"),
    [
        (lambda s: s.get_job_status("nobody"), NotFoundError),
        (lambda s: s.run("nobody"), NotFoundError),
        (lambda s: s.remove_job("nobody"), NotFoundError),
        (lambda s: s.add_job("x"), InvalidError),
        (lambda s: s.add_job("x", "true", cron="61 * * * *"), InvalidError),
        (lambda s: s.add_job("x", "true", tiemout="5s"), InvalidError),
        (lambda s: s.add_job("x", "true", env=object()), InvalidError),
        (lambda s: s.add_job("x", python=lambda: 1), InvalidError),
        (lambda s: s.add_job("there", "true"), ConflictError),
        (lambda s: s.pause_job("there", until=datetime(2099, 1, 1)), InvalidError),  # noqa: DTZ001
        (lambda s: s.history(states=["odd"]), InvalidError),
        (lambda s: s.call("no.method"), PbError),
    ],
)
def test_what_is_wrong_is_a_pb_error_and_the_scheduler_goes_on(
    home: Path, ask: Callable[[Scheduler], Any], kind: type[PbError]
) -> None:
    with Scheduler() as s:
        s.add_job("there", "true")

        with pytest.raises(kind):
            ask(s)

        assert s.run("there")["state"] == "succeeded"


def test_a_run_that_lasts_is_waited_for_no_longer_than_asked(home: Path) -> None:
    with Scheduler() as s:
        s.add_job("long", SLEEP)
        run = s.run("long", wait=False)

        with pytest.raises(UnresponsiveError, match=r"has not ended within 0\.1 s"):
            s.wait(run["run_id"], timeout=0.1)

        assert [r["state"] for r in s.cancel("long")] == ["cancelled"]
        assert s.wait(run["run_id"])["state"] == "cancelled"


def test_a_second_scheduler_of_a_home_is_refused_and_told_who_runs(home: Path) -> None:
    with Scheduler():
        second = Scheduler(home)

        with pytest.raises(ConflictError, match=f"already running .PID {os.getpid()}."):
            second.start()

        assert not second.is_running
    with second:
        assert second.is_running


def test_who_does_not_run_says_so(home: Path) -> None:
    s = Scheduler()
    with pytest.raises(NeedsDaemonError):
        s.list_jobs()
    s.stop()
    with s:
        s.start()
        s.add_job("kept", "true", every="1h")
    with pytest.raises(NeedsDaemonError):
        s.run("kept")
    with s:
        assert s.run("kept")["state"] == "succeeded"


def test_a_wrong_setting_stops_the_start_and_leaves_nothing(home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text("[scheduler]\nmax_running = 'many'\n")
    before = threading.active_count()

    with pytest.raises(InvalidError, match="max_running"):
        Scheduler().start()

    assert threading.active_count() == before
    (home / "config.toml").unlink()
    with Scheduler() as s:
        assert s.list_jobs() == []


def test_another_database_may_be_named(home: Path, tmp_path: Path) -> None:
    with Scheduler(db=tmp_path / "other.db") as s:
        assert s.call("scheduler.status")["db_path"] == str(tmp_path / "other.db")
    assert not (home / "pony.db").exists()


def test_nothing_is_left_of_a_scheduler_that_has_stopped(home: Path) -> None:
    def one_life() -> None:
        with Scheduler() as s:
            s.add_job("x", "true", replace=True)
            s.run("x")
            s.add_job("long", SLEEP, replace=True)
            s.run("long", wait=False)

    one_life()
    threads, files = threading.enumerate(), sorted(os.listdir("/proc/self/fd"))
    one_life()

    assert threading.enumerate() == threads
    assert sorted(os.listdir("/proc/self/fd")) == files
    assert not (home / "scheduler.pid").exists()
    assert not (home / "gateway.sock").exists()


def test_a_stop_ends_what_runs_after_the_time_to_wait_for_it(home: Path) -> None:
    with Scheduler() as s:
        s.add_job("long", SLEEP)
        pid = s.run("long", wait=False)["pid"]

    assert not Path(f"/proc/{pid}").exists()


# -- asyncio


def test_it_works_inside_a_running_event_loop(home: Path) -> None:
    async def program() -> tuple[Any, ...]:
        async with Scheduler() as s:
            await s.aio.add_job("a", PRINT, every="1h")
            await s.aio.add_job("b", ["sh", "-c", "exit 3"])
            runs = await asyncio.gather(s.aio.run("a"), s.aio.run("b"))
            await s.aio.pause_job("a")
            await s.aio.resume_job("a")
            status = await s.aio.get_job_status("b")
            names = [row["name"] for row in await s.aio.list_jobs()]
            past = await s.aio.history("a")
            with pytest.raises(NotFoundError):
                await s.aio.run("c")
            await s.aio.remove_job("b")
            return runs, status["error_count"], names, len(past)

    runs, errors, names, count = asyncio.run(program())

    assert [run["exit_code"] for run in runs] == [0, 3]
    assert (errors, names, count) == (1, ["a", "b"], 1)


def test_a_wait_that_is_given_up_leaves_the_run_and_the_loop_alone(home: Path) -> None:
    async def program() -> str:
        async with Scheduler() as s:
            await s.aio.add_job("long", SLEEP)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(s.aio.run("long"), 0.3)
            with pytest.raises(UnresponsiveError):
                await s.aio.run("long", wait=False) and await s.aio.wait(1, timeout=0.1)
            [run, *_] = await s.aio.cancel("long")
            return str(run["state"])

    assert asyncio.run(program()) == "cancelled"


def test_it_may_be_started_and_asked_from_other_threads(home: Path) -> None:
    s = Scheduler()
    starter = threading.Thread(target=s.start)
    starter.start()
    starter.join()
    try:
        s.add_job("x", "true")
        states: list[str] = []
        askers = [
            threading.Thread(target=lambda: states.append(s.run("x")["state"])) for _ in range(4)
        ]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()

        assert len(states) == 4
        assert "succeeded" in states
    finally:
        s.stop()


def test_who_waits_when_it_stops_is_told(home: Path) -> None:
    s = Scheduler()
    s.start()
    s.add_job("long", SLEEP)
    run = s.run("long", wait=False)
    told: list[object] = []

    def wait() -> None:
        try:
            told.append(s.wait(run["run_id"]))
        except NeedsDaemonError as error:
            told.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    s.stop(keep_runs=True)
    waiter.join(10)
    os.kill(run["pid"], 9)

    assert len(told) == 1


# -- functions


def test_declared_functions_are_called_in_a_process_of_their_own(
    home: Path, shop: ModuleType
) -> None:
    with Scheduler(jobs=[shop]) as s:
        assert [row["name"] for row in s.list_jobs()] == ["multiply", "nightly"]
        assert s.run("multiply")["output"] == 42
        assert s.run("nightly")["output"] == "slept"
        definition = s.call("job.show", {"name": "multiply"})["definition"]
        assert definition["description"] == "Multiply two numbers."
        assert definition["triggers"] == [{"type": "every", "every": "1h"}]
        s.add_job("plain", python=shop.undeclared)
        assert s.run("plain")["output"] == 1
    assert shop.multiply(2, 2) == 4


def test_a_function_may_be_added_before_and_after_the_start(home: Path, shop: ModuleType) -> None:
    s = Scheduler()
    s.add(shop.multiply)
    with s:
        s.add(shop.at_night)
        s.add(shop.at_night)
        assert [row["name"] for row in s.list_jobs()] == ["multiply", "nightly"]
        s.remove_job("nightly")
    with s:
        assert [row["name"] for row in s.list_jobs()] == ["multiply"]


def test_two_functions_of_one_name_are_refused(home: Path, shop: ModuleType) -> None:
    job(name="multiply")(shop.undeclared)

    with pytest.raises(ConflictError, match="both named multiply"):
        Scheduler(jobs=[shop])


def test_what_another_process_cannot_find_is_refused(shop: ModuleType) -> None:
    @job(every="5m")
    def inner() -> None:
        pass

    with pytest.raises(InvalidError, match="cannot be called from another process"):
        Scheduler(jobs=[inner])
    with pytest.raises(InvalidError, match="is no job"):
        Scheduler(jobs=[shop.undeclared])
    with pytest.raises(InvalidError, match="needs parentheses"):
        job(shop.undeclared)
