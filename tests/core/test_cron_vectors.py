"""The verified fire times, each as a case: checked against Debian's own loop and a rule engine."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pb.core.cron import parse_cron

_FILE = json.loads((Path(__file__).parent / "vectors" / "cron.json").read_text(encoding="utf-8"))
CASES = [
    pytest.param(case, id=case["id"]) for case in _FILE["vectors"] + _FILE["six_and_seven_fields"]
]


def test_no_vector_is_lost() -> None:
    assert (len(_FILE["vectors"]), len(_FILE["six_and_seven_fields"])) == (183, 18)


@pytest.mark.parametrize("case", CASES)
def test_the_next_five_fire_times_are_the_verified_ones(case: dict) -> None:
    expr, zone = parse_cron(case["expr"]), ZoneInfo(case["tz"])
    at, found = datetime.fromisoformat(case["start_utc"]), []
    for _ in case["expected_utc"]:
        later = expr.next(at, zone)
        assert later is not None
        assert later > at
        at = later
        found.append(at.strftime("%Y-%m-%dT%H:%M:%SZ"))
    assert found == case["expected_utc"]


@pytest.mark.parametrize("case", CASES)
def test_prev_walks_the_same_fire_times_back(case: dict) -> None:
    expr, zone = parse_cron(case["expr"]), ZoneInfo(case["tz"])
    expected = [datetime.fromisoformat(text) for text in case["expected_utc"]]
    for earlier, later in pairwise(expected):
        assert expr.prev(later, zone) == earlier


@pytest.mark.parametrize("case", CASES)
def test_the_class_of_a_job_is_told_by_its_first_characters(case: dict) -> None:
    assert parse_cron(case["expr"]).is_wildcard == (case["job_class"] == "wildcard")
