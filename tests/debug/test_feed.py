"""The feed: one listener for all pages, bounded queues, quiet when nobody watches."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from pb.debug import feed as feed_module
from pb.debug.feed import PAGES, QUEUE, Feed, put
from pb.errors import NeedsDaemonError


class Source:
    """A scheduler's events, said from the test; counts how often somebody came to listen."""

    def __init__(self) -> None:
        self.listeners = 0
        self.listening = threading.Event()
        self._said: list[dict[str, Any] | None] = []
        self._more = threading.Condition()

    def say(self, *events: dict[str, Any] | None) -> None:
        with self._more:
            self._said.extend(events)
            self._more.notify_all()

    def listen(self) -> Iterator[dict[str, Any]]:
        self.listeners += 1
        self.listening.set()
        while True:
            with self._more:
                self._more.wait_for(lambda: self._said)
                event = self._said.pop(0)
            if event is None:
                return
            yield event


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 20))


def test_every_page_hears_every_event_from_one_listener() -> None:
    source, noticed = Source(), list[Any]()

    async def scenario() -> None:
        feed = Feed(source.listen, noticed.append)
        async with aclosing(feed.messages()) as one, aclosing(feed.messages()) as other:
            assert (await anext(one))[0] == (await anext(other))[0] == "look"
            source.say({"seq": 1}, {"seq": 2})
            for page in (one, other):
                assert await anext(page) == ("event", {"seq": 1})
                assert await anext(page) == ("event", {"seq": 2})
        feed.close()

    run(scenario())
    assert source.listeners == 1
    assert noticed == [{"seq": 1}, {"seq": 2}]


def test_a_page_that_does_not_read_is_told_to_look_and_others_lose_nothing() -> None:
    source = Source()

    async def scenario() -> None:
        feed = Feed(source.listen, lambda event: None)
        async with aclosing(feed.messages()) as lazy, aclosing(feed.messages()) as busy:
            await anext(lazy)
            await anext(busy)
            for number in range(QUEUE + 5):
                source.say({"seq": number})
                assert await anext(busy) == ("event", {"seq": number})
            assert await anext(lazy) == ("look", {})
        feed.close()

    run(scenario())


def test_a_full_queue_keeps_its_bound_and_still_ends() -> None:
    queue: asyncio.Queue[Any] = asyncio.Queue(3)
    for number in range(3):
        put(queue, ("event", {"seq": number}))

    put(queue, ("event", {"seq": 3}))
    assert [queue.get_nowait(), queue.empty()] == [("look", {}), True]

    for number in range(3):
        put(queue, ("event", {"seq": number}))
    put(queue, None)
    assert [queue.get_nowait(), queue.empty()] == [None, True]


def test_it_listens_again_after_the_scheduler_went_away_and_tells_the_pages_to_look() -> None:
    source = Source()

    async def scenario() -> None:
        feed = Feed(source.listen, lambda event: None)
        async with aclosing(feed.messages()) as page:
            await anext(page)
            source.say({"seq": 1}, None)
            assert await anext(page) == ("event", {"seq": 1})
            assert await anext(page) == ("look", {})
            source.say({"seq": 2})
            assert await anext(page) == ("event", {"seq": 2})
        feed.close()

    run(scenario())
    assert source.listeners == 2


def test_without_a_page_nobody_listens() -> None:
    source = Source()

    async def scenario() -> None:
        feed = Feed(source.listen, lambda event: None)
        async with aclosing(feed.messages()) as page:
            await anext(page)
            source.say(None)
            assert await anext(page) == ("look", {})
        await asyncio.sleep(1.5 * feed_module.RETRY)
        assert source.listeners == 1
        feed.close()

    run(scenario())


def test_a_scheduler_that_is_away_is_tried_again() -> None:
    tries = threading.Semaphore(0)

    def away() -> Iterator[dict[str, Any]]:
        tries.release()
        raise NeedsDaemonError("No scheduler listens")
        yield {}

    async def scenario() -> None:
        feed = Feed(away, lambda event: None)
        async with aclosing(feed.messages()) as page:
            await anext(page)
            for _ in range(2):
                assert await asyncio.to_thread(tries.acquire, timeout=10)
        feed.close()

    run(scenario())


@pytest.mark.parametrize("pages", [PAGES - 1, PAGES])
def test_only_so_many_pages_may_watch(pages: int) -> None:
    async def scenario() -> None:
        feed = Feed(Source().listen, lambda event: None)
        watching = [feed.messages() for _ in range(pages)]
        for page in watching:
            await anext(page)
        assert feed.is_full == (pages == PAGES)
        for page in watching:
            await page.aclose()  # type: ignore[attr-defined]
        assert not feed.is_full
        feed.close()

    run(scenario())
