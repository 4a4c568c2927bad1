"""Scheduler and gateway as two real processes: what runs is seen, over HTTP and gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from pb.api import session
from pb.gateway.proto import memory_pb2, memory_pb2_grpc
from pb.paths import Home
from tests.kit import eventually
from tests.kit.faces import Told, face

TRUE = {"command": ["true"], "triggers": [{"type": "cron", "expr": "0 0 1 1 *"}]}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def scheduler(home: Path) -> Iterator[Told]:
    with face("daemon", home) as running:
        with session(Home(home)) as talk:
            talk.call("job.add", {"definition": {"name": "yearly", **TRUE}})
        yield running


def bearer(home: Path) -> dict[str, str]:
    return {"authorization": f"Bearer {(home / 'gateway.token').read_text().strip()}"}


def test_the_gateway_runs_pauses_and_resumes_a_real_job(home: Path, scheduler: Told) -> None:
    with (
        face("gateway", home) as gateway,
        httpx.Client(
            base_url=gateway.record["address"], headers=bearer(home), trust_env=False
        ) as client,
    ):
        assert client.get("/readyz").status_code == 200
        assert client.get("/api/v1/status").json()["pid"] == scheduler.process.pid

        ran = client.post("/api/v1/jobs/yearly/run")
        assert ran.status_code == 202
        eventually(
            lambda: client.get("/api/v1/runs?job=yearly").json()["runs"][0]["state"] == "succeeded"
        )

        assert client.post("/api/v1/jobs/yearly/pause", json={"note": "x"}).json()["changed"]
        shown = client.get("/api/v1/jobs/yearly").json()["job"]
        assert (shown["paused"], shown["run_count"], shown["pause_note"]) == (True, 1, "x")
        assert client.post("/api/v1/jobs/yearly/resume").json()["changed"]

        unknown = client.post("/api/v1/jobs/yearley/pause")
        assert unknown.status_code == 404
        assert "yearly" in unknown.json()["hint"]


def test_the_gateway_outlives_the_scheduler_and_finds_the_next_one(
    home: Path, scheduler: Told
) -> None:
    with (
        face("gateway", home) as gateway,
        httpx.Client(
            base_url=gateway.record["address"], headers=bearer(home), trust_env=False
        ) as client,
    ):
        assert client.get("/api/v1/status").json()["running"] is True
        assert scheduler.stop() == 0

        assert client.get("/readyz").status_code == 503
        down = client.get("/api/v1/status").json()
        assert (down["running"], [job["name"] for job in down["jobs"]]) == (False, ["yearly"])
        refused = client.post("/api/v1/jobs/yearly/run")
        assert refused.status_code == 503
        assert "pb scheduler start" in refused.json()["hint"]

        with face("daemon", home) as again:
            assert client.get("/api/v1/status").json()["pid"] == again.process.pid
            assert client.get("/readyz").status_code == 200


def test_grpc_sees_and_pauses_real_jobs_with_and_without_the_scheduler(
    home: Path, scheduler: Told
) -> None:
    with face("gateway", home) as gateway:
        address = f"127.0.0.1:{gateway.record['ports']['grpc']}"
        metadata = list(bearer(home).items())
        with grpc.insecure_channel(address) as channel:
            stub = memory_pb2_grpc.MemoryServiceStub(channel)

            def status() -> tuple[bool, list[tuple[str, str, bool]]]:
                request = memory_pb2.GetSchedulerStatusRequest()
                answer = stub.GetSchedulerStatus(request, metadata=metadata, timeout=10)
                jobs = [(job.job_name, job.cron_expr, job.is_paused) for job in answer.jobs]
                return answer.scheduler_running, jobs

            def pause(name: str) -> tuple[bool, str]:
                request = memory_pb2.PauseJobRequest(job_name=name)
                answer = stub.PauseJob(request, metadata=metadata, timeout=10)
                return answer.success, answer.error

            assert status() == (True, [("yearly", "0 0 1 1 *", False)])
            assert pause("nothing")[0] is False
            assert "nothing" in pause("nothing")[1]
            scheduler.stop()
            assert pause("yearly") == (True, "")
            assert status() == (False, [("yearly", "0 0 1 1 *", True)])
