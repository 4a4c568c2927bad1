"""File triggers with the real command: a burst is one run, also across a restart."""

from __future__ import annotations

import json
from pathlib import Path

from tests.kit import eventually
from tests.kit.command import Pb

TELL = 'cat "$PB_EVENT_FILE"; echo "$PB_EVENT_COUNT $PB_EVENT_PATH"'


def runs(pb: Pb) -> list[str]:
    return [run["state"] for run in pb.history("load")]


def test_files_that_come_start_a_run_that_knows_them_also_after_a_restart(
    pb: Pb, tmp_path: Path
) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    pb.ok("scheduler", "start")
    pb.ok("job", "add", "load", "--on-file", f"{drop}/*.csv", "--shell", "--", TELL)
    said = pb.ok("job", "show", "load").out
    assert f"When files *.csv are created, written or moved in {drop}" in " ".join(said.split())
    for name in ("b.csv", "a.csv", "no.txt"):
        (drop / name).write_text("1,2")
    eventually(lambda: runs(pb) == ["succeeded"], timeout=30)
    first, second, last = pb.ok("job", "logs", "load").out.splitlines()
    assert json.loads(first) == {"event": "create", "path": f"{drop}/a.csv", "size": 3}
    assert json.loads(second)["path"] == f"{drop}/b.csv"
    assert last == f"2 {drop}/a.csv"

    pb.ok("scheduler", "stop")
    (drop / "meanwhile.csv").write_text("1")
    pb.ok("scheduler", "start")
    eventually(lambda: runs(pb) == ["succeeded"] * 2, timeout=30)
    (drop / "after.csv").write_text("1")
    eventually(lambda: runs(pb) == ["succeeded"] * 3, timeout=30)
    told = pb.ok("job", "logs", "load").out
    assert "after.csv" in told
    assert "meanwhile.csv" not in told
