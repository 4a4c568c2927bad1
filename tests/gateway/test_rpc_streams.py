"""Logs and events as gRPC streams: resumed, cancelled, ended with the token, always bounded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import grpc
import pytest

from pb.gateway import rpc_door
from pb.gateway.hub import LISTENERS, QUEUE
from pb.gateway.proto import scheduler_pb2 as pb2
from pb.gateway.proto import scheduler_pb2_grpc
from tests.gateway.house import House, python
from tests.gateway.serving import TOKEN, FakeScheduler, Gateway
from tests.kit import eventually

LINES = "".join(f"line {number:03}\n" for number in range(200))

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def stub(shared: House) -> Iterator[Any]:
    with grpc.insecure_channel(shared.gateway.grpc) as channel:
        yield scheduler_pb2_grpc.SchedulerServiceStub(channel)


def metadata(token: str = TOKEN) -> Any:
    return (("authorization", f"Bearer {token}"),)


@pytest.fixture(scope="module")
def watch(stub: Any) -> Open:
    def opened(token: str = TOKEN, **fields: Any) -> Any:
        request = pb2.WatchEventsRequest(**fields)
        return stub.WatchEvents(request, metadata=metadata(token), timeout=60)

    return opened


@pytest.fixture(scope="module")
def tail(stub: Any) -> Open:
    def opened(token: str = TOKEN, **fields: Any) -> Any:
        request = pb2.TailLogRequest(**fields)
        return stub.TailLog(request, metadata=metadata(token), timeout=60)

    return opened


def until_up(stream: Any) -> None:
    next(one for one in stream if one.scheduler == pb2.SCHEDULER_STATE_UP)


def events(stream: Any) -> Iterator[Any]:
    return (one.event for one in stream if one.HasField("event"))


def status_of(stream: Any) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        for _ in stream:
            pass
    return str(caught.value.code().name)


def text_of(stream: Any) -> str:
    return b"".join(piece.text for piece in stream).decode()


# -- events


def test_a_run_is_heard_from_its_start_to_its_end(shared: House, watch: Open) -> None:
    shared.add("rpc-lively", ["true"])
    stream = watch(types=["run"], jobs=["rpc-lively"])
    until_up(stream)

    number = shared.ask("job.run", name="rpc-lively")["run"]["run_id"]
    heard = list(islice(events(stream), 3))

    assert [event.type for event in heard] == ["run.queued", "run.started", "run.succeeded"]
    assert {(event.job, event.run_id) for event in heard} == {("rpc-lively", number)}
    assert heard[2].at_ms > 1_700_000_000_000
    stream.cancel()


def test_what_was_missed_since_a_number_is_told_first(shared: House, watch: Open) -> None:
    seq = shared.ask("events.recent", n=1)["newest_seq"]
    shared.add("rpc-missed", ["true"])
    shared.ask("job.pause", name="rpc-missed")

    stream = watch(since=seq, jobs=["rpc-missed"])
    first, second = islice(events(stream), 2)
    stream.cancel()
    again = watch(since=first.seq, jobs=["rpc-missed"])

    assert [first.type, second.type] == ["job.added", "job.paused"]
    assert next(events(again)) == second
    again.cancel()


def test_a_cancelled_stream_lets_go_of_its_subscription(shared: House, watch: Open) -> None:
    hub = shared.gateway.hub
    before = hub.count
    streams = [watch() for _ in range(5)]
    for stream in streams:
        until_up(stream)
    assert hub.count == before + 5

    for stream in streams:
        stream.cancel()

    eventually(lambda: hub.count == before, timeout=30)


def test_a_stream_past_its_deadline_lets_go_too(shared: House, stub: Any) -> None:
    stream = stub.WatchEvents(pb2.WatchEventsRequest(), metadata=metadata(), timeout=0.5)

    assert status_of(stream) == "DEADLINE_EXCEEDED"
    eventually(lambda: shared.gateway.hub.count == 0, timeout=30)


@pytest.mark.parametrize("kind", ["revoked", "expired"])
def test_a_stream_ends_with_its_token_and_others_go_on(
    shared: House, watch: Open, tail: Open, kind: str
) -> None:
    shared.add(f"rpc-{kind}", ["sleep", "300"])
    number = shared.ask("job.run", name=f"rpc-{kind}")["run"]["run_id"]
    token, kept = shared.token(name=f"rpc-{kind}"), watch()
    ending = [watch(token), tail(token, run_id=number, follow=True)]
    until_up(ending[0])
    until_up(kept)

    if kind == "revoked":
        shared.ask("token.revoke", name=f"rpc-{kind}")
    else:
        shared.keys.expire(f"rpc-{kind}")

    assert [status_of(stream) for stream in ending] == ["UNAUTHENTICATED"] * 2
    assert kept.is_active()
    kept.cancel()
    shared.ask("job.cancel", name=f"rpc-{kind}")


def test_who_does_not_read_is_bounded_and_the_others_miss_nothing(
    shared: House, watch: Open
) -> None:
    """His transport takes what it takes, his queue no more."""
    hub, heard = shared.gateway.hub, list[int]()
    reading = watch(types=["job.added"])
    until_up(reading)
    thread = threading.Thread(target=lambda: heard.extend(seqs(reading)))
    thread.start()
    with grpc.insecure_channel(shared.gateway.grpc) as channel:
        other = scheduler_pb2_grpc.SchedulerServiceStub(channel)
        deaf = other.WatchEvents(pb2.WatchEventsRequest(), metadata=metadata(), timeout=60)
        eventually(lambda: hub.count == 2, timeout=30)
        for part in range(20):
            shared.ask("job.import", definitions=[many(part, one) for one in range(50)])
            eventually(lambda told=50 * part + 50: len(heard) == told, timeout=30)
            assert max(listener.waiting for listener in hub.listeners) <= QUEUE
        deaf.cancel()
    reading.cancel()
    thread.join(30)
    assert len(set(heard)) == 1000


def seqs(stream: Any) -> Iterator[int]:
    with suppress(grpc.RpcError):
        yield from (event.seq for event in events(stream))


def many(part: int, number: int) -> dict[str, Any]:
    return {"name": f"rpc-many-{part}-{number}", "command": ["true"]}


def test_more_listeners_than_may_are_refused(shared: House, watch: Open) -> None:
    hub = shared.gateway.hub
    extra = [object() for _ in range(LISTENERS)]
    hub._listeners.update(extra)
    try:
        assert status_of(watch()) == "RESOURCE_EXHAUSTED"
    finally:
        hub._listeners.difference_update(extra)


def test_streams_end_when_the_gateway_stops() -> None:
    scheduler = FakeScheduler()
    with Gateway(scheduler.connect) as gateway, grpc.insecure_channel(gateway.grpc) as channel:
        stub = scheduler_pb2_grpc.SchedulerServiceStub(channel)
        stream = stub.WatchEvents(pb2.WatchEventsRequest(), metadata=metadata(), timeout=60)
        eventually(lambda: gateway.hub.count == 1, timeout=30)
        stopper = threading.Thread(target=gateway.stop)
        stopper.start()
        assert status_of(stream) == "UNAVAILABLE"
        stopper.join(30)


# -- logs


@pytest.fixture(scope="module")
def run(shared: House) -> int:
    """A run that has ended, with a log."""
    shared.add("rpc-lines", python(f"print({LINES!r}, end='')"))
    return shared.run("rpc-lines")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, LINES),
        ({"tail": 2}, LINES[-18:]),
        ({"offset": 1782}, LINES[-18:]),
        ({"offset": 99_999}, ""),
        ({"follow": True}, LINES),
        ({"offset": 1793, "raw": True}, LINES[1793:]),
    ],
)
def test_a_log_is_read_from_where_it_is_wanted(
    tail: Open, run: int, fields: dict[str, Any], text: str
) -> None:
    assert text_of(tail(run_id=run, **fields)) == text


def test_a_log_is_gone_on_with_where_it_was_left(tail: Open, run: int) -> None:
    piece = next(tail(run_id=run, tail=3))

    assert piece.next == len(LINES)
    assert text_of(tail(run_id=run, offset=piece.next - 9)) == LINES[-9:]


def test_what_a_run_writes_is_told_as_it_comes(shared: House, tail: Open, tmp_path: Path) -> None:
    go = tmp_path / "go"
    script = (
        "import os, time; print('before')\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.02)\n"
        "print('after', end='')"
    )
    shared.add("rpc-live", python(script))
    stream = tail(run_id=shared.ask("job.run", name="rpc-live")["run"]["run_id"], follow=True)

    assert next(stream).text == b"before\n"
    go.touch()
    assert text_of(stream).strip() == "after"


def test_a_service_s_log_is_followed_until_its_reader_goes(shared: House, tail: Open) -> None:
    script = "import time; print('\\x1b[31mhello'); time.sleep(300)"
    shared.ask("service.add", definition={"name": "rpc-s", "command": python(script)})
    shared.ask("service.start", names=["rpc-s"])

    stream = tail(service="rpc-s", follow=True)

    assert next(stream).text == b"\\x1b[31mhello\n"
    stream.cancel()
    shared.ask("service.remove", name="rpc-s")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "INVALID_ARGUMENT"),
        ({"run_id": 999_999}, "NOT_FOUND"),
        ({"run_id": 2**60}, "INVALID_ARGUMENT"),
        ({"service": "nobody"}, "NOT_FOUND"),
        ({"service": "../../etc"}, "INVALID_ARGUMENT"),
        ({"run_id": 1, "tail": 1_000_000}, "INVALID_ARGUMENT"),
    ],
)
def test_a_log_that_is_not_there_is_a_status(
    tail: Open, run: int, fields: dict[str, Any], status: str
) -> None:
    assert status_of(tail(**fields)) == status


def test_who_does_not_read_a_log_is_given_up(
    shared: House, tail: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc_door, "STALLED", 1.0)
    shared.add("rpc-large", python("print(('x' * 999 + '\\n') * 32_000, end='')"))
    stream = tail(run_id=shared.run("rpc-large"))
    assert next(stream).next > 0
    eventually(lambda: not shared.gateway.hub._minding, timeout=30)

    assert status_of(stream) == "RESOURCE_EXHAUSTED"
