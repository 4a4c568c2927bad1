"""What is kept of a job's past and of its output: read, written back, refused; and its flags."""

from __future__ import annotations

from typing import Any

import pytest

from pb.cli.definitions import definition
from pb.core.definition import DefinitionError, job_dump, job_from
from pb.core.model import DEFAULT_RETENTION, DEFAULT_RUN_LOG, Job, Retention, RunLog


def job(**keys: Any) -> Job:
    return job_from({"name": "job", "command": ["true"], **keys})


@pytest.mark.parametrize(
    ("keys", "retention", "log"),
    [
        ({}, DEFAULT_RETENTION, DEFAULT_RUN_LOG),
        ({"retention": {"keep_runs": 5}}, Retention(keep_runs=5), DEFAULT_RUN_LOG),
        (
            {"retention": {"keep_runs": 1, "keep_days": 36_500}, "log": {"max_size": "64KiB"}},
            Retention(keep_runs=1, keep_days=36_500),
            RunLog(max_size=65_536),
        ),
        ({"log": {"max_size": "100001B"}}, DEFAULT_RETENTION, RunLog(max_size=100_001)),
    ],
)
def test_what_is_kept_is_read_and_written_back(
    keys: dict[str, Any], retention: Retention, log: RunLog
) -> None:
    made = job(**keys)

    assert (made.retention, made.log) == (retention, log)
    assert job_from(job_dump(made)) == made
    assert {key: job_dump(made).get(key) for key in keys} == keys


@pytest.mark.parametrize(
    ("keys", "place", "words"),
    [
        ({"retention": 5}, "retention", "should be a table"),
        ({"retention": {"keep_runs": 0}}, "retention.keep_runs", "should be from 1"),
        ({"retention": {"keep_days": "30d"}}, "retention.keep_days", "should be a whole number"),
        ({"retention": {"keep": 1}}, "retention.keep", "is not a known key"),
        ({"log": {"max_size": "1KiB"}}, "log.max_size", "should be at least 64KiB"),
        ({"log": "10MiB"}, "log", "should be a table"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_place(
    keys: dict[str, Any], place: str, words: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        job(**keys)

    (problem,) = caught.value.problems
    assert problem.key == place
    assert words in problem.message


def test_flags_spell_the_same() -> None:
    given = {"keep_runs": 7, "retention": '{"keep_days": 3}', "max_size": "1MiB"}
    spelt = definition("job", ["true"], given)

    assert spelt["retention"] == {"keep_days": 3, "keep_runs": 7}
    assert spelt["log"] == {"max_size": "1MiB"}
