"""Services written for people are tidy, and are read back as they were."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from pb.config.toml_write import service_table, toml_file
from pb.core.definition import job_dump, job_from
from pb.core.service import Service
from pb.core.service_definition import service_dump, service_from
from tests.core.test_service_definition import READ, SERVICES, minimal

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read_back(text: str) -> Service:
    [(name, table)] = tomllib.loads(text)["service"].items()
    return service_from(table, name=name)


@patient
@given(SERVICES)
def test_a_service_is_read_back_identically(service: Service) -> None:
    assert read_back(service_table(service_dump(service))) == service


@pytest.mark.parametrize(("key", "written", "meant"), READ)
def test_every_form_is_written_so_that_it_means_the_same(
    key: str, written: Any, meant: Any
) -> None:
    service = service_from(minimal(**{key: written}))

    assert read_back(service_table(service_dump(service))) == service
    assert getattr(service, key) == meant


def test_a_service_is_written_as_a_person_would() -> None:
    definition = minimal(
        command="uvicorn app:api --port 8000",
        cwd="~/shop",
        env={"LOG_LEVEL": "info", "B": "2", "C": "3"},
        restart="on-failure",
        stop={"signal": "INT", "timeout": "30s"},
        ready={"http": "http://127.0.0.1:8000/healthz", "timeout": "30s"},
        health={"http": "http://127.0.0.1:8000/healthz", "interval": "5s", "start_period": "10s"},
        depends_on=[
            "db",
            {"service": "cache", "condition": "healthy"},
            {"service": "q", "restart_with": True},
        ],
        watch=["/src"],
    )
    assert (
        service_table(service_dump(service_from(definition)))
        == """\
[service.web]
command = ["uvicorn", "app:api", "--port", "8000"]
cwd = "~/shop"
restart = "on-failure"
stop = {signal = "INT", timeout = "30s"}
ready = {http = "http://127.0.0.1:8000/healthz", timeout = "30s"}
depends_on = ["db", "cache:healthy", {service = "q", restart_with = true}]
watch = ["/src"]

[service.web.env]
LOG_LEVEL = "info"
B = "2"
C = "3"

[service.web.health]
http = "http://127.0.0.1:8000/healthz"
interval = "5s"
start_period = "10s"
"""
    )


def test_a_service_of_two_keys_is_two_lines() -> None:
    assert service_table(service_dump(service_from(minimal()))) == (
        '[service.web]\ncommand = ["true"]\n'
    )


def test_a_file_has_jobs_before_services() -> None:
    job = job_dump(job_from({"name": "j", "command": "x"}))
    text = toml_file("1.0.0", [job], [service_dump(service_from(minimal()))])

    assert text.index("[job.j]") < text.index("[service.web]")
    assert tomllib.loads(text)["schema_version"] == "1.0.0"
