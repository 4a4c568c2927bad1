"""Definitions written for people are read back as they were."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pb.config.files import parse_definitions
from pb.config.toml_write import job_table, toml_file
from pb.core.definition import job_dump, job_from
from pb.core.model import Job
from pb.errors import UnsupportedError
from tests.core.test_definition import JOBS, minimal

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
HERE = Path("/somewhere")


@patient
@given(st.lists(JOBS, max_size=3, unique_by=lambda job: job.name))
def test_a_toml_file_is_read_back_identically(jobs: list[Job]) -> None:
    text = toml_file("1.0.0", map(job_dump, jobs))
    found = parse_definitions(text, HERE / "jobs.toml")

    assert found.problems == ()
    assert list(found.jobs) == jobs


@patient
@given(st.lists(JOBS, max_size=3, unique_by=lambda job: job.name))
def test_a_json_file_is_read_back_identically(jobs: list[Job]) -> None:
    text = json.dumps({"schema_version": "1.0.0", "jobs": [job_dump(job) for job in jobs]})
    found = parse_definitions(text, HERE / "jobs.json")

    assert found.problems == ()
    assert list(found.jobs) == jobs


@patient
@given(
    st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\\\n\r\t '), max_size=20)
)
def test_any_text_is_written_so_that_toml_reads_it(text: str) -> None:
    table = job_table({"name": text, "command": [text], "stdin": text, "env": {text: text}})
    [(name, job)] = tomllib.loads(table)["job"].items()

    assert name == text
    assert job == {"command": [text], "stdin": text, "env": {text: text}}


def test_a_job_is_written_as_a_person_would() -> None:
    definition = minimal(
        command="cd /srv\nmake all\n",
        shell=True,
        triggers=["every: 5m"],
        env={"A": "1", "B C": "2"},
        priority=80,
        misfire={"grace": "2m"},
    )
    assert (
        job_table(job_dump(job_from(definition)))
        == '''\
[job.j]
command = """
cd /srv
make all
"""
shell = true
triggers = [{type = "every", every = "5m"}]
priority = 80

[job.j.env]
A = "1"
"B C" = "2"

[job.j.misfire]
grace = "2m"
'''
    )


def test_a_long_list_has_an_item_on_each_line() -> None:
    text = job_table({"name": "j", "command": ["x" * 30, "y" * 30, "z" * 30]})

    assert text.count("\n") == 6
    assert tomllib.loads(text)["job"]["j"]["command"][2] == "z" * 30


def test_what_toml_cannot_say_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="no null"):
        job_table({"name": "j", "kwargs": {"a": None}})
