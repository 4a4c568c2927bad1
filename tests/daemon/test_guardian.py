"""The guardian, with a scheduler that does as it is told: real processes, signals and files."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pb.daemon.guardian import read_arguments
from pb.process.exits import take_exits
from pb.process.identity import identify
from pb.process.lock import Lock, holder_alive
from pb.process.table import look_up
from tests.kit import eventually

PLACE = str(Path(__file__).parents[2])
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO |WARN |ERROR) guardian: .+")

FAKE_SCHEDULER = """
import os, signal, sys, time
from pathlib import Path
here = Path(sys.argv[1])
options = dict(zip(sys.argv[2::2], sys.argv[3::2]))
def tell(name, text):
    with open(here / name, "a") as file:
        file.write(f"{text}\\n")
def on_signal(signum, frame):
    tell("signals", signal.Signals(signum).name)
    if signum == signal.SIGTERM and "stubborn" not in acts:
        sys.exit(0)
plan = (here / "plan").read_text().splitlines()
starts = here / "starts"
number = len(starts.read_text().splitlines()) if starts.exists() else 0
acts = plan[min(number, len(plan) - 1)].split()
for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(one, on_signal)
facts = os.fstat(int(options["--lock-fd"]))
tell("locks", f"{facts.st_dev} {facts.st_ino}")
tell("options", " ".join(sys.argv[2:]))
tell("starts", os.getpid())
for act in acts:
    name, _, value = act.partition("=")
    if name == "ready":
        os.write(int(options["--ready-fd"]), b'{"ok": true, "pid": %d}\\n' % os.getpid())
        os.close(int(options["--ready-fd"]))
    elif name == "refuse":
        os.write(int(options["--ready-fd"]), b'{"error": {"code": "invalid"}}\\n')
    elif name == "child":
        pid = os.fork()
        if pid == 0:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            while not (here / "go").exists():
                time.sleep(0.01)
            os._exit(int(value))
        tell("children", pid)
    elif name == "exit":
        sys.exit(int(value))
while True:
    signal.pause()
"""

GUARD = """
import os, sys
from pathlib import Path
from pb.daemon.guard import Restarts, guard
from pb.process.lock import Lock
from pb.process.subreaper import become_subreaper
here, ready, delay, quick, limit, pause = sys.argv[1:]
lock = Lock(Path(here, "scheduler.lock"))
assert lock.acquire() and become_subreaper()
os.set_inheritable(int(ready), False)
sys.exit(guard(
    [sys.executable, "-S", here + "/fake.py", here],
    lock_fd=lock.fd, exits=Path(here, "scheduler.exits"), ready_fd=int(ready),
    restarts=Restarts(delay=float(delay), quick=float(quick), limit=int(limit), pause=float(pause)),
))
"""

MAIN = """
import sys
from pb.daemon.guardian import main
sys.exit(main(sys.argv[2:], (sys.executable, "-S", sys.argv[1] + "/fake.py", sys.argv[1])))
"""


class Post:
    """One guardian in a directory of its own, its log, and the plan of its scheduler."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "scheduler.log"
        self.ready, self._write = os.pipe()
        self.guardian: subprocess.Popen[bytes] | None = None
        (root / "fake.py").write_text(FAKE_SCHEDULER)

    def begin(
        self, *plan: str, delay: float = 0.05, quick: float = 5.0, limit: int = 5, pause: float = 30
    ) -> subprocess.Popen[bytes]:
        """Start the guardian; the scheduler does a line of ``plan`` each time, then the last."""
        numbers = map(str, (self._write, delay, quick, limit, pause))
        return self.run([GUARD, str(self.root), *numbers], plan)

    def begin_main(self, *arguments: str, plan: Sequence[str]) -> subprocess.Popen[bytes]:
        own = ("--home", str(self.root), "--ready-fd", str(self._write))
        return self.run([MAIN, str(self.root), *own, *arguments], plan)

    def run(self, arguments: Sequence[str], plan: Sequence[str]) -> subprocess.Popen[bytes]:
        (self.root / "plan").write_text("\n".join(plan))
        with self.log.open("ab") as log:
            self.guardian = subprocess.Popen(
                [sys.executable, "-c", *arguments],
                env={"PATH": os.environ["PATH"], "PYTHONPATH": PLACE},
                stderr=log,
                pass_fds=[self._write],
                start_new_session=True,
            )
        os.close(self._write)
        self._write = -1
        return self.guardian

    def numbers(self, name: str, count: int = 1) -> list[int]:
        """The pids in a file that the fake scheduler writes, once there are ``count``."""

        def enough() -> list[int] | None:
            found = [int(word) for word in (self.root / name).read_text().split()]
            return found if len(found) >= count else None

        return eventually(enough) or []

    def said(self, text: str) -> str:
        """The log, once it says ``text``."""
        return eventually(lambda: (log := self.log.read_text()) and text in log and log) or ""

    def launched(self) -> bytes:
        """All that the launcher reads, up to the end of the pipe."""
        with open(self.ready, "rb") as pipe:
            self.ready = -1
            return pipe.read()

    def ended(self) -> int:
        assert self.guardian is not None
        return self.guardian.wait(15)

    def close(self) -> None:
        for fd in (self.ready, self._write):
            if fd >= 0:
                os.close(fd)
        if self.guardian is not None:
            self.guardian.kill()
            self.guardian.wait()
        (self.root / "go").touch()
        log = self.log.read_text() if self.log.exists() else ""
        for pid in map(int, re.findall(r"guardian started \(pid (\d+)\)", log)):
            kill_if(pid, str(self.root))
        for name in ("starts", "children"):
            path = self.root / name
            for pid in map(int, path.read_text().split() if path.exists() else ()):
                kill_if(pid, str(self.root))


def kill_if(pid: int, word: str) -> None:
    """Kill what is left over, if it is still what this test started: its command line says so."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return
    if word in line:
        os.kill(pid, signal.SIGKILL)


def has_gone(pid: int) -> bool:
    return identify(pid) is None


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    post = Post(tmp_path)
    yield post
    post.close()


# Starting and ending


def test_the_first_readiness_line_reaches_the_launcher(post: Post) -> None:
    post.begin("ready")
    line = json.loads(post.launched())
    assert line == {"ok": True, "pid": post.numbers("starts")[0]}


def test_the_scheduler_gets_its_lock_and_its_supervisor(post: Post) -> None:
    guardian = post.begin("ready")
    post.said("is ready")
    [device, inode] = post.numbers("locks", 2)
    facts = (post.root / "scheduler.lock").stat()
    assert (device, inode) == (facts.st_dev, facts.st_ino)
    assert f"--supervisor-pid {guardian.pid}" in (post.root / "options").read_text()


def test_the_lock_is_held_while_either_lives(post: Post) -> None:
    guardian = post.begin("ready")
    [scheduler] = post.numbers("starts")
    post.said("is ready")
    guardian.kill()
    guardian.wait()
    assert holder_alive(post.root / "scheduler.lock")
    os.kill(scheduler, signal.SIGKILL)
    eventually(lambda: not holder_alive(post.root / "scheduler.lock"))


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_stop_ends_the_scheduler_then_the_guardian(post: Post, signum: int) -> None:
    guardian = post.begin("ready")
    [scheduler] = post.numbers("starts")
    post.said("is ready")
    guardian.send_signal(signum)
    assert post.ended() == 0
    assert has_gone(scheduler)
    assert (post.root / "signals").read_text() == "SIGTERM\n"
    assert "scheduler has stopped (exit code 0); the guardian ends" in post.log.read_text()


def test_a_second_signal_to_stop_is_passed_on_too(post: Post) -> None:
    guardian = post.begin("ready stubborn")
    [scheduler] = post.numbers("starts")
    post.said("is ready")
    for count in (1, 2):
        guardian.terminate()
        eventually(lambda count=count: (post.root / "signals").read_text() == "SIGTERM\n" * count)
    assert guardian.poll() is None
    os.kill(scheduler, signal.SIGKILL)
    assert post.ended() == 128 + signal.SIGKILL
    assert len(post.numbers("starts")) == 1


def test_a_hangup_is_passed_on(post: Post) -> None:
    guardian = post.begin("ready")
    post.said("is ready")
    guardian.send_signal(signal.SIGHUP)
    eventually(lambda: (post.root / "signals").read_text() == "SIGHUP\n")
    assert guardian.poll() is None


def test_a_scheduler_that_was_asked_to_stop_takes_the_guardian_along(post: Post) -> None:
    post.begin("ready")
    post.said("is ready")
    os.kill(post.numbers("starts")[0], signal.SIGTERM)
    assert post.ended() == 0


def test_an_invalid_configuration_is_not_tried_again(post: Post) -> None:
    post.begin("ready exit=6")
    assert post.ended() == 6
    assert "configuration invalid (exit code 6); not started again" in post.log.read_text()
    assert len(post.numbers("starts")) == 1


@pytest.mark.parametrize(("plan", "code"), [("exit=3", 3), ("refuse exit=6", 6), ("exit=1", 1)])
def test_a_first_start_that_fails_is_reported_and_not_repeated(
    post: Post, plan: str, code: int
) -> None:
    post.begin(plan)
    assert post.ended() == code
    assert post.launched() == (b'{"error": {"code": "invalid"}}\n' if "refuse" in plan else b"")
    assert "did not become ready" in post.log.read_text()
    assert len(post.numbers("starts")) == 1


# Restarting


def test_a_scheduler_that_is_killed_is_started_again(post: Post) -> None:
    post.begin("ready", delay=0.1)
    [first] = post.numbers("starts")
    post.said("is ready")
    os.kill(first, signal.SIGKILL)
    [_, second] = post.numbers("starts", 2)
    log = post.said(f"scheduler is ready (pid {second})")
    assert "(killed by SIGKILL); starting it again in 0.1 s" in log
    assert json.loads(post.launched())["pid"] == first


def test_every_line_of_the_log_has_the_one_format(post: Post) -> None:
    post.begin("ready exit=3", "ready")
    post.numbers("starts", 2)
    lines = post.said("starting it again").splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []


def test_too_many_quick_deaths_are_followed_by_a_pause_and_a_new_count(post: Post) -> None:
    post.begin("ready exit=3", delay=0.01, limit=2, pause=0.3)
    post.numbers("starts", 7)
    log = post.said("")
    waits = re.findall(r"starting it again in ([\d.]+) s", log)
    assert waits[:6] == ["0.01", "0.01", "0.3", "0.01", "0.01", "0.3"]
    assert "too many deaths within 5 s of the start" in log


def test_deaths_after_a_long_life_are_not_counted(post: Post) -> None:
    post.begin("ready exit=3", delay=0.01, quick=0.0, limit=1, pause=30)
    post.numbers("starts", 6)
    assert "too many" not in post.log.read_text()


def test_a_configuration_that_has_become_invalid_ends_the_restarts(post: Post) -> None:
    post.begin("ready exit=3", "refuse exit=6")
    assert post.ended() == 6
    assert len(post.numbers("starts")) == 2


def test_a_later_start_that_fails_is_tried_again(post: Post) -> None:
    post.begin("ready exit=3", "exit=1", "ready")
    assert len(post.numbers("starts", 3)) == 3


def test_a_signal_to_stop_between_two_starts_ends_at_once(post: Post) -> None:
    guardian = post.begin("ready exit=3", delay=60)
    post.said("starting it again in 60 s")
    guardian.send_signal(signal.SIGHUP)
    guardian.terminate()
    assert post.ended() == 0
    assert len(post.numbers("starts")) == 1


# What a dead scheduler leaves behind


def test_children_of_a_dead_scheduler_become_the_guardians_and_are_remembered(post: Post) -> None:
    guardian = post.begin("ready child=7 child=0 child=1", "ready")
    [first] = post.numbers("starts")
    children = post.numbers("children", 3)
    post.said("is ready")
    identities = [identify(pid) for pid in children]
    os.kill(first, signal.SIGKILL)
    post.numbers("starts", 2)
    rows = [look_up(pid) for pid in children]
    assert [row and row.parent for row in rows] == [guardian.pid] * 3
    os.kill(children[2], signal.SIGTERM)
    (post.root / "go").touch()
    eventually(lambda: all(map(has_gone, children)) and not any(map(look_up, children)))
    taken = take_exits(post.root / "scheduler.exits")
    keys = [(one.pid, one.start_ticks) for one in identities if one is not None]
    assert taken == {keys[0]: 7 << 8, keys[1]: 0, keys[2]: signal.SIGTERM}


def test_those_who_were_dead_already_are_remembered_as_well(post: Post) -> None:
    """The scheduler dies before it has reaped them."""
    post.begin("ready child=5", "ready")
    [first] = post.numbers("starts")
    [child] = post.numbers("children")
    os.kill(first, signal.SIGSTOP)
    (post.root / "go").touch()
    row = eventually(lambda: (row := look_up(child)) and row.state == "Z" and row)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: look_up(child) is None)
    assert row
    assert take_exits(post.root / "scheduler.exits") == {(child, row.start_ticks): 5 << 8}


def test_a_status_that_cannot_be_written_is_kept_until_it_can(post: Post) -> None:
    exits = post.root / "scheduler.exits"
    exits.mkdir()
    guardian = post.begin("ready child=7", "ready")
    [first] = post.numbers("starts")
    [child] = post.numbers("children")
    os.kill(first, signal.SIGKILL)
    (post.root / "go").touch()
    post.said("will try again")
    exits.rmdir()
    guardian.send_signal(signal.SIGHUP)
    eventually(exits.exists)
    assert [pid for pid, _ in take_exits(exits)] == [child]


def test_nothing_wakes_the_guardian_while_nothing_happens(post: Post) -> None:
    guardian = post.begin("ready")
    post.said("is ready")
    eventually(lambda: (row := look_up(guardian.pid)) and row.state == "S")

    def switches() -> str:
        text = Path(f"/proc/{guardian.pid}/status").read_text()
        return "".join(line for line in text.splitlines() if "ctxt_switches" in line)

    def slept_for_a_second() -> bool:
        before, start = switches(), time.monotonic()
        eventually(lambda: time.monotonic() > start + 1.0)
        return switches() == before

    assert eventually(slept_for_a_second)


# The whole process


def test_the_process_detaches_and_stays_small(post: Post) -> None:
    started = post.begin_main("--db", "x y", plan=["ready"])
    assert started.wait(15) == 0
    assert json.loads(post.launched())["ok"]
    [scheduler] = post.numbers("starts")
    row = look_up(scheduler)
    assert row is not None
    guardian = look_up(row.parent)
    assert guardian is not None
    assert guardian.session != os.getsid(0)
    fds = Path(f"/proc/{guardian.pid}/fd")
    targets = {int(fd.name): os.readlink(fd) for fd in fds.iterdir()}
    assert targets[0] == "/dev/null"
    assert targets[1] == targets[2] == str(post.log)
    assert str(post.root / "scheduler.lock") in targets.values()
    assert not (post.root / "scheduler.pid").exists()
    assert "--mode daemon --db x y --lock-fd" in (post.root / "options").read_text()
    status = Path(f"/proc/{guardian.pid}/status").read_text()
    resident = int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0])
    assert resident < 22_000
    os.kill(guardian.pid, signal.SIGTERM)
    eventually(lambda: has_gone(guardian.pid) and has_gone(scheduler))


def test_a_second_guardian_says_that_one_runs(post: Post) -> None:
    lock = Lock(post.root / "scheduler.lock")
    assert lock.acquire()
    try:
        started = post.begin_main(plan=["ready"])
        assert started.wait(15) == 1
        told = json.loads(post.launched())["error"]
    finally:
        lock.release()
    assert told["code"] == "conflict"
    assert not (post.root / "starts").exists()


def test_it_imports_nothing_that_it_does_not_need() -> None:
    heavy = "asyncio sqlite3 typer rich argparse subprocess psutil logging grpc uvicorn ctypes"
    code = "import sys, pb.daemon.guardian; print(*(set(sys.argv[1:]) & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-c", code, *heavy.split()],
        env={"PYTHONPATH": PLACE},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == []


@pytest.mark.parametrize(
    "argv",
    [
        ["--home", "/h", "--mode", "daemon", "--ready-fd", "3", "--debug", "--db", "/d"],
        ["--debug", "--home=/h", "--db", "/d", "--ready-fd=3"],
    ],
)
def test_its_own_arguments_are_taken_and_the_rest_passed_on(argv: list[str]) -> None:
    taken = read_arguments(argv)
    assert (taken.home, taken.ready_fd) == ("/h", 3)
    assert taken.passed == ("--debug", "--db", "/d")
