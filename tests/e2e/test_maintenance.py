"""The built-in jobs as a scheduler runs them: in processes of their own, where they belong."""

from __future__ import annotations

from pathlib import Path

import pytest

from pb.store import rollups
from pb.store.store import Store
from tests.kit.command import Pb
from tests.kit.past import fill


@pytest.fixture
def pb(pb: Pb) -> Pb:
    """With the settings that a user has, who has set nothing."""
    kept = {k: v for k, v in pb.environment.items() if not k.startswith("PB_MAINTENANCE__")}
    return Pb(pb.home, kept, exactly=True)


def test_a_new_home_shows_none_of_them_and_a_flag_shows_all(pb: Pb) -> None:
    pb.ok("scheduler", "start")

    assert "No jobs yet" in pb.ok("scheduler", "status").out
    assert pb.ok("job", "list", "--json").json["jobs"] == []
    shown = pb.ok("job", "list", "--all").out
    assert "rollup_day" in shown
    assert "backup_weekly" in shown
    log = (pb.home / "scheduler.log").read_text()
    assert "Traceback" not in log


def test_run_by_hand_they_work_on_the_database_of_their_scheduler(pb: Pb, tmp_path: Path) -> None:
    database = tmp_path / "elsewhere.db"
    pb.ok("scheduler", "start", "--db", str(database))
    with Store(database) as store:
        fill(store, 200, jobs=2)

    for name in ("rollup_month", "retention", "compaction", "backup_weekly"):
        run = pb.ok("job", "run", name, "--wait", "--json").json["run"]
        assert run["state"] == "succeeded", pb("job", "logs", name).text
    with Store(database, readonly=True) as store:
        days = rollups.periods(store.select, "day", rollups.ALL, 0, rollups.LATEST_MS)
        assert sum(day.records for day in days.values()) == 200
        assert len(store.runs(n=1000)) < 50
    assert len(list((pb.home / "backups").glob("*.tar.gz"))) == 1
    assert not (pb.home / "pony.db").exists()
    assert pb.ok("job", "history", "--json").json["runs"][-1]["job"] is not None


def test_a_setting_switches_them_off(pb: Pb) -> None:
    pb.home.mkdir(mode=0o700)
    (pb.home / "config.toml").write_text(
        "[maintenance]\nrollups = false\nbackup = false\ndigests = false\n"
    )
    pb.ok("scheduler", "start")

    names = [job["name"] for job in pb.ok("job", "list", "--all", "--json").json["jobs"]]
    assert names == ["compaction", "retention"]
