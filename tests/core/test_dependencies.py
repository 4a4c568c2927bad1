"""Dependencies as tables: what satisfies, what does not and why, and circles."""

from __future__ import annotations

import pytest

from pb.core.dependencies import Ended, cycle, unknown, unmet
from pb.core.model import Dependency, DependencyOn, State


@pytest.mark.parametrize(
    ("on", "within", "ended", "reason"),
    [
        ("success", None, None, "backup has not run yet"),
        ("success", None, Ended(4, State.SUCCEEDED, 0), None),
        (
            "success",
            None,
            Ended(4, State.FAILED, 0),
            "run 4 of backup failed, and success is needed",
        ),
        ("failure", None, Ended(4, State.TIMED_OUT, 0), None),
        ("failure", None, Ended(4, State.LOST, 0), None),
        (
            "failure",
            None,
            Ended(4, State.SUCCEEDED, 0),
            "run 4 of backup succeeded, and failure is needed",
        ),
        ("completion", None, Ended(4, State.FAILED, 0), None),
        ("completion", None, Ended(4, State.SUCCEEDED, 0), None),
        (
            "completion",
            None,
            Ended(4, State.CANCELLED, 0),
            "run 4 of backup cancelled, and completion is needed",
        ),
        ("success", 60, Ended(4, State.SUCCEEDED, 40_000), None),
        (
            "success",
            60,
            Ended(4, State.SUCCEEDED, 39_999),
            "run 4 of backup ended more than 1m ago",
        ),
    ],
)
def test_what_satisfies(
    on: str, within: float | None, ended: Ended | None, reason: str | None
) -> None:
    dependency = Dependency(job="backup", on=DependencyOn(on), within=within)
    assert unmet(dependency, ended, 100_000) == reason


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({}, None),
        ({"a": ["b"], "b": ["c"], "c": []}, None),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, None),
        ({"a": ["a"]}, ["a", "a"]),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, ["b", "c", "b"]),
        ({"x": [], "a": ["b"], "b": ["a"]}, ["a", "b", "a"]),
        ({"a": ["gone"]}, None),
    ],
)
def test_circles_are_found_with_their_path(
    graph: dict[str, list[str]], expected: list[str] | None
) -> None:
    assert cycle(graph) == expected


def test_a_long_chain_is_no_problem() -> None:
    graph = {str(n): [str(n + 1)] for n in range(20_000)}
    assert cycle(graph) is None
    assert unknown(graph, graph) == ("19999", "20000")
    assert unknown({"a": ["b"]}, ["a", "b"]) is None
