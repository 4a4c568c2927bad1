"""A backup or a restore that is killed at a system call: the old database or the new one, whole."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pb.api.archive import manifest_of
from pb.store.backup import faults_of
from pb.store.store import Store
from tests.gateway.tokens import Keys, keys

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace kills at a call")

JOB = {"name": "old", "command": ["true"]}

MOMENTS = [
    *((call, 1) for call in ("rename", "link,linkat", "unlinkat", "pwrite64")),
    *(("fsync", number) for number in (1, 2, 3)),
    *(("fdatasync", number) for number in (3, 6)),
    *(("unlink", number) for number in (3, 7)),
]
"""While the copy is written, when it is whole, and at each step of the exchange."""


@pytest.fixture
def home(tmp_path: Path) -> Keys:
    """A home with a backup of one job, and a second job since."""
    made = keys(tmp_path / "home")
    made.ask("job.add", definition=JOB)
    made.ask("backup.create")
    made.ask("job.add", definition={**JOB, "name": "new"})
    return made


def killed(home: Keys, calls: str, number: int, *words: str) -> bool:
    """Run the command and kill it when it makes one of these calls for the ``number``-th time."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PB_", "PONY_", "COV"))}
    command = [sys.executable, "-m", "pb", *words, "--home", str(home.home.root)]
    inject = [
        word
        for call in calls.split(",")
        for word in ("-e", f"inject={call}:signal=KILL:when={number}")
    ]
    ran = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", *inject, *command],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "ptrace" in ran.stderr:
        pytest.skip(f"strace may not trace here: {ran.stderr.strip()}")
    assert ran.returncode in (0, -signal.SIGKILL, 128 + signal.SIGKILL), ran.stderr
    return ran.returncode != 0


def job_names(path: Path) -> list[str]:
    with Store(path) as store:
        return store.job_names()


@pytest.mark.parametrize(("calls", "number"), MOMENTS)
def test_a_restore_that_is_killed_leaves_the_old_or_the_new_one_whole(
    home: Keys, calls: str, number: int
) -> None:
    was_killed = killed(home, calls, number, "backup", "restore", "latest")

    assert faults_of(home.home.db) == []
    found = job_names(home.home.db)
    assert found in (["new", "old"], ["old"])
    kept = [
        path
        for path in home.home.root.glob("pony.db.kept-*")
        if path.suffix[-4:] not in ("-wal", "-shm")
    ]
    if found == ["old"]:
        assert [job_names(path) for path in kept] == [["new", "old"]]
    assert was_killed
    # And it can be done again.
    assert not killed(home, "acct", 1, "backup", "restore", "latest")
    assert job_names(home.home.db) == ["old"]


@pytest.mark.parametrize(
    ("calls", "number"),
    [("link,linkat", 1), ("fsync", 1), ("fdatasync", 2), ("pwrite64", 5)],
)
def test_a_backup_that_is_killed_is_not_there(home: Keys, calls: str, number: int) -> None:
    was_killed = killed(home, calls, number, "backup", "create")

    listed = sorted(path for path in home.home.backups.iterdir() if path.name.endswith(".gz"))
    assert was_killed
    assert len(listed) == 1
    assert all(manifest_of(path) for path in listed)
    assert job_names(home.home.db) == ["new", "old"]
