"""Streams whose gateway is killed in the middle, and started again: nothing is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from pb.client import AsyncClient, Client, LostEventsError, Notice
from pb.client.blocking.events import take
from pb.errors import NeedsDaemonError, PermissionDeniedError
from pb.paths import Home
from pb.store.store import Store
from tests.client.stand import Stand
from tests.kit import eventually


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with ExitStack() as stack:
        yield Stand(tmp_path_factory.mktemp("breaks") / "home", stack)


def added(events: Iterator[Any], count: int) -> list[str]:
    return [event["job"] for event in islice(events, count)]


def test_events_go_on_where_they_were_left(home: Stand) -> None:
    notices: list[Notice] = []
    with Client(home=home.home.root) as client:
        events = client.events(types=["job.added"], told=notices.append)
        first: list[str] = []
        begun = threading.Thread(target=lambda: first.extend(added(events, 2)))
        begun.start()
        eventually(lambda: [one for one in notices if one.kind == "up"], timeout=30)
        home.add("one")
        home.add("two")
        begun.join(30)
        home.kill()
        home.add("three")
        home.add("four")
        home.revive()
        home.add("five")
        rest = added(events, 3)
        events.close()  # type: ignore[attr-defined]

    assert first == ["one", "two"]
    assert rest == ["three", "four", "five"]
    assert "reconnected" in [one.kind for one in notices]


def test_events_go_on_with_asyncio_too(home: Stand) -> None:
    async def story() -> list[str]:
        names = []
        async with AsyncClient(home=home.home.root) as client:
            since = (await client.recent_events(n=1))["newest_seq"]
            home.add("six")
            async for event in client.events(types=["job.added"], since=since):
                names.append(str(event["job"]))
                if len(names) == 1:
                    await asyncio.to_thread(home.kill)
                    home.add("seven")
                    await asyncio.to_thread(home.revive)
                if len(names) == 2:
                    return names
        return names

    assert asyncio.run(story()) == ["six", "seven"]


def test_a_log_goes_on_where_it_was_left(home: Stand, tmp_path: Path) -> None:
    run_id = home.gate("counting", tmp_path / "go", 2000)
    with Client(home=home.home.root) as client:
        eventually(lambda: client.runs.log(run_id).end > 0, timeout=30)
        lines = client.runs.follow(run_id, tail=1)
        first = next(lines)
        home.kill()
        (tmp_path / "go").touch()
        home.revive()
        rest = [line.text for line in lines]

    assert (first.text, first.next) == ("0", 2)
    assert rest == [str(number) for number in range(1, 2000)]


def test_patience_ends(home: Stand) -> None:
    with Client(home=home.home.root) as client:
        since = client.recent_events(n=1)["newest_seq"]
        home.add("eight")
        events = client.events(types=["job.added"], since=since, patience=0.2)
        assert next(events)["job"] == "eight"
        home.kill()
        with pytest.raises(NeedsDaemonError):
            next(events)
        with pytest.raises(NeedsDaemonError):
            next(client.events(since=0))
        home.revive()
        assert client.ready()


def test_a_token_that_is_revoked_ends_a_stream(home: Stand) -> None:
    token = home.ask("token.create", name="brief", scope="read")["token"]
    with Client(f"http://127.0.0.1:{home.port}", token) as client:
        since = client.recent_events(n=1)["newest_seq"]
        home.add("nine")
        events = client.events(since=since)
        next(events)
        home.ask("token.revoke", name="brief")
        with pytest.raises(PermissionDeniedError):
            for _ in events:
                pass


def test_a_loss_is_raised_or_told(home: Stand) -> None:
    home.add("ten")
    home.add("eleven")
    notices: list[Notice] = []
    with Client(home=home.home.root) as client:
        newest = client.recent_events(n=1)["newest_seq"]
        forget_events_before(home.home, newest)
        with pytest.raises(LostEventsError, match="lost"):
            next(client.events(since=1))
        next(client.events(since=1, told=notices.append))
        take(client._connection, "something.new", {}, notices.append)

    assert next(one for one in notices if one.kind == "lost").lost == newest - 2


def forget_events_before(home: Home, seq: int) -> None:
    with Store(home.db) as store, store.transaction():
        store.write("DELETE FROM event WHERE seq < ?", [(seq,)])
