"""A job that was removed is brought back as it was, without a scheduler and with one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pb.errors import ConflictError, InvalidError, NotFoundError
from pb.store import removed
from tests.gateway.tokens import Keys, keys

WHOLE = {
    "name": "a",
    "command": ["true"],
    "triggers": ["cron: 30 2 * * *"],
    "timezone": "UTC",
    "description": "nightly",
    "tags": ["x"],
}


@pytest.fixture
def home(tmp_path: Path) -> Keys:
    return keys(tmp_path / "home")


def seen(home: Keys) -> dict[str, Any]:
    return {key: home.ask("job.show", name="a")[key] for key in ("job", "definition", "source")}


@pytest.mark.parametrize("switch", [None, "job.disable", "job.pause"])
def test_it_comes_back_as_it_was(home: Keys, switch: str | None) -> None:
    home.ask("job.add", definition=WHOLE, source="api")
    if switch:
        home.ask(switch, name="a", **({"note": "why"} if switch == "job.pause" else {}))
    from pb.store.store import Store

    with Store(home.home.db) as store, store.transaction():
        store.write("UPDATE job_state SET run_count = 7, last_result = ?", [("failed",)])
    before = seen(home)
    home.ask("job.remove", name="a")
    with pytest.raises(NotFoundError):
        home.ask("job.show", name="a")

    answer = home.ask("job.restore", name="a")

    assert answer["job"]["run_count"] == 7
    assert seen(home) == before


def test_it_is_told_as_an_event_and_in_the_audit_trail(home: Keys) -> None:
    home.ask("job.add", definition=WHOLE)
    home.ask("job.remove", name="a")
    home.ask("job.restore", name="a")

    event = home.ask("events.recent", n=1)["events"][0]
    assert (event["type"], event["text"]) == ("job.added", "Job a restored")
    change = home.ask("audit.list", n=1)["changes"][0]
    assert (change["method"], change["target"]) == ("job.restore", "a")


def test_what_is_there_or_never_was_cannot_be_brought_back(home: Keys) -> None:
    with pytest.raises(NotFoundError) as caught:
        home.ask("job.restore", name="a")
    assert caught.value.hint == "None was removed lately."
    for name in ("alpha", "beta"):
        home.ask("job.add", definition={**WHOLE, "name": name})
        home.ask("job.remove", name=name)
    with pytest.raises(NotFoundError) as caught:
        home.ask("job.restore", name="alhpa")
    assert caught.value.hint == "Did you mean alpha?"
    home.ask("job.restore", name="alpha")

    with pytest.raises(ConflictError):
        home.ask("job.restore", name="alpha")
    with pytest.raises(NotFoundError) as caught:
        home.ask("job.restore", name="zzz")
    assert caught.value.hint == "Removed at last: beta."


def test_the_last_definition_counts_and_only_a_hundred_are_kept(home: Keys) -> None:
    for description in ("first", "second"):
        home.ask("job.add", definition={**WHOLE, "description": description})
        home.ask("job.remove", name="a")
    assert home.ask("job.restore", name="a")["job"]["description"] == "second"
    for number in range(removed.KEPT + 5):
        home.ask("job.add", definition={**WHOLE, "name": f"n{number}"})
        home.ask("job.remove", name=f"n{number}")
    from pb.store.store import Store

    with Store(home.home.db) as store:
        assert len(removed.names(store)) == removed.KEPT


def test_one_that_depends_on_what_is_gone_stays_removed(home: Keys) -> None:
    home.ask("job.add", definition={**WHOLE, "name": "first"})
    home.ask("job.add", definition={**WHOLE, "depends_on": [{"job": "first"}]})
    home.ask("job.remove", name="a")
    home.ask("job.remove", name="first")

    with pytest.raises(InvalidError):
        home.ask("job.restore", name="a")
    home.ask("job.restore", name="first")
    assert home.ask("job.restore", name="a")["job"]["name"] == "a"
