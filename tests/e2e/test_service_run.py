"""``pb service run``: the foreground of a terminal or a container, also as PID 1."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_own_services import SLEEP, add
from tests.kit import eventually
from tests.kit.cli import Cli
from tests.kit.command import is_running


@pytest.fixture
def pb(tmp_path: Path) -> Iterator[Cli]:
    work = tmp_path / "work"
    work.mkdir()
    cli = Cli(home=tmp_path / "home", cwd=work)
    yield cli
    cli.end_everything()


class Running:
    """``pb service run`` with its output in files."""

    def __init__(self, pb: Cli, *words: str, before: tuple[str, ...] = ()) -> None:
        self.out, self.err = pb.cwd / "out", pb.cwd / "err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [*before, *pb.argv, "service", "run", *words],
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
                env=pb.environ(),
                cwd=pb.cwd,
                start_new_session=True,
            )

    def says(self, text: str) -> bool:
        return eventually(lambda: text in self.out.read_text() + self.err.read_text(), timeout=40)

    def ends(self) -> int:
        return self.process.wait(60)

    def all(self) -> str:
        return self.out.read_text() + self.err.read_text()


def pid_in(pb: Cli, name: str) -> int:
    found = pb("service", "status", name, "--json").json["services"][0]["pid"]
    assert isinstance(found, int)
    return found


def test_the_end_of_an_essential_service_is_the_end_and_its_code(pb: Cli) -> None:
    add(pb, "side", command=("sh", "-c", "echo side up; echo $$ > side.pid; exec sleep 3600"))
    script = "(setsid sleep 3600 & echo $! > apart.pid); echo main up; printf last; exit 42"
    waits = f"while ! test -s side.pid; do sleep 0.05; done; {script}"
    flags = ("--essential", "--depends-on", "side", "--restart-delay", "1m")
    add(pb, "main", *flags, command=("sh", "-c", waits))
    ran = pb("service", "run", "all")
    assert ran.code == 42, ran
    assert "side      | side up\n" in ran.out
    assert "main      | main up\nmain      | last\n" in ran.out
    assert "main is essential, and has ended" in ran.err
    for name in ("side", "apart"):
        assert not is_running(int((pb.cwd / f"{name}.pid").read_text()))
    assert pb("scheduler", "status").code == 3


def test_the_signal_that_ended_it_is_told_as_a_shell_would(pb: Cli) -> None:
    add(pb, "main", "--essential", command=("sh", "-c", "kill -KILL $$"))
    assert pb("service", "run", "main").code == 128 + signal.SIGKILL


def test_the_first_that_fails_is_the_end_and_all_done_is_success(pb: Cli) -> None:
    add(pb, "side")
    add(pb, "bad", "--restart", "never", command=("sh", "-c", "exit 7"))
    ran = pb("service", "run", "side", "bad")
    assert ran.code == 7, ran
    assert "bad has failed" in ran.err
    add(pb, "good", "--restart", "on-failure", command=("echo", "done"))
    done = pb("service", "run", "good")
    assert (done.code, done.out) == (0, "good      | done\n")
    assert pb("service", "run", "nobody").code == 5


def test_ctrl_c_stops_in_order_and_once_more_kills(pb: Cli) -> None:
    stubborn = "trap '' TERM; echo up; while :; do sleep 0.1; done"
    add(pb, "db", "--stop-timeout", "10m", command=("sh", "-c", stubborn))
    add(pb, "web", "--depends-on", "db")
    running = Running(pb, "all")
    assert running.says("Service web started") or running.says("web       | up")
    assert running.says("db        | up")
    running.process.send_signal(signal.SIGINT)
    assert running.says("Service db is being stopped")
    assert "once more kills at once" in running.all()
    running.process.send_signal(signal.SIGINT)
    assert running.ends() == 130
    text = running.err.read_text()
    assert text.index("Service web stopped") < text.index("Service db stopped")
    assert pb("scheduler", "status").code == 3


def test_a_scheduler_that_is_killed_comes_back_and_adopts(pb: Cli) -> None:
    add(pb, "web")
    running = Running(pb, "web", "--json")
    assert running.says('"text": "up"')
    pid, scheduler = pid_in(pb, "web"), pb.pid()
    os.kill(scheduler, signal.SIGKILL)
    assert eventually(lambda: pb("scheduler", "status").code == 0, timeout=30)
    assert pb.pid() != scheduler
    assert pid_in(pb, "web") == pid
    running.process.send_signal(signal.SIGTERM)
    assert running.ends() == 0
    assert not is_running(pid)


def test_a_scheduler_that_runs_is_used_and_stays(pb: Cli) -> None:
    add(pb, "web")
    add(pb, "other", "--disabled")
    assert pb("service", "start", "other").code == 0
    running = Running(pb, "web")
    assert running.says("it will stay")
    assert eventually(lambda: pb("service", "status", "web").code == 0)
    running.process.send_signal(signal.SIGHUP)
    running.process.send_signal(signal.SIGTERM)
    assert running.ends() == 0
    assert pb("service", "status", "web").code == 3
    assert pb("service", "status", "other", "scheduler").code == 0


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare(1)"
)
def test_it_is_safe_as_pid_1(pb: Cli) -> None:
    """A container: definitions in files, a namespace of its own, orphans, TERM from outside."""
    unshare = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system does not allow a PID namespace")
    folder = pb.home / "services.d"
    folder.mkdir(mode=0o700, parents=True)
    pb.home.chmod(0o700)
    zombies = "(setsid sh -c 'exit 0' &); (setsid sleep 3600 &); echo up; exec sleep 3600"
    (folder / "web.toml").write_text(f'[service.web]\nshell = true\ncommand = "{zombies}"\n')
    running = Running(pb, "all", before=unshare)
    assert running.says("web       | up")
    assert running.out.read_text().count("up") == 1
    (inner,) = children(running.process.pid)
    assert eventually(lambda: not [pid for pid in children(inner) if is_zombie(pid)])
    os.kill(inner, signal.SIGTERM)
    assert running.ends() == 0, running.all()
    assert "Service web stopped" in running.all()


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def test_services_of_files_are_started_once_in_a_new_home(pb: Cli) -> None:
    folder = pb.home / "services.d"
    folder.mkdir(mode=0o700, parents=True)
    pb.home.chmod(0o700)
    lines = f'[service.web]\ncommand = ["{sys.executable}", "-c", "{SLEEP[2]}"]\n'
    (folder / "web.toml").write_text(lines)
    assert pb("service", "start", "scheduler").code == 0
    assert eventually(lambda: "up" in pb("service", "logs", "web").out)
    assert pb("service", "stop", "web").code == 0
    assert pb("service", "logs", "web").out == "up\n"
