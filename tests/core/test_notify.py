"""``notify`` of a definition: short or a table, read and written back."""

from __future__ import annotations

from typing import Any

import pytest

from pb.core.fields import DefinitionError
from pb.core.notice import NOBODY, Occasion, Telling
from pb.core.notify import (
    effective,
    policy_view,
    read_notify,
    write_notify,
    write_table,
)

FAILURE, RECOVERY = Occasion.FAILURE, Occasion.RECOVERY

WRITTEN: list[tuple[Any, Telling | None, Any]] = [
    (None, None, None),
    ("ops", Telling(to=("ops",)), ["ops"]),
    (["a", "b"], Telling(to=("a", "b")), ["a", "b"]),
    ([], NOBODY, []),
    ({}, Telling(), {}),
    ({"on": "down"}, Telling(on=(FAILURE,)), {"on": ["failure"]}),
    ({"on": ["up", "recovery"]}, Telling(on=(RECOVERY,)), {"on": ["recovery"]}),
    (
        {"to": "a", "cooldown": "1h", "repeat": "1d", "group": 0},
        Telling(to=("a",), cooldown=3600.0, repeat=86_400.0, group=0.0),
        {"to": ["a"], "cooldown": "1h", "repeat": "1d", "group": "0s"},
    ),
]


@pytest.mark.parametrize(("value", "meant", "short"), WRITTEN)
def test_it_means_and_is_written(value: Any, meant: Telling | None, short: Any) -> None:
    assert read_notify(value) == meant
    assert write_notify(meant) == short
    assert read_notify(short) == meant
    assert read_notify(write_table(meant)) == meant


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "names of channels"),
        ("a b", "not a name that a channel can have"),
        (["a", "a"], "names a twice"),
        ({"on": []}, "is empty"),
        ({"on": "fialure"}, "should be one of failure"),
        ({"on": "test"}, "should be one of failure"),
        ({"repeat": 0}, "more than 0"),
        ({"channels": ["a"]}, "not a known key"),
        ({"to": 1}, "should be a list"),
    ],
)
def test_a_mistake_is_told(value: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        read_notify(value)


def test_a_definition_comes_before_the_settings_and_takes_their_channels() -> None:
    usual, own = Telling(to=("a",)), Telling(on=(FAILURE,))

    assert effective(None, None) == NOBODY
    assert effective(None, usual) == usual
    assert effective(NOBODY, usual) == NOBODY
    assert effective(own, usual) == Telling(to=("a",), on=(FAILURE,))
    assert effective(own, None).to == ()
    assert effective(own, own).to == ()


def test_a_policy_is_shown_whole() -> None:
    assert policy_view(Telling(to=("a",))) == {
        "to": ["a"],
        "on": ["failure", "recovery", "missed"],
        "cooldown": "0s",
        "repeat": None,
        "group": "5s",
    }
