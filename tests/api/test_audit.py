"""The audit trail: a row for each change, with who wanted it, through what, and from where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pb.api import session
from pb.api.asker import Asker
from pb.api.catalogue import METHODS
from pb.errors import PbError
from pb.paths import Home
from pb.store.access import AUDIT_KEPT, PRUNE_EVERY
from pb.store.store import Store
from tests.gateway.tokens import Keys, keys

JOB = {"name": "hello", "command": ["true"], "env": {"API_TOKEN": "very-secret"}}


@pytest.fixture
def home(tmp_path: Path) -> Keys:
    return keys(tmp_path / "home")


def changes(home: Keys, **wanted: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = home.ask("audit.list", **wanted)["changes"]
    return found


def test_a_change_without_a_scheduler_leaves_a_row_without_the_definition(home: Keys) -> None:
    home.ask("job.add", definition=JOB)
    home.ask("job.pause", name="hello", note="moving disks")

    pause, add = changes(home)
    assert (pause["method"], pause["target"]) == ("job.pause", "hello")
    assert pause["details"] == {"note": "moving disks"}
    assert (add["method"], add["target"], add["details"]) == ("job.add", "hello", {})
    assert add["face"] == "cli"
    assert add["peer"].startswith("pid ")


def test_what_was_refused_or_only_tried_or_read_leaves_none(home: Keys) -> None:
    with pytest.raises(PbError):
        home.ask("job.pause", name="nobody")
    home.ask("job.apply", definitions=[JOB], source="apply:x", dry_run=True)
    home.ask("job.list")

    assert changes(home) == []


def test_every_change_is_audited_but_runs_of_a_terminal_and_what_is_an_event_itself() -> None:
    silent = [name for name, m in METHODS.items() if m.scope == "write" and not m.audited]

    assert silent == ["run.begin", "run.end", "event.emit", "hook.fire"]


def test_the_live_scheduler_notes_for_whom_a_face_asks(scheduler: Home) -> None:
    asker = Asker(name="laptop", peer="127.0.0.1:40000")
    with session(scheduler, face="gateway", asker=asker) as talk:
        talk.call("job.add", {"definition": JOB})
        run = talk.call("job.run", {"name": "hello"})["run"]
        talk.call("run.wait", {"run_id": run["run_id"]})
    with session(scheduler) as talk:
        talk.call("job.disable", {"name": "hello"})
        rows = talk.call("audit.list")["changes"]
        events = talk.call("events.recent")["events"]

    assert [(r["method"], r["face"]) for r in rows] == [
        ("job.disable", "cli"),
        ("job.run", "gateway"),
        ("job.add", "gateway"),
    ]
    assert rows[2]["actor"] == "laptop"
    assert rows[2]["peer"] == "127.0.0.1:40000"
    assert rows[0]["peer"].startswith("pid ")
    assert run["by"] == "gateway:laptop"
    assert [e["by"] for e in events if e["type"] == "job.added"] == ["gateway:laptop"]


def test_only_a_face_of_ours_may_speak_for_another(scheduler: Home) -> None:
    with session(scheduler, face="cli", asker=Asker(name="somebody", peer="x")) as talk:
        talk.call("job.add", {"definition": JOB})
        [row] = talk.call("audit.list")["changes"]

    assert row["actor"] != "somebody"
    assert row["peer"].startswith("pid ")


def test_the_trail_is_filtered_and_paged(home: Keys) -> None:
    for name in ("a", "b"):
        home.ask("job.add", definition={**JOB, "name": name})
    home.token(name="t")

    assert [row["target"] for row in changes(home, method="job")] == ["b", "a"]
    assert [row["target"] for row in changes(home, method="job.add", target="a")] == ["a"]
    assert changes(home, actor="nobody") == []
    mine = changes(home)[0]
    assert len(changes(home, actor=mine["actor"])) == 3
    assert len(changes(home, actor=f"cli:{mine['actor']}")) == 3
    first = changes(home, n=1)
    assert [row["target"] for row in changes(home, before=first[0]["seq"])] == ["b", "a"]
    assert changes(home, until="1d") == []
    assert len(changes(home, since="1d")) == 3


def test_a_token_never_stands_in_the_trail(home: Keys) -> None:
    token = home.token(name="t", expires="1d")

    assert changes(home)[0]["details"] == {"expires": "1d"}
    assert token not in str(changes(home))


def test_the_trail_outlives_the_events_and_is_bounded(home: Keys) -> None:
    home.ask("job.add", definition=JOB)
    with Store(home.home.db) as store, store.transaction():
        store.write("UPDATE sqlite_sequence SET seq = ? WHERE name = 'audit'", [(AUDIT_KEPT,)])
        for _ in range(PRUNE_EVERY):
            store.access.add_audit(
                at=1, actor="x", face="cli", peer=None, method="m", target=None, details="{}"
            )
    assert len(changes(home, n=10_000)) == PRUNE_EVERY


def test_what_the_live_scheduler_refuses_leaves_no_row(scheduler: Home) -> None:
    with session(scheduler) as talk:
        for method in ("job.run", "job.pause"):
            with pytest.raises(PbError):
                talk.call(method, {"name": "nobody"})
        assert talk.call("audit.list")["changes"] == []


@pytest.mark.parametrize("until", [-(2**62), -1, 2**53, 2**62])
def test_a_pause_until_an_instant_that_cannot_be_written_is_refused(home: Keys, until: int) -> None:
    home.ask("job.add", definition=JOB)

    with pytest.raises(PbError, match="year 9999"):
        home.ask("job.pause", name="hello", until=until)

    assert home.ask("job.show", name="hello")["job"]["paused"] is False
