"""What is done for services by a real scheduler: readiness, health, hooks, limits, changes."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pb.api.client import Client
from tests.kit import eventually
from tests.kit.command import Pb, is_running, kill

Call = Callable[..., Any]
LONG = 30.0


@pytest.fixture
def call(pb: Pb) -> Call:
    pb.ok("scheduler", "start")

    def ask(method: str, **params: Any) -> Any:
        with Client(pb.home / "gateway.sock") as client:
            return client.call(method, params)

    return ask


def add(call: Call, root: Path, *command: str, **definition: Any) -> None:
    given = {"name": "web", "command": list(command), "cwd": str(root), **definition}
    call("service.add", definition=given)


def view(call: Call) -> Any:
    [found] = call("service.list", names=["web"])["services"]
    return found


def is_up(call: Call, **wanted: Any) -> Any:
    """Its view, once all of that is true of it."""

    def look() -> Any:
        found = view(call)
        return found if all(found[key] == value for key, value in wanted.items()) else None

    return eventually(look, timeout=LONG)


def shell(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


def test_a_service_is_ready_when_it_says_so_and_healthy_when_it_is(pb: Pb, call: Call) -> None:
    script = """
import os, socket, time
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.connect(os.environ["NOTIFY_SOCKET"])
    while not os.path.exists("go"):
        time.sleep(0.02)
    s.send(b"STATUS=all set")
    s.send(b"READY=1")
    time.sleep(600)
"""
    add(
        call,
        pb.home,
        *(sys.executable, "-c", script),
        ready="notify",
        health={"exec": ["test", "-e", "go"], "interval": "1s"},
    )
    assert is_up(call, state="starting")["ready_at"] is None

    (pb.home / "go").touch()

    is_up(call, state="running", health="healthy")


def test_who_does_not_become_ready_is_started_again_and_says_why(pb: Pb, call: Call) -> None:
    ready = {"file": str(pb.home / "never"), "timeout": "300ms"}
    add(call, pb.home, "sleep", "600", ready=ready, restart={"delay": "100ms"})

    found = eventually(lambda: (one := view(call))["restarts"] and one, timeout=LONG)

    assert "not ready within" in found["last_exit"]["reason"]


def test_an_unhealthy_service_is_restarted(pb: Pb, call: Call) -> None:
    health = {"exec": ["test", "-e", "well"], "interval": "100ms", "failures": 2}
    (pb.home / "well").touch()
    add(call, pb.home, "sleep", "600", health=health, restart={"delay": 0})
    before = is_up(call, health="healthy")["pid"]

    (pb.home / "well").unlink()
    eventually(lambda: view(call)["pid"] not in (before, None), timeout=LONG)
    (pb.home / "well").touch()

    is_up(call, state="running", health="healthy")
    assert not is_running(before)


def test_hooks_run_in_their_order_and_know_what_for(pb: Pb, call: Call) -> None:
    note = ["sh", "-c", 'echo "$PB_EVENT" >> events']
    hooks = dict.fromkeys(("pre_start", "post_start", "post_stop"), note)
    add(call, pb.home, "sh", "-c", "exec sleep 600", hooks=hooks)
    is_up(call, state="running")
    events = pb.home / "events"
    eventually(lambda: len(events.read_text().splitlines()) == 2, timeout=LONG)

    call("service.stop", names=["web"])

    eventually(lambda: len(events.read_text().splitlines()) == 3, timeout=LONG)
    told = [json.loads(line) for line in events.read_text().splitlines()]
    assert [one["event"] for one in told] == ["pre_start", "post_start", "post_stop"]
    assert {(one["service"], one["instance"]) for one in told} == {("web", 0)}
    assert told[-1]["signal"] == "SIGTERM"


def test_a_pre_start_that_fails_is_a_failed_start(pb: Pb, call: Call) -> None:
    hooks = {"pre_start": ["sh", "-c", "exit 7"]}
    add(call, pb.home, "touch", "started", hooks=hooks, restart="never")

    found = is_up(call, state="failed")

    assert found["last_exit"]["reason"] == "pre_start failed: exit code 7"
    assert not (pb.home / "started").exists()


def test_a_stop_command_is_asked_first(pb: Pb, call: Call) -> None:
    script = (
        "trap 'echo term >> how' TERM; while ! test -e quit; do sleep 0.05; done; echo asked >> how"
    )
    stop = {"command": ["sh", "-c", "touch quit; while ! test -e how; do sleep 0.05; done"]}
    add(call, pb.home, *shell(script), stop=stop)
    is_up(call, state="running")

    call("service.stop", names=["web"])

    assert (pb.home / "how").read_text().split()[0] == "asked"


def test_too_much_memory_is_a_reason_to_start_again(pb: Pb, call: Call) -> None:
    greedy = (
        "import os, time; x = b'x' * (1 << 26 if os.path.exists('hungry') else 1); time.sleep(600)"
    )
    (pb.home / "hungry").touch()
    add(
        call,
        pb.home,
        *(sys.executable, "-c", greedy),
        max_memory="48MiB",
        restart={"delay": "200ms"},
    )

    found = eventually(lambda: (one := view(call))["restarts"] and one, timeout=LONG)
    (pb.home / "hungry").unlink()

    assert "memory limit 48 MiB exceeded (peak" in found["last_exit"]["reason"]
    is_up(call, state="running")


def test_a_change_of_its_files_restarts_it(pb: Pb, call: Call) -> None:
    source = pb.home / "src"
    source.mkdir()
    (source / "app.py").write_text("one")
    add(call, source, "sleep", "600", watch=[str(source)])
    before = is_up(call, state="running")["pid"]

    def change() -> bool:
        (source / "app.py").write_text(os.urandom(8).hex())
        return view(call)["pid"] not in (before, None)

    eventually(change, timeout=LONG, interval=1.0)

    assert not is_running(before)


def test_care_goes_on_when_the_scheduler_was_killed(pb: Pb, call: Call) -> None:
    health = {"exec": ["test", "-e", "well"], "interval": "200ms", "action": "none"}
    (pb.home / "well").touch()
    add(call, pb.home, "sleep", "600", ready={"file": str(pb.home / "up")}, health=health)
    before = is_up(call, state="starting")["pid"]
    kill(pb.pid(), signal.SIGKILL)
    eventually(lambda: not pb.daemons())
    pb.ok("scheduler", "start")
    (pb.home / "up").touch()

    found = is_up(call, state="running", health="healthy")
    (pb.home / "well").unlink()
    is_up(call, health="unhealthy")

    assert found["pid"] == before == view(call)["pid"]
