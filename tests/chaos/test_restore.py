"""A database that is overwritten with garbage: a backup brings back all that was acknowledged."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.kit import eventually
from tests.kit.command import BY_HAND, Pb, is_running, kill

SIZE = 1 << 18


def overwrite(pb: Pb) -> bytes:
    """Garbage over the database and over its log; the files stay where they are."""
    noise = os.urandom(SIZE)
    for word in ("", "-wal", "-shm"):
        path = pb.home / f"pony.db{word}"
        if path.exists():
            path.write_bytes(noise)
    return noise


def remembered(pb: Pb) -> dict[str, Any]:
    """Definitions, and what is known of every run."""
    runs = pb.ok("job", "history", "-n", "1000", "--json").json["runs"]
    return {"runs": runs, "definitions": pb.ok("export", "--json").json}


@pytest.mark.slow
def test_a_backup_brings_back_every_acknowledged_definition_and_run(pb: Pb) -> None:
    pb.ok("scheduler", "start")
    for number in range(5):
        pb.ok("job", "add", f"job{number}", *BY_HAND, "--", "/bin/echo", str(number))
        pb.ok("job", "run", f"job{number}", "--wait")
    pb.ok("job", "add", "often", "--every", "1s", "--", "/bin/true")
    pb.ok("service", "add", "web", "--", "/bin/sleep", "300")
    eventually(lambda: pb.job("often")["run_count"] >= 2, timeout=30)
    pb.ok("job", "pause", "often")
    eventually(lambda: not pb.job("often")["running"], timeout=30)
    before = remembered(pb)

    pb.ok("backup", "create")
    kill(pb.pid(), signal.SIGKILL)
    noise = overwrite(pb)
    refused = pb("scheduler", "start")

    assert refused.code == 1, refused.text
    assert "pb backup restore latest" in refused.text
    assert "pb backup set-aside" in refused.text
    assert (pb.home / "pony.db").read_bytes() == noise
    restored = pb.ok("backup", "restore", "latest", "--json").json
    assert remembered(pb) == before
    with open(restored["kept"], "rb") as kept:
        assert kept.read() == noise
    pb.ok("scheduler", "start")
    assert remembered(pb) == before
    assert pb.ok("job", "run", "job0", "--wait").code == 0


def test_a_service_that_lives_is_adopted_after_a_restore_and_not_started_again(pb: Pb) -> None:
    pb.ok("scheduler", "start")
    pb.ok("service", "add", "web", "--", "/bin/sleep", "300")
    pb.ok("service", "start", "web")
    pb.ok("backup", "create")
    pb.ok("service", "restart", "web")  # another life than the backup knows
    pid = pb.pid("web")
    pb.ok("scheduler", "stop")
    overwrite(pb)

    pb.ok("backup", "restore", "latest")
    pb.ok("scheduler", "start")

    def state() -> Any:
        found = pb.ok("service", "status", "web", "--json").json["services"][0]
        return found["state"], found["pid"]

    eventually(lambda: state() == ("running", pid), timeout=30)
    assert is_running(pid)
    copies = [line for line in pb.processes().values() if line.startswith("/bin/sleep 300")]
    assert len(copies) == 1
    assert pb.ok("service", "stop", "web").code == 0
    assert not is_running(pid)


def test_the_scheduler_goes_on_while_a_backup_is_made(pb: Pb) -> None:
    pb.ok("scheduler", "start")
    pb.ok("job", "add", "often", "--every", "1s", "--", "/bin/true")
    made = [pb.popen("backup", "create") for _ in range(4)]
    assert [one.wait(60) for one in made] == [0, 0, 0, 0]
    for one in made:
        assert one.stdout
        one.stdout.close()

    listed = pb.ok("backup", "list", "--json").json["backups"]
    assert len({one["name"] for one in listed}) == 4
    assert all(pb("backup", "verify", one["name"]).code == 0 for one in listed)
    assert [run["state"] for run in pb.history("often") if run["state"] == "missed"] == []
