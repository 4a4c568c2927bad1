"""The hub: many listeners, one subscription, and one who never reads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pb.api.http_rules import allowed_authorities
from pb.api.http_server import address_of, http_server
from pb.api.token_book import TokenBook
from pb.errors import NeedsDaemonError
from pb.gateway.app import gateway_app
from pb.gateway.bridge import Bridge
from pb.gateway.doorman import Doorman
from pb.gateway.hub import LISTENERS, QUEUE, Filter, Hub, Listener, TooManyError, filter_of
from pb.process.listen import listen
from tests.gateway.serving import TOKEN, FakeScheduler

Json = dict[str, Any]
ALL = Filter()


class Source:
    """A scheduler's events, as a test says; ``store`` is what has numbers."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Json | Exception | None] = asyncio.Queue()
        self.store: list[Json] = []
        self.connected = 0
        self.is_up = True

    def tell(self, **event: Any) -> None:
        kept = {"seq": len(self.store) + 1, "type": "job.added", **event}
        self.store.append(kept)
        if self.is_up:
            self.queue.put_nowait(dict(kept))

    def cut(self) -> None:
        self.is_up = False
        self.queue.put_nowait(NeedsDaemonError("gone"))

    async def events(self) -> AsyncGenerator[Json | None]:
        if not self.is_up:
            raise NeedsDaemonError("nobody")
        self.connected += 1
        yield None
        while True:
            event = await self.queue.get()
            if isinstance(event, Exception):
                raise event
            yield event

    async def recent(self, asked: Json) -> Json:
        found = [one for one in self.store if one["seq"] > asked.get("since", 0)]
        bounds = {"oldest_seq": 1, "newest_seq": len(self.store)}
        return {"events": found[: asked["n"]], **bounds}


async def heard(listener: Listener, count: int) -> list[Json]:
    """The next events, without what is none."""
    found: list[Json] = []
    while len(found) < count:
        message = await listener.get(20)
        assert message is not None
        if message.kind == "event":
            found.append(message.content)
    return found


def scene(play: Callable[[Hub, Source], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        source = Source()
        await play(Hub(source.events, source.recent), source)

    asyncio.run(run())


def test_many_listen_over_one_subscription_and_none_without_listeners() -> None:
    async def play(hub: Hub, source: Source) -> None:
        with hub.listening(ALL) as one, hub.listening(ALL) as two:
            source.tell(job="a")
            assert await heard(one, 1) == await heard(two, 1)
            assert source.connected == 1
        assert hub.count == 0
        source.tell(job="b")
        with hub.listening(ALL) as three:
            source.tell(job="c")
            assert [e["job"] for e in await heard(three, 2)][-1] == "c"
        assert source.connected == 2

    scene(play)


def test_who_does_not_read_loses_the_oldest_and_is_told_how_much() -> None:
    async def play(hub: Hub, source: Source) -> None:
        with hub.listening(ALL) as deaf, hub.listening(ALL) as keen:
            for number in range(QUEUE * 3):
                source.tell(job=str(number))
                await heard(keen, 1)
            assert deaf.lost > QUEUE
            first = await deaf.get(20)
            assert first is not None
            assert first.kind == "lost"
            rest = await heard(deaf, QUEUE)
            assert rest[-1]["job"] == str(QUEUE * 3 - 1)

    scene(play)


def test_what_was_committed_while_the_scheduler_was_away_is_told_once() -> None:
    async def play(hub: Hub, source: Source) -> None:
        with hub.listening(ALL) as listener:
            source.tell(job="before")
            await heard(listener, 1)
            source.cut()
            while (message := await listener.get(20)) is None or message.kind != "state":
                pass
            assert message.content == {"scheduler": "down"}
            source.tell(job="between")
            source.is_up = True
            source.queue.put_nowait(dict(source.store[-1]))  # told again by the new connection
            source.tell(job="after")
            assert [e["job"] for e in await heard(listener, 2)] == ["between", "after"]

    scene(play)


def test_what_the_store_has_let_go_is_told_as_lost() -> None:
    async def play(hub: Hub, source: Source) -> None:
        for number in range(5):
            source.tell(job=str(number))
        recent = source.recent

        async def pruned(asked: Json) -> Json:
            return {**await recent({**asked, "since": 3}), "oldest_seq": 4}

        found = [m async for m in Hub(source.events, pruned).since(1, ALL)]
        assert [(m.kind, m.content.get("lost")) for m in found] == [
            ("lost", 2),
            ("event", None),
            ("event", None),
        ]

    scene(play)


def test_too_many_listeners_are_refused() -> None:
    async def play(hub: Hub, source: Source) -> None:
        async with AsyncExitStack() as stack:
            for _ in range(LISTENERS):
                stack.enter_context(hub.listening(ALL))
            with pytest.raises(TooManyError):
                stack.enter_context(hub.listening(ALL))

    scene(play)


@pytest.mark.parametrize(
    ("wanted", "event", "fits"),
    [
        (filter_of([], [], []), {"type": "scheduler.started"}, True),
        (filter_of(["run"], [], []), {"type": "run.failed"}, True),
        (filter_of(["run.*"], [], []), {"type": "run.failed"}, True),
        (filter_of(["run.failed"], [], []), {"type": "run.lost"}, False),
        (filter_of([], ["a"], []), {"type": "run.lost", "job": "b"}, False),
        (filter_of([], ["a"], ["w"]), {"type": "service.ready", "service": "w"}, True),
        (filter_of(["run"], ["a"], []), {"type": "job.added", "job": "a"}, False),
        (filter_of([], ["a"], []), {"type": "scheduler.started", "job": None}, False),
    ],
)
def test_filters(wanted: Filter, event: Json, fits: bool) -> None:
    assert wanted.fits(event) is fits


# -- over real connections

LISTENING = 200
KEEN = 8
"""Listeners that want the flood as well, beside the deaf one."""

FLOOD = 800
"""Events of 20 kB: more than the deaf one's socket, and what waits for it, can hold."""

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def stream(port: int, query: str) -> Stream:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"GET /events{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    writer.write(f"{head}Authorization: Bearer {TOKEN}\r\n\r\n".encode())
    return reader, writer


async def arrival(reader: asyncio.StreamReader, mark: bytes) -> float:
    """When the line with ``mark`` has come."""
    while mark not in (line := await reader.readline()):
        assert line, "the stream has ended"
    return time.monotonic()


async def all_heard(streams: list[Stream], job: str) -> list[float]:
    """When each has heard of ``job``."""
    async with asyncio.timeout(90):
        mark = f'"job":"{job}"'.encode()
        return list(await asyncio.gather(*(arrival(reader, mark) for reader, _ in streams)))


@asynccontextmanager
async def served(hub: Hub) -> AsyncIterator[int]:
    """The gateway with this hub, on a port."""
    listener = listen("127.0.0.1", 0, setting="test")
    port = address_of(listener)[1]
    bridge = Bridge(FakeScheduler().connect)
    doorman = Doorman(TokenBook(TOKEN, Path("none")))
    app = gateway_app(bridge, doorman, hub, allowed_authorities("127.0.0.1", port))
    web = http_server(app, sockets=True)
    serving = asyncio.create_task(web.serve(sockets=[listener]))
    try:
        yield port
    finally:
        hub.close()
        web.stop()
        await serving
        bridge.close()


def test_of_200_listeners_one_who_never_reads_holds_up_nobody() -> None:
    """The figure is 100 ms on a quiet machine; here only that nobody waits for the deaf one."""

    async def play(hub: Hub, source: Source) -> None:
        async with served(hub) as port:
            few = [await stream(port, "?job=flood&job=the-last") for _ in range(KEEN + 1)]
            while hub.count < len(few):
                await asyncio.sleep(0.01)
            keen = few[1:]
            rest = [await stream(port, "?job=the-last") for _ in range(LISTENING - len(few))]
            while hub.count < LISTENING:
                await asyncio.sleep(0.01)
            for number in range(FLOOD):
                source.tell(job="flood", text="x" * 20_000)
                if number % 50 == 49:
                    source.tell(job="the-last")
                    await all_heard(keen + rest, "the-last")
            sent = time.monotonic()
            source.tell(job="the-last")
            slowest = max(await all_heard(keen + rest, "the-last")) - sent
            print(f"\nthe slowest of {len(keen + rest)} heard it after {1000 * slowest:.0f} ms")
            assert slowest < 30
            deaf = max(hub.listeners, key=lambda one: one.lost)
            assert deaf.lost > 0
            assert deaf.waiting <= QUEUE
            assert sum(one.lost > 0 for one in hub.listeners) == 1
            for _, writer in few + rest:
                writer.close()

    scene(play)
