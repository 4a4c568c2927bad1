"""Putting a backup back: all or nothing, the old database kept, and nothing alive doubled."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pb.api import backups
from pb.api.methods import canonical
from pb.api.restoring import Maker, keep_aside, living_of, restore, take_in
from pb.config.settings import load_settings
from pb.core.definition import job_from
from pb.errors import ConflictError, PbError, StoreError
from pb.paths import Home
from pb.process.table import take_table
from pb.store.backup import contents_of
from pb.store.database import APPLICATION_ID, migration_files, statements
from pb.store.sharing import SchedulerRow
from pb.store.store import Store
from tests.gateway.tokens import Keys, keys

JOB = {"name": "hello", "command": ["true"], "triggers": ["every: 1h"]}
SERVICE = {"name": "web", "command": ["sleep", "9"]}

NOW = 1_800_000_000_000


@pytest.fixture
def home(tmp_path: Path) -> Keys:
    made = keys(tmp_path / "home")
    made.ask("job.add", definition=JOB)
    made.ask("service.add", definition=SERVICE)
    return made


def restored(home: Keys, name: str = "latest", **options: Any) -> dict[str, Any]:
    settings = load_settings(home.home)
    maker = Maker(home=home.home, settings=settings, actor="cli:me", peer=None, now_ms=NOW)
    return restore(home.home, settings, name, context_of=maker, **options)


def names(home: Keys) -> list[str]:
    return [job["name"] for job in home.ask("job.list")["jobs"]]


def ran(home: Keys, count: int) -> None:
    for _ in range(count):
        run = home.ask("run.begin", command=["true"], name="hello")["run"]["run_id"]
        home.ask("run.end", run_id=run, exit_code=0)


def garbage(home: Keys) -> bytes:
    noise = os.urandom(50_000)
    home.home.db.write_bytes(noise)
    for word in ("-wal", "-shm"):
        Path(f"{home.home.db}{word}").unlink(missing_ok=True)
    return noise


def test_what_was_overwritten_with_garbage_comes_back_whole(home: Keys) -> None:
    ran(home, 5)
    home.ask("backup.create")
    before = (
        home.ask("job.history", n=100)["runs"],
        home.ask("job.export"),
        home.ask("service.export"),
    )
    noise = garbage(home)
    with pytest.raises(StoreError, match="damaged") as caught:
        home.ask("job.list")
    assert "pb backup restore latest" in str(caught.value.hint)
    assert "pb backup set-aside" in str(caught.value.hint)

    answer = restored(home)

    after = (
        home.ask("job.history", n=100)["runs"],
        home.ask("job.export"),
        home.ask("service.export"),
    )
    assert after == before
    assert Path(answer["kept"]).read_bytes() == noise
    assert answer["counts"]["run"] == 5
    assert home.ask("audit.list")["changes"][0]["method"] == "backup.restore"
    assert home.ask("events.recent", type="backup.restored")["events"]


def test_the_present_database_is_kept_with_what_only_its_log_has(home: Keys) -> None:
    home.ask("backup.create")
    with Store(home.home.db) as open_one:  # as long as it is open, the log is not folded in
        home.ask("job.add", definition={**JOB, "name": "later"})
        answer = restored(home)
    assert names(home) == ["hello"]
    with Store(Path(answer["kept"])) as kept:
        assert kept.job_names() == ["hello", "later"]
        assert kept.store_id == open_one.store_id


def test_no_number_is_given_out_again_after_it(home: Keys) -> None:
    home.ask("backup.create")
    ran(home, 7)
    logged = home.home.run_log("hello", 41)
    logged.parent.mkdir(parents=True)
    logged.write_text("x")
    events = contents_of(home.home.db).numbers["event"]
    restored(home)

    assert home.ask("run.begin", command=["true"])["run"]["run_id"] == 42
    assert home.ask("events.recent")["events"][0]["seq"] > events


def test_fire_times_since_the_backup_are_not_made_up_for_unless_asked(home: Keys) -> None:
    home.ask("backup.create")
    with Store(home.home.db) as store:
        planned = store.plan("hello")
    restored(home)
    with Store(home.home.db) as store:
        anew = store.plan("hello")
    assert planned is not None
    assert anew is not None
    assert anew.planned_until == NOW != planned.planned_until
    restored(home, catch_up=True)
    with Store(home.home.db) as store:
        assert store.plan("hello") == planned


def test_files_that_are_gone_come_back_and_others_are_left(home: Keys) -> None:
    home.home.config.write_text("[logs]\nkeep = 2\n")
    home.home.jobs_dir.mkdir(mode=0o700)
    mine = home.home.jobs_dir / "mine.toml"
    mine.write_text('[job.x]\ncommand = "true"\n')
    home.ask("backup.create")
    shutil.rmtree(home.home.jobs_dir)
    home.home.config.write_text("[logs]\nkeep = 3\n")

    answer = restored(home)

    assert answer["files"] == ["jobs.d/mine.toml"]
    assert answer["files_left"] == ["config.toml"]
    assert mine.read_text() == '[job.x]\ncommand = "true"\n'
    assert home.home.config.read_text() == "[logs]\nkeep = 3\n"


def test_a_database_of_the_first_version_can_be_put_back_by_itself(
    home: Keys, tmp_path: Path
) -> None:
    old = tmp_path / "old.db"
    raw = sqlite3.connect(old, isolation_level=None)
    raw.execute("PRAGMA journal_mode = WAL")
    for statement in statements(migration_files()[0].read_text()):
        raw.execute(statement)
    raw.execute("INSERT INTO meta (key, value) VALUES ('store_id', 'x')")
    definition = canonical(job_from({**JOB, "name": "ancient"}))
    raw.execute(
        "INSERT INTO job (name, definition, source, enabled, created_at, updated_at)"
        " VALUES ('ancient', ?, 'cli', 1, 0, 0)",
        (definition,),
    )
    raw.execute("INSERT INTO job_state (job_id, planned_until) VALUES (1, 0)")
    raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    raw.execute("PRAGMA user_version = 1")
    # Not closed, nor folded in: what matters may still be in its log.
    answer = restored(home, str(old))
    raw.close()

    assert names(home) == ["ancient"]
    assert answer["created_at"] is None
    assert contents_of(home.home.db).schema == len(migration_files())


@pytest.mark.parametrize("kind", ["newer", "foreign", "garbled", "missing"])
def test_a_file_that_cannot_be_used_changes_nothing(home: Keys, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file.db"
    Store(path).close()
    if kind == "garbled":
        path.write_bytes(path.read_bytes()[:5000] + b"\xff" * 20_000)
    elif kind == "missing":
        path.unlink()
    else:
        raw = sqlite3.connect(path)
        raw.execute(f"PRAGMA {'user_version' if kind == 'newer' else 'application_id'} = 999")
        raw.close()
    before, given = home.home.db.read_bytes(), path.exists() and path.read_bytes()

    with pytest.raises(PbError):
        restored(home, str(path))
    assert home.home.db.read_bytes() == before
    assert (path.exists() and path.read_bytes()) == given
    assert names(home) == ["hello"]


def test_it_refuses_while_a_scheduler_runs(scheduler: Home) -> None:
    asked = Keys(home=scheduler)
    backups.create(scheduler, load_settings(scheduler), scheduler.db, NOW)
    with pytest.raises(ConflictError, match="already running") as caught:
        restored(asked)
    assert "pb scheduler stop" in str(caught.value.hint)
    with pytest.raises(ConflictError):
        keep_aside(scheduler, load_settings(scheduler), NOW, force=True)


def test_it_refuses_while_another_home_s_scheduler_works_on_the_database(home: Keys) -> None:
    from pb.process.identity import own

    home.ask("backup.create")
    who = own()
    with Store(home.home.db) as store, store.transaction():
        store.sharing.join(
            SchedulerRow(
                id="x", home="/other", place="1:1", mode="background", pid=who.pid,
                start_ticks=who.start_ticks, boot_id=who.boot_id, pid_namespace=who.pid_namespace,
                host=who.host, started_at=0, lease_until_at=0,
            )
        )  # fmt: skip
    with pytest.raises(ConflictError, match="/other works on this database"):
        restored(home)


def test_services_that_live_are_found_again_and_strangers_are_named(home: Keys) -> None:
    with Store(home.home.db) as store:
        number = store.store_id
    markers = ["s/web/0/7", "s/gone/0/1", "99", "what/ever"]
    alive = [
        subprocess.Popen(
            [sys.executable, "-c", "import time; print(flush=True); time.sleep(99)"],
            env={**os.environ, "PB_MARKER": f"{number}/{marker}"},
            stdout=subprocess.PIPE,
        )
        for marker in markers
    ]
    try:
        for one in alive:
            assert one.stdout
            one.stdout.readline()
        found = living_of(number, take_table())
        with Store(home.home.db) as store, store.transaction():
            notes = take_in(store, found)
            row = store.services.instances("web")[0]
    finally:
        for one in alive:
            one.send_signal(signal.SIGKILL)
            one.wait()
            assert one.stdout
            one.stdout.close()
    assert (row.life, row.phase, row.pid) == (7, "running", None)
    assert notes == [
        f"Service gone lives (PID {alive[1].pid}), and the backup does not know it",
        f"Run 99 lives (PID {alive[2].pid}), and the backup does not have it",
    ]


def test_definitions_alone_come_back_and_history_stays(home: Keys) -> None:
    home.ask("job.add", definition={**JOB, "name": "kept"})
    home.ask("job.add", definition={**JOB, "name": "lost"})
    home.ask("job.disable", name="kept")
    name = home.ask("backup.create")["backup"]["name"]
    ran(home, 3)
    home.ask("job.remove", name="lost")
    home.ask("service.remove", name="web")
    home.ask("job.add", definition={**JOB, "command": ["false"]}, replace=True)
    home.ask("job.add", definition={**JOB, "name": "later"})

    answer = home.ask("backup.definitions", name=name)

    assert answer["added"] == ["lost", "web"]
    assert answer["changed"] == ["hello"]
    assert answer["unchanged"] == ["kept"]
    assert names(home) == ["hello", "kept", "later", "lost"]
    assert home.ask("job.show", name="hello")["definition"]["command"] == ["true"]
    assert home.ask("job.show", name="kept")["job"]["enabled"] is False
    assert len(home.ask("job.history")["runs"]) == 3


def test_definitions_of_a_watched_file_stay_the_file_s(home: Keys) -> None:
    changed = {**JOB, "command": ["false"]}
    home.ask("job.apply", definitions=[changed], source="file:/x/jobs.d/a.toml")
    home.ask("backup.create")
    home.ask("job.apply", definitions=[JOB], source="file:/x/jobs.d/a.toml")

    answer = home.ask("backup.definitions", name="latest")

    assert answer["kept"] == [{"name": "hello", "reason": "it comes from /x/jobs.d/a.toml"}]


def test_definitions_of_a_bare_database_can_be_taken_too(home: Keys, tmp_path: Path) -> None:
    shutil.copy(home.home.db, tmp_path / "copy.db")
    home.ask("job.remove", name="hello")

    assert home.ask("backup.definitions", name=str(tmp_path / "copy.db"))["added"] == ["hello"]


def test_a_damaged_database_is_set_aside_and_a_sound_one_only_by_force(home: Keys) -> None:
    settings = load_settings(home.home)
    with pytest.raises(ConflictError, match="is sound"):
        keep_aside(home.home, settings, NOW, force=False)
    noise = garbage(home)

    kept = keep_aside(home.home, settings, NOW, force=False)

    assert kept.read_bytes() == noise
    assert names(home) == []
    again = keep_aside(home.home, settings, NOW, force=True)
    assert again != kept
    with pytest.raises(StoreError, match="no database"):
        keep_aside(home.home, settings, NOW, force=True)
