"""Reactive triggers: what people write, what it means, and what is wrong with what does not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pb.core.event_names import is_match, is_meant, names_itself, passes, read_own_name, told_as
from pb.core.fields import DefinitionError
from pb.core.reactive import REACTIVE, Event, File, Pattern, Threshold, Webhook
from pb.core.reactive_kinds import kind_named
from pb.core.scheduling import kind_of
from pb.core.triggers import describe, next_fire_of, short, trigger_dump, trigger_from
from pb.errors import InvalidError

SHORT: list[tuple[str, Any, str]] = [
    (
        "file: ~/in",
        File(paths=("~/in",)),
        "When files are created, written or moved in ~/in, once quiet for 1 second",
    ),
    (
        "file: ~/in/*.csv",
        File(paths=("~/in",), pattern="*.csv"),
        "When files *.csv are created, written or moved in ~/in, once quiet for 1 second",
    ),
    (
        "file: /in/**/*.csv",
        File(paths=("/in",), pattern="*.csv", recursive=True),
        "When files *.csv are created, written or moved below /in, once quiet for 1 second",
    ),
    (
        "file: /*.csv",
        File(paths=("/",), pattern="*.csv"),
        "When files *.csv are created, written or moved in /, once quiet for 1 second",
    ),
    ("event: service.*.failed", Event(name="service.*.failed"), "On service.*.failed"),
    ("event: user.import.done", Event(name="user.import.done"), "On user.import.done"),
    (
        "threshold: disk.percent:/ > 90 for 5m",
        Threshold(metric="disk.percent:/", op=">", value=90, lasting=300),
        "When disk.percent:/ > 90 % for 5 minutes",
    ),
    (
        "threshold: mem.available<=2048 for 0s",
        Threshold(metric="mem.available", op="<=", value=2048, lasting=0),
        "When mem.available <= 2 KiB",
    ),
    (
        "threshold: load1 >= 4",
        Threshold(metric="load1", op=">=", value=4),
        "When load1 >= 4 for 1 minute",
    ),
    (
        "pattern: absence job.backup.succeeded 26h",
        Pattern(kind="absence", event="job.backup.succeeded", within=93_600),
        "When there was no job.backup.succeeded for 1 day and 2 hours",
    ),
    (
        "pattern: count job.*.failed 3 1h",
        Pattern(kind="count", event="job.*.failed", count=3, within=3600),
        "When job.*.failed has happened 3 times in 1 hour",
    ),
    (
        "pattern: log service:web ERROR [0-9]+",
        Pattern(kind="log", source="service:web", regex="ERROR [0-9]+"),
        "When 'ERROR [0-9]+' appears in service:web",
    ),
    ("webhook", Webhook(), "When somebody posts to its hook"),
]


@pytest.mark.parametrize(("text", "trigger", "words"), SHORT, ids=[one[0] for one in SHORT])
def test_a_short_text_means_a_trigger_and_is_found_again(
    text: str, trigger: Any, words: str
) -> None:
    assert trigger_from(text) == trigger
    assert describe(trigger) == words
    assert trigger_from(short(trigger)) == trigger
    assert trigger_from(trigger_dump(trigger)) == trigger
    assert kind_of(trigger) == trigger.WORD == trigger_dump(trigger)["type"]
    assert trigger.WORD in REACTIVE


TABLES: list[tuple[dict[str, Any], Any, str]] = [
    (
        {"type": "file", "paths": "/a", "events": ["delete", "create"], "settle": "0s"},
        File(paths=("/a",), events=("create", "delete"), settle=0),
        "When files are created or deleted in /a",
    ),
    (
        {"type": "file", "paths": ["/a", "~/b"], "events": "move", "poll": True, "initial": True},
        File(paths=("/a", "~/b"), events=("move",), poll=True, initial=True),
        "When files are moved in /a (and 1 more), once quiet for 1 second",
    ),
    (
        {"type": "event", "name": "job.*.failed", "filter": {"exit_code": 3, "reason": None}},
        Event(name="job.*.failed", filter={"exit_code": "3", "reason": "null"}),
        "On job.*.failed, where exit_code is 3 and reason is null",
    ),
    (
        {"type": "event", "name": "user.a", "filter": {}},
        Event(name="user.a"),
        "On user.a",
    ),
    (
        {
            "type": "threshold", "metric": "disk.free:/", "op": "<", "value": "2GiB",
            "reset": "3GiB", "repeat": "1h", "cooldown": 0, "interval": "30s",
        },
        Threshold(
            metric="disk.free:/", op="<", value=2 * 2**30, reset=3 * 2**30,
            repeat=3600, cooldown=0, interval=30,
        ),
        "When disk.free:/ < 2 GiB for 1 minute, again every 1 hour, until it is 3 GiB",
    ),
    (
        {"type": "threshold", "metric": "cpu.percent", "op": ">", "value": "90%", "reset": 80.5},
        Threshold(metric="cpu.percent", op=">", value=90, reset=80.5),
        "When cpu.percent > 90 % for 1 minute, until it is 80.5 %",
    ),
    (
        {"type": "pattern", "kind": "idle", "metric": "cpu.percent", "below": 5, "within": "30m"},
        Pattern(kind="idle", metric="cpu.percent", below=5, within=1800),
        "When cpu.percent stays below 5 % for 30 minutes",
    ),
    (
        {"type": "pattern", "kind": "rate", "metric": "load1", "change": 50, "within": "1h"},
        Pattern(kind="rate", metric="load1", change=50, within=3600),
        "When load1 in 1 hour is 50 % off its mean of 12 before",
    ),
    (
        {
            "type": "pattern", "kind": "log", "source": "/var/log/x", "regex": "E",
            "count": 3, "within": "1m", "cooldown": "5m",
        },
        Pattern(kind="log", source="/var/log/x", regex="E", count=3, within=60, cooldown=300),
        "When 'E' appears 3 times in 1 minute in /var/log/x",
    ),
    (
        {"type": "webhook", "secret": "x" * 16, "tolerance": "1m"},
        Webhook(secret="x" * 16, tolerance=60),
        "When somebody posts to its hook with a signed body",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("table", "trigger", "words"), TABLES)
def test_a_table_says_all_of_it(table: dict[str, Any], trigger: Any, words: str) -> None:
    assert trigger_from(table) == trigger
    assert trigger_from(trigger_dump(trigger)) == trigger
    assert describe(trigger) == words
    assert short(trigger).startswith(trigger.WORD)
    assert next_fire_of([trigger], datetime.now(UTC), UTC, "job") is None


WRONG: list[tuple[Any, str]] = [
    ({"type": "file"}, "paths: is missing"),
    ("file:", "paths[0]: is empty"),
    ({"type": "file", "paths": []}, "paths: is empty"),
    ({"type": "file", "paths": ["in"]}, "paths[0]: 'in' is not an absolute path"),
    ({"type": "file", "paths": ["/a"], "pattern": "a/b"}, "pattern: 'a/b' is not a pattern"),
    ({"type": "file", "paths": ["/a"], "events": []}, "events: is empty"),
    ({"type": "file", "paths": ["/a"], "events": ["made"]}, "events[0]: should be one of create"),
    ({"type": "file", "paths": ["/a"], "events": [1]}, "events[0]: should be one of"),
    ({"type": "file", "paths": ["/a"], "settle": "1m"}, "max_wait: is shorter than settle"),
    ("file: /a/*/b/*.csv", "wildcard before its last part"),
    ("file: /a/*/b/x.csv", "wildcard before its last part"),
    ("file: /a/**/b/**/*.csv", "wildcard before its last part"),
    ("file: /a/**/x.csv", "wildcard before its last part"),
    ({"type": "file", "paths": ["/a/*.csv"]}, "paths[0]: '/a/*.csv' has a wildcard in it"),
    ({"type": "event"}, "name: is missing"),
    ("event: backup", "no events called 'backup'"),
    ("event: jobs.a.failed", "no events called 'jobs'"),
    ("event: user", "is no whole name"),
    ("event: user..a", "is not a name of events"),
    ("event: job.failed", "does not say which job"),
    ("event: job.a.fail", "no job event is called 'fail'"),
    ("event: service.a.dead", "no service event is called 'dead'"),
    ("event: scheduler.slept", "no scheduler event is called 'slept'"),
    ({"type": "event", "name": 3}, "is not a name of events"),
    ({"type": "event", "name": "user.a", "filter": 3}, "filter: should be a table"),
    ({"type": "event", "name": "user.a", "filter": {"a": []}}, "filter.a: should be text"),
    ({"type": "event", "name": "user.a", "filter": {"a": "x" * 1025}}, "longer than 1024"),
    ({"type": "event", "name": "user.a", "colour": 1}, "colour: is not a known key"),
    ("threshold: cpu", "is not a threshold"),
    ("threshold: cpu > x", "value: 'x' is not a number"),
    ({"type": "threshold", "metric": "", "op": ">", "value": 1}, "metric: '' is not a metric"),
    ({"type": "threshold", "metric": "a", "op": "=>", "value": 1}, "op: should be one of"),
    ({"type": "threshold", "metric": "a", "op": ">", "value": True}, "value: should be a number"),
    ({"type": "threshold", "metric": "a", "op": ">", "value": 1e999}, "value: should be a finite"),
    ({"type": "threshold", "metric": "a", "op": ">", "value": 1, "interval": 0.5}, "interval: "),
    ({"type": "threshold", "metric": "load1", "op": ">", "value": 1, "reset": 2}, "bad side"),
    ({"type": "threshold", "metric": "load1", "op": "<", "value": 2, "reset": 1}, "bad side"),
    ({"type": "threshold", "metric": "load1", "op": "==", "value": 2, "reset": 1}, "means nothing"),
    ("threshold: mem.available < 10%", "value: is no number of bytes, as mem.available is"),
    ("threshold: mem.available < 500m", "value: is no number of bytes"),
    ("threshold: cpu.percent > 90GiB", "value: is no number of percent"),
    ("threshold: file.age:/x > 2GiB", "value: is no number of seconds"),
    ("threshold: net.rx_rate > 5m", "value: is no number of bytes a second"),
    ("threshold: temp.max > 80%", "value: is no number of degrees"),
    ("threshold: disk.free:/ < 1GiB reset 5%", "reset: is no number of bytes"),
    ("pattern: idle cpu.percent < 5m for 30m", "below: is no number of percent"),
    ("pattern: rate net.tx_rate 80 over 1s", "within: should be at least"),
    ({"type": "pattern", "kind": "rate", "metric": "load1", "change": "8MiB", "within": "1h"},
     "change: should be percent"),
    ({"type": "pattern", "kind": "odd"}, "there is no pattern 'odd'"),
    ({"type": "pattern", "kind": 3}, "there is no pattern '3'"),
    ("pattern: odd", "is not a pattern"),
    ({"type": "pattern", "kind": "absence", "event": "user.a"}, "within: is missing"),
    ({"type": "pattern", "kind": "idle", "metric": "load1", "below": 1, "within": 1, "regex": "x"},
     "regex: means nothing with idle"),
    ({"type": "pattern", "kind": "log", "source": "/a", "regex": "("}, "regex: is not a regular"),
    ({"type": "pattern", "kind": "log", "source": "/a", "regex": ""}, "regex: should have 1"),
    ({"type": "pattern", "kind": "log", "source": "/a", "regex": "x", "count": 2}, "within: is"),
    ("webhook: x", "is not a trigger"),
    ({"type": "webhook", "token": "short"}, "token: should have 16"),
    ({"type": "webhook", "token": 3}, "token: should be text"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "words"), WRONG, ids=[str(one[0])[:60] for one in WRONG])
def test_what_cannot_be_meant_is_refused_where_it_stands(written: Any, words: str) -> None:
    with pytest.raises(InvalidError) as caught:
        trigger_from(written)
    assert words in caught.value.message


def test_there_are_no_other_kinds() -> None:
    with pytest.raises(LookupError):
        kind_named("smell")


# -- names of events


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("job.backup.failed", "job.backup.failed", True),
        ("job.backup.failed", "job.backup.succeeded", False),
        ("job.*.failed", "job.my.dotted.job.failed", True),
        ("job.my.*.failed", "job.my.dotted.failed", True),
        ("job.backup*.*ed", "job.backup-2.skipped", True),
        ("job.*.failed", "service.web.failed", False),
        ("service.*.*", "service.web.ready", True),
        ("user.a", "user.a", True),
        ("user.*", "user.a.b", True),
        ("user.*.b", "user.a.b", True),
        ("user.*.b", "user.a.c", False),
        ("user.a.*", "user.a", False),
        ("user.a.*", "user.a.b.c", True),
        ("user.a.b", "user.a", False),
        ("scheduler.*", "scheduler.started", True),
        ("user.a[b]", "user.ab", False),
    ],
)
def test_a_name_with_wildcards_stands_for_others(pattern: str, name: str, expected: bool) -> None:
    assert is_meant(pattern, name) is expected


@given(st.text("ab*", max_size=40), st.text("ab", max_size=400))
def test_wildcards_are_as_slow_as_they_look_at_most(pattern: str, text: str) -> None:
    parts = [part for part in pattern.split("*") if part]
    if is_match(pattern, text):
        assert all(part in text for part in parts)


def test_only_a_full_name_means_the_job_itself() -> None:
    assert names_itself("job.a.b.failed", "a.b")
    assert not names_itself("job.*.failed", "a")
    assert not names_itself("user.a.failed", "a")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, True),
        ({"n": "3"}, True),
        ({"n": "4"}, False),
        ({"no": "3"}, False),
        ({"text": "ab*"}, True),
        ({"yes": "true", "none": "null"}, True),
    ],
)
def test_facts_are_compared_as_they_are_written(wanted: dict[str, str], expected: bool) -> None:
    assert passes(wanted, {"n": 3, "text": "abc", "yes": True, "none": None}) is expected


@pytest.mark.parametrize(
    ("kind", "job", "service", "name"),
    [
        ("run.failed", "a", None, "job.a.failed"),
        ("run.failed", None, None, None),
        ("run.queued", "a", None, None),
        ("service.ready", None, "web", "service.web.ready"),
        ("service.added", None, "web", None),
        ("service.ready", None, None, None),
        ("scheduler.started", None, None, "scheduler.started"),
        ("scheduler.degraded", None, None, None),
        ("token.created", None, None, None),
    ],
)
def test_what_the_log_calls_so_jobs_know_as(
    kind: str, job: str | None, service: str | None, name: str | None
) -> None:
    assert told_as(kind, job=job, service=service) == name


@pytest.mark.parametrize("written", ["", "a b", "a..b", ".", "x" * 161, None, 3, "ä"])
def test_an_emitted_name_is_checked(written: object) -> None:
    with pytest.raises(DefinitionError, match="is not a name"):
        read_own_name(written)


def test_an_emitted_name_may_say_user_itself() -> None:
    assert read_own_name("user.import.done") == read_own_name("import.done") == "import.done"
