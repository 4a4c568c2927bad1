"""Services whose processes do all they can to stay: a stop leaves nothing, and says so truly."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import eventually
from tests.kit.command import Pb, is_running, kill
from tests.kit.fleet import Fleet, living

GRACE = 1

NOTE = 'echo $$ >> "$PIDS"; '

DEAF = f"trap '' TERM HUP INT; {NOTE} while :; do sleep 1; done"
CHAIN = """
import os, time
for n in range(100_000):
    if os.fork():
        os._exit(0)
    os.setsid()
    with open(os.environ["PIDS"], "a") as file:
        print(os.getpid(), file=file)
    time.sleep(0.005)
"""
"""Whoever looks sees another process each time."""

TREES = {
    "deaf": f"trap '' TERM HUP INT; {NOTE} sh -c '$DEAF' & while :; do sleep 1; done",
    "apart": f"{NOTE} setsid sh -c '$DEAF' & exec sleep 1000",
    "twice": f"( ( setsid sh -c '{NOTE} exec sleep 1000' & ) & ); {NOTE} exec sleep 1000",
    "chain": f'{NOTE} {sys.executable} -SE -c "$CHAIN" & exec sleep 1000',
    "halted": f"{NOTE} sh -c '{NOTE} kill -STOP $$' & {NOTE} kill -STOP $$; sleep 1000",
    "bare": f'{NOTE} env -i sh -c \'echo $$ >> "$0"; exec sleep 1000\' "$PIDS" &'
    " exec env -i sleep 1000",
    "leaver": f"{NOTE} sh -c '$DEAF' & setsid sh -c '$DEAF' & sleep 0.5",
}
"""What each service runs; every process of it writes its PID into the file ``$PIDS``."""


class Trees:
    """One service a tree, and the processes that they had."""

    def __init__(self, pb: Pb, folder: Path) -> None:
        self.fleet, self.folder = Fleet(pb), folder
        pb.ok("scheduler", "start")
        self.fleet.apply(self._definition(name) for name in TREES)

    def _definition(self, name: str) -> dict[str, object]:
        env = {"PIDS": str(self.folder / name), "DEAF": DEAF, "CHAIN": CHAIN}
        words = TREES[name].replace("'$DEAF'", '"$DEAF"')
        return {
            "name": name,
            "command": ["/bin/sh", "-c", words],
            "env": env,
            "stop": {"timeout": GRACE},
            "restart": {"delay": 0.1, "max_restarts": 1000},
        }

    def pids(self, name: str) -> set[int]:
        path = self.folder / name
        return {int(pid) for pid in path.read_text().split()} if path.exists() else set()

    def alive(self) -> dict[str, set[int]]:
        found = {name: {pid for pid in self.pids(name) if is_running(pid)} for name in TREES}
        return {name: pids for name, pids in found.items() if pids}

    def grown(self) -> bool:
        """Whether each tree is whole: its leader and another one, or in the chain a few."""
        return all(len(self.pids(name)) >= (5 if name == "chain" else 2) for name in TREES)


@pytest.fixture
def trees(pb: Pb, tmp_path: Path) -> Iterator[Trees]:
    made = Trees(pb.unmeasured(), tmp_path)
    yield made
    for pids in made.alive().values():
        for pid in pids:
            kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_stop_leaves_nothing_of_any_tree_within_its_grace_and_two_seconds(trees: Trees) -> None:
    eventually(trees.grown, timeout=60)

    ended = {one["name"]: one for one in trees.fleet.stop("all")}

    assert {name for name, one in ended.items() if not one["ok"]} == set(), ended
    assert living(trees.fleet.pb.home) == {}
    assert trees.alive() == {}
    assert set(trees.fleet.states().values()) == {"stopped"}
    assert ended["deaf"]["action"] == "killed"


@pytest.mark.slow
def test_the_same_after_the_scheduler_was_killed_and_without_one(trees: Trees) -> None:
    pb = trees.fleet.pb
    eventually(trees.grown, timeout=60)
    trees.fleet.kill_scheduler()
    pb.ok("scheduler", "start")
    half = list(TREES)[::2]

    assert all(one["ok"] for one in trees.fleet.stop(*half))
    assert not set(half) & set(trees.alive())
    trees.fleet.kill_scheduler()
    assert all(one["ok"] for one in trees.fleet.stop("all"))

    assert living(pb.home) == {}
    assert trees.alive() == {}


@pytest.mark.slow
def test_a_leader_that_leaves_others_behind_gets_no_successor_beside_them(trees: Trees) -> None:
    eventually(lambda: trees.fleet.view("leaver")["restarts"] >= 2, timeout=60)

    trees.fleet.stop("leaver")

    assert "leaver" not in trees.alive()
    assert "leaver" not in living(trees.fleet.pb.home).values()


@pytest.mark.slow
def test_what_a_crash_leaves_in_other_sessions_is_stopped_and_a_last_hook_is_not(
    pb: Pb, tmp_path: Path
) -> None:
    pb, pids, done = pb.unmeasured(), tmp_path / "pids", tmp_path / "done"
    words = f"setsid sh -c 'echo $$ >> {pids}; exec sleep 1000' & sleep 0.5; exit 3"
    hook = ["/bin/sh", "-c", f"sleep 2; touch {done}"]
    fleet = Fleet(pb)
    pb.ok("scheduler", "start")
    fleet.apply(
        [
            {
                "name": "leaky",
                "command": ["/bin/sh", "-c", words],
                "restart": {"delay": 60},
                "hooks": {"post_stop": hook},
            }
        ]
    )

    fleet.until("backoff")
    (left,) = map(int, pids.read_text().split())
    eventually(lambda: not is_running(left), timeout=30)

    eventually(done.exists, timeout=30)
    fleet.stop("leaky")
