"""The gRPC face, asked by a client that was generated from the protos, and by grpcio itself."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from pb.errors import ConflictError, StoreError, UnresponsiveError
from pb.gateway.main import bind_grpc
from pb.gateway.proto import scheduler_pb2, scheduler_pb2_grpc
from pb.gateway.rpc_words import first_cron, job_fields
from tests.gateway.regenerate import TOP, generate
from tests.gateway.serving import TOKEN, FakeScheduler, Gateway, a_job

AUTHORIZED = (("authorization", f"Bearer {TOKEN}"),)

Ask = Callable[..., dict[str, Any]]

SERVICES = [("memory", "MemoryService"), ("scheduler", "SchedulerService")]


@pytest.fixture
def scheduler() -> FakeScheduler:
    return FakeScheduler(
        a_job(
            "backup",
            last_run="2026-11-20T10:00:00.250Z",
            next_run="2026-11-21T02:30:00.000Z",
            last_result="failed",
            last_error="exit code 3",
            last_duration_ms=1234,
            run_count=7,
            error_count=2,
        ),
        a_job("fresh", triggers=[{"type": "every", "every": "5m"}], paused=True, running=True),
    )


@pytest.fixture
def gateway(scheduler: FakeScheduler) -> Iterator[Gateway]:
    with Gateway(scheduler.connect) as running:
        yield running


@pytest.fixture(params=SERVICES, ids=[name for _, name in SERVICES])
def ask(request: pytest.FixtureRequest, gateway: Gateway, tmp_path: Path) -> Ask:
    """Calls a method through freshly generated code, in a process of its own."""
    pytest.importorskip("grpc_tools")
    module, service = request.param
    shutil.copy(TOP / f"pb/gateway/proto/{module}.proto", tmp_path)
    generate(tmp_path, source=tmp_path, protos=(f"{module}.proto",))

    def call(method: str, *job: str, token: str = TOKEN) -> dict[str, Any]:
        program = Path(__file__).with_name("generated_client.py")
        arguments = [module, service, gateway.grpc, token, method, *job]
        ended = subprocess.run(
            [sys.executable, str(program), *arguments],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            timeout=60,
            check=True,
        )
        answer: dict[str, Any] = json.loads(ended.stdout)
        return answer

    return call


def test_a_generated_client_sees_names_counts_and_pause_state(ask: Ask) -> None:
    answer = ask("GetSchedulerStatus")

    assert answer["scheduler_running"] is True
    assert answer["jobs"] == [
        {
            "job_name": "backup",
            "cron_expr": "30 2 * * *",
            "last_run_ms": "1795168800250",
            "last_duration_ms": "1234",
            "last_result": "JOB_RESULT_STATUS_FAILED",
            "last_error": "exit code 3",
            "next_run_ms": "1795228200000",
            "run_count": "7",
            "error_count": "2",
        },
        {"job_name": "fresh", "is_running": True, "is_paused": True},
    ]


def test_a_generated_client_pauses_and_resumes_and_hears_why_not(
    ask: Ask, scheduler: FakeScheduler
) -> None:
    assert ask("PauseJob", "backup") == {"success": True}
    assert scheduler.jobs["backup"]["paused"] is True
    assert ask("ResumeJob", "backup") == {"success": True}
    assert scheduler.jobs["backup"]["paused"] is False

    unknown = ask("PauseJob", "nothing")
    assert unknown == {"error": "There is no job named 'nothing'. Did you mean a?"}


def test_a_generated_client_without_the_token_is_refused(ask: Ask) -> None:
    for token in ("", "x" * 50):
        assert ask("GetSchedulerStatus", token=token)["error"] == "UNAUTHENTICATED"


@pytest.fixture
def channel(gateway: Gateway) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(gateway.grpc) as open_channel:
        yield open_channel


def status_code(call: Callable[[], Any]) -> str:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return str(raised.value.code().name)  # type: ignore[attr-defined]


def reflected(channel: grpc.Channel, **options: Any) -> list[str]:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answers = stub.ServerReflectionInfo(iter([request]), timeout=10, **options)
    return [s.name for answer in answers for s in answer.list_services_response.service]


def test_health_and_reflection_are_served_to_whoever_has_the_token(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)

    for name in ("", "pb.v1.SchedulerService", "memory.MemoryService"):
        request = health_pb2.HealthCheckRequest(service=name)
        assert stub.Check(request, metadata=AUTHORIZED, timeout=10).status == 1
    assert {
        *("pb.v1.SchedulerService", "memory.MemoryService"),
        *("grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"),
    } <= set(reflected(channel, metadata=AUTHORIZED))


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        (("authorization", TOKEN),),
        (("authorization", "Bearer "),),
        (("authorization", f"Bearer {TOKEN}x"),),
        (("x-token", TOKEN),),
        (("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer x")),
        (("authorization-bin", TOKEN.encode()),),
    ],
)
def test_health_reflection_and_the_unknown_want_the_token_too(
    channel: grpc.Channel, metadata: Any
) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    check = health_pb2.HealthCheckRequest()
    unknown = channel.unary_unary("/pb.v1.SchedulerService/Nothing")
    options = {"metadata": metadata, "timeout": 10}

    assert status_code(lambda: stub.Check(check, **options)) == "UNAUTHENTICATED"
    assert status_code(lambda: list(stub.Watch(check, **options))) == "UNAUTHENTICATED"
    assert status_code(lambda: reflected(channel, metadata=metadata)) == "UNAUTHENTICATED"
    assert status_code(lambda: unknown(b"", **options)) == "UNAUTHENTICATED"


def test_an_unknown_method_is_unimplemented_for_whoever_has_the_token(
    channel: grpc.Channel,
) -> None:
    unknown = channel.unary_unary("/pb.v1.SchedulerService/Nothing")

    assert status_code(lambda: unknown(b"", metadata=AUTHORIZED, timeout=10)) == "UNIMPLEMENTED"


@pytest.fixture
def stub(channel: grpc.Channel) -> Any:
    return scheduler_pb2_grpc.SchedulerServiceStub(channel)


def test_without_a_scheduler_the_jobs_come_from_the_store(
    stub: Any, scheduler: FakeScheduler
) -> None:
    scheduler.up = False

    request = scheduler_pb2.GetSchedulerStatusRequest()
    answer = stub.GetSchedulerStatus(request, metadata=AUTHORIZED, timeout=10)

    assert not answer.scheduler_running
    assert [job.job_name for job in answer.jobs] == ["backup", "fresh"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnresponsiveError("The scheduler is alive but does not answer"), "UNAVAILABLE"),
        (StoreError("The database is corrupt"), "INTERNAL"),
    ],
)
def test_a_status_that_cannot_be_had_is_a_grpc_error(
    stub: Any, scheduler: FakeScheduler, error: Exception, code: str
) -> None:
    scheduler.fails_with = error
    request = scheduler_pb2.GetSchedulerStatusRequest()

    assert (
        status_code(lambda: stub.GetSchedulerStatus(request, metadata=AUTHORIZED, timeout=10))
        == code
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConflictError("It is busy", hint="Wait."), "It is busy. Wait."),
        (UnresponsiveError("The scheduler is alive but does not answer"), "does not answer"),
        (RuntimeError("secret detail"), "The gateway failed at this"),
    ],
)
def test_a_pause_that_fails_is_an_answer_with_the_reason(
    stub: Any, scheduler: FakeScheduler, error: Exception, said: str
) -> None:
    scheduler.fails_with = error
    request = scheduler_pb2.PauseJobRequest(job_name="backup")

    answer = stub.PauseJob(request, metadata=AUTHORIZED, timeout=10)

    assert not answer.success
    assert said in answer.error


def test_a_message_of_more_than_four_mib_is_refused(stub: Any, scheduler: FakeScheduler) -> None:
    request = scheduler_pb2.PauseJobRequest(job_name="x" * (4 * 1024 * 1024))

    assert (
        status_code(lambda: stub.PauseJob(request, metadata=AUTHORIZED, timeout=30))
        == "RESOURCE_EXHAUSTED"
    )
    assert scheduler.calls == []


def test_ten_thousand_jobs_fit_into_an_answer(stub: Any, scheduler: FakeScheduler) -> None:
    scheduler.jobs = {f"job-{n}": a_job(f"job-{n}") for n in range(10_000)}
    request = scheduler_pb2.GetSchedulerStatusRequest()

    answer = stub.GetSchedulerStatus(request, metadata=AUTHORIZED, timeout=30)

    assert len(answer.jobs) == 10_000


@pytest.mark.parametrize(
    ("changes", "result", "error"),
    [
        ({}, 0, None),
        ({"last_result": "succeeded", "last_run": "2026-11-20T10:00:00Z"}, 1, None),
        ({"last_result": "timed_out", "last_error": "too long"}, 2, "too long"),
        ({"last_result": "lost", "last_error": "lost"}, 2, "lost"),
        ({"last_result": "skipped", "last_error": None}, 3, None),
        (
            {
                "last_result": "succeeded",
                "last_run": "2026-11-20T10:00:00Z",
                "last_skip": "2026-11-20T10:05:00Z",
                "last_skip_reason": "still running",
            },
            3,
            "still running",
        ),
        (
            {
                "last_result": "succeeded",
                "last_run": "2026-11-20T10:05:00Z",
                "last_skip": "2026-11-20T10:00:00Z",
                "last_skip_reason": "still running",
            },
            1,
            None,
        ),
    ],
)
def test_the_last_result_is_that_of_the_last_occasion(
    changes: dict[str, Any], result: int, error: str | None
) -> None:
    job = scheduler_pb2.JobStatusProto(**job_fields(a_job("a", **changes)))

    assert job.last_result == result
    assert (job.last_error if job.HasField("last_error") else None) == error


def test_text_that_protobuf_cannot_carry_is_escaped() -> None:
    changes = {"last_result": "failed", "last_error": "bad \udcff byte"}

    job = scheduler_pb2.JobStatusProto(**job_fields(a_job("a", **changes)))

    assert job.last_error == "bad \\udcff byte"


@pytest.mark.parametrize(
    ("triggers", "expr"),
    [
        ([], ""),
        ([{"type": "every", "every": "5m"}], ""),
        ([{"type": "every", "every": "5m"}, {"type": "cron", "expr": "@daily"}], "@daily"),
        (["cron: 0 1 * * *", "cron: 0 2 * * *"], "0 1 * * *"),
    ],
)
def test_the_cron_expression_is_the_first_cron_trigger_s(triggers: list[Any], expr: str) -> None:
    assert first_cron(triggers) == expr


def test_a_grpc_port_that_is_taken_is_never_shared() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(
            ConflictError, match=rf"Port {port} is taken by .*\(PID {os.getpid()}\)"
        ):
            bind_grpc(None, "127.0.0.1", port)  # type: ignore[arg-type]


def test_a_fault_of_ours_tells_a_peer_nothing_of_it(stub: Any, scheduler: FakeScheduler) -> None:
    scheduler.fails_with = RuntimeError("secret detail")
    options = {"metadata": AUTHORIZED, "timeout": 10}
    asked = (
        lambda: stub.ListJobs(scheduler_pb2.ListJobsRequest(), **options),
        lambda: list(stub.TailLog(scheduler_pb2.TailLogRequest(run_id=7), **options)),
    )
    for ask_it in asked:
        with pytest.raises(grpc.RpcError) as caught:
            ask_it()
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in caught.value.details()
