"""Limits and python calls in definitions: read, written back, refused; and what ended a run."""

from __future__ import annotations

import json
from datetime import date
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pb.core.definition import DefinitionError, job_dump, job_from
from pb.core.durations import shown_size
from pb.core.limits import KEPT, LIMITS, exceeded, is_hard, is_watched, kernel_reason
from pb.core.model import NO_LIMITS, Job, Limits

MIB = 1 << 20


def problems_of(**keys: object) -> list[tuple[str, str]]:
    with pytest.raises(DefinitionError) as caught:
        job_from({"name": "j", **keys})
    return [(p.key, p.message) for p in caught.value.problems]


def test_limits_are_read_with_their_units() -> None:
    written = {"cpu_time": "5m", "memory": "64MiB", "open_files": 64, "nice": -5, "output": 1000}

    limits = job_from({"name": "j", "command": "x", "limits": written}).limits

    assert limits == Limits(cpu_time=300, memory=64 * MIB, open_files=64, nice=-5, output=1000)


REFUSED = [
    ("limits", [], "limits", "should be a table"),
    ("limits", {"ram": "1GiB"}, "limits.ram", "not a known key"),
    ("limits", {"memory": 0}, "limits.memory", "more than 0"),
    ("limits", {"memory": "lots"}, "limits.memory", "not a size"),
    ("limits", {"memory": True}, "limits.memory", "should be a size"),
    ("limits", {"memory": 1.5}, "limits.memory", "should be a size"),
    ("limits", {"cpu_time": "500ms"}, "limits.cpu_time", "whole seconds"),
    ("limits", {"cpu_time": 0}, "limits.cpu_time", "more than 0"),
    ("limits", {"nice": 20}, "limits.nice", "from -20 to 19"),
    ("limits", {"open_files": 2}, "limits.open_files", "from 8"),
    ("limits", {"processes": 0}, "limits.processes", "from 1"),
    ("args", [1], "args", "belongs to python"),
    ("kwargs", {}, "kwargs", "belongs to python"),
    ("interpreter", "python3", "interpreter", "belongs to python"),
    ("python", "a:b", "command", "cannot stand beside python"),
]


@pytest.mark.parametrize(("key", "value", "place", "said"), REFUSED)
def test_a_mistake_is_told_with_its_place(key: str, value: object, place: str, said: str) -> None:
    [(where, message)] = problems_of(command=["x"], **{key: value})

    assert where == place
    assert said in message


CALLS = [
    ({"python": "shop"}, "python", "not module:function"),
    ({"python": "shop.py:run()"}, "python", "not module:function"),
    ({"python": "shop:"}, "python", "not module:function"),
    ({"python": "a b:c"}, "python", "not module:function"),
    ({"python": 5}, "python", "should be text"),
    ({"python": "a:b", "shell": True}, "shell", "cannot stand beside python"),
    ({"python": "a:b", "args": "x"}, "args", "should be a list"),
    ({"python": "a:b", "args": [{"k": [date(2026, 1, 1)]}]}, "args[0].k[0]", "what JSON knows"),
    ({"python": "a:b", "args": [float("nan")]}, "args", "cannot be written as JSON"),
    ({"python": "a:b", "args": ["\ud800"]}, "args", "cannot be written as JSON"),
    ({"python": "a:b", "args": ["x" * 70_000]}, "args", "longer than 64 KiB"),
    ({"python": "a:b", "kwargs": [1]}, "kwargs", "should be a table"),
    ({"python": "a:b", "kwargs": {"x": {1: 2}}}, "kwargs.x.1", "should be text"),
    ({"python": "a:b", "interpreter": ""}, "interpreter", "is empty"),
    ({"python": "a:b", "interpreter": "bin/python"}, "interpreter", "not an absolute path"),
]


@pytest.mark.parametrize(("keys", "place", "said"), CALLS)
def test_a_call_that_cannot_be_made_is_refused(keys: dict[str, Any], place: str, said: str) -> None:
    [(where, message)] = problems_of(**keys)

    assert where == place
    assert said in message


def test_arguments_nested_without_end_are_refused() -> None:
    deep: list[Any] = []
    for _ in range(2000):
        deep = [deep]

    [(where, message)] = problems_of(python="a:b", args=deep)

    assert where.startswith("args[0]")
    assert message == "is nested too deep"


def test_neither_a_command_nor_a_function_is_told_as_a_missing_command() -> None:
    assert problems_of() == [("command", "is missing")]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner),
    max_leaves=5,
)  # fmt: skip
SIZES = st.none() | st.integers(1, 10**13)
JOBS = st.builds(
    Job,
    name=st.just("j"),
    python=st.sampled_from(["a:b", "a.b:C.d", "é:ü"]),
    args=st.lists(VALUES, max_size=3).map(tuple),
    kwargs=st.dictionaries(st.sampled_from("xyz"), VALUES).map(MappingProxyType),
    interpreter=st.sampled_from([None, "python3", "/opt/x/python", "~/x/bin/python"]),
    limits=st.builds(
        Limits,
        cpu_time=st.none() | st.integers(1, 10**7).map(float),
        memory=SIZES,
        open_files=st.none() | st.integers(8, 10**6),
        processes=st.none() | st.integers(1, 10**6),
        file_size=SIZES,
        nice=st.none() | st.integers(-20, 19),
        output=SIZES,
    ),
)


@given(JOBS)
def test_what_is_dumped_is_read_back_as_the_same_job(job: Job) -> None:
    assert job_from(json.loads(json.dumps(job_dump(job)))) == job


def test_each_limit_says_how_it_is_kept_and_only_the_kernels_are_called_hard() -> None:
    assert set(KEPT) == set(LIMITS)
    for name, words in KEPT.items():
        alone = Limits(**{name: 1})
        assert is_hard(alone) == words.startswith("hard")
        assert is_watched(alone) == (words == "watched")
    assert not is_hard(NO_LIMITS)
    assert not is_watched(NO_LIMITS)


SIZES_SHOWN = [
    (1, "1 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (64 * MIB, "64 MiB"),
    (71 * MIB + 99, "71 MiB"), (9 * MIB + MIB // 2, "9.5 MiB"), (1 << 30, "1 GiB"),
    (5 << 50, "5120 TiB"),
]  # fmt: skip


@pytest.mark.parametrize(("size", "shown"), SIZES_SHOWN)
def test_sizes_are_short_to_read(size: int, shown: str) -> None:
    assert shown_size(size) == shown


def test_the_reasons_of_what_is_watched() -> None:
    assert exceeded("memory", 64 * MIB, 71 * MIB) == "memory limit 64 MiB exceeded (peak 71 MiB)"
    assert exceeded("processes", 40, 55) == "process limit 40 exceeded (peak 55)"
    assert exceeded("output", MIB, 3 * MIB) == "output limit 1 MiB exceeded (wrote 3 MiB)"


CPU, SIZE = Limits(cpu_time=90), Limits(file_size=MIB)
KERNEL = [
    (CPU, None, "SIGXCPU", 90.04, "cpu time limit 1m30s exceeded (used 90.0 s)"),
    (CPU, None, "SIGXCPU", 72.0, "cpu time limit 1m30s exceeded"),
    (CPU, 152, None, None, "cpu time limit 1m30s exceeded"),
    (CPU, None, "SIGKILL", 91.0, "cpu time limit 1m30s exceeded (used 91.0 s)"),
    (CPU, None, "SIGKILL", 3.0, None),
    (CPU, None, "SIGKILL", None, None),
    (CPU, None, "SIGTERM", 95.0, None),
    (CPU, 1, None, 95.0, None),
    (CPU, None, "SIGXFSZ", 1.0, None),
    (SIZE, None, "SIGXFSZ", 1.0, "file size limit 1 MiB exceeded"),
    (SIZE, 153, None, 1.0, "file size limit 1 MiB exceeded"),
    (SIZE, None, "SIGXCPU", 1.0, None),
    (NO_LIMITS, None, "SIGXCPU", 1.0, None),
    (NO_LIMITS, 152, None, 1.0, None),
]


@pytest.mark.parametrize(("limits", "code", "signal", "cpu", "reason"), KERNEL)
def test_what_the_kernel_ended_is_recognised(
    limits: Limits, code: int | None, signal: str | None, cpu: float | None, reason: str | None
) -> None:
    assert kernel_reason(limits, code, signal, cpu) == reason
