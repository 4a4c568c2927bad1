"""The lean dataclass behaves as the standard library's, whose name and options it has."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import field
from typing import Any

import pytest

from pb.core import lean


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    name: str
    size: int = 0
    secret: str = field(default="", repr=False)
    seen: int = field(default=0, compare=False)


@lean.dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    name: str
    size: int = 0
    secret: str = field(default="", repr=False)
    seen: int = field(default=0, compare=False)


@lean.dataclass
class Open:
    size: int


@lean.dataclass(frozen=True, slots=True)
class Empty:
    pass


@lean.dataclass(frozen=True, eq=False)
class Alone:
    size: int


@lean.dataclass(frozen=True, slots=True)
class Own:
    size: int

    def __repr__(self) -> str:
        return "mine"

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 7


SAMPLES: list[dict[str, Any]] = [
    {"name": "a"},
    {"name": "a", "seen": 5},
    {"name": "a", "size": 2, "secret": "x"},
    {"name": "b"},
]


@pytest.mark.parametrize("one", SAMPLES)
@pytest.mark.parametrize("other", SAMPLES)
def test_what_is_equal_and_has_the_same_hash_is_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert (Ours(**one) == Ours(**other)) is (Theirs(**one) == Theirs(**other))
    if Ours(**one) == Ours(**other):
        assert hash(Ours(**one)) == hash(Ours(**other))


def test_another_class_is_never_equal() -> None:
    assert Ours(name="a") != Theirs(name="a")
    assert Empty() == Empty()
    assert hash(Empty()) == hash(Empty())


@pytest.mark.parametrize("sample", SAMPLES)
def test_it_shows_the_same(sample: dict[str, Any]) -> None:
    assert repr(Ours(**sample)) == repr(Theirs(**sample)).replace("Theirs", "Ours")


def test_it_is_replaced_copied_and_pickled() -> None:
    one = Ours(name="a", size=3)

    assert dataclasses.replace(one, size=4) == Ours(name="a", size=4)
    assert copy.copy(one) == one
    assert pickle.loads(pickle.dumps(one)) == one
    assert not hasattr(one, "__dict__")
    assert [f.name for f in dataclasses.fields(one)] == ["name", "size", "secret", "seen"]


def test_what_may_change_has_no_hash() -> None:
    assert Open(1) == Open(1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(Open(1))


def test_what_the_class_says_itself_stays() -> None:
    assert repr(Own(1)) == "mine"
    assert Own(1) == Own(2)
    assert hash(Own(1)) == 7
    assert Alone(1) != Alone(1)
    assert len({Alone(1), Alone(1)}) == 2
