"""How often a token may ask: each has its own pace, over HTTP, WebSocket and gRPC together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from pb.config.settings import Settings
from pb.gateway import pace
from pb.gateway.pace import Pace, TooFastError
from pb.gateway.proto import scheduler_pb2, scheduler_pb2_grpc
from tests.gateway.serving import FakeScheduler, Gateway, a_job
from tests.gateway.tokens import Keys, bearer, keys
from tests.kit.websocket import Socket


class Watch:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def asked(paced: Pace, times: int, digest: str = "a") -> int:
    """How many of so many questions were let through."""
    through = 0
    for _ in range(times):
        try:
            paced.check(digest)
        except TooFastError:
            continue
        through += 1
    return through


def test_a_second_s_worth_is_free_and_then_comes_back_by_and_by() -> None:
    watch = Watch()
    paced = Pace(10, watch)

    assert asked(paced, 15) == 10
    watch.now += 0.35
    assert asked(paced, 15) == 3
    watch.now += 3600
    assert asked(paced, 15) == 10


def test_what_was_refused_costs_nothing_and_says_when_to_come_back() -> None:
    watch = Watch()
    paced = Pace(2, watch)
    assert asked(paced, 100) == 2

    with pytest.raises(TooFastError) as caught:
        paced.check("a")

    assert caught.value.seconds == pytest.approx(0.5)
    watch.now += 0.5
    assert asked(paced, 2) == 1


def test_each_token_has_its_own_pace_and_few_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "REMEMBERED", 2)
    paced = Pace(1, Watch())

    assert [asked(paced, 5, digest) for digest in "abc"] == [1, 1, 1]
    assert len(paced._buckets) == 2


def test_none_is_any_number() -> None:
    assert asked(Pace(0, Watch()), 100_000) == 100_000


def test_the_default_is_above_what_the_gateway_can_answer() -> None:
    assert Settings().gateway.rate_limit == 5000


@pytest.fixture
def home(tmp_path: Path) -> Keys:
    return keys(tmp_path / "home")


@pytest.fixture
def gateway(home: Keys) -> Iterator[Gateway]:
    scheduler = FakeScheduler(a_job("a"))
    with Gateway(scheduler.connect, home.home.db, rate=3) as running:
        # The bucket fills again within the test; a clock that stands still keeps it exact.
        running.doorman._pace = Pace(3, Watch())
        yield running


def test_too_many_requests_are_429_and_another_token_goes_on(home: Keys, gateway: Gateway) -> None:
    wild, calm = home.token(name="wild"), home.token(name="calm")
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=30) as client:
        answers = [client.get("/api/v1/jobs", headers=bearer(wild)) for _ in range(5)]
        other = client.get("/api/v1/jobs", headers=bearer(calm))
        alive = client.get("/healthz", headers=bearer(wild))

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].json()["code"] == "too_many_requests"
    assert answers[-1].headers["retry-after"] == "1"
    assert (other.status_code, alive.status_code) == (200, 200)


def test_frames_of_a_websocket_count(home: Keys, gateway: Gateway) -> None:
    with Socket(gateway.port, headers=bearer(home.token())) as socket:
        codes = [socket.answer("job.list").get("error", {}).get("code") for _ in range(4)]

    assert codes == [None, None, "too_many_requests", "too_many_requests"]


def test_calls_of_grpc_count(home: Keys, gateway: Gateway) -> None:
    metadata = (("authorization", f"Bearer {home.token()}"),)
    with grpc.insecure_channel(gateway.grpc) as channel:
        stub = scheduler_pb2_grpc.SchedulerServiceStub(channel)
        for _ in range(3):
            stub.ListJobs(scheduler_pb2.ListJobsRequest(), metadata=metadata, timeout=30)
        with pytest.raises(grpc.RpcError) as caught:
            stub.ListJobs(scheduler_pb2.ListJobsRequest(), metadata=metadata, timeout=30)

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "5000" not in caught.value.details()
    assert "more than 3 times a second" in caught.value.details()
