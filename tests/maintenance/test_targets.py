"""What the built-in jobs do, called as their processes call it, on a real store."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from pb.api.digest_text import MOST_JOBS, Words, terminal
from pb.core.model import State
from pb.core.rollups import ALL, HOUR, HOUR_MS, LATEST_MS, MONTH, WEEK
from pb.errors import StoreError
from pb.maintenance import targets
from pb.store import compaction, rollups
from pb.store.notices import NoticeStore
from pb.store.rows import Run
from pb.store.store import Store
from tests.kit.past import fill

MOMENTS = count()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("PB_HOME", str(home))
    monkeypatch.setenv("PB_SCHEDULER__DB", str(tmp_path / "elsewhere.db"))
    with Store(tmp_path / "elsewhere.db") as one:
        yield one


def record(store: Store, *, days_ago: int, log: Path | None = None) -> int:
    # A moment of its own: on a quick machine two records are made within a millisecond.
    at = targets.now_ms() - days_ago * 24 * HOUR_MS + next(MOMENTS)
    run = Run(
        job="job",
        trigger="cron",
        fire_at=at,
        state=State.SUCCEEDED,
        queued_at=at,
        started_at=at,
        finished_at=at + 5,
    )
    with store.transaction():
        assert store.claim(run)
        if log is not None:
            log.mkdir(exist_ok=True)
            path = log / f"{run.id}.log"
            path.write_text("said\n")
            store.write("UPDATE run SET log_path = ? WHERE id = ?", [(str(path), run.id)])
    return run.id


def sums(store: Store, level: str) -> int:
    found = rollups.periods(store.select, level, ALL, 0, LATEST_MS)
    return sum(tally.records for tally in found.values())


def test_each_rollup_does_first_what_the_one_before_would_do(store: Store) -> None:
    fill(store, 300, jobs=3)

    assert targets.rollup_month()["runs"] == 300
    assert [sums(store, level) for level in (HOUR, WEEK, MONTH)] == [300, 300, 300]
    assert targets.rollup_day() == {"runs": 0}
    assert targets.rollup_week() == {"runs": 0, "weeks": 0}


def test_retention_removes_rows_and_logs_and_what_they_add_up_to_stays(
    store: Store, tmp_path: Path
) -> None:
    logs = tmp_path / "logs"
    old = [record(store, days_ago=60, log=logs) for _ in range(4)]
    young = record(store, days_ago=1, log=logs)
    (logs / f"{old[0]}.output").write_text("{}")
    assert old[-1] < young

    assert targets.retention() == {"runs": 4, "hours": 0}
    assert [run.id for run in store.runs()] == [young]
    assert [path.name for path in logs.iterdir()] == [f"{young}.log"]
    assert sums(store, HOUR) == 4  # the young one is not counted yet


def test_hours_go_after_their_time_and_days_stay(store: Store) -> None:
    record(store, days_ago=200)
    record(store, days_ago=2)
    targets.rollup_day()

    assert targets.retention()["hours"] == 2  # the job's, and that of all
    assert (sums(store, HOUR), sums(store, "day")) == (1, 2)


def test_compaction_gives_free_pages_back_and_checks_what_is_left(store: Store) -> None:
    fill(store, 4_000, jobs=3)
    with store.transaction():
        store.write("DELETE FROM run WHERE id % 100 > 0", [()])

    done = targets.compaction()
    assert done["bytes"] < done["bytes_before"] / 4
    assert done["free_bytes"] == 0
    assert os.path.getsize(f"{store.path}-wal") == 0
    assert compaction.faults(store) == []


def test_compaction_of_a_damaged_database_fails_and_says_what_helps(store: Store) -> None:
    fill(store, 4_000, jobs=3)
    targets.compaction()
    store.close()
    raw = sqlite3.connect(store.path)
    page = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'run_recorded'").fetchone()
    size = raw.execute("PRAGMA page_size").fetchone()[0]
    raw.close()
    with open(store.path, "r+b") as file:
        file.seek((page[0] - 1) * size + 12)  # where its cells are
        file.write(b"\xff" * 64)

    with pytest.raises(StoreError, match="damaged") as caught:
        targets.compaction()
    assert "pb backup restore" in str(caught.value.hint)


def test_a_digest_is_queued_for_each_channel_that_wants_it_once(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(store, 50, jobs=40)
    hook = {"type": "webhook", "url": "https://example.org/hook"}
    ping = {"type": "ping", "url": "https://example.org/ping"}
    monkeypatch.setenv("PB_NOTIFY__CHANNELS", json.dumps({"ops": hook, "beat": ping}))
    monkeypatch.setenv("PB_MAINTENANCE__DIGESTS_TO", "ops, later, beat")

    targets.digest_weekly()
    with store.transaction():
        store.set_meta("digest_weekly_until", "0")
    targets.digest_weekly()

    rows = NoticeStore(store).history(n=10)
    assert sorted(row.channel for row in rows) == ["later", "ops"]
    assert "beat is a ping: a digest cannot be sent there" in capsys.readouterr().out
    assert (rows[0].occasion, rows[0].job, rows[0].state) == ("digest", "digest_weekly", "waiting")
    assert rows[0].text.startswith("The weekly digest: ")
    digest = json.loads(rows[0].details)["digest"]
    assert len(digest["jobs"]) <= MOST_JOBS
    lines = terminal(Words(digest))
    assert ("more, without errors" in lines) == (digest["jobs_left_out"] > 0)
