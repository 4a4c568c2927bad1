"""Addresses of probes, taken apart; and what is refused where a value of another kind stands."""

from __future__ import annotations

from datetime import UTC

import pytest

from pb.core.definition import job_from
from pb.core.fields import DefinitionError
from pb.core.scheduling import Missed, first_ms
from pb.core.service_definition import service_from
from pb.core.urls import parse_url
from pb.errors import InvalidError


@pytest.mark.parametrize(
    ("text", "authority", "target"),
    [
        ("http://127.0.0.1:8000/healthz", "127.0.0.1:8000", "/healthz"),
        ("http://example.org", "example.org", "/"),
        ("HTTPS://example.org?a=b", "example.org", "/?a=b"),
        ("https://[::1]:8443/x#part", "[::1]:8443", "/x"),
    ],
)
def test_an_address_is_taken_apart(text: str, authority: str, target: str) -> None:
    url = parse_url(text)

    assert (url.authority, url.target) == (authority, target)


@pytest.mark.parametrize(
    "text", ["ftp://x", "http://", "http://x:0/", "http://x:99999/", "http://ä/"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        parse_url(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"ready": {"http": {"url": "http://x", "headers": "X-A: 1"}}},
        {"depends_on": [5]},
    ],
)
def test_a_value_of_another_kind_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(DefinitionError, match="table"):
        service_from({"name": "web", "command": ["serve"], **wrong})


@pytest.mark.parametrize(
    ("missed", "words"),
    [
        (Missed(1, 0, 0), "1 fire time passed: asleep"),
        (Missed(3, 0, 0), "3 fire times passed: asleep"),
        (Missed(3, 0, 0, at_least=True), "more than 3 fire times passed: asleep"),
    ],
)
def test_a_miss_is_told_in_words(missed: Missed, words: str) -> None:
    assert missed.reason("asleep") == words


@pytest.mark.parametrize(
    ("triggers", "first"),
    [
        (["every: 5m after finish"], 301_000),
        (["every: 5m after finish", "every: 1m"], 60_000),
        (["every: 1h"], 3_600_000),
        ([], None),
    ],
)
def test_the_first_time_counts_from_an_end_where_it_should(
    triggers: list[str], first: int | None
) -> None:
    job = job_from({"name": "job", "command": ["true"], "triggers": triggers})

    assert first_ms(job.triggers, 1_000, UTC, "job") == first
