"""``/metrics``, read by Prometheus' own parser; counters that go on after a restart."""

from __future__ import annotations

import signal
from pathlib import Path

import httpx
import pytest

from tests.gateway.house import House, house, python
from tests.kit.faces import face

parser = pytest.importorskip("prometheus_client.parser")

Samples = dict[tuple[str, str], float]


def samples(client: httpx.Client) -> Samples:
    """Each sample by its name and the value of its first label."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in parser.text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_what_jobs_have_done_is_counted_and_timed(shared: House) -> None:
    shared.add("good", ["true"])
    shared.add("bad", ["false"])
    for name in ("good", "good", "bad"):
        shared.run(name)
    shared.ask("job.pause", name="bad")

    found = samples(shared.client)

    assert found["pb_job_runs_total", "good"] == 2
    assert found["pb_job_successes_total", "good"] == 2
    assert found["pb_job_errors_total", "bad"] == 1
    assert found["pb_job_last_failed", "bad"] == 1
    assert found["pb_job_paused", "bad"] == 1
    assert found["pb_job_duration_seconds_count", "good"] == 2
    assert found["pb_job_duration_seconds_sum", "good"] >= 0
    assert found["pb_job_lateness_seconds_count", "good"] == 0  # nobody had planned these
    assert found["pb_job_last_run_timestamp_seconds", "good"] > 1e9


def test_what_was_planned_has_a_lateness(shared: House) -> None:
    shared.add("planned", ["true"], triggers=["every: 1s"])
    from tests.kit import eventually

    eventually(lambda: samples(shared.client)["pb_job_lateness_seconds_count", "planned"], 30)
    shared.ask("job.remove", name="planned")


def test_processes_queues_and_services_have_numbers(shared: House) -> None:
    shared.ask("service.add", definition={"name": "kept", "command": python("input()")})
    shared.ask("service.add", definition={"name": "up", "command": ["sleep", "300"]})
    shared.ask("service.start", names=["up"], timeout=60)

    found = samples(shared.client)

    assert found["pb_scheduler_up", ""] == 1
    assert found["pb_scheduler_lag_seconds", ""] >= 0
    assert found["pb_memory_bytes", "scheduler"] > 1e6
    assert found["pb_memory_bytes", "gateway"] > 1e6
    assert found["pb_queue_waiting", "default"] == 0
    assert ("pb_queue_slots", "default") not in found
    assert found["pb_service_up", "up"] == 1
    assert found["pb_service_starts_total", "up"] == 1
    assert found["pb_gateway_listeners", ""] == 0


def test_counters_go_on_after_restarts_and_without_a_scheduler(tmp_path: Path) -> None:
    with house(tmp_path / "home") as whole:
        whole.add("counted", ["true"])
        whole.run("counted")
        before = samples(whole.client)
        whole.scheduler.stop(signal.SIGTERM)
        away = samples(whole.client)
        with face("daemon", whole.home.root):
            whole.run("counted")
            after = samples(whole.client)

    name = ("pb_job_runs_total", "counted")
    assert (before[name], away[name], after[name]) == (1, 1, 2)
    total = ("pb_job_duration_seconds_sum", "counted")
    assert before[total] == away[total] <= after[total]
    assert (before["pb_scheduler_up", ""], away["pb_scheduler_up", ""]) == (1, 0)
