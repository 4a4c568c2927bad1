"""Events over HTTP and WebSocket: heard at once, filtered, gone on with, ended with the token."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from pb.gateway.hub import LISTENERS
from tests.gateway.house import House, house
from tests.gateway.serving import BEARER
from tests.gateway.tokens import bearer
from tests.kit import eventually
from tests.kit.faces import face
from tests.kit.websocket import Refused, Socket

Json = dict[str, Any]


@contextmanager
def listening(
    client: httpx.Client, query: str = "", **headers: str
) -> Iterator[Iterator[tuple[str, Json]]]:
    """The stream's events as (name, data); the state that each begins with is taken already."""
    with client.stream("GET", f"/events{query}", headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = told(answer)
        yield events


def told(answer: httpx.Response) -> Iterator[tuple[str, Json]]:
    name, data, number = "message", "", None
    for line in answer.iter_lines():
        key, _, value = line.partition(": ")
        if not line and data:
            yield name, {**json.loads(data), "id": number}
            name, data, number = "message", "", None
        elif key == "event":
            name = value
        elif key == "data":
            data += value
        elif key == "id":
            number = int(value)


def until(events: Iterator[tuple[str, Json]], fits: Callable[[str, Json], bool]) -> Json:
    return next(data for name, data in events if fits(name, data))


def is_up(name: str, data: Json) -> bool:
    return name == "state" and data["scheduler"] == "up"


def test_an_event_is_heard_with_its_number(shared: House) -> None:
    with listening(shared.client) as events:
        until(events, is_up)
        shared.add("heard", ["true"])
        event = until(events, lambda name, data: data.get("job") == "heard")

    assert event["type"] == "job.added"
    assert event["id"] == event["seq"]


def test_a_run_is_heard_from_its_start_to_its_end(shared: House) -> None:
    shared.add("lively", ["true"])
    with listening(shared.client, "?type=run&job=lively") as events:
        until(events, is_up)
        shared.ask("job.run", name="lively")
        types = [next(events)[1]["type"] for _ in range(3)]

    assert types == ["run.queued", "run.started", "run.succeeded"]


def test_only_what_is_wanted_is_told(shared: House) -> None:
    for name in ("wanted", "other"):
        shared.add(name, ["true"])
    with listening(shared.client, "?job=wanted&type=job.paused&type=job.resumed") as events:
        until(events, is_up)
        for name in ("other", "wanted"):
            shared.ask("job.disable", name=name)
            shared.ask("job.pause", name=name)
        name, event = next(events)

    assert (name, event["type"], event["job"]) == ("message", "job.paused", "wanted")


def test_what_was_missed_is_told_first(shared: House) -> None:
    seq = shared.ask("events.recent", n=1)["newest_seq"]
    shared.add("missed", ["true"])
    shared.ask("job.pause", name="missed")

    ways = ((f"?job=missed&since={seq}", {}), ("?job=missed", {"last-event-id": str(seq)}))
    for query, headers in ways:
        with listening(shared.client, query, **headers) as events:
            first = until(events, lambda name, data: name == "message")
            second = until(events, lambda name, data: name == "message")
        assert [first["type"], second["type"]] == ["job.added", "job.paused"]
        assert seq < first["id"] < second["id"]


@pytest.mark.parametrize("query", ["?since=x", "?since=-1", "?tpye=run"])
def test_a_wrong_question_is_refused(shared: House, query: str) -> None:
    assert shared.client.get(f"/events{query}").status_code == 400


def test_a_stream_ends_within_moments_when_its_token_is_revoked(shared: House) -> None:
    with shared.visitor("read", name="watcher") as client, listening(client) as events:
        until(events, is_up)
        shared.ask("token.revoke", name="watcher")
        rest = list(events)

    assert rest[-1][0] == "end"
    assert rest[-1][1]["reason"] == "unauthenticated"


def test_the_stream_lives_through_a_restart_and_misses_nothing(tmp_path: Path) -> None:
    with house(tmp_path / "home") as whole:
        heard: list[tuple[str, Json]] = []

        def listen() -> None:
            with listening(whole.client) as events:
                for item in events:
                    heard.append(item)
                    if item[1].get("job") == "after":
                        return

        thread = threading.Thread(target=listen)
        thread.start()
        eventually(lambda: any(is_up(*item) for item in heard))
        whole.scheduler.stop(signal.SIGTERM)
        eventually(lambda: ("state", "down") in {(n, d.get("scheduler")) for n, d in heard})
        add(whole, "between")
        with face("daemon", whole.home.root):
            eventually(lambda: heard[-1][1].get("scheduler") == "up", timeout=30)
            add(whole, "after")
            thread.join(30)
            assert not thread.is_alive()
            jobs = [data.get("job") for name, data in heard if data.get("type") == "job.added"]
            assert jobs == ["between", "after"]
            numbers = [data["seq"] for name, data in heard if data.get("seq")]
            assert numbers == sorted(set(numbers))
            eventually(lambda: whole.ask("system.ping"))


def add(whole: House, name: str) -> None:
    from pb.api import session

    with session(whole.home) as talk:
        talk.call("job.add", {"definition": {"name": name, "command": ["true"]}})


# -- the WebSocket


@pytest.fixture
def talk(shared: House) -> Iterator[Socket]:
    with Socket(shared.gateway.port, headers=BEARER) as talk:
        yield talk


def test_a_question_has_its_answer_and_an_error_its_words(shared: House, talk: Socket) -> None:
    shared.add("asked", ["true"])

    shown = talk.answer("job.show", name="asked")
    unknown = talk.answer("job.show", name="nobody")
    no_method = talk.answer("job.shwo", name="asked")

    assert shown["result"]["job"]["name"] == "asked"
    assert unknown["error"]["code"] == "not_found"
    assert no_method["error"]["code"] == "unknown_method"
    assert "job.show" in no_method["error"]["hint"]


def test_answers_come_as_they_are_done(shared: House, talk: Socket) -> None:
    shared.add("slow", ["sleep", "300"])
    number = shared.ask("job.run", name="slow")["run"]["run_id"]
    talk.ask("run.wait", "waits", run_id=number, timeout=60)

    assert talk.answer("system.ping")["result"]["ok"] is True
    shared.ask("run.cancel", run_id=number)
    late = talk.hear()
    assert late is not None
    assert late["id"] == "waits"
    assert late["result"]["run"]["state"] == "cancelled"


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ("{", "JSON"),
        ("[1]", "object"),
        (b"x", "text"),
        ({"type": "res", "id": "1", "method": "system.ping"}, "type req"),
        ({"type": "req", "method": "system.ping"}, "id"),
        ({"type": "req", "id": "1"}, "method"),
        ({"type": "req", "id": "1", "method": "system.ping", "params": [1]}, "params"),
        ({"type": "req", "id": "1", "method": "job.show", "params": {"nmae": "x"}}, "nmae"),
        ({"type": "req", "id": "1", "method": "run.wait", "params": {"timeout": 1e9}}, "timeout"),
        (
            {"type": "req", "id": "1", "method": "events.subscribe", "params": {"types": "x"}},
            "list",
        ),
        (
            {"type": "req", "id": "1", "method": "events.subscribe", "params": {"tpyes": []}},
            "types",
        ),
        ({"type": "req", "id": "1", "method": "events.subscribe", "params": {"since": "x"}}, "num"),
    ],
)
def test_a_frame_that_is_none_is_answered_in_words(talk: Socket, frame: Any, said: str) -> None:
    talk.say(frame)

    answer = talk.hear()

    assert answer is not None
    assert answer["type"] == "res"
    assert said in f"{answer['error']['message']} {answer['error']['hint']}"
    assert talk.answer("system.ping")["result"]["ok"] is True


def test_events_are_subscribed_to_filtered_and_gone_on_with(shared: House, talk: Socket) -> None:
    seq = shared.ask("events.recent", n=1)["newest_seq"]
    shared.add("frames", ["true"])

    assert talk.answer("events.subscribe", jobs=["frames"], since=seq)["result"]["subscribed"]
    assert talk.event("job.added")["seq"] > seq
    shared.ask("job.pause", name="frames")
    assert talk.event("job.paused")["job"] == "frames"
    assert talk.answer("events.unsubscribe")["result"]["changed"] is True
    assert talk.answer("events.unsubscribe")["result"]["changed"] is False


def test_a_token_reaches_as_far_over_a_socket_as_elsewhere(shared: House) -> None:
    shared.add("guarded", ["true"], env={"API_TOKEN": "correct-horse"})
    with Socket(shared.gateway.port, headers=bearer(shared.token(name="reader"))) as talk:
        shown = talk.answer("job.export", names=["guarded"])
        pause = talk.answer("job.pause", name="guarded")
        tokens = talk.answer("token.list")

    assert shown["result"]["jobs"][0]["env"] == {"API_TOKEN": "***"}
    assert pause["error"]["code"] == "permission"
    assert tokens["error"]["code"] == "permission"
    assert shared.ask("job.show", name="guarded")["job"]["paused"] is False


def test_a_socket_is_closed_within_moments_when_its_token_expires(shared: House) -> None:
    from tests.gateway.tokens import Keys

    token = shared.token(name="brief")
    with Socket(shared.gateway.port, headers=bearer(token)) as talk:
        assert talk.answer("system.ping")
        Keys(home=shared.home).expire("brief")
        assert talk.hear() is None
        assert talk.closed == 4001


@pytest.mark.parametrize(
    ("headers", "host", "path", "status"),
    [
        ({}, "", "/ws", 401),
        ({"authorization": "Bearer pb_wrong"}, "", "/ws", 401),
        (BEARER, "evil.example", "/ws", 421),
        ({**BEARER, "origin": "http://evil.example"}, "", "/ws", 403),
        ({**BEARER, "origin": "null"}, "", "/ws", 403),
        ({**BEARER, "sec-fetch-site": "cross-site"}, "", "/ws", 403),
        (BEARER, "", "/api/v1/jobs", 404),
    ],
)
def test_a_socket_that_may_not_be_is_refused_before_it_begins(
    shared: House, headers: dict[str, str], host: str, path: str, status: int
) -> None:
    with pytest.raises(Refused) as caught:
        Socket(shared.gateway.port, path, host=host, headers=headers)

    assert caught.value.status == status
    assert json.loads(caught.value.body)["status"] == status


def test_too_long_a_frame_closes_it(shared: House) -> None:
    with Socket(shared.gateway.port, headers=BEARER) as talk:
        talk.say("x" * (1024 * 1024 + 1))
        assert talk.hear() is None
        assert talk.closed == 1009


def test_so_many_may_listen_and_no_more() -> None:
    assert LISTENERS >= 200
