"""Definitions: every key read and written back, every mistake told with its key and advice."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pb.core.definition import FIELDS, LATER, DefinitionError, Problem, job_dump, job_from
from pb.core.fields import RESERVED_ENV, SIGNALS
from pb.core.model import (
    EMPTY,
    At,
    CatchUp,
    Cron,
    Every,
    Job,
    Misfire,
    Overlap,
    Startup,
)
from pb.core.reactive import Event, Webhook
from pb.errors import Exit

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A machine that is busy with other tests is no fault of these."""


def minimal(**keys: object) -> dict[str, object]:
    return {"name": "j", "command": ["true"], **keys}


def problems_of(mapping: Any, name: str | None = None) -> list[tuple[str, str, str | None]]:
    with pytest.raises(DefinitionError) as caught:
        job_from(mapping, name=name)
    return [(p.key, p.message, p.hint) for p in caught.value.problems]


def test_every_field_of_a_job_has_a_key_and_the_other_way_round() -> None:
    assert set(FIELDS) == {field.name for field in fields(Job)}


def test_two_keys_are_enough_and_the_rest_has_the_models_defaults() -> None:
    job = job_from({"name": "df", "command": ["df", "-h"]})
    assert job == Job(name="df", command=("df", "-h"))
    assert job.env is EMPTY


READ = [
    ("triggers", ["event: user.*", "webhook"], (Event(name="user.*"), Webhook())),
    (
        "triggers",
        [{"type": "event", "name": "job.*.failed", "filter": {"exit_code": 3, "job": "b*"}}],
        (Event(name="job.*.failed", filter={"exit_code": "3", "job": "b*"}),),
    ),
    (
        "triggers",
        [{"type": "webhook", "token": "t" * 16, "secret": "s" * 16, "tolerance": "1m"}],
        (Webhook(token="t" * 16, secret="s" * 16, tolerance=60),),
    ),
    ("command", ["df", "-h"], ("df", "-h")),
    ("command", "df -h '/my disk'", ("df", "-h", "/my disk")),
    ("command", "echo $HOME | wc", ("echo", "$HOME", "|", "wc")),
    ("description", "free\ntext ✓", "free\ntext ✓"),
    ("cwd", "/srv", "/srv"),
    ("cwd", "~/srv", "~/srv"),
    ("cwd", None, None),
    ("env", {"A": "1", "B": ""}, {"A": "1", "B": ""}),
    ("env_file", "~/a.env", ("~/a.env",)),
    ("env_file", ["/a", "/b"], ("/a", "/b")),
    ("stdin", "a\nb", "a\nb"),
    ("umask", "022", 0o22),
    ("umask", "0o77", 0o77),
    ("umask", "0", 0),
    ("triggers", [], ()),
    ("triggers", ["cron: 30 2 * * *"], (Cron(expr="30 2 * * *"),)),
    ("triggers", [{"type": "every", "every": "5m"}, "startup"], (Every(seconds=300), Startup())),
    ("triggers", ["at: 2026-11-20T18:00:00Z"], (At(at=datetime(2026, 11, 20, 18, tzinfo=UTC)),)),
    ("timezone", "Europe/Berlin", "Europe/Berlin"),
    ("timezone", "local", "local"),
    ("enabled", False, False),
    ("priority", 0, 0),
    ("priority", 100, 100),
    ("overlap", "replace", Overlap.REPLACE),
    ("jitter", "5m", 300.0),
    ("jitter", 1.5, 1.5),
    ("timeout", "1h30m", 5400.0),
    ("timeout", None, None),
    ("kill_grace", 0, 0.0),
    ("stop_signal", "SIGINT", "INT"),
    ("stop_signal", "hup", "HUP"),
    ("success_exit_codes", [0, 75], (0, 75)),
    ("tags", ["a", "team:ops"], ("a", "team:ops")),
    ("misfire", {"grace": "2m", "catch_up": "all"}, Misfire(grace=120, catch_up=CatchUp.ALL)),
    ("misfire", {}, Misfire()),
]


@pytest.mark.parametrize(("key", "written", "meant"), READ)
def test_a_key_is_read_as_it_is_meant(key: str, written: object, meant: object) -> None:
    assert getattr(job_from(minimal(**{key: written})), key) == meant


REFUSED = [
    ("name", "../etc", "name", "not a name"),
    ("name", "-x", "name", "not a name"),
    ("name", "a" * 65, "name", "not a name"),
    ("name", "", "name", "not a name"),
    ("name", "a\n", "name", "not a name"),
    ("name", 5, "name", "should be text, not a number"),
    ("command", [], "command", "is empty"),
    ("command", "", "command", "is empty"),
    ("command", "  ", "command", "is empty"),
    ("command", "''", "command", "is empty"),
    ("command", [""], "command", "is empty"),
    ("command", "echo 'open", "command", "cannot be split"),
    ("command", ["a", 5], "command[1]", "should be text, not a number"),
    ("command", ["a\0b"], "command[0]", "NUL"),
    ("command", ["\ud800"], "command[0]", "UTF-8"),
    ("command", {"run": "x"}, "command", "should be a list of arguments, not a table"),
    ("shell", "yes", "shell", "should be true or false"),
    ("cwd", "relative", "cwd", "not an absolute path"),
    ("cwd", "", "cwd", "is empty"),
    ("env", {"A": 1}, "env.A", "should be text, not a number"),
    ("env", {"A": True}, "env.A", "should be text, not true"),
    ("env", {"A=B": "x"}, 'env."A=B"', "not a name"),
    ("env", {"": "x"}, 'env.""', "not a name"),
    ("env", {"A": "x\0"}, "env.A", "NUL"),
    ("env", {"PB_MARKER": "x"}, "env.PB_MARKER", "set by pb"),
    ("env", ["A=1"], "env", "should be a table"),
    ("env_file", ["/a", "b"], "env_file[1]", "not an absolute path"),
    ("umask", 22, "umask", "octal digits in quotes, not a number"),
    ("umask", "089", "umask", "not an octal mask"),
    ("umask", "1777", "umask", "not an octal mask"),
    ("triggers", "cron: * * * * *", "triggers", "should be a list, not text"),
    ("triggers", {"type": "cron"}, "triggers", "should be a list, not a table"),
    ("triggers", [5], "triggers[0]", "should be a trigger"),
    ("triggers", [{"type": []}], "triggers[0].type", "should be text"),
    ("triggers", ["startup", "cron: 61 * * * *"], "triggers[1]", "minute"),
    ("triggers", [{"type": "cron", "expr": "0 0 31 2 *"}], "triggers[0].expr", ""),
    ("triggers", ["startup", "startup"], "triggers[1]", "is the same as triggers[0]"),
    ("triggers", [{"type": "pattern", "kind": "odd"}], "triggers[0].kind", "there is no pattern"),
    ("triggers", ["threshold: cpu"], "triggers[0]", "is not a threshold"),
    ("triggers", ["system: mount"], "triggers[0]", "there is no trigger type 'system'"),
    ("triggers", [{"type": "job"}], "triggers[0].type", "there is no trigger type 'job'"),
    ("triggers", ["at: 0001-01-01T00:00:00+14:00"], "triggers[0]", "beyond the calendar"),
    ("timezone", "Europe/Berlni", "timezone", "no time zone 'Europe/Berlni'"),
    ("timezone", "../../etc/passwd", "timezone", "no time zone"),
    ("timezone", "Europe", "timezone", "no time zone"),
    ("timezone", "", "timezone", "no time zone"),
    ("timezone", "right/UTC", "timezone", "no time zone"),
    ("timezone", "zone.tab", "timezone", "no time zone"),
    ("timezone", "x" * 5000, "timezone", "no time zone"),
    ("enabled", 1, "enabled", "should be true or false, not a number"),
    ("enabled", "true", "enabled", "should be true or false, not text"),
    ("priority", 101, "priority", "from 0 to 100"),
    ("priority", True, "priority", "whole number"),
    ("priority", 1.0, "priority", "whole number"),
    ("overlap", "Skip", "overlap", "should be one of skip, queue, replace, allow"),
    ("overlap", None, "overlap", "not null"),
    ("jitter", "-1s", "jitter", "not a duration"),
    ("jitter", "5 parsecs", "jitter", "not a duration"),
    ("jitter", float("nan"), "jitter", ""),
    ("jitter", True, "jitter", "should be a duration"),
    ("timeout", 0, "timeout", "more than 0"),
    ("stop_signal", "STOP", "stop_signal", "not a signal"),
    ("success_exit_codes", [256], "success_exit_codes[0]", "from 0 to 255"),
    ("success_exit_codes", 0, "success_exit_codes", "should be a list"),
    ("tags", ["a,b"], "tags[0]", "not a tag"),
    ("tags", ["a b"], "tags[0]", "not a tag"),
    ("misfire", "latest", "misfire", "should be a table"),
    ("misfire", {"catch_up": "last"}, "misfire.catch_up", "one of latest, all, none"),
    ("misfire", {"gracee": 1}, "misfire.gracee", "not a known key"),
    ("misfire", {"max_catch_up": 0}, "misfire.max_catch_up", "from 1 to 1000"),
]


@pytest.mark.parametrize(("key", "written", "place", "said"), REFUSED)
def test_a_wrong_value_is_told_with_its_place(
    key: str, written: object, place: str, said: str
) -> None:
    [(where, message, _)] = problems_of(minimal(**{key: written}))
    assert where == place
    assert said in message
    assert message
    assert "\n" not in message


HINTS = [
    ({"comand": ["x"]}, "comand", "command"),
    ({"cron": "* * * * *"}, "cron", "triggers"),
    ({"every": "5m"}, "every", "triggers"),
    ({"at": "2026-01-01T00:00:00Z"}, "at", "triggers"),
    ({"dst_gap": "skip"}, "dst_gap", "trigger"),
    ({"timezone": "berlin"}, "timezone", "Europe/Berlin"),
    ({"timezone": "New York"}, "timezone", "America/New_York"),
    ({"timezone": "europe/berlin"}, "timezone", "Europe/Berlin"),
    ({"env": {"A": 1}}, "env.A", '"1"'),
    ({"env": {"A": True}}, "env.A", '"true"'),
    ({"stop_signal": "SIGTREM"}, "stop_signal", "TERM"),
    ({"timeout": "5x"}, "timeout", "1h30m"),
    ({"umask": 18}, "umask", '"022"'),
    ({"enabled": "false"}, "enabled", "quotes"),
    ({"overlap": "skipp"}, "overlap", "skip"),
]


@pytest.mark.parametrize(("keys", "place", "advice"), HINTS)
def test_a_mistake_comes_with_advice(keys: dict[str, object], place: str, advice: str) -> None:
    [(where, _, hint)] = problems_of(minimal(**keys))
    assert where == place
    assert hint is not None
    assert advice in hint


@pytest.mark.parametrize("key", LATER)
def test_a_key_of_a_later_version_is_refused_and_not_ignored(key: str) -> None:
    [(where, message, _)] = problems_of(minimal(**{key: {}}))
    assert where == key
    assert "not supported yet by this version" in message


def test_a_hashed_expression_that_never_comes_for_this_name_is_refused() -> None:
    keys = {"command": ["x"], "triggers": ["cron: 0 0 H(29-31) 2 *"]}
    outcomes = set()
    for name in map("job-{}".format, range(20)):
        try:
            job_from(keys, name=name)
        except DefinitionError as error:
            outcomes.add(error.problems[0].key)
        else:
            outcomes.add("29 February")
    assert outcomes == {"29 February", "triggers[0].expr"}


def test_all_problems_are_told_at_once_and_in_order() -> None:
    found = problems_of(
        {"priority": 500, "env": {"A": 1, "B": "ok", "C": False}, "nmae": "x", "timeout": "x"}
    )
    assert [key for key, _, _ in found] == [
        "priority", "env.A", "env.C", "nmae", "timeout", "name", "command",
    ]  # fmt: skip


def test_the_error_is_one_line_with_every_problem_and_the_exit_code_for_invalid() -> None:
    with pytest.raises(DefinitionError) as caught:
        job_from({"name": "a b", "command": []})
    assert str(caught.value).count("; ") == 1
    assert caught.value.exit_code is Exit.INVALID
    assert caught.value.hint


def test_shell_takes_one_text_as_it_is() -> None:
    job = job_from(minimal(command="a 'b | c", shell=True))
    assert job.command == ("a 'b | c",)
    assert job_dump(job)["command"] == "a 'b | c"
    assert job_from(minimal(command=["a 'b | c"], shell=True)) == job
    [(where, message, _)] = problems_of(minimal(command=["a", "b"], shell=True))
    assert (where, "one text" in message) == ("command", True)


def test_the_name_may_stand_outside() -> None:
    assert job_from({"command": ["x"]}, name="out").name == "out"
    assert job_from({"name": "out", "command": ["x"]}, name="out").name == "out"
    assert problems_of({"name": "in", "command": ["x"]}, name="out")[0][0] == "name"
    assert problems_of({"command": ["x"]}, name="a b")[0][0] == "name"


@pytest.mark.parametrize("junk", [None, 5, "text", [1]])
def test_a_definition_that_is_no_table_is_refused(junk: object) -> None:
    assert problems_of(junk)[0][0] == ""


def test_long_junk_makes_no_long_message() -> None:
    for keys in ({"x" * 10_000: 1}, {"timezone": "x" * 10_000}, {"stop_signal": "y" * 10_000}):
        with pytest.raises(DefinitionError) as caught:
            job_from(minimal(**keys))
        assert len(str(caught.value)) < 400


def test_control_characters_in_a_key_are_escaped() -> None:
    [(where, _, _)] = problems_of(minimal(**{"a\x1b[31m": 1}))
    assert "\x1b" not in where


def test_a_dump_says_only_what_differs_from_the_defaults() -> None:
    misfire = {"grace": 90, "catch_up": "latest"}
    job = job_from(minimal(timeout=5400, umask="022", triggers=["every: 90s"], misfire=misfire))
    assert job_dump(job) == {
        "name": "j",
        "command": ["true"],
        "timeout": "1h30m",
        "umask": "022",
        "triggers": [{"type": "every", "every": "1m30s"}],
        "misfire": {"grace": "1m30s"},
    }
    assert job_from(job_dump(job)) == job


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
WORD = TEXT.filter(bool)
SECONDS = st.one_of(
    st.integers(0, 10**7).map(lambda ms: ms / 1000), st.floats(0, 10**8, allow_nan=False)
)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
MISFIRES = st.builds(
    Misfire,
    grace=SECONDS,
    catch_up=st.sampled_from(CatchUp),
    window=SECONDS,
    max_catch_up=st.integers(1, 1000),
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 4 * 10**9).map(lambda seconds: EPOCH + timedelta(seconds=seconds))
TRIGGERS = st.one_of(
    st.builds(
        Cron,
        expr=st.sampled_from(["30 2 * * *", "*/5 * * * * *", "H H(1-5) * * MON", "@daily"]),
        day_match=st.sampled_from([None, "and", "or"]),
        dst_gap=st.sampled_from([None, "run_after", "skip"]),
        dst_overlap=st.sampled_from([None, "first", "second", "both"]),
    ),
    st.builds(Every, seconds=st.integers(1000, 10**9).map(lambda ms: ms / 1000)),
    st.builds(At, at=INSTANTS),
    st.builds(
        Startup,
        per=st.sampled_from(["boot", "daemon"]),
        delay=st.integers(0, 10**9).map(lambda ms: ms / 1000),
    ),
)
PATHS = TEXT.map(lambda text: "/" + text)
ENV_NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)
JOBS = st.builds(
    Job,
    name=NAMES,
    command=st.tuples(WORD, TEXT),
    description=TEXT,
    cwd=st.none() | PATHS,
    env=st.dictionaries(ENV_NAMES.filter(lambda n: n not in RESERVED_ENV), TEXT, max_size=3).map(
        MappingProxyType
    ),
    env_file=st.lists(PATHS, max_size=2).map(tuple),
    stdin=st.none() | TEXT,
    umask=st.none() | st.integers(0, 0o777),
    triggers=st.lists(TRIGGERS, max_size=3, unique=True).map(tuple),
    timezone=st.sampled_from(["local", "UTC", "Europe/Berlin"]),
    enabled=st.booleans(),
    paused=st.booleans(),
    priority=st.integers(0, 100),
    overlap=st.sampled_from(Overlap),
    queue_limit=st.integers(1, 10_000),
    max_instances=st.integers(1, 10_000),
    jitter=SECONDS,
    misfire=MISFIRES,
    timeout=st.none() | SECONDS.filter(bool),
    kill_grace=SECONDS,
    stop_signal=st.sampled_from(SIGNALS),
    success_exit_codes=st.lists(st.integers(0, 255), max_size=3).map(tuple),
    tags=st.lists(st.from_regex(r"[a-z:_-]{1,64}", fullmatch=True), max_size=3).map(tuple),
)


@patient
@example(Job(name="a", command=("x",), triggers=(Every(seconds=1.515),)), False)
@given(JOBS, st.booleans())
def test_what_is_dumped_is_read_back_as_the_same_job(job: Job, is_shell: bool) -> None:
    if is_shell:
        job = replace(job, shell=True, command=("x" + job.command[1],))
    dumped = json.loads(json.dumps(job_dump(job)))
    assert job_from(dumped) == job


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@patient
@given(st.dictionaries(st.sampled_from([*FIELDS, *LATER, "cron", "zzz"]), JSON, max_size=5))
def test_no_value_of_any_kind_gets_anything_but_a_job_or_problems(junk: dict[str, object]) -> None:
    job: Job | None = None
    problems: tuple[Problem, ...] = ()
    try:
        job = job_from(junk)
    except DefinitionError as error:
        problems = error.problems
    assert (job is None) == bool(problems)
    assert all(problem.key and problem.message for problem in problems)
