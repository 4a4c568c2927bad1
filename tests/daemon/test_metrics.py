"""Measuring jobs, queues, services, addresses and commands, on a real store and real processes."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pb.core.metric_names import parse_metric
from pb.daemon import metrics
from pb.daemon.errands import Errands
from pb.daemon.metrics import look_at
from pb.daemon.watchers import Scene
from pb.daemon.watching import Watching
from pb.process.gauges import Moment
from tests.kit.scheduler import World

DEADLINE = 30


def scene_of(w: World, errands: Errands | None = None) -> Scene:
    environ = {"PATH": os.environ["PATH"], "HOME": str(w.home.root)}
    context = w.engine._context
    return Scene(context, w.clock, w.engine.post, errands or Errands(lambda *_: None), environ)


def value_of(w: World, metric: str) -> float | None:
    look = look_at(parse_metric(metric), scene_of(w)).quick
    assert look is not None
    return look(Moment())


def fail(w: World, times: int) -> None:
    w.executor.statuses.clear()
    for _ in range(times):
        w.call("job.run", name="job")
        w.executor.end(w.runs()[-1].id, 1 << 8)
        w.settle()


def test_failures_count_from_the_last_success(world: Callable[..., World]) -> None:
    w = world()
    w.add()
    gauge = look_at(parse_metric("job.job.consecutive_failures"), scene_of(w)).quick
    assert gauge is not None
    found = [gauge(Moment())]
    fail(w, 3)
    found.append(gauge(Moment()))
    w.call("job.run", name="job")
    found.append(gauge(Moment()))
    w.executor.end(w.runs()[-1].id)
    w.settle()
    found.append(gauge(Moment()))
    fail(w, 1)
    found.append(gauge(Moment()))
    assert found == [0, 3, 3, 0, 1]
    assert value_of(w, "job.none.consecutive_failures") is None


def test_the_time_since_a_success_counts_from_the_day_a_job_was_added(
    world: Callable[..., World],
) -> None:
    w = world()
    w.add()
    w.run_for(100)
    assert value_of(w, "job.job.seconds_since_success") == 100
    w.call("job.run", name="job")
    w.run_for(7)
    assert value_of(w, "job.job.last_duration") is None
    w.executor.end(1)
    w.settle()
    w.run_for(5)
    assert value_of(w, "job.job.seconds_since_success") == 5
    assert value_of(w, "job.job.last_duration") == 7


def test_waits_are_measured_while_they_last_and_afterwards(world: Callable[..., World]) -> None:
    w = world(queues={"narrow": 1})
    w.add("first", queue="narrow")
    w.add("job", queue="narrow")
    assert value_of(w, "job.job.queue_wait") is None
    w.call("job.run", name="first")
    w.call("job.run", name="job")
    w.run_for(30)
    assert value_of(w, "queue.narrow.length") == 1
    assert value_of(w, "queue.default.length") == 0
    assert value_of(w, "job.job.queue_wait") == 30
    w.executor.end(1)
    w.settle()
    assert value_of(w, "queue.narrow.length") == 0
    assert value_of(w, "job.job.queue_wait") == 30


def test_a_service_is_measured_by_its_instances(world: Callable[..., World]) -> None:
    w = world()
    for word in ("rss", "cpu", "restarts", "uptime"):
        assert value_of(w, f"service.web.{word}") is None
    w.call("service.add", definition={"name": "web", "command": ["sleep", "60"], "enabled": True})
    w.settle()
    w.clock.advance(12)
    assert value_of(w, "service.web.restarts") == 0
    uptime = value_of(w, "service.web.uptime")
    assert uptime is not None
    assert uptime >= 12


def test_memory_and_processor_time_are_of_the_whole_tree(world: Callable[..., World]) -> None:
    w = world()
    mine, gone = w.who, replace(w.who, pid=2**22 - 1)
    tree = [mine, gone]
    used = metrics.ProcessorTime(lambda moment: tree)
    first = used(Moment())
    assert first is not None
    assert first > 0
    sum(range(3_000_000))
    tree = [mine]
    second = used(Moment())
    assert second is not None
    assert second >= first
    tree = []
    assert used(Moment()) == second
    assert metrics.ProcessorTime(lambda moment: None)(Moment()) is None


async def serve(answer: bytes | None) -> tuple[asyncio.Server, str]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read()  # until he hangs up
        else:
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    return server, f"http://127.0.0.1:{port}/"


def asked(w: World, metric: str, errands: Errands | None = None) -> Any:
    look = look_at(parse_metric(metric), scene_of(w, errands)).asks
    assert look is not None
    return look()


def test_an_address_is_measured_by_its_answer(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    w = world()

    async def play() -> None:
        server, url = await serve(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
        assert await asked(w, f"http.status:{url}") == 503
        latency = await asked(w, f"http.latency:{url}")
        assert 0 < latency < DEADLINE
        server.close()
        await server.wait_closed()
        assert await asked(w, f"http.status:{url}") == 0
        assert await asked(w, f"http.latency:{url}") is None
        monkeypatch.setattr(metrics, "HTTP_TIMEOUT", 0.2)
        silent, url = await serve(None)
        assert await asked(w, f"http.status:{url}") == 0
        assert await asked(w, f"http.latency:{url}") == 0.2
        silent.close()
        await silent.wait_closed()
        async with asyncio.timeout(DEADLINE):
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0.01)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("command", "value"),
    [
        ("echo 41; echo disk is 42.5% full of 100 GB >&2", 100),
        ("echo -1.5e2", -150),
        ("echo 7; exit 3", 7),
        ("echo nothing", None),
        ("true", None),
        ("kill -9 $$", None),
        ("echo 5; sleep 60", None),
        ("pwd | grep -c . ; test -n \"$PB_PROBE\" && echo 9", 9),
    ],
)  # fmt: skip
@pytest.mark.skipif(sys.platform != "linux", reason="waits with pidfds")
def test_a_command_is_measured_by_the_last_number_it_prints(
    world: Callable[..., World],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    value: float | None,
) -> None:
    w = world()
    if "sleep" in command:
        monkeypatch.setattr(metrics, "COMMAND_TIMEOUT", 0.3)

    async def play() -> None:
        watching = Watching(exits=w.home.exits("scheduler"), clock=w.clock, is_guest=False)
        watching.listen()
        try:
            assert await asked(w, f"cmd:{command}", Errands(watching.expect)) == value
        finally:
            watching.deafen()

    asyncio.run(play())
