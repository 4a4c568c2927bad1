"""The corners that no table of cases walks into by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from pb.core import second_opinion
from pb.core.cron import parse_cron
from pb.core.definition import DefinitionError, job_from
from pb.core.events import EVENT_TYPES
from pb.core.phrases import cron_of_phrase

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"command": ["a", "b"], "shell": True}, "one text with shell"),
        (
            {"triggers": [{"type": "at", "at": "0001-01-01T00:00:00+14:00"}]},
            "beyond the calendar",
        ),
        ({"command": date(2026, 1, 1)}, "not a date"),
    ],
)
def test_definitions_that_cannot_be_meant_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(DefinitionError, match=words):
        job_from({"name": "job", "command": ["true"], **change})


@pytest.mark.parametrize(
    ("phrase", "expr"),
    [
        ("every weekend at 10:00", "0 10 * * SAT,SUN"),
        ("every weekday at 10:00", "0 10 * * MON-FRI"),
    ],
)
def test_phrases_of_days(phrase: str, expr: str) -> None:
    assert cron_of_phrase(phrase) == expr


@pytest.mark.parametrize(
    "expr",
    [
        "0 0 31W * *",
        "0 0 31W 1,4 *",
        "0 0 L * *",
        "0 0 * * 1#2,3#2",
        "0 0 * * 5L",
        "0 0 1 1 *",
        "0 0 1-31 * 1",
    ],
)
def test_a_second_opinion_agrees_where_it_can_be_had(expr: str) -> None:
    assert second_opinion.disagreement(parse_cron(expr), NOON.replace(tzinfo=None)) is None


@pytest.mark.parametrize(
    "expr", ["0 0 L-3 * *", "0 0 1,L * *", "0 0 L * 1#2", "0 0 0 1 1 * 2098-2100"]
)
def test_no_second_opinion_is_not_a_disagreement(expr: str) -> None:
    assert second_opinion.croniter_text(parse_cron(expr).schedule) is None
    assert second_opinion.disagreement(parse_cron(expr), NOON.replace(tzinfo=None)) is None


def test_an_expression_of_a_few_years_comes_to_its_end() -> None:
    expr = parse_cron("0 0 0 1 1 * 2027-2028")
    first = expr.next(NOON, UTC)
    assert first == datetime(2027, 1, 1, tzinfo=UTC)
    second = expr.next(first, UTC)
    assert second == datetime(2028, 1, 1, tzinfo=UTC)
    assert expr.next(second, UTC) is None
    assert second_opinion.disagreement(expr, NOON.replace(tzinfo=None)) is None


def test_event_types_say_what_they_mean() -> None:
    assert all(meaning.endswith(".") for meaning in EVENT_TYPES.values())
