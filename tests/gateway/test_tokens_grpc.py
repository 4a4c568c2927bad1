"""Tokens on gRPC: every method with every kind of token, and streams that end with theirs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from pb.api import METHODS
from pb.api.tokens import SCOPES
from pb.gateway.proto import memory_pb2, memory_pb2_grpc, scheduler_pb2, scheduler_pb2_grpc
from pb.gateway.rpc_calls import METHODS_OF
from tests.gateway.serving import FakeScheduler, Gateway, a_job
from tests.gateway.tokens import REFUSED, Keys, keys

KINDS = ("read", "write", "admin", *REFUSED)
LET_IN = {"OK", "NOT_FOUND", "UNAVAILABLE"}
"""How a call ends that the door has let in, at a scheduler that knows one job."""
PAIRS = (
    (scheduler_pb2, scheduler_pb2_grpc.SchedulerServiceStub),
    (memory_pb2, memory_pb2_grpc.MemoryServiceStub),
)


@pytest.fixture
def home(tmp_path: Path) -> Keys:
    return keys(tmp_path / "home")


@pytest.fixture
def scheduler() -> FakeScheduler:
    return FakeScheduler(a_job("a"))


@pytest.fixture
def channel(home: Keys, scheduler: FakeScheduler) -> Iterator[grpc.Channel]:
    with (
        Gateway(scheduler.connect, home.home.db) as gateway,
        grpc.insecure_channel(gateway.grpc) as channel,
    ):
        yield channel


def metadata(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")] if token else []


def code_of(call: Any, request: Any, token: str) -> str:
    """How one call ended: the name of its status."""
    try:
        answer = call(request, metadata=metadata(token), timeout=20)
        if hasattr(answer, "cancel"):
            next(answer)
            answer.cancel()
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


FIELDS = {"job_name": "a", "run_id": 7, "definition": {"name": "a", "command": ["true"]}}
"""What requests are made of."""

WRITES = {"PauseJob", "ResumeJob", "RemoveJob", "RunJob", "CancelJob", "CancelRun"}
ADMINS = {"AddJob", "UpdateJob", "RestoreJob"}
"""Methods by the scope they need, written out a second time on purpose; all others only read."""


def calls(channel: grpc.Channel) -> Iterator[tuple[str, Any, Any]]:
    """Every method that is served: the scope it needs, how it is called, and with what."""
    for words, stub in PAIRS:
        [service] = words.DESCRIPTOR.services_by_name.values()
        for method in service.methods:
            scope = "admin" if method.name in ADMINS else "read"
            scope = "write" if method.name in WRITES else scope
            known = {name for name in FIELDS if name in method.input_type.fields_by_name}
            request = getattr(words, method.input_type.name)(**{n: FIELDS[n] for n in known})
            yield scope, getattr(stub(channel), method.name), request
    health = health_pb2_grpc.HealthStub(channel)
    yield "read", health.Check, health_pb2.HealthCheckRequest()
    yield "read", health.Watch, health_pb2.HealthCheckRequest()
    listing = reflection_pb2.ServerReflectionRequest(list_services="")
    yield "read", reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo, listing


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_with_every_kind_of_token(
    channel: grpc.Channel, home: Keys, scheduler: FakeScheduler, kind: str
) -> None:
    token = home.every_kind()[kind]
    ended = []
    for scope, call, request in calls(channel):
        asked = iter([request]) if scope == "read" and "list_services" in str(request) else request
        ended.append((scope, code_of(call, asked, token)))

    if kind in REFUSED:
        assert {code for _, code in ended} <= {"UNAUTHENTICATED", "RESOURCE_EXHAUSTED"}
        assert scheduler.calls == []
        return
    reached = SCOPES[: SCOPES.index(kind) + 1]
    assert {code for scope, code in ended if scope not in reached} <= {"PERMISSION_DENIED"}
    assert {code for scope, code in ended if scope in reached} <= LET_IN
    methods = [METHODS[name] for name, _ in scheduler.calls]
    assert {method.access for method in methods} == set(reached)


def test_every_method_of_ours_has_one_of_the_registry_behind_it() -> None:
    [service] = scheduler_pb2.DESCRIPTOR.services_by_name.values()

    assert {method.name for method in service.methods} == set(METHODS_OF)
    assert set(METHODS_OF.values()) <= set(METHODS)


def test_a_change_is_asked_for_the_token_s_name_and_its_peer(
    channel: grpc.Channel, home: Keys, scheduler: FakeScheduler
) -> None:
    token = home.token("write", name="laptop")
    stub = scheduler_pb2_grpc.SchedulerServiceStub(channel)

    stub.PauseJob(scheduler_pb2.PauseJobRequest(job_name="a"), metadata=metadata(token), timeout=20)

    [asker] = scheduler.askers
    assert asker.name == "laptop"
    assert str(asker.peer).startswith("127.0.0.1:")
    assert scheduler.faces == ["grpc"]


def test_a_stream_ends_when_its_token_is_revoked_and_others_go_on(
    channel: grpc.Channel, home: Keys
) -> None:
    gone, kept = home.token(name="gone"), home.token(name="kept")
    health = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest()
    ending = health.Watch(request, metadata=metadata(gone), timeout=60)
    staying = health.Watch(request, metadata=metadata(kept), timeout=60)
    assert next(ending).status == next(staying).status == health_pb2.HealthCheckResponse.SERVING

    home.ask("token.revoke", name="gone")

    with pytest.raises(grpc.RpcError) as caught:
        next(ending)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert staying.is_active()
    staying.cancel()


def test_a_reflection_stream_ends_when_its_token_expires(channel: grpc.Channel, home: Keys) -> None:
    token = home.token(name="short")
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    over = threading.Event()

    def questions() -> Iterator[Any]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        over.wait(30)

    stream = stub.ServerReflectionInfo(questions(), metadata=metadata(token), timeout=60)
    names = [one.name for one in next(stream).list_services_response.service]
    assert "pb.v1.SchedulerService" in names

    home.expire("short")

    with pytest.raises(grpc.RpcError) as caught:
        next(stream)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    over.set()
