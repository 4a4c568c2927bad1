"""The socket: handshake, deadlines, bad input, events; a real scheduler at the other end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pb.api import METHODS, codec, events, session
from pb.api.client import Client
from pb.errors import (
    ConflictError,
    InvalidError,
    NeedsDaemonError,
    NotFoundError,
    PbError,
    UnresponsiveError,
    UsageError,
)
from pb.paths import Home
from pb.process.pidfile import read_pid_file
from tests.kit import eventually

JOB = {"name": "hello", "command": ["echo", "hello"], "triggers": ["cron: 0 0 1 1 *"]}


def raw(home: Home, *lines: bytes) -> list[dict[str, Any]]:
    """What the scheduler answers to these very bytes."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(home.socket))
        connection.sendall(b"".join(lines))
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while received := connection.recv(65536):
            answer += received
    return [json.loads(line) for line in answer.splitlines()]


def test_the_socket_is_private(scheduler: Home) -> None:
    assert stat.S_IMODE(scheduler.socket.stat().st_mode) == 0o600


def test_a_session_talks_to_the_live_scheduler(scheduler: Home) -> None:
    with session(scheduler) as talk:
        assert not talk.is_local
        status = talk.call("scheduler.status")
    record = read_pid_file(scheduler.pid_file("scheduler"))
    assert record is not None
    assert (status["running"], status["pid"]) == (True, record.pid)
    assert status["schema"] == 1


def test_a_job_is_added_run_and_remembered(scheduler: Home) -> None:
    with session(scheduler) as talk:
        talk.call("job.add", {"definition": JOB})
        run = talk.call("job.run", {"name": "hello"})["run"]
        answer = talk.call("run.wait", {"run_id": run["run_id"], "timeout": 10}, timeout=12)
        assert (answer["done"], answer["run"]["state"]) == (True, "succeeded")
        assert Path(answer["run"]["log_path"]).read_bytes() == b"hello\n"
        (job,) = talk.call("job.list")["jobs"]
        assert (job["run_count"], job["last_result"]) == (1, "succeeded")
        assert talk.call("job.history", {"name": "hello"})["runs"][0]["exit_code"] == 0


def test_waiting_for_a_run_ends_with_the_time_that_was_given(scheduler: Home) -> None:
    with session(scheduler) as talk:
        talk.call("job.add", {"definition": {**JOB, "command": ["sleep", "60"]}})
        run = talk.call("job.run", {"name": "hello"})["run"]
        answer = talk.call("run.wait", {"run_id": run["run_id"], "timeout": 0.2})
        assert answer["run"]["state"] == "running"
        answer = talk.call("run.cancel", {"run_id": run["run_id"]}, timeout=15)
        assert (answer["runs"][0]["state"], answer["survivors"]) == ("cancelled", [])


@pytest.mark.parametrize(
    ("method", "params", "kind", "words"),
    [
        ("job.show", {"name": "nope"}, NotFoundError, "no job named 'nope'"),
        ("job.show", {}, InvalidError, "needs the parameter 'name'"),
        ("job.show", {"nam": "x"}, InvalidError, "has no parameter 'nam'"),
        ("job.show", {"name": 3}, InvalidError, "must be of type string"),
        ("job.next", {"n": True}, InvalidError, "must be of type integer"),
        ("job.history", {"states": ["bad"]}, InvalidError, "no run state 'bad'"),
        ("job.frobnicate", {}, UsageError, "no method"),
        ("__class__", {}, UsageError, "no method"),
        ("run.show", {"run_id": 10**30}, NotFoundError, "no run"),
        ("job.add", {"definition": {"name": "../x", "command": ["a"]}}, InvalidError, "name"),
    ],
)
def test_bad_requests_get_a_sentence_and_the_right_kind(
    scheduler: Home, method: str, params: dict[str, Any], kind: type[PbError], words: str
) -> None:
    with session(scheduler) as talk:
        with pytest.raises(kind, match=words):
            talk.call(method, params)
        assert talk.call("system.ping")["ok"]


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense\n",
        b"[]\n",
        b'{"id": 1}\n',
        b'{"id": 1, "method": 7}\n',
        b'{"id": 1, "method": "job.list", "params": [1]}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
    ],
)
def test_garbage_is_answered_and_hurts_nobody(scheduler: Home, line: bytes) -> None:
    (answer,) = raw(scheduler, line)
    assert answer["error"]["data"]["code"] == "protocol"
    with session(scheduler) as talk:
        assert talk.call("system.ping")["ok"]


def test_a_client_of_another_protocol_is_told_what_to_do(scheduler: Home) -> None:
    (answer,) = raw(scheduler, codec.request(0, "system.hello", {"protocol": 99}))
    assert "speaks protocol 1" in answer["error"]["message"]
    assert "restart" in answer["error"]["data"]["hint"]


def test_a_message_without_end_is_cut_off(scheduler: Home) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(scheduler.socket))
        try:
            for _ in range(80):
                connection.sendall(b"x" * 65536)
        except BrokenPipeError:
            pass
        else:
            assert b"longer than" in connection.recv(65536)
    with session(scheduler) as talk:
        assert talk.call("system.ping")["ok"]


def test_a_client_that_reads_nothing_stalls_nobody(scheduler: Home) -> None:
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.connect(str(scheduler.socket))
        deaf.setblocking(False)
        request = codec.request(1, "scheduler.status", {}) * 2_000
        with contextlib.suppress(BlockingIOError):
            while True:
                deaf.send(request)
        with session(scheduler) as talk:
            assert talk.call("system.ping", timeout=2)["ok"]


def test_hundreds_of_idle_connections_are_bounded_and_ours_goes_through(scheduler: Home) -> None:
    idle = []
    try:
        for _ in range(200):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(scheduler.socket))
            idle.append(connection)
        with session(scheduler) as talk:
            assert talk.call("system.ping", timeout=3)["ok"]
    finally:
        for connection in idle:
            connection.close()


def test_a_stopped_scheduler_is_reported_in_time_and_never_waited_for(scheduler: Home) -> None:
    record = read_pid_file(scheduler.pid_file("scheduler"))
    assert record is not None
    os.kill(record.pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(UnresponsiveError, match="does not answer"), session(scheduler) as talk:
            talk.call("system.ping", timeout=1.0)
        assert time.monotonic() - started < 5
    finally:
        os.kill(record.pid, signal.SIGCONT)


def test_events_arrive_as_they_happen(scheduler: Home) -> None:
    seen: list[dict[str, Any]] = []

    def listen() -> None:
        seen.extend(event for event in take(events(scheduler), 5))

    thread = threading.Thread(target=listen)
    thread.start()
    with session(scheduler) as talk:
        # Until the subscription stands, changes are told to nobody; so keep changing.
        for number in range(200):
            talk.call("job.add", {"definition": {**JOB, "name": f"job-{number}"}})
            if not thread.is_alive():
                break
    thread.join(10)
    assert [event["type"] for event in seen] == ["job.added"] * 5
    assert all(event["at"].endswith("Z") and event["by"].startswith("cli:") for event in seen)


def take(source: Iterator[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    found = []
    for event in source:
        found.append(event)
        if len(found) == count:
            break
    source.close()  # type: ignore[attr-defined]
    return found


def test_definition_files_are_applied_at_start_and_on_reload(scheduler: Home) -> None:
    scheduler.jobs_dir.mkdir()
    file = scheduler.jobs_dir / "mine.toml"
    file.write_text('[job.a]\ncommand = ["true"]\n[job.b]\ncommand = ["true"]\ntimout = 3\n')
    with session(scheduler) as talk:
        answer = talk.call("scheduler.reload")
        assert answer["changed"] == ["a"]
        assert "mine.toml:5: " in answer["problems"][0]
        assert "timout" in answer["problems"][0]
        file.write_text('[job.b]\ncommand = ["true"]\n')
        assert sorted(talk.call("scheduler.reload")["changed"]) == ["a", "b"]
        assert [job["name"] for job in talk.call("job.list")["jobs"]] == ["b"]


def test_a_file_may_not_take_over_a_job_of_another_origin(scheduler: Home) -> None:
    scheduler.jobs_dir.mkdir()
    with session(scheduler) as talk:
        talk.call("job.add", {"definition": JOB})
        (scheduler.jobs_dir / "x.toml").write_text('[job.hello]\ncommand = ["false"]\n')
        answer = talk.call("scheduler.reload")
        assert "was added from cli" in answer["problems"][0]
        assert talk.call("job.show", {"name": "hello"})["definition"]["command"] == JOB["command"]


# -- without a scheduler


def test_without_a_scheduler_the_same_operations_work_on_the_store(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with session(home) as talk:
        assert talk.is_local
        talk.call("job.add", {"definition": JOB})
        assert talk.call("job.pause", {"name": "hello"})["job"]["state"] == "paused"
        assert talk.call("scheduler.status")["running"] is False
        with pytest.raises(NeedsDaemonError) as caught:
            talk.call("job.run", {"name": "hello"})
        assert caught.value.exit_code == 7
        assert caught.value.hint == "Start it with: pb scheduler start"


def test_without_a_scheduler_a_caller_may_insist_on_one(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.ensure()
    with pytest.raises(NeedsDaemonError, match="not running"):
        session(home, local_ok=False)
    with pytest.raises(NeedsDaemonError, match="No scheduler listens"):
        Client(home.socket)


def test_a_run_of_the_command_line_is_recorded_locally(tmp_path: Path) -> None:
    with session(Home(tmp_path / "home")) as talk:
        run = talk.call("run.begin", {"command": ["df", "-h"]})["run"]
        assert (run["state"], run["trigger"], run["command"]) == ("running", "cli", ["df", "-h"])
        ended = talk.call("run.end", {"run_id": run["run_id"], "exit_code": 2, "signal": None})
        assert (ended["run"]["state"], ended["run"]["reason"]) == ("failed", "exit code 2")


def test_many_jobs_are_imported_at_once_and_names_taken_are_told(tmp_path: Path) -> None:
    with session(Home(tmp_path / "home")) as talk:
        jobs = [{**JOB, "name": f"job-{number}"} for number in range(3)]
        assert len(talk.call("job.import", {"definitions": jobs})["added"]) == 3
        answer = talk.call("job.import", {"definitions": jobs})
        assert [one["name"] for one in answer["skipped"]] == [job["name"] for job in jobs]
        answer = talk.call("job.import", {"definitions": jobs, "replace": True})
        assert len(answer["replaced"]) == 3


def test_one_bad_definition_of_many_imports_nothing(tmp_path: Path) -> None:
    with session(Home(tmp_path / "home")) as talk:
        with pytest.raises(InvalidError):
            talk.call("job.import", {"definitions": [JOB, {"name": "bad", "command": []}]})
        assert talk.call("job.list")["jobs"] == []


def test_an_error_keeps_its_kind_hint_and_exit_code_over_the_wire() -> None:
    for error in (ConflictError("a", hint="b"), NotFoundError("c"), InvalidError("d")):
        line = codec.failure(1, error)
        back = codec.error_from(json.loads(line)["error"])
        assert type(back) is type(error)
        assert (back.message, back.hint, back.exit_code) == (
            error.message,
            error.hint,
            error.exit_code,
        )


def test_every_method_says_what_it_is_for() -> None:
    for method in METHODS.values():
        assert method.summary
        assert method.scope in ("read", "write")
        assert method.call is not None or method.needs_daemon


def test_a_scheduler_that_restarts_in_place_keeps_its_pid_runs_and_exit_codes(
    scheduler: Home,
) -> None:
    record = read_pid_file(scheduler.pid_file("scheduler"))
    assert record is not None
    with session(scheduler) as talk:
        slow = {**JOB, "command": ["sh", "-c", "read line < go; exit 7"], "cwd": "/"}
        go = scheduler.root / "go"
        os.mkfifo(go)
        slow["cwd"] = str(scheduler.root)
        talk.call("job.add", {"definition": slow})
        run_id = talk.call("job.run", {"name": "hello"})["run"]["run_id"]
        talk.call("scheduler.restart")
    go.write_text("now\n")  # it ends while no scheduler looks, or just after

    def outcome() -> str:
        with session(scheduler, local_ok=False) as again:
            run: dict[str, Any] = again.call("run.show", {"run_id": run_id})["run"]
        return str(run["reason"] or "") if run["state"] != "running" else ""

    assert eventually(outcome) == "exit code 7"
    after = read_pid_file(scheduler.pid_file("scheduler"))
    assert after is not None
    assert after.pid == record.pid
    assert after.instance_id != record.instance_id


def test_a_job_without_a_zone_gets_the_one_of_the_settings(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.ensure()
    home.config.write_text('[scheduler]\ntimezone = "Asia/Tokyo"\n')
    with session(home) as talk:
        assert talk.call("job.add", {"definition": JOB})["job"]["timezone"] == "Asia/Tokyo"
        other = {**JOB, "name": "other", "timezone": "UTC"}
        assert talk.call("job.add", {"definition": other})["job"]["timezone"] == "UTC"
