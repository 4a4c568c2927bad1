"""Patterns in logs, on real files: each line is looked at once, through rotation and restarts."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from pb.core.triggers import key_of, trigger_from
from pb.daemon import logwatcher
from pb.daemon.logwatcher import LogWatcher
from pb.daemon.messages import Message, Occurred, Remembered
from pb.daemon.watchers import Scene, Watched
from tests.kit.scheduler import World


@pytest.fixture
def w(world: Callable[..., World]) -> World:
    return world()


def at_once(work: Callable[[], None], then: Callable[[], None]) -> None:
    """Reading apart, for a test that says itself when to look."""
    work()
    then()


class Stage:
    """A watcher that looks when a test says so."""

    def __init__(self, w: World, text: str, state: dict[str, Any] | None = None) -> None:
        self.w = w
        self.posted: list[Message] = []
        scene = Scene(w.engine._context, w.clock, self.posted.append)
        self.watcher = LogWatcher(scene, apart=at_once)
        trigger: Any = trigger_from(text)
        self.watcher.sync("job", [Watched(key_of(trigger), trigger, state)])

    def look(self, times: int = 3) -> list[dict[str, Any]]:
        """The facts of what occurs in some looks."""
        self.w.clock.advance(1)
        before = len(self.occasions)
        for _ in range(times):
            self.watcher._look()
        return [one.event for one in self.occasions[before:]]

    @property
    def occasions(self) -> list[Occurred]:
        return [one for one in self.posted if isinstance(one, Occurred)]

    @property
    def state(self) -> dict[str, Any]:
        """What would be remembered now."""
        (rule,) = self.watcher._rules.values()
        return rule.state()


def write(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


def acting(play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(play())


def test_new_lines_that_match_are_one_occasion_a_look_with_all_of_them(
    w: World, tmp_path: Path
) -> None:
    log = tmp_path / "app.log"
    write(log, "ERROR old")

    async def play() -> None:
        stage = Stage(w, rf"pattern: log {log} ERROR \w+")
        assert stage.look() == []
        write(log, "fine", "ERROR one", "fine", "ERROR two")
        (event,) = stage.look()
        assert event == {
            "pattern": "log", "source": str(log), "regex": r"ERROR \w+",
            "value": 2, "line": "ERROR two", "path": str(log),
        }  # fmt: skip
        assert [one["line"] for one in stage.occasions[0].items] == ["ERROR one", "ERROR two"]
        assert stage.look() == []
        stage.watcher.close()

    acting(play)


def test_a_line_counts_once_it_is_whole_and_however_long_it_is(w: World, tmp_path: Path) -> None:
    log = tmp_path / "app.log"

    async def play() -> None:
        stage = Stage(w, f"pattern: log {log} ERROR$")
        with log.open("a") as file:
            file.write("half ERR")
            file.flush()
            assert stage.look() == []
            file.write("OR\n" + "x" * 100_000 + "ERROR\n")
        assert len(stage.look()) == 1
        stage.watcher.close()

    acting(play)


def test_so_many_in_a_time_are_needed_and_then_counting_begins_anew(
    w: World, tmp_path: Path
) -> None:
    log = tmp_path / "app.log"
    log.touch()

    async def play() -> None:
        stage = Stage(w, f"pattern: log 3 in 60s {log} ERROR")
        write(log, "ERROR", "ERROR")
        assert stage.look() == []
        w.clock.advance(61)
        write(log, "ERROR")
        assert stage.look() == []
        write(log, "ERROR", "ERROR")
        (event,) = stage.look()
        assert event["value"] == 3
        write(log, "ERROR", "ERROR")
        assert stage.look() == []
        stage.watcher.close()

    acting(play)


def test_a_log_is_followed_through_rotation_and_truncation(w: World, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    write(log, "old")

    async def play() -> None:
        stage = Stage(w, f"pattern: log {log} ERROR")
        write(log, "ERROR before")
        log.rename(tmp_path / "app.log.1")
        write(log, "ERROR after")
        stage.look(5)
        lines = [item["line"] for one in stage.occasions for item in one.items]
        assert lines == ["ERROR before", "ERROR after"]
        os.truncate(log, 0)
        write(log, "ERROR 3")
        (event,) = stage.look(5)
        assert event["line"] == "ERROR 3"
        log.unlink()
        assert stage.look() == []
        write(log, "ERROR 4")
        (event,) = stage.look(5)
        assert event["line"] == "ERROR 4"
        stage.watcher.close()

    acting(play)


def test_a_restart_goes_on_where_it_was_and_reads_no_line_twice(w: World, tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    write(log, "ERROR old")
    text = f"pattern: log {log} ERROR"

    async def play() -> None:
        first = Stage(w, text)
        write(log, "ERROR 1")
        assert len(first.look()) == 1
        state = first.occasions[0].state
        first.watcher.close()
        write(log, "ERROR 2")
        second = Stage(w, text, state)
        second.look()
        assert [one.event["line"] for one in second.occasions] == ["ERROR 2"]
        state = second.state
        second.watcher.close()
        log.rename(tmp_path / "app.log.1")
        write(log, "ERROR 3")
        third = Stage(w, text, state)
        third.look()
        assert [one.event["line"] for one in third.occasions] == ["ERROR 3"]
        third.watcher.close()

    acting(play)


def test_a_crash_in_the_middle_of_a_piece_neither_loses_nor_doubles_a_line(
    w: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logwatcher, "BATCH", 2)
    log = tmp_path / "app.log"
    log.touch()
    text = f"pattern: log {log} ERROR"

    async def play() -> None:
        first = Stage(w, text)
        write(log, *(f"ERROR {number}" for number in range(7)))
        first.watcher._look()
        first.watcher._look()
        seen = [item["line"] for one in first.occasions for item in one.items]
        assert seen == [f"ERROR {number}" for number in range(4)]
        state = first.occasions[-1].state
        first.watcher.close()
        second = Stage(w, text, state)
        second.look(8)
        rest = [item["line"] for one in second.occasions for item in one.items]
        assert rest == ["ERROR 4", "ERROR 5", "ERROR 6"]
        second.watcher.close()

    acting(play)


def test_an_expression_that_takes_too_long_loses_its_line_and_is_left_alone(
    w: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logwatcher, "SECONDS", 0.05)
    log = tmp_path / "app.log"
    log.touch()

    async def play() -> None:
        stage = Stage(w, f"pattern: log {log} ERROR|(a+)+$")
        write(log, "ERROR 1", "a" * 60 + "b", "ERROR 2")
        stage.look(5)
        assert [one.event["line"] for one in stage.occasions] == ["ERROR 1"]
        (rule,) = stage.watcher._rules.values()
        assert rule.held_until > asyncio.get_running_loop().time() + 30
        rule.held_until = 0.0
        stage.look()
        assert [one.event["line"] for one in stage.occasions] == ["ERROR 1", "ERROR 2"]
        stage.watcher.close()

    acting(play)
    assert "takes too long" in caplog.text


def test_the_logs_of_a_service_and_of_new_runs_of_a_job_are_read(w: World) -> None:
    w.call("service.add", definition={"name": "web", "command": ["sleep", "60"], "enabled": True})
    w.settle()
    w.add("load")
    old = w.home.run_log("load", 1)
    old.parent.mkdir(parents=True)

    async def play() -> None:
        w.call("job.run", name="load")
        for run in w.runs("load"):
            run.log_path = str(w.home.run_log("load", run.id))
            w.store.save_runs([run])
        write(old, "ERROR old")
        stage = Stage(w, "pattern: log job:load ERROR")
        service = Stage(w, "pattern: log service:web ERROR")
        write(old, "ERROR one")
        write(w.home.log("web"), "ERROR two")
        assert [one["line"] for one in stage.look()] == ["ERROR one"]
        assert [one["line"] for one in service.look()] == ["ERROR two"]
        w.executor.end(1)
        w.settle()
        w.call("job.run", name="load")
        run = w.runs("load")[-1]
        run.log_path = str(w.home.run_log("load", run.id))
        w.store.save_runs([run])
        write(Path(run.log_path), "ERROR three")
        assert [one["line"] for one in stage.look()] == ["ERROR three"]
        stage.watcher.close()
        service.watcher.close()

    acting(play)


def test_a_log_behind_a_link_is_followed_also_when_the_link_is_turned(
    w: World, tmp_path: Path
) -> None:
    link = tmp_path / "app.log"
    write(tmp_path / "monday.log", "ERROR old")
    link.symlink_to("monday.log")

    async def play() -> None:
        stage = Stage(w, f"pattern: log {link} ERROR")
        assert stage.look() == []
        write(tmp_path / "monday.log", "ERROR 1")
        (event,) = stage.look()
        assert (event["line"], event["path"]) == ("ERROR 1", str(link))
        write(tmp_path / "monday.log", "ERROR 2")
        write(tmp_path / "tuesday.log", "ERROR 3")
        link.unlink()
        link.symlink_to("tuesday.log")
        (event,) = stage.look()
        assert event["value"] == 2
        assert [one["line"] for one in stage.occasions[-1].items] == ["ERROR 2", "ERROR 3"]
        stage.watcher.close()

    acting(play)


def test_a_log_on_a_disk_that_hangs_holds_up_nobody(
    w: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    dead, alive, answers = tmp_path / "dead.log", tmp_path / "alive.log", threading.Event()

    def signs_of(path: Path) -> Any:
        if path == dead:
            assert answers.wait(60)
        return real(path)

    real = logwatcher.signs_of
    monkeypatch.setattr(logwatcher, "signs_of", signs_of)
    monkeypatch.setattr(logwatcher, "PATIENCE", 0.2)
    monkeypatch.setattr(logwatcher, "EVERY", 0.02)
    dead.touch()
    alive.touch()

    async def play() -> None:
        posted: list[Message] = []
        watcher = LogWatcher(Scene(w.engine._context, w.clock, posted.append))
        triggers: Any = [trigger_from(f"pattern: log {path} ERROR") for path in (dead, alive)]
        watcher.sync("job", [Watched(key_of(one), one) for one in triggers])
        await until(lambda: "does not answer" in caplog.text)
        await until(lambda: bool(watcher._rules["job", key_of(triggers[1])].logs))
        write(alive, "ERROR 1")
        await until(lambda: lines_of(posted) == ["ERROR 1"])
        answers.set()
        await until(lambda: bool(watcher._rules["job", key_of(triggers[0])].logs))
        write(dead, "ERROR 2")
        await until(lambda: lines_of(posted) == ["ERROR 1", "ERROR 2"])
        watcher.close()

    acting(play)


def lines_of(posted: list[Message]) -> list[str]:
    return [one.event["line"] for one in posted if isinstance(one, Occurred)]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


def test_what_cannot_be_read_is_said_once_and_looked_at_again(
    w: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "app.log"
    log.mkdir()

    async def play() -> None:
        stage = Stage(w, f"pattern: log {log} ERROR")
        assert stage.look(5) == []
        log.rmdir()
        stage.look()
        write(log, "ERROR 1")
        assert len(stage.look()) == 1
        stage.watcher.sync("job", [])
        assert stage.watcher._timer is None
        stage.watcher.drop("job")
        stage.watcher.close()

    acting(play)
    assert caplog.text.count("Cannot follow") == 1


def test_how_far_a_quiet_log_was_read_is_remembered_now_and_then(
    w: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logwatcher, "SAVE", 0.0)
    log = tmp_path / "app.log"
    log.touch()

    async def play() -> None:
        stage = Stage(w, f"pattern: log {log} ERROR")
        write(log, "fine")
        stage.look()
        remembered = [one for one in stage.posted if isinstance(one, Remembered)]
        assert remembered[-1].state["marks"][str(log)][1:] == [5, 0]
        count = len(remembered)
        stage.look()
        assert len([one for one in stage.posted if isinstance(one, Remembered)]) == count
        stage.watcher.close()

    acting(play)


def test_a_guest_watches_no_logs(
    w: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "app.log"

    async def play() -> None:
        watcher = LogWatcher(Scene(w.engine._context, w.clock, print, is_guest=True))
        trigger: Any = trigger_from(f"pattern: log {log} ERROR")
        watcher.sync("job", [Watched(key_of(trigger), trigger)])
        assert watcher._timer is None
        watcher.close()

    acting(play)
    assert "process only" in caplog.text
