"""Names of metrics: which there are, in which unit, and what is close to those there are not."""

from __future__ import annotations

import pytest

from pb.core.fields import DefinitionError
from pb.core.metric_names import (
    METRICS,
    Metric,
    measured_value,
    parse_metric,
    read_metric,
    shown_value,
)
from pb.core.triggers import describe, short, trigger_from
from pb.errors import InvalidError


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("cpu.percent", Metric("cpu.percent")),
        ("load15", Metric("load15")),
        ("disk.percent:/", Metric("disk.percent", "/")),
        ("file.count:~/in/*.csv", Metric("file.count", "~/in/*.csv")),
        ("file.size:/a:b", Metric("file.size", "/a:b")),
        ("service.web.rss", Metric("service.rss", "web")),
        ("job.my.dotted.job.last_duration", Metric("job.last_duration", "my.dotted.job")),
        ("queue.default.length", Metric("queue.length", "default")),
        ("http.status:http://127.0.0.1:8000/x?a=1", Metric(
            "http.status", "http://127.0.0.1:8000/x?a=1"
        )),
        ("cmd:df / | tail -1", Metric("cmd", "df / | tail -1")),
    ],
)  # fmt: skip
def test_a_name_says_what_is_measured_of_what(text: str, metric: Metric) -> None:
    assert parse_metric(text) == metric
    assert read_metric(text) == text


def test_every_example_is_a_metric() -> None:
    for known in METRICS.values():
        example = known.example.replace(":URL", ":http://localhost/")
        assert METRICS[parse_metric(example).kind] is known


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("cpu.procent", "there is no metric 'cpu.procent'", "cpu.percent"),
        ("colour", "there is no metric 'colour'", "pb metric list"),
        ("disk.percent", "there is no metric 'disk.percent'", '"disk.percent:/path"'),
        ("load1:/", "there is no metric 'load1:/'", '"load1"'),
        ("service.rss", "does not say which service", "service.NAME.rss"),
        ("service.web.rs", "no metric of a service is called 'rs'", "rss"),
        ("queue.default.size", "no metric of a queue is called 'size'", "length"),
        ("job.a b.queue_wait", "does not say which job", "job.NAME.queue_wait"),
        ("disk.free:data", "'data' is not an absolute path", '"disk.free:/path"'),
        ("file.age:~other/x", "'~other/x' is not an absolute path", "whole path"),
        ("http.status:ftp://x", "'ftp://x' is not an http", "Write it like"),
        ("cmd: ", "is not a metric", "disk.percent"),
        ("cmd:", "says nothing to measure", '"cmd:COMMAND"'),
        ("", "'' is not a metric", "disk.percent"),
        ("cpu.percent\n", "is not a metric", "disk.percent"),
    ],
)
def test_what_is_no_metric_is_refused_with_what_is_close(text: str, words: str, hint: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        read_metric(text)
    assert words in caught.value.message
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("metric", "value", "shown"),
    [
        ("cpu.percent", 93.125, "93.12 %"),
        ("load1", 4.0, "4"),
        ("disk.free:/", 2 * 2**30, "2 GiB"),
        ("disk.free:/", -1024.0, "-1 KiB"),
        ("net.rx_rate", 1024 * 1024, "1 MiB/s"),
        ("job.a.seconds_since_success", 93_600.4, "1 day and 2 hours"),
        ("http.latency:http://a/", 0.1234, "0.123 seconds"),
        ("http.latency:http://a/", -1, "-1 s"),
        ("temp.max", 71.5, "71.5 °C"),
    ],
)
def test_a_value_is_shown_with_its_unit(metric: str, value: float, shown: str) -> None:
    assert shown_value(metric, value) == shown


@pytest.mark.parametrize(
    ("metric", "value", "shown"),
    [
        ("job.a.seconds_since_success", 93_600.4, "1d 2h 0m"),
        ("file.age:/x", 191, "3m 11s"),
        ("http.latency:http://a/", 0.1234, "0.123s"),
        ("http.latency:http://a/", -1, "-1 s"),
        ("disk.free:/", 2 * 2**30, "2 GiB"),
    ],
)
def test_what_was_measured_is_shown_in_few_characters(
    metric: str, value: float, shown: str
) -> None:
    assert measured_value(metric, value) == shown


@pytest.mark.parametrize(
    ("text", "canonical", "words"),
    [
        (
            "threshold: disk.percent:/ > 90% for 5m, reset 80, cooldown 1h, repeat 6h, every 30s",
            "threshold: disk.percent:/ > 90 for 5m reset 80 cooldown 1h repeat 6h every 30s",
            "When disk.percent:/ > 90 % for 5 minutes, again every 6 hours, until it is 80 %",
        ),
        (
            "threshold: cmd:df 2>&1 | tail -1 >= 5",
            "threshold: cmd:df 2>&1 | tail -1 >= 5",
            "When cmd:df 2>&1 | tail -1 >= 5 for 1 minute",
        ),
        (
            "threshold: net.rx_rate>10MiB/s for 0s",
            "threshold: net.rx_rate > 10485760 for 0s",
            "When net.rx_rate > 10 MiB/s",
        ),
        (
            "threshold: job.backup.seconds_since_success > 26h",
            "threshold: job.backup.seconds_since_success > 93600",
            "When job.backup.seconds_since_success > 1 day and 2 hours for 1 minute",
        ),
        (
            "pattern: slow * 3x cooldown 1h",
            "pattern: slow * 3x cooldown 1h",
            "When a run of * takes 3 times its median",
        ),
        (
            "pattern: slow backup",
            "pattern: slow backup 2x",
            "When a run of backup takes 2 times its median",
        ),
        (
            "pattern: rate net.rx_rate 50% over 1h windows 6",
            "pattern: rate net.rx_rate 50% 1h windows 6",
            "When net.rx_rate in 1 hour is 50 % off its mean of 6 before",
        ),
        (
            "pattern: idle cpu.percent < 5% for 30m",
            "pattern: idle cpu.percent < 5 30m",
            "When cpu.percent stays below 5 % for 30 minutes",
        ),
        (
            "pattern: log 3 in 5m service:web ERROR [0-9]+",
            "pattern: log 3 in 5m service:web ERROR [0-9]+",
            "When 'ERROR [0-9]+' appears 3 times in 5 minutes in service:web",
        ),
        (
            "pattern: absence of job.backup.succeeded for 26h",
            "pattern: absence job.backup.succeeded 1d2h",
            "When there was no job.backup.succeeded for 1 day and 2 hours",
        ),
        (
            "pattern: count job.*.failed 3 within 1h",
            "pattern: count job.*.failed 3 1h",
            "When job.*.failed has happened 3 times in 1 hour",
        ),
    ],
)
def test_a_short_text_has_every_key_and_is_written_in_one_way(
    text: str, canonical: str, words: str
) -> None:
    trigger = trigger_from(text)
    assert short(trigger) == canonical
    assert trigger_from(canonical) == trigger
    assert describe(trigger) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("threshold: load1 > 4 for 5m for 6m", "for: is given twice"),
        ("threshold: load1 > 4 every 30s interval 5s", "interval: is given twice"),
        ("threshold: load1 > 4 for", "is not a threshold"),
        ("threshold: load1 > 4 since 5m", "is not a threshold"),
        ("threshold: load1 > 4 repeat 0s", "repeat: "),
        ("threshold: " + "x" * 3000 + " > 1", "is not a threshold"),
        ("pattern: count job.a.failed 2000 1h", "count: should be 1000 at most"),
        ("pattern: rate load1 50 5s", "within: should be at least 10 seconds"),
        ("pattern: rate load1 0 1m", "change: should be more than 0"),
        ("pattern: slow a/b", "job: 'a/b' is not the name of a job"),
        ("pattern: slow a 1x", "factor: should be more than 1"),
        ("pattern: log web ERROR", "source: 'web' is no source of lines"),
        ("pattern: log service:a/b ERROR", "source: 'service:a/b' does not say which service"),
        ("pattern: absence", "is not a pattern"),
    ],
)
def test_a_short_text_that_says_too_much_or_too_little_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidError) as caught:
        trigger_from(text)
    assert words in caught.value.message


def test_a_factor_is_a_number() -> None:
    with pytest.raises(InvalidError, match="factor: should be a number"):
        trigger_from({"type": "pattern", "kind": "slow", "job": "a", "factor": "2"})
