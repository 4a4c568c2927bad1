"""Readiness and health with real processes, sockets, logs and files."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from pb.core.service import (
    Delay,
    Exec,
    FileExists,
    Health,
    HealthPolicy,
    Http,
    LogText,
    Notify,
    Ready,
    ReadyCheck,
    Service,
    ServiceLog,
    Tcp,
)
from pb.daemon.messages import HealthChanged, InstanceReady, NotReadyInTime, StatusText
from tests.kit.stage import Stage, play, python

SLEEPER = ("sleep", "600")

NOTIFY = """
import os, socket, sys, time
def say(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def service(check: ReadyCheck | None = None, **options: object) -> Service:
    ready = None if check is None else Ready(check=check)
    base = Service(name="web", command=SLEEPER, ready=ready)
    return replace(base, **options)  # type: ignore[arg-type]


LISTENER = """
import socket, sys, time
time.sleep(0.2)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    peer, _ = server.accept()
    peer.recv(4096)
    peer.sendall(b"HTTP/1.0 204 Nothing\\r\\n\\r\\n")
    peer.close()
"""


@pytest.mark.parametrize("kind", ["tcp", "http", "exec", "file", "log", "delay", "notify"])
def test_each_check_tells_of_a_service_that_becomes_ready(tmp_path: Path, kind: str) -> None:
    port = free_port()
    touch = "import time; time.sleep(0.2); open('here', 'w').close(); time.sleep(600)"
    talk = "import time; time.sleep(0.2); print('now ready to serve', flush=True); time.sleep(600)"
    notify = f"{NOTIFY}\ntime.sleep(0.2)\nsay('READY=1')\ntime.sleep(600)"
    check, command = {
        "tcp": (Tcp(port=port), (*python(LISTENER), str(port))),
        "http": (Http(url=f"http://localhost:{port}/x?y"), (*python(LISTENER), str(port))),
        "exec": (Exec(command=("test", "-e", "here")), python(touch)),
        "file": (FileExists(path="here"), python(touch)),
        "log": (LogText(pattern=r"ready to \w+$"), python(talk)),
        "delay": (Delay(seconds=0.2), SLEEPER),
        "notify": (Notify(), python(notify)),
    }[kind]

    async def scene(stage: Stage) -> None:
        key = stage.start(service(check, command=command))
        assert stage.told == []
        assert (await stage.hear(InstanceReady)).key == key

    assert len(play(tmp_path, scene).told) == 1


@pytest.mark.parametrize(
    ("check", "why"),
    [
        (Tcp(port=1), "127.0.0.1:1 refused the connection"),
        (Http(url="http://127.0.0.1:1/"), "http://127.0.0.1:1/ refused the connection"),
        (Http(url="http://127.0.0.1:1/", headers={"A": "b\nc"}), "no header may have"),
        (Exec(command=("sh", "-c", "echo no such table; exit 3")), "exit code 3 (no such table)"),
        (Exec(command=("no-such-command",)), "Command not found: no-such-command"),
        (FileExists(path="here"), "here was neither made nor changed"),
        (LogText(pattern="ready"), "no line of its log matches ready"),
        (Notify(), "it has not said READY=1"),
    ],
)
def test_what_does_not_become_ready_in_time_says_why(
    tmp_path: Path, check: ReadyCheck, why: str
) -> None:
    async def scene(stage: Stage) -> None:
        stage.start(replace(service(), ready=Ready(check=check, timeout=0.4)))
        reason = (await stage.hear(NotReadyInTime)).reason
        assert reason.startswith("not ready within 0.4 seconds: ")
        assert why in reason

    play(tmp_path, scene)


def test_a_probe_of_the_service_shares_its_surroundings(tmp_path: Path) -> None:
    check = Exec(command=("sh", "-c", 'test "$COLOUR" = blue && test -d home'))

    async def scene(stage: Stage) -> None:
        stage.start(service(check, env={"COLOUR": "blue"}))
        await stage.hear(InstanceReady)

    play(tmp_path, scene)


def test_what_was_there_before_the_start_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("from the last life")

    async def scene(stage: Stage) -> None:
        stage.home.log("web").write_text("ready\n")
        late = "sleep 0.3; echo rea; printf 're'; sleep 0.1; echo 'ady'; sleep 600"
        by_log = service(LogText(pattern="^ready$"), command=("sh", "-c", late))
        by_file = service(FileExists(path="here"), name="file")
        stage.start(by_log)
        stage.start(by_file)
        assert (await stage.hear(InstanceReady)).key.service == "web"
        assert len(stage.told) == 1
        (tmp_path / "here").write_text("of this one")
        assert (await stage.hear(InstanceReady, 2)).key.service == "file"

    play(tmp_path, scene)


def test_a_ready_line_is_found_beyond_much_output_and_a_new_file(tmp_path: Path) -> None:
    flood = "import sys\nfor n in range(60000): print('line', n)\nprint('ready', flush=True)\n"

    async def scene(stage: Stage) -> None:
        stage.start(service(LogText(pattern="^ready$"), command=python(flood + "input()")))
        await stage.hear(InstanceReady)
        stage.start(service(LogText(pattern="^ready$")), life=2)
        log = stage.home.log("web")
        log.rename(log.with_suffix(".old"))
        log.write_text("ready\n")
        assert (await stage.hear(InstanceReady, 2)).key.life == 2

    play(tmp_path, scene)


def test_a_ready_line_on_a_standard_error_of_its_own_counts(tmp_path: Path) -> None:
    talk = ("sh", "-c", "echo starting; echo ready >&2; sleep 600")
    one = service(LogText(pattern="^ready$"), command=talk, log=ServiceLog(split_stderr=True))

    async def scene(stage: Stage) -> None:
        stage.start(one)
        await stage.hear(InstanceReady)
        assert stage.home.log("web").read_text() == "starting\n"
        assert (stage.home.root / "web.err.log").read_text() == "ready\n"

    play(tmp_path, scene)


def test_a_life_that_ends_in_the_middle_of_a_probe_leaves_nothing(tmp_path: Path) -> None:
    port = free_port()

    async def scene(stage: Stage) -> None:
        with socket.create_server(("127.0.0.1", port)):
            checks: list[ReadyCheck] = [
                Exec(command=("sh", "-c", "sleep 600 & sleep 600")),
                Http(url=f"http://127.0.0.1:{port}/"),
                LogText(pattern="never"),
                Notify(),
            ]
            before = set(os.listdir("/proc/self/fd"))
            keys = [
                stage.start(service(check, name=f"s{number}"))
                for number, check in enumerate(checks)
            ]
            await stage.until(lambda: len(stage.tree(keys[0])) >= 4)
            await asyncio.sleep(0.1)
            for key in keys:
                stage.probes.end(key)
            await stage.until(lambda: len(stage.tree(keys[0])) == 1)
            for key in keys:
                stage.kill(key)
            await stage.until(lambda: not stage.watching.left())
            await stage.until(lambda: set(os.listdir("/proc/self/fd")) <= before)
            assert list((stage.home.root / "notify").iterdir()) == []

    assert play(tmp_path, scene).told == []


def test_an_exec_probe_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    probe = Exec(command=("sh", "-c", "echo $$ >> pids; sleep 600 & wait"))
    ready = Ready(check=probe, timeout=1.5, try_timeout=0.3)

    async def scene(stage: Stage) -> None:
        key = stage.start(replace(service(), ready=ready))
        reason = (await stage.hear(NotReadyInTime)).reason
        assert "sh took more than 0.3 seconds" in reason
        await stage.until(lambda: len(stage.tree(key)) == 1)
        assert len((tmp_path / "pids").read_text().split()) >= 2

    play(tmp_path, scene)


def test_a_probe_that_never_stops_talking_costs_no_room(tmp_path: Path) -> None:
    probe = Exec(command=("sh", "-c", "yes | head -c 3000000; echo done; exit 1"))

    async def scene(stage: Stage) -> None:
        stage.start(replace(service(), ready=Ready(check=probe, timeout=2, try_timeout=10)))
        assert "exit code 1 (done)" in (await stage.hear(NotReadyInTime)).reason
        assert not stage.home.log("web").read_bytes()

    play(tmp_path, scene)


def test_health_starts_heals_and_fails_with_its_reason(tmp_path: Path) -> None:
    policy = HealthPolicy(probe=Exec(command=("test", "-e", "well")), interval=0.2, failures=2)

    async def scene(stage: Stage) -> None:
        (tmp_path / "well").touch()
        key = stage.start(service(health=policy))
        first = await stage.hear(HealthChanged)
        assert (first.key, first.health, first.reason) == (key, Health.HEALTHY, None)
        (tmp_path / "well").unlink()
        second = await stage.hear(HealthChanged, 2)
        assert second.health is Health.UNHEALTHY
        assert second.reason == "test answered with exit code 1 (2 times in a row)"
        (tmp_path / "well").touch()
        assert (await stage.hear(HealthChanged, 3)).health is Health.HEALTHY

    play(tmp_path, scene)


def test_failures_in_the_start_period_do_not_count(tmp_path: Path) -> None:
    policy = HealthPolicy(
        probe=Exec(command=("sh", "-c", "echo . >> tries; false")),
        interval=0.05,
        failures=1,
        start_period=1.0,
    )

    async def scene(stage: Stage) -> None:
        stage.start(service(health=policy))
        await stage.hear(HealthChanged)
        assert (tmp_path / "tries").read_text().count(".") >= 3

    assert len(play(tmp_path, scene).told) == 1


def test_health_waits_for_ready(tmp_path: Path) -> None:
    policy = HealthPolicy(probe=Exec(command=("touch", "probed")), interval=0.1)
    one = service(FileExists(path="here"), health=policy)

    async def scene(stage: Stage) -> None:
        key = stage.start(one)
        await asyncio.sleep(0.3)
        assert not (tmp_path / "probed").exists()
        (tmp_path / "here").touch()
        await stage.hear(HealthChanged)
        stage.probes.close()
        stage.probes = stage.new_probes()
        stage.adopt(one, key, started_ms=0, is_ready=True)
        await stage.hear(HealthChanged, 2)

    assert [type(one) for one in play(tmp_path, scene).told] == [
        InstanceReady,
        HealthChanged,
        HealthChanged,
    ]


def test_a_watchdog_that_falls_silent_is_unhealthy_until_it_barks_again(tmp_path: Path) -> None:
    script = f"""{NOTIFY}
while True:
    if not os.path.exists("mute"):
        say("WATCHDOG=1")
    time.sleep(0.05)
"""

    async def scene(stage: Stage) -> None:
        stage.start(service(command=python(script), health=HealthPolicy(watchdog=0.5)))
        assert (await stage.hear(HealthChanged)).health is Health.HEALTHY
        (tmp_path / "mute").touch()
        second = await stage.hear(HealthChanged, 2)
        assert second.reason == "it has not said WATCHDOG=1 for 0.5 seconds"
        (tmp_path / "mute").unlink()
        assert (await stage.hear(HealthChanged, 3)).health is Health.HEALTHY

    play(tmp_path, scene)


def test_a_service_that_says_that_it_ends_is_not_called_silent(tmp_path: Path) -> None:
    script = f"{NOTIFY}\nsay('READY=1\\nWATCHDOG=1')\nsay('STOPPING=1')\ntime.sleep(600)"

    async def scene(stage: Stage) -> None:
        one = service(Notify(), command=python(script), health=HealthPolicy(watchdog=0.3))
        stage.start(one)
        await stage.hear(InstanceReady)
        await asyncio.sleep(0.6)

    told = play(tmp_path, scene).told
    assert all(not isinstance(one, HealthChanged) or one.health is Health.HEALTHY for one in told)


def test_only_its_own_tree_is_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    script = f"{NOTIFY}\nsay('MAINPID=1')\ntime.sleep(600)"

    async def scene(stage: Stage) -> None:
        key = stage.start(service(Notify(), command=python(script)))
        path = stage.started[key][1].env["NOTIFY_SOCKET"]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"READY=1", path)
        await stage.until(lambda: "which is no part of it" in caplog.text)
        await stage.until(lambda: "MAINPID" in caplog.text)
        assert stage.told == []
        # A grandchild in a session of its own is part of it, by its marker.
        env = stage.started[key][1].env
        child = await asyncio.create_subprocess_exec(
            *python(f"{NOTIFY}\nsay('READY=1')\ntime.sleep(600)"), env=env, start_new_session=True
        )
        await stage.hear(InstanceReady)
        child.kill()
        await child.wait()

    play(tmp_path, scene)


def test_what_it_says_of_itself_is_passed_on_safe_and_seldom(tmp_path: Path) -> None:
    script = f"""{NOTIFY}
for number in range(200):
    say(f"STATUS=\\x1b[31mloading {{number}}")
time.sleep(600)
"""

    async def scene(stage: Stage) -> None:
        stage.start(service(Notify(), command=python(script)))
        await stage.until(lambda: any("199" in one.text for one in stage.heard(StatusText)))
        assert len(stage.heard(StatusText)) < 20
        assert "\x1b" not in stage.heard(StatusText)[0].text

    play(tmp_path, scene)


def test_a_later_scheduler_hears_the_same_socket(tmp_path: Path) -> None:
    waiting = f"{NOTIFY}\nimport signal\nsignal.pthread_sigmask(0, [signal.SIGUSR1])\n" + (
        "open('up', 'w').close()\nsignal.sigwait([signal.SIGUSR1])\nsay('READY=1')\ntime.sleep(600)"
    )

    async def scene(stage: Stage) -> None:
        one = service(Notify(), command=python(waiting))
        key = stage.start(one)
        await stage.until((tmp_path / "up").exists)
        stage.probes.close()
        stage.probes = stage.new_probes()
        stage.adopt(one, key, started_ms=0)
        os.kill(stage.started[key][0].pid, signal.SIGUSR1)
        assert (await stage.hear(InstanceReady)).key == key

    play(tmp_path, scene)


def test_services_that_are_not_asked_cost_nothing(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        before = set(os.listdir("/proc/self/fd"))
        for number in range(100):
            one = service(name=f"s{number}")
            key = stage.what(one, stage.start(one))
            assert "NOTIFY_SOCKET" not in key.env
        assert len(asyncio.all_tasks()) == 1
        assert not [timer for timer in scheduled() if not timer.cancelled()]
        stage_fds = set(os.listdir("/proc/self/fd")) - before
        assert len(stage_fds) <= 100  # the pidfds of the stage itself

    def scheduled() -> list[asyncio.TimerHandle]:
        return list(asyncio.get_running_loop()._scheduled)  # type: ignore[attr-defined]

    play(tmp_path, scene)
