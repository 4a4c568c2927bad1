"""Storms, the registry of watchers, and what a run is told of its event."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pb.core.reactive import Event, File, Webhook
from pb.core.triggers import trigger_from
from pb.daemon.event_facts import LONGEST, given_event
from pb.daemon.storms import HOLD, MOST, WINDOW, Storms
from pb.daemon.watchers import KindWatchers, Watched, kind_of_watcher
from pb.store.occasions import RunEvent
from tests.kit.scheduler import FakeWatchers


def test_a_hold_begins_with_one_start_too_many_and_ends_by_itself() -> None:
    storms = Storms()
    assert [storms.begins("a", second) for second in range(MOST + 1)] == [False] * MOST + [True]
    assert storms.held_for("a", MOST) == HOLD
    assert storms.held_for("b", MOST) == 0
    assert storms.held_for("a", MOST + HOLD) == 0
    assert not storms.begins("a", MOST + HOLD)


def test_starts_that_are_spread_out_are_no_storm() -> None:
    storms = Storms()
    step = WINDOW / (MOST - 1)
    assert not any(storms.begins("a", place * step) for place in range(100))
    storms.forget("a")


def watched(*triggers: Event | File | Webhook) -> list[Watched]:
    return [Watched(str(place), trigger) for place, trigger in enumerate(triggers)]


def registry() -> tuple[KindWatchers, list[tuple[str, FakeWatchers]]]:
    """The real registry, with watchers that watch nothing."""
    made: list[tuple[str, FakeWatchers]] = []

    def make(kind: str) -> FakeWatchers:
        made.append((kind, FakeWatchers()))
        return made[-1][1]

    return KindWatchers(make), made


def test_a_watcher_lives_from_the_first_trigger_to_the_last() -> None:
    kept, made = registry()
    kept.sync("none", watched(Event(name="user.a"), Webhook()))
    assert made == []
    both = watched(File(paths=("/a",)), Event(name="user.a"))
    kept.sync("a", both)
    kept.sync("b", watched(File(paths=("/b",))))
    ((kind, watcher),) = made
    assert (kind, list(watcher.watched)) == ("file", ["a", "b"])
    assert watcher.watched["a"] == both[:1]
    kept.drop("a")
    assert list(watcher.watched) == ["b"]
    kept.sync("b", [])
    kept.sync("c", watched(File(paths=("/c",))))
    assert len(made) == 2
    kept.close()
    assert made[1][1].watched == {}


def test_what_is_the_same_is_left_alone() -> None:
    kept, made = registry()
    calls: list[Sequence[Watched]] = []
    kept.sync("a", watched(File(paths=("/a",))))
    made[0][1].sync = lambda name, triggers: calls.append(triggers)  # type: ignore[method-assign]
    kept.sync("a", [Watched("0", File(paths=("/a",)), {"n": 1})])
    assert calls == []
    kept.sync("a", [Watched("9", File(paths=("/b",)))])
    assert len(calls) == 1


# -- what a run is told


def told(tmp_path: Path, event: dict[str, object], *items: dict[str, object]) -> dict[str, str]:
    lines = "".join(json.dumps(item) + "\n" for item in items).encode()
    about = RunEvent(event=dict(event), lines=lines, occasions=1, count=len(items))
    return given_event(about, tmp_path / "logs" / "7.log")


def test_a_run_is_told_the_event_its_count_and_the_first_path(tmp_path: Path) -> None:
    found = told(tmp_path, {"event": "file"}, {"path": "/a"}, {"path": "/b"})
    assert json.loads(found["PB_EVENT"]) == {"event": "file", "count": 2, "path": "/a"}
    assert (found["PB_EVENT_COUNT"], found["PB_EVENT_PATH"]) == ("2", "/a")
    file = Path(found["PB_EVENT_FILE"])
    assert file.read_text() == '{"path": "/a"}\n{"path": "/b"}\n'
    assert file.stat().st_mode & 0o777 == 0o600


def test_without_items_there_is_no_file_and_without_a_path_no_path(tmp_path: Path) -> None:
    found = told(tmp_path, {"event": "threshold", "value": 93.5})
    assert set(found) == {"PB_EVENT", "PB_EVENT_COUNT", "PB_EVENT_VALUE"}
    assert found["PB_EVENT_VALUE"] == "93.5"
    assert json.loads(found["PB_EVENT"]) == {"event": "threshold", "value": 93.5, "count": 1}


@pytest.mark.parametrize("facts", [1, 200])
def test_an_event_too_long_for_a_variable_is_cut_and_whole_in_the_file(
    tmp_path: Path, facts: int
) -> None:
    event: dict[str, object] = {f"k{n}": "x" * LONGEST for n in range(facts)}
    event = {"event": "user.a", **event, "table": {"deep": "y" * 2000}, "path": "\0"}
    found = told(tmp_path, event, event)
    short = json.loads(found["PB_EVENT"])
    assert len(found["PB_EVENT"]) <= LONGEST
    assert short["event"] == "user.a"
    assert json.loads(Path(found["PB_EVENT_FILE"]).read_text()) == event
    assert "PB_EVENT_PATH" not in found


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("threshold: load1 > 4", "threshold"),
        ("pattern: idle cpu.percent < 5 30m", "threshold"),
        ("pattern: rate load1 50% 1h", "threshold"),
        ("pattern: log /var/log/x ERROR", "pattern"),
        ("pattern: count job.a.failed 3 1h", None),
        ("pattern: count system.network.down 3 1h", "system"),
        ("pattern: slow backup", None),
    ],
)
def test_a_pattern_needs_the_watcher_of_what_it_looks_at(text: str, kind: str | None) -> None:
    trigger: Any = trigger_from(text)
    assert kind_of_watcher(trigger) == kind
