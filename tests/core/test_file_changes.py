"""What has happened to files between two looks, and when it has come to rest."""

from __future__ import annotations

import pytest

from pb.core.file_changes import (
    Change,
    Mark,
    Rest,
    after,
    changes,
    known_since,
    seen_until,
    wanted,
)

SECOND = 10**9
NOW = 1_000 * SECOND


def mark(inode: int = 1, *, size: int = 5, modified: int = 10, changed: int = 10) -> Mark:
    return Mark(inode, modified * SECOND, size, changed * SECOND)


def told(found: list[Change]) -> list[tuple[str, str, str | None]]:
    return [(one.event, one.path, one.source) for one in found]


def test_everything_that_is_different_is_a_change_by_path() -> None:
    before = {"/a": mark(1), "/b": mark(2), "/c": mark(3), "/d": mark(4)}
    now = {"/a": mark(1), "/b": mark(2, size=6), "/e": mark(3), "/f": mark(9)}

    assert told(changes(before, now)) == [
        ("write", "/b", None),
        ("delete", "/d", None),
        ("move", "/e", "/c"),
        ("create", "/f", None),
    ]


def test_new_rights_are_no_change_and_another_file_of_that_name_is() -> None:
    assert changes({"/a": mark(1, changed=10)}, {"/a": mark(1, changed=20)}) == []
    assert told(changes({"/a": mark(1)}, {"/a": mark(2)})) == [("write", "/a", None)]


@pytest.mark.parametrize(
    ("change", "events", "seen"),
    [
        (Change(event="create", path="/a", mark=mark()), ("create",), ("create", "/a")),
        (Change(event="create", path="/a", mark=mark()), ("write",), ("write", "/a")),
        (Change(event="create", path="/a", mark=mark(size=0)), ("write",), None),
        (Change(event="create", path="/a", mark=mark()), ("delete",), None),
        (Change(event="move", path="/a", mark=mark(), source="/b"), ("create",), ("create", "/a")),
        (Change(event="move", path="/a", mark=mark(), source="/b"), ("delete",), ("delete", "/b")),
        (Change(event="move", path="/a", mark=mark(), source="/b"), ("write",), None),
        (Change(event="move", path="/a", mark=mark()), ("delete",), None),
        (Change(event="delete", path="/a"), ("create", "write", "move"), None),
        (Change(event="write", path="/a", mark=mark()), ("create", "delete"), None),
    ],
)
def test_a_change_is_seen_as_whoever_asks_can_use_it(
    change: Change, events: tuple[str, ...], seen: tuple[str, str] | None
) -> None:
    found = wanted(change, events)

    assert (found and (found.event, found.path)) == seen


def test_a_run_is_told_what_is_known_of_a_change() -> None:
    assert Change(event="delete", path="/a").item() == {"event": "delete", "path": "/a"}
    moved = Change(event="move", path="/a", mark=mark(size=3), source="/b")
    assert moved.item() == {"event": "move", "path": "/a", "from": "/b", "size": 3}


def rest(last: dict[str, Mark] | None = None, unclosed: tuple[str, ...] = ()) -> Rest:
    return Rest(
        now_ns=NOW, settle_ns=2 * SECOND, longest_ns=10 * SECOND, unclosed=unclosed, last=last
    )


def of(changed: int, size: int = 5) -> Change:
    return Change(event="write", path="/a", mark=mark(size=size, changed=changed))


@pytest.mark.parametrize(
    ("change", "given", "seconds"),
    [
        pytest.param(Change(event="delete", path="/a"), rest(), 0, id="what is gone rests"),
        pytest.param(of(998), rest(), 0, id="quiet for long enough"),
        pytest.param(of(999), rest(), 1, id="too young"),
        pytest.param(of(999), rest({"/a": mark(changed=1)}), 0, id="the same as at the last look"),
        pytest.param(of(999), rest({"/a": mark(size=4)}), 1, id="it has grown since the last look"),
        pytest.param(of(999), rest({}), 1, id="it was not there at the last look"),
        pytest.param(of(1005), rest(), 2, id="a clock that is ahead"),
        pytest.param(of(1005), rest({"/a": mark()}, ("/a",)), 0, id="ahead, and the same"),
        pytest.param(of(997), rest(unclosed=("/a",)), 7, id="somebody has it open"),
        pytest.param(of(980), rest(unclosed=("/a",)), 0, id="somebody has it open for very long"),
        pytest.param(of(998), rest(unclosed=("/b",)), 0, id="somebody has another one open"),
    ],
)
def test_a_change_rests_or_is_waited_for(change: Change, given: Rest, seconds: int) -> None:
    assert given.wait_ns(change) == seconds * SECOND


def test_what_was_told_is_known() -> None:
    known = {"/a": mark(1), "/b": mark(2), "/c": mark(3)}
    found = after(
        known,
        [
            Change(event="delete", path="/a"),
            Change(event="move", path="/d", mark=mark(2), source="/b"),
            Change(event="write", path="/c", mark=mark(3, size=9)),
        ],
    )

    assert found == {"/c": mark(3, size=9), "/d": mark(2)}
    assert len(known) == 3


def test_what_waits_is_not_said_to_be_told() -> None:
    waiting = [
        Change(event="write", path="/a", mark=mark(changed=7)),
        Change(event="delete", path="/b"),
    ]

    assert seen_until(NOW, waiting) == 7 * SECOND - 1
    assert seen_until(NOW, []) == NOW


def test_what_changed_later_was_not_known_then() -> None:
    now = {"/a": mark(changed=5), "/b": mark(changed=6)}

    assert known_since(now, 5 * SECOND) == {"/a": mark(changed=5)}
