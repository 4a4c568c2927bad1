"""The published JSON Schema of a service: current, complete, and of one mind with the readers."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pb.config.schema_file import place, published
from pb.config.service_schema import DRAWING, VERSION, service_schema
from pb.core.service import Service
from pb.core.service_definition import FIELDS, DefinitionError, service_dump, service_from
from pb.core.service_meanings import SERVICE_MEANINGS
from tests.core.test_service_definition import READ, SERVICES, minimal
from tests.docs.generate import schema

SCHEMA = jsonschema.Draft202012Validator(service_schema())
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_the_published_file_is_current() -> None:
    """When this fails: `python -m tests.docs.generate`."""
    assert place("service").read_text() == schema("service")


def test_it_is_a_schema_of_draft_2020_12_with_a_version() -> None:
    found = json.loads(published("service"))
    jsonschema.Draft202012Validator.check_schema(found)

    assert found["version"] == VERSION == "1.0.0"


def test_the_schema_of_a_file_has_it_within() -> None:
    assert json.loads(published("job"))["$defs"]["service"] == json.loads(published("service"))


def test_it_has_every_key_with_its_meaning() -> None:
    keys = [*FIELDS, *(f"{name}.{key}" for name, t in DRAWING.tables.items() for key in t)]

    assert list(service_schema()["properties"]) == list(FIELDS)
    assert [key for key in keys if key not in SERVICE_MEANINGS] == []


@pytest.mark.parametrize(("key", "written", "meant"), READ)
def test_what_is_read_is_valid(key: str, written: object, meant: object) -> None:
    SCHEMA.validate(minimal(**{key: written}))


@patient
@given(SERVICES)
def test_every_service_that_is_written_back_is_valid(service: Service) -> None:
    SCHEMA.validate(json.loads(json.dumps(service_dump(service))))


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 300),
    st.sampled_from(
        ["", "a b", "5m", "5x", "0s", "TERM", "stop", "022", "always", "no", "/x", "~b", "?/x", "?"]
    ),
)
VALUES = st.one_of(
    SCALARS,
    st.lists(st.sampled_from(["x", "", 1, True, "db:ready"]), max_size=2),
    st.dictionaries(
        st.sampled_from(["mode", "signal", "timeout", "A", "A=B", "keep"]), SCALARS, max_size=2
    ),
)
MEANING = {"command", "shell", "cwd", "env_file", "ready", "health", "watch", "hooks", "depends_on"}
"""Keys whose values a schema sees in part only, or that may hold paths from the file."""


@settings(patient, max_examples=400)
@given(st.sampled_from(sorted(set(FIELDS) - MEANING)), VALUES)
def test_schema_and_reader_agree_on_any_value(key: str, value: Any) -> None:
    definition = minimal(**{key: value})
    try:
        service_from(definition)
    except DefinitionError:
        assert not SCHEMA.is_valid(definition)
    else:
        SCHEMA.validate(definition)


@settings(patient, max_examples=400)
@given(
    st.sampled_from(["ready", "health"]),
    st.dictionaries(
        st.sampled_from(["tcp", "http", "notify", "delay", "watchdog", "interval", "failures"]),
        st.sampled_from([1, 0, 70_000, True, "80", "x:80", "http://x/", "5s", "0s", None, []]),
        max_size=3,
    ),
)
def test_schema_and_reader_agree_on_any_check(key: str, value: Any) -> None:
    definition = minimal(**{key: value})
    try:
        service_from(definition)
    except DefinitionError as error:
        if not any("comes first" in problem.message for problem in error.problems):
            assert not SCHEMA.is_valid(definition)
    else:
        SCHEMA.validate(definition)
