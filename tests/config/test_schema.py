"""The published JSON Schema: made from the table of keys, current, and of one mind with it."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pb.config.schema import VERSION, job_schema
from pb.config.schema_file import place, published
from pb.config.trigger_schema import TRIGGERS
from pb.core.definition import FIELDS, DefinitionError, job_dump, job_from
from pb.core.meanings import MEANINGS
from pb.core.model import Job
from tests.config.mistakes import MISTAKES
from tests.core.test_definition import JOBS, READ, minimal
from tests.docs.generate import schema

SCHEMA = jsonschema.Draft202012Validator(job_schema())
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_the_published_file_is_current() -> None:
    """When this fails: `python -m tests.docs.generate`."""
    assert place("job").read_text() == schema()


def test_it_is_a_schema_of_draft_2020_12_with_a_version() -> None:
    found = json.loads(published())
    jsonschema.Draft202012Validator.check_schema(found)

    assert found["version"] == VERSION == "1.0.0"
    assert found["$schema"].endswith("2020-12/schema")


def test_it_has_every_key_with_its_meaning() -> None:
    properties = job_schema()["properties"]

    assert list(properties) == list(FIELDS)
    assert [key for key in FIELDS if key not in MEANINGS] == []


def test_it_knows_the_kinds_of_triggers_and_their_keys() -> None:
    from pb.core.reactive import REACTIVE
    from pb.core.reactive_kinds import kind_named
    from pb.core.triggers import _KEYS

    keys = {kind: set(shape["properties"]) - {"type"} for kind, shape in TRIGGERS.items()}

    known = {**_KEYS, **{word: tuple(kind_named(word).keys) for word in REACTIVE}}
    assert keys == {kind: set(names) for kind, names in known.items()}


@pytest.mark.parametrize(("key", "written", "meant"), READ)
def test_what_is_read_is_valid(key: str, written: object, meant: object) -> None:
    SCHEMA.validate(minimal(**{key: written}))


@patient
@given(JOBS)
def test_every_job_that_is_written_back_is_valid(job: Job) -> None:
    SCHEMA.validate(job_dump(job))


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 300),
    st.sampled_from(
        ["", "a b", "5m", "5x", "0s", "TERM", "stop", "022", "skip", "all", "/x", "~b"]
    ),
    st.lists(st.sampled_from(["x", "", 1, True, "every: 5m"]), max_size=2),
    st.dictionaries(
        st.sampled_from(["grace", "A=B", "A", "max", "job"]), st.just("5m"), max_size=2
    ),
)
MEANING = {"timezone", "triggers", "depends_on", "retry", "kwargs", "args", "python", "interpreter"}
"""Keys whose values a schema sees in part only."""

FORM = sorted(set(FIELDS) - MEANING - {"command", "shell", "cwd", "env_file"})


@settings(patient, max_examples=400)
@given(st.sampled_from(FORM), VALUES)
def test_schema_and_reader_agree_on_any_value(key: str, value: Any) -> None:
    definition = minimal(**{key: value})
    try:
        job_from(definition)
    except DefinitionError:
        assert not SCHEMA.is_valid(definition)
    else:
        SCHEMA.validate(definition)


def test_most_kinds_of_mistakes_are_matters_of_form() -> None:
    in_schema = sum(mistake.in_schema for mistake in MISTAKES.values())

    assert in_schema >= 50
