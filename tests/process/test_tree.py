"""Real trees of every shape that has ever escaped a process manager, and bystanders that must live.

Every process here is started by the test; whatever carries the test's own marker is killed after.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pb.process.identity import Identity, identify, is_alive
from pb.process.spawn import Spawn, spawn
from pb.process.table import Table, _psutil_markers, _psutil_rows, identity_of, look_up, take_table
from pb.process.tree import TreeStop, members, stop_tree
from tests.kit import eventually

PATH = "/usr/local/bin:/usr/bin:/bin"
PLACE = str(Path(__file__).parents[2])


class Grove:
    """Starts runs that carry a marker of this test, and ends them all when the test is over."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = f"test-{os.getpid()}-{time.monotonic_ns()}"
        self.leaders: set[int] = set()
        self.markers: list[str] = []

    def marker(self, run: int = 1) -> str:
        return f"{self.store}/{run}"

    def run(self, *argv: str, run: int = 1, marked: bool = True) -> Identity:
        env = {"PATH": PATH, "HERE": str(self.root), "PYTHONPATH": PLACE}
        if marked:
            env["PB_MARKER"] = self.marker(run)
            self.markers.append(self.marker(run))
        log = self.root / f"{run}.log"
        leader = spawn(Spawn(argv=argv, env=env, cwd=str(self.root), log_path=log))
        self.leaders.add(leader.pid)
        return leader

    def sh(self, script: str, run: int = 1) -> Identity:
        return self.run("sh", "-c", script, run=run)

    def python(self, code: str, run: int = 1) -> Identity:
        return self.run(sys.executable, "-S", "-c", code, run=run)

    def reap(self, leader: Identity) -> None:
        self.leaders.discard(leader.pid)
        os.waitpid(leader.pid, 0)

    def written(self, name: str, count: int = 1) -> list[Identity]:
        """The live processes whose pids a script has written, one a line."""

        def pids() -> list[Identity] | None:
            words = (self.root / name).read_text().split()
            found = [identify(int(word)) for word in words]
            alive = [one for one in found if one is not None]
            return alive if len(alive) >= count else None

        return eventually(pids) or []

    def end(self) -> None:
        for pid in self.leaders:
            os.kill(pid, signal.SIGKILL)
        table = take_table()
        for marker in set(self.markers):
            if members(None, marker, table):
                stop_tree(None, marker, signum=signal.SIGKILL, grace=0)
        for pid in self.leaders:
            os.waitpid(pid, 0)


@pytest.fixture
def grove(tmp_path: Path) -> Iterator[Grove]:
    grove = Grove(tmp_path)
    yield grove
    grove.end()


def stop(
    grove: Grove,
    leader: Identity | None,
    *,
    grace: float = 5.0,
    force: bool = False,
    signum: int = signal.SIGTERM,
) -> TreeStop:
    """Stop the run, and assert that a fresh look finds nothing of it."""
    started = time.monotonic()
    done = stop_tree(leader, grove.marker(), signum=signum, grace=grace, force=force)
    assert time.monotonic() - started < grace + 6.0  # its promise is 2; this machine is shared
    assert done.survivors == ()
    assert members(leader, grove.marker()) == []
    return done


SLEEP_AND_TELL = "sleep 300 & echo $! >> $HERE/pids; "
DOUBLE_FORK = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open(os.environ["HERE"] + "/pids", "a") as file:
            file.write(f"{os.getpid()}\\n")
        time.sleep(300)
    os._exit(0)
os.wait()
"""
STUBBORN = "trap '' TERM; "


# Who belongs


def test_the_leader_comes_first_and_its_children_after(grove: Grove) -> None:
    leader = grove.sh(SLEEP_AND_TELL + SLEEP_AND_TELL + "wait")
    children = grove.written("pids", 2)
    found = members(leader, grove.marker())
    assert found[0] == leader
    assert set(found[1:]) == set(children)


def test_a_marker_that_only_begins_the_same_is_another_run(grove: Grove) -> None:
    mine, other = grove.run("sleep", "300", run=1), grove.run("sleep", "300", run=12)
    assert members(None, grove.marker(1)) == [mine]
    assert members(None, f"PB_MARKER={grove.marker(1)}") == [mine]
    stop(grove, mine)
    assert is_alive(other)


def test_without_leader_and_marker_nobody_belongs(grove: Grove) -> None:
    grove.run("sleep", "300")
    assert members(None, "") == []


def test_a_pid_that_is_another_process_by_now_leads_nobody(grove: Grove) -> None:
    """The recorded leader's pid is a stranger's, who leads a group and has a child."""
    stranger = grove.sh(SLEEP_AND_TELL + "wait", run=2)
    grove.written("pids")
    recorded = replace(stranger, start_ticks=stranger.start_ticks - 50)
    assert members(recorded, grove.marker()) == []
    done = stop_tree(recorded, grove.marker(), signum=signal.SIGTERM, grace=0.1)
    assert done.killed == ()
    assert len(members(stranger, grove.marker(2))) == 2


def test_a_group_without_leader_or_witness_is_left_alone(grove: Grove) -> None:
    """The leader's pid went to a stranger, who has died too: only his child uses the number."""
    stranger = grove.sh(SLEEP_AND_TELL + "wait", run=2)
    [child] = grove.written("pids")
    os.kill(stranger.pid, signal.SIGKILL)
    grove.reap(stranger)
    recorded = replace(stranger, start_ticks=stranger.start_ticks - 50)
    assert members(recorded, grove.marker()) == []
    assert members(recorded, grove.marker(2)) == [child]


def test_another_boot_or_namespace_leads_nobody_here(grove: Grove) -> None:
    leader = grove.run("sleep", "300", marked=False)
    assert members(leader, "") == [leader]
    assert members(replace(leader, boot_id="another"), "") == []
    assert members(replace(leader, pid_namespace=1), "") == []


def test_one_without_environment_is_found_by_its_group(grove: Grove) -> None:
    leader = grove.sh("env -i sleep 300 & echo $! > $HERE/pids; sleep 300")
    [bare] = grove.written("pids")
    assert bare in members(leader, grove.marker())


def test_one_without_environment_stays_found_when_a_witness_does(grove: Grove) -> None:
    leader = grove.sh("env -i sleep 300 & echo $! > $HERE/pids; " + SLEEP_AND_TELL)
    bare, witness = grove.written("pids", 2)
    grove.reap(leader)
    eventually(lambda: set(members(leader, grove.marker())) == {bare, witness})
    stop(grove, leader)


def test_a_zombie_is_dead(grove: Grove) -> None:
    leader = grove.run("true")
    eventually(lambda: not is_alive(leader))
    assert members(leader, grove.marker()) == []


def test_a_process_whose_first_thread_has_ended_still_lives(grove: Grove) -> None:
    leader = grove.python(
        "import ctypes, threading, time\n"
        "threading.Thread(target=time.sleep, args=(300,)).start()\n"
        "ctypes.CDLL(None).pthread_exit(None)\n"
    )
    eventually(lambda: (row := look_up(leader.pid)) is not None and row.state == "Z")
    assert members(leader, grove.marker()) == [leader]
    stop(grove, leader, grace=1.0)


# Stopping


def test_a_willing_tree_is_gone_quickly_and_nobody_is_killed(grove: Grove) -> None:
    leader = grove.sh(SLEEP_AND_TELL + "wait")
    grove.written("pids")
    started = time.monotonic()
    assert stop(grove, leader, grace=30.0).killed == ()
    assert time.monotonic() - started < 5.0


def test_a_pipeline_in_a_shell_is_stopped_whole(grove: Grove) -> None:
    leader = grove.sh("sleep 300 | sleep 301; true")
    eventually(lambda: len(members(leader, grove.marker())) == 3)
    assert stop(grove, leader).killed == ()


def test_one_that_ignores_the_signal_is_killed_after_its_grace(grove: Grove) -> None:
    leader = grove.sh(STUBBORN + "echo $$ > $HERE/pids; while :; do sleep 300; done")
    grove.written("pids")
    started = time.monotonic()
    done = stop(grove, leader, grace=0.5)
    assert time.monotonic() - started >= 0.5
    assert leader in done.killed


@pytest.mark.parametrize(("force", "signum"), [(True, signal.SIGTERM), (False, signal.SIGKILL)])
def test_force_and_kill_give_no_grace(grove: Grove, force: bool, signum: int) -> None:
    leader = grove.sh(STUBBORN + "echo $$ > $HERE/pids; while :; do sleep 300; done")
    grove.written("pids")
    started = time.monotonic()
    assert leader in stop(grove, leader, grace=30.0, force=force, signum=signum).killed
    assert time.monotonic() - started < 5.0


def test_the_chosen_signal_is_the_one_that_is_sent(grove: Grove) -> None:
    script = "trap 'echo got-int >> $HERE/said; exit' INT; trap '' TERM; echo $$ > $HERE/pids; "
    leader = grove.sh(script + "while :; do sleep 0.05; done")
    grove.written("pids")
    stop(grove, leader, signum=signal.SIGINT)
    assert (grove.root / "said").read_text() == "got-int\n"


def test_a_stopped_process_hears_the_signal(grove: Grove) -> None:
    leader = grove.sh(
        "trap 'echo bye > $HERE/said; exit' TERM; echo $$ > $HERE/pids; "
        "while :; do sleep 0.05; done"
    )
    grove.written("pids")
    os.kill(leader.pid, signal.SIGSTOP)
    eventually(lambda: (row := look_up(leader.pid)) is not None and row.state == "T")
    done = stop(grove, leader, grace=10.0)
    assert done.killed == ()


def test_a_child_in_a_session_of_its_own_is_stopped(grove: Grove) -> None:
    leader = grove.sh("setsid sh -c 'echo $$ > $HERE/pids; sleep 300; true' & sleep 300")
    [child] = grove.written("pids")
    assert os.getsid(child.pid) == child.pid
    stop(grove, leader)
    assert not is_alive(child)


def test_a_double_forked_orphan_is_stopped(grove: Grove) -> None:
    leader = grove.python(DOUBLE_FORK + "time.sleep(300)")
    [orphan] = grove.written("pids")
    row = eventually(lambda: look_up(orphan.pid))
    assert row is not None
    assert leader.pid not in (row.parent, row.group, row.session)
    stop(grove, leader)
    assert not is_alive(orphan)


@pytest.mark.parametrize("reaped", [True, False])
def test_orphans_of_a_dead_leader_are_stopped(grove: Grove, reaped: bool) -> None:
    leader = grove.python(DOUBLE_FORK)
    [orphan] = grove.written("pids")
    eventually(lambda: not is_alive(leader))
    if reaped:
        grove.reap(leader)
    stop(grove, leader)
    assert not is_alive(orphan)


def test_a_loop_that_starts_new_ones_is_stopped(grove: Grove) -> None:
    loop = "while :; do sleep 300 & echo $! >> $HERE/pids; sleep 0.01; done"
    leader = grove.sh(f"{STUBBORN}({loop}) & ({loop}) & {loop}")
    grove.written("pids", 20)
    stop(grove, leader, grace=0.3)


def test_those_who_start_one_more_when_asked_to_stop_are_stopped(grove: Grove) -> None:
    script = "trap 'setsid sleep 300 & echo $! >> $HERE/late' TERM; echo $$ > $HERE/pids; "
    leader = grove.sh(script + "while :; do sleep 0.05; done")
    grove.written("pids")
    stop(grove, leader, grace=0.5)
    assert (grove.root / "late").exists()


@pytest.mark.parametrize("new_session", [False, True])
@pytest.mark.parametrize("reaped", [False, True])
def test_a_chain_where_each_is_replaced_by_its_child_is_stopped(
    grove: Grove, new_session: bool, reaped: bool
) -> None:
    """Faster than a signal to a pid: whoever was found has already handed over."""
    leader = grove.python(
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "end = time.monotonic() + 30\n"
        "while time.monotonic() < end:\n"
        "    if os.fork(): os._exit(0)\n"
        f"    {'os.setsid()' if new_session else 'pass'}\n"
        "    os.close(os.open('beat', os.O_CREAT | os.O_WRONLY | os.O_TRUNC))\n"
    )
    beat = grove.root / "beat"
    eventually(lambda: not is_alive(leader) and beat.exists())
    if reaped:
        grove.reap(leader)
    done = stop_tree(leader, grove.marker(), signum=signal.SIGTERM, grace=0.2)
    assert done.survivors == ()
    stopped = time.time()
    eventually(lambda: time.time() > stopped + 0.3)
    assert beat.stat().st_mtime <= stopped


def test_a_crowd_is_stopped_within_its_time(grove: Grove) -> None:
    leader = grove.sh(
        f"{STUBBORN} i=0; while [ $i -lt 150 ]; do sleep 300 & i=$((i+1)); done; "
        "echo $$ > $HERE/pids; wait; sleep 300"
    )
    grove.written("pids")
    assert len(members(leader, grove.marker())) == 151
    stop(grove, leader, grace=0.2)


# What is not stopped


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("prefix", ["", "setsid "])
def test_who_asks_from_inside_the_run_is_spared_and_said_so(
    grove: Grove, prefix: str, force: bool
) -> None:
    code = (
        "import signal, os\n"
        "from pb.process.identity import identify\n"
        "from pb.process.tree import stop_tree\n"
        "leader = identify(os.getppid())\n"
        "done = stop_tree(leader, os.environ['PB_MARKER'], signum=signal.SIGTERM, grace=1,\n"
        f"    force={force})\n"
        "print([one.pid == os.getpid() for one in done.survivors], done.survivors[0].reason)\n"
    )
    (grove.root / "inside.py").write_text(code)
    leader = grove.sh(f"{SLEEP_AND_TELL} {prefix}{sys.executable} inside.py; true")
    [sibling] = grove.written("pids")
    grove.reap(leader)
    assert not is_alive(sibling)
    said = (grove.root / "1.log").read_text()
    assert "[False, True] it is the process that asks, or one of its parents" in said


def test_a_daemon_that_a_run_has_started_is_no_part_of_the_run_for_itself(grove: Grove) -> None:
    """It carries the marker, and its own children are not the run's."""
    code = (
        "import os, subprocess\n"
        "from pb.process.tree import members\n"
        "child = subprocess.Popen(['sleep', '300'], env={'PATH': os.environ['PATH']})\n"
        "print(members(None, os.environ['PB_MARKER']))\n"
        "child.kill(); child.wait()\n"
    )
    leader = grove.run(sys.executable, "-c", code)
    grove.reap(leader)
    assert (grove.root / "1.log").read_text() == "[]\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user to belong to")
def test_a_process_of_another_user_is_reported_and_bounded(grove: Grove) -> None:
    leader = grove.run("sleep", "300")
    child = os.fork()
    if child == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            started = time.monotonic()
            done = stop_tree(leader, "", signum=signal.SIGTERM, grace=0.1)
            [left] = done.survivors
            right = (left.pid, left.command) == (leader.pid, "sleep")
            right = right and left.reason == "it belongs to another user" and not done.killed
            os._exit(0 if right and time.monotonic() - started < 3 else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert is_alive(leader)


# Steps


def test_steps_are_short_growing_and_end(grove: Grove) -> None:
    leader = grove.sh(STUBBORN + "echo $$ > $HERE/pids; while :; do sleep 300; done")
    grove.written("pids")
    now, delays = 1000.0, []
    done = TreeStop(leader, grove.marker(), signum=signal.SIGTERM, grace=2.0)
    while now < 1001.9:
        delay = done.step(now, take_table())  # a shared one may be older than the leader
        assert delay is not None
        delays.append(delay)
        now += delay
    assert delays[0] == pytest.approx(0.02)
    assert delays[:-1] == sorted(delays[:-1])
    assert max(delays) == pytest.approx(0.2)
    assert done.killed == ()
    assert done.step(1002.0, take_table()) is not None
    assert leader in done.killed
    stop(grove, leader, grace=0.0)


def test_without_descriptors_it_tries_again_later(grove: Grove) -> None:
    leader = grove.run("sleep", "300")
    done = TreeStop(leader, grove.marker(), signum=signal.SIGTERM, grace=5.0)
    lowest = os.dup(0)
    os.close(lowest)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for left in (0, 1):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + left, hard))
            delay = done.step(1000.0)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert delay is not None
        assert is_alive(leader)
    assert done.step(1001.0) is not None
    eventually(lambda: not is_alive(leader))
    assert done.killed == ()


def test_one_look_is_never_taken_for_two(grove: Grove) -> None:
    leader = grove.run("true")
    eventually(lambda: not is_alive(leader))
    done, table = TreeStop(leader, grove.marker(), signum=signal.SIGTERM, grace=5.0), take_table()
    assert done.step(1000.0, table) is not None
    assert done.step(1000.01, table) is not None
    assert done.step(1000.02, take_table()) is None


def test_many_stops_share_one_look(grove: Grove) -> None:
    leaders = [grove.run("sleep", "300", run=number) for number in range(1, 30)]
    stops = [
        TreeStop(leader, grove.marker(number), signum=signal.SIGTERM, grace=5.0)
        for number, leader in enumerate(leaders, 1)
    ]

    def all_finished() -> bool:
        table = take_table()
        for one in stops:
            if not one.is_finished:
                one.step(time.monotonic(), table)
        return all(one.is_finished for one in stops)

    eventually(all_finished)
    assert [one.survivors for one in stops] == [()] * len(stops)
    assert not any(is_alive(leader) for leader in leaders)


# The table


def test_the_table_of_other_systems_tells_the_same(grove: Grove) -> None:
    leader = grove.run("sleep", "300")
    ours, theirs = take_table().rows[leader.pid], Table(_psutil_rows()).rows[leader.pid]
    assert (ours.parent, ours.group, ours.session) == (theirs.parent, theirs.group, theirs.session)
    entry = f"PB_MARKER={grove.marker()}".encode()
    assert take_table().carries(ours, entry)
    assert _psutil_markers(leader.pid) == {entry}


def test_a_name_with_brackets_and_spaces_is_read(grove: Grove) -> None:
    tool = grove.root / "a) S 1 (b"
    tool.symlink_to("/bin/sleep")
    leader = grove.run(str(tool), "300")
    row = eventually(lambda: (row := look_up(leader.pid)) and row.name == tool.name and row)
    assert row
    assert identity_of(row) == leader


def test_a_process_that_is_gone_has_no_row() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert look_up(child.pid) is None
