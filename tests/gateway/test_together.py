"""Equal questions at the same time are asked once; no answer is older than its question."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from pb.gateway import together
from pb.gateway.together import Together
from tests.gateway.serving import BEARER, FakeScheduler, Gateway, a_job
from tests.gateway.tokens import bearer, keys


class Source:
    """Work that ends when it is told to; ``begun`` counts how often it was started."""

    def __init__(self) -> None:
        self.begun = 0
        self.answers: list[asyncio.Future[int]] = []

    async def __call__(self) -> int:
        self.begun += 1
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]


def lived(story: Callable[[Together[int], Source], Awaitable[None]]) -> None:
    async def tell() -> None:
        async with asyncio.timeout(30):
            await story(Together(), Source())

    asyncio.run(tell())


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def begun(source: Source, times: int) -> None:
    while source.begun < times:
        await asyncio.sleep(0.001)


def test_who_asks_while_one_is_answered_gets_the_next_answer() -> None:
    async def story(asked: Together[int], source: Source) -> None:
        first = asyncio.create_task(asked.ask("key", source))
        await settled()
        later = [asyncio.create_task(asked.ask("key", source)) for _ in range(10)]
        await settled()
        assert source.begun == 1

        source.answers[0].set_result(1)
        assert await first == 1
        await begun(source, 2)
        source.answers[1].set_result(2)
        assert await asyncio.gather(*later) == [2] * 10
        await settled()
        assert source.begun == 2

    lived(story)


def test_other_questions_do_not_wait() -> None:
    async def story(asked: Together[int], source: Source) -> None:
        both = [asyncio.create_task(asked.ask(key, source)) for key in ("a", "b")]
        await settled()
        assert source.begun == 2
        for number, answer in enumerate(source.answers):
            answer.set_result(number)
        assert await asyncio.gather(*both) == [0, 1]

    lived(story)


def test_nobody_waits_long_behind_one_that_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "PATIENCE", 0.01)

    async def story(asked: Together[int], source: Source) -> None:
        slow = asyncio.create_task(asked.ask("key", source))
        await settled()
        next_one = asyncio.create_task(asked.ask("key", source))
        await begun(source, 2)
        source.answers[1].set_result(2)
        assert await next_one == 2
        assert not slow.done()
        source.answers[0].set_result(1)
        assert await slow == 1

    lived(story)


def test_an_error_is_everybody_s_and_one_who_goes_spoils_nothing() -> None:
    async def story(asked: Together[int], source: Source) -> None:
        first = asyncio.create_task(asked.ask("key", source))
        await settled()
        waiting = [asyncio.create_task(asked.ask("key", source)) for _ in range(3)]
        await settled()
        first.cancel()
        waiting[0].cancel()
        source.answers[0].set_result(1)
        await begun(source, 2)
        source.answers[1].set_exception(RuntimeError("broken"))
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(ended[0], asyncio.CancelledError)
        assert [str(one) for one in ended[1:]] == ["broken"] * 2

        again = asyncio.create_task(asked.ask("key", source))
        await settled()
        source.answers[2].set_result(7)
        assert await again == 7

    lived(story)


def test_many_who_ask_at_once_ask_the_scheduler_seldom_and_get_the_same() -> None:
    scheduler = FakeScheduler(a_job("a"), a_job("b"))
    with Gateway(scheduler.connect) as gateway:
        url = f"{gateway.url}/api/v1/status"
        with httpx.Client(headers=BEARER, trust_env=False, timeout=30) as client:
            ask = functools.partial(client.get, url)
            with ThreadPoolExecutor(20) as many:
                answers = list(many.map(lambda _: ask(), range(400)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(scheduler.calls) <= 400


def test_a_change_is_seen_by_whoever_asks_after_it() -> None:
    scheduler = FakeScheduler(a_job("a"))
    with (
        Gateway(scheduler.connect) as gateway,
        ThreadPoolExecutor(8) as many,
        httpx.Client(base_url=gateway.url, headers=BEARER, trust_env=False, timeout=30) as client,
    ):
        load = [many.submit(lambda: [busy(client) for _ in range(100)]) for _ in range(7)]
        for _ in range(50):
            for verb, is_paused in (("pause", True), ("resume", False)):
                client.post(f"/api/v1/jobs/a/{verb}")
                [job] = client.get("/api/v1/jobs").json()["jobs"]
                assert job["paused"] is is_paused
        for one in load:
            one.result()


def busy(client: httpx.Client) -> Any:
    return client.get("/api/v1/jobs").raise_for_status()


def test_an_answer_for_an_admin_is_nobody_else_s(tmp_path: Path) -> None:
    """Equal questions of other scopes are other questions: secrets are hidden from some."""
    home = keys(tmp_path / "home")
    scheduler = FakeScheduler({**a_job("a"), "definition": {"env": {"API_TOKEN": "hush-hush"}}})
    tokens = {scope: home.token(scope) for scope in ("read", "admin")}
    with Gateway(scheduler.connect, home.home.db) as gateway, ThreadPoolExecutor(8) as many:

        def told(scope: str) -> bool:
            answer = httpx.get(
                f"{gateway.url}/api/v1/jobs/a",
                headers=bearer(tokens[scope]),
                trust_env=False,
                timeout=30,
            )
            return "hush-hush" in answer.text

        found = list(many.map(told, ["read", "admin"] * 40))

    assert found == [False, True] * 40
