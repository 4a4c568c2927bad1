"""What runs were started for, as the store keeps it: whole up to a bound, and counted beyond."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pb.core.model import State
from pb.store import occasions, retention
from pb.store.rows import Run
from pb.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "a.db") as made:
        yield made


def claim(store: Store, fire_at: int = 1) -> int:
    run = Run(
        job="a",
        fire_at=fire_at,
        trigger="event",
        state=State.SUCCEEDED,
        queued_at=1,
        finished_at=2,
    )
    assert store.claim(run)
    return run.id


def test_parts_are_put_together_in_their_order(store: Store) -> None:
    with store.transaction():
        run_id = claim(store)
        store.occasions.add(run_id, {"event": "first"}, [{"n": 1}, {"n": 2}])
        store.occasions.add(run_id, {"event": "second"}, [])
        store.occasions.add(run_id, {"event": "third"}, [{"n": 3, "path": "\udcff"}])
    about = store.occasions.of_run(run_id)
    assert about is not None
    assert (about.event, about.occasions, about.count) == ({"event": "first"}, 3, 3)
    assert [json.loads(line)["n"] for line in about.lines.splitlines()] == [1, 2, 3]
    assert store.occasions.of_run(run_id + 1) is None


def test_what_is_too_much_is_counted_and_not_kept(store: Store) -> None:
    big = [{"x": "y" * (occasions.LARGEST // 2)}] * 2
    with store.transaction():
        run_id = claim(store)
        store.occasions.add(run_id, {}, big)
        store.occasions.add(run_id, {}, [{"n": 1}])
        other = claim(store, 2)
        for number in range(occasions.MOST_PARTS + 5):
            store.occasions.add(other, {"n": number}, [{"n": number}])
    about, many = store.occasions.of_run(run_id), store.occasions.of_run(other)
    assert about is not None
    assert many is not None
    assert (about.occasions, about.count, about.lines.count(b"\n")) == (2, 3, 2)
    kept, beyond = occasions.MOST_PARTS, occasions.MOST_PARTS + 5
    assert (many.occasions, many.count, many.lines.count(b"\n")) == (beyond, beyond, kept)


def test_they_go_with_their_run_and_are_handed_on_to_another(store: Store) -> None:
    with store.transaction():
        first, second = claim(store, 1), claim(store, 2)
        store.occasions.add(first, {"event": "x"}, [{"n": 1}])
        store.occasions.hand_on(first, second)
        store.write(retention.SQL["delete"], [(first,)])
    assert store.occasions.of_run(first) is None
    about = store.occasions.of_run(second)
    assert about is not None
    assert about.event == {"event": "x"}


def test_states_are_forgotten_but_for_those_that_are_kept(store: Store) -> None:
    with store.transaction():
        for key in ("a", "b"):
            store.occasions.set_state("job", key, {"n": 1})
        store.occasions.set_state("job", "a", {"n": 2})
        store.occasions.set_state("other", "a", {"n": 3})
        store.occasions.forget_states("job", but=["a"])
    assert store.occasions.states("job") == {"a": {"n": 2}}
    with store.transaction():
        store.occasions.forget_states("job")
    assert (store.occasions.states("job"), store.occasions.states("other")) == ({}, {"a": {"n": 3}})
