"""The tables inside a definition: what they may say, and the sentence for what they may not."""

from __future__ import annotations

from typing import Any

import pytest

from pb.core.definition import DefinitionError, job_dump, job_from


def job(**keys: Any) -> dict[str, Any]:
    return {"name": "job", "command": ["true"], **keys}


@pytest.mark.parametrize(
    "keys",
    [
        {"retry": {"max_attempts": 3, "backoff": "linear", "base": "1s", "max": "1m"}},
        {"retry": {"factor": 3.0, "jitter": 0.5, "on": [1, "timeout", "signal", "KILL"]}},
        {"retry": {"on": ["pattern:try again"]}},
        {"depends_on": [{"job": "a"}, {"job": "b", "on": "failure", "within": "1h"}]},
        {"locks": ["a", "b"], "queue": "disk", "jitter_mode": "fixed", "on_lost": "retry"},
    ],
)
def test_what_is_read_is_written_back(keys: dict[str, Any]) -> None:
    assert job_dump(job_from(job(**keys))) == job(**keys)


def test_short_forms_mean_the_same_as_tables() -> None:
    short = job_from(job(depends_on=["a", "b:completion"]))
    assert short == job_from(job(depends_on=[{"job": "a"}, {"job": "b", "on": "completion"}]))
    assert job_from(job(retry={"on": ["sigkill"]})).retry.on == ("KILL",)


@pytest.mark.parametrize(
    ("keys", "key", "words"),
    [
        ({"retry": 3}, "retry", "should be a table"),
        ({"retry": {"tries": 3}}, "retry.tries", "is not a known key"),
        ({"retry": {"max_attempts": 0}}, "retry.max_attempts", "should be from 1 to 1000"),
        ({"retry": {"factor": 0.5}}, "retry.factor", "should be from 1 to 100"),
        ({"retry": {"factor": "2"}}, "retry.factor", "should be a number from 1 to 100"),
        ({"retry": {"jitter": 2}}, "retry.jitter", "should be from 0 to 1"),
        ({"retry": {"jitter": True}}, "retry.jitter", "should be a number from 0 to 1"),
        ({"retry": {"on": ["sometimes"]}}, "retry.on[0]", "is not a reason to try again"),
        ({"retry": {"on": [True]}}, "retry.on[0]", "should be text"),
        ({"retry": {"on": [300]}}, "retry.on[0]", "should be from 1 to 255"),
        ({"depends_on": [3]}, "depends_on[0]", "should be a job's name or a table"),
        ({"depends_on": [{"on": "success"}]}, "depends_on[0]", "names no job"),
        ({"depends_on": [{"job": "a", "at": 1}]}, "depends_on[0].at", "is not a known key"),
        ({"depends_on": ["a:sometimes"]}, "depends_on[0].on", "should be one of"),
        ({"depends_on": ["a", "a:failure"]}, "depends_on[1]", "names a twice"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_place(
    keys: dict[str, Any], key: str, words: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        job_from(job(**keys))
    (problem,) = caught.value.problems
    assert problem.key == key
    assert words in problem.message
