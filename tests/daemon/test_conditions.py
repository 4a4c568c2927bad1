"""Looking around for real: this machine's facts, real sockets, real commands."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pb.core.definition import job_from
from pb.daemon import conditions
from pb.daemon.clock import SystemClock
from pb.daemon.conditions import ConditionChecks
from pb.daemon.errands import Errands
from pb.daemon.messages import ConditionsSeen, Message
from pb.daemon.watching import Watching
from pb.errors import PbError
from pb.process.spawn import Spawn

Look = Callable[..., str | None]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Look whether these conditions hold, as the executor does for a run."""

    def prepare() -> Spawn:
        return Spawn(
            argv=("false",),
            env={"PATH": os.defpath, "PB_MARKER": "a-store/1"},
            cwd=str(tmp_path),
            log_path=tmp_path / "1.log",
        )

    def seen(prepare: Callable[[], Spawn] = prepare, **wanted: Any) -> str | None:
        job = job_from({"name": "j", "command": "x", "timezone": "UTC", "conditions": wanted})

        async def live() -> str | None:
            told: list[Message] = []
            done = asyncio.Event()

            def post(message: Message) -> None:
                told.append(message)
                done.set()

            watching = Watching(exits=tmp_path / "exits", clock=SystemClock())
            watching.listen()
            checks = ConditionChecks(
                clock=SystemClock(), post=post, errands=Errands(watching.expect)
            )
            checks.look(1, job, prepare)
            await asyncio.wait_for(done.wait(), 60)
            watching.deafen()
            (message,) = told
            assert isinstance(message, ConditionsSeen)
            return message.reason

        return asyncio.run(live())

    return seen


def test_what_holds_on_every_machine_holds(look: Look, tmp_path: Path) -> None:
    everything = {
        "load": 100_000,
        "memory": 1,
        "disk": {str(tmp_path): 1, "~": 1},
        "network": ["lo"],
        "hours": ["00:00-24:00"],
        "exec": ["true"],
    }

    assert look(**everything) is None


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"load": 0.000001}, "is not below 1e-06"),
        ({"memory": "900TiB"}, "of memory available, less than 900 TiB"),
        ({"disk": {"/": "900000TiB"}}, "/: "),
        ({"disk": {"/gone/away": 1}}, "/gone/away: no such file or directory"),
        ({"network": "nope0"}, "nope0 is not up"),
        ({"exec": ["false"]}, "false answered with exit code 1"),
        ({"exec": "sh -c 'echo not mounted; exit 3'"}, "exit code 3 (not mounted)"),
        ({"exec": ["no-such-program-here"]}, "no-such-program-here"),
        ({"exec": ["sleep", "600"], "exec_timeout": 0.2}, "sleep took more than 0.2 seconds"),
    ],
)
def test_what_does_not_hold_is_said(look: Look, wanted: dict[str, Any], reason: str) -> None:
    assert reason in (look(**wanted) or "it holds")


def test_an_address_has_to_accept_connections(look: Look) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert look(network=f"127.0.0.1:{port}") is None
    assert look(network=f"127.0.0.1:{port}") == f"127.0.0.1:{port} refused the connection"


def test_exec_is_asked_last_and_not_at_all_where_something_else_fails(
    look: Look, tmp_path: Path
) -> None:
    touched = tmp_path / "touched"

    assert look(exec=["touch", str(touched)], network="nope0") == "nope0 is not up"
    assert not touched.exists()
    assert look(exec=["touch", "touched"], network="lo") is None
    assert touched.exists()


def test_exec_has_the_surroundings_of_the_run_and_says_that_it_is_a_probe(look: Look) -> None:
    code = "import os, sys; sys.exit(os.environ['PB_PROBE'] != '1' or sys.stdin.read() != '')"

    assert look(exec=[sys.executable, "-c", code]) is None


def test_surroundings_that_cannot_be_made_are_a_reason(look: Look) -> None:
    def prepare() -> Spawn:
        raise PbError("Cannot read /x/env")

    assert look(prepare, exec=["true"]) == "could not be looked at: Cannot read /x/env"


def test_a_file_system_that_hangs_holds_up_nobody(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "PATIENCE", 0.05)
    hanging = threading.Event()
    monkeypatch.setattr(conditions, "free_of", lambda wanted: hanging.wait(60))

    assert look(disk={"/mnt": 1}) == "/mnt: the file system does not answer"
    hanging.set()


def test_nobody_is_told_of_a_look_that_was_dropped(tmp_path: Path) -> None:
    job = job_from({"name": "j", "command": "x", "conditions": {"exec": ["sleep", "600"]}})
    told: list[Message] = []
    what = Spawn(
        argv=("false",), env={"PATH": os.defpath}, cwd=str(tmp_path), log_path=tmp_path / "1.log"
    )

    async def live() -> None:
        watching = Watching(exits=tmp_path / "exits", clock=SystemClock())
        watching.listen()
        checks = ConditionChecks(
            clock=SystemClock(), post=told.append, errands=Errands(watching.expect)
        )
        started = asyncio.Event()

        def prepare() -> Spawn:
            started.set()
            return replace(what)

        checks.look(1, job, prepare)
        await started.wait()
        await asyncio.sleep(0)
        checks.drop(1)
        checks.drop(1)
        async with asyncio.timeout(30):
            while len(asyncio.all_tasks()) > 1 or watching.left():
                await asyncio.sleep(0.01)
        watching.deafen()

    asyncio.run(live())
    assert told == []


def test_only_so_many_hang_on_one_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "PATIENCE", 0.05)
    monkeypatch.setattr(conditions, "MOST_HANGING", 2)
    hanging, asked = threading.Event(), threading.Semaphore(0)

    def hang(wanted: object) -> dict[str, int]:
        asked.release()
        hanging.wait(60)
        return {"/mnt": 5}

    monkeypatch.setattr(conditions, "free_of", hang)
    wanted = job_from(
        {"name": "j", "command": "x", "timezone": "UTC", "conditions": {"disk": {"/mnt": 1}}}
    ).conditions

    async def scene() -> int:
        watching = Watching(exits=tmp_path / "exits", clock=SystemClock(), is_guest=True)
        errands = Errands(watching.expect)
        checks = ConditionChecks(clock=SystemClock(), post=lambda message: None, errands=errands)
        for _ in range(4):
            with pytest.raises(TimeoutError):
                await checks._free(wanted)
        hanging.set()
        while checks._asking["/mnt",]:
            await asyncio.sleep(0.01)
        return sum(asked.acquire(blocking=False) for _ in range(4))

    assert asyncio.run(scene()) == 2
