"""Logs over HTTP: parts by offset, line and range, and what comes, for runs and for services."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.gateway.house import House, python
from tests.kit import eventually

LINES = "".join(f"line {number:03}\n" for number in range(200))


@pytest.fixture(scope="module")
def log(shared: House) -> str:
    """The path of the log of a run that has ended."""
    shared.add("lines", python(f"print({LINES!r}, end='')"))
    return f"/api/v1/runs/{shared.run('lines')}/log"


def test_the_whole_log_and_where_it_ends(shared: House, log: str) -> None:
    answer = shared.client.get(log)

    assert answer.text == LINES
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-log-next"] == answer.headers["x-log-size"] == str(len(LINES))


@pytest.mark.parametrize(
    ("question", "shown"),
    [
        ("tail=2", LINES[-18:]),
        ("tail=0", ""),
        ("offset=1782", LINES[-18:]),
        ("offset=9&limit=9", "line 001\n"),
        ("offset=99999", ""),
        ("offset=9&limit=4&raw=true", "line"),
    ],
)
def test_a_part_of_it(shared: House, log: str, question: str, shown: str) -> None:
    assert shared.client.get(f"{log}?{question}").text == shown


@pytest.mark.parametrize(
    ("wanted", "status", "shown", "told"),
    [
        ("bytes=0-8", 206, "line 000\n", "bytes 0-8/1800"),
        ("bytes=1791-", 206, "line 199\n", "bytes 1791-1799/1800"),
        ("bytes=-9", 206, "line 199\n", "bytes 1791-1799/1800"),
        ("bytes=1795-9999", 206, LINES[1795:], "bytes 1795-1799/1800"),
        ("bytes=1800-", 416, "", "bytes */1800"),
        ("bytes=5-2", 416, "", "bytes */1800"),
    ],
)
def test_a_range_of_it(
    shared: House, log: str, wanted: str, status: int, shown: str, told: str
) -> None:
    answer = shared.client.get(log, headers={"range": wanted})

    assert (answer.status_code, answer.text) == (status, shown)
    assert answer.headers["content-range"] == told


@pytest.mark.parametrize(
    ("question", "shown"),
    [
        ("grep=19", "line 019\nline 119\n" + LINES[-90:]),
        ("grep=line 1&tail=1", "line 199\n"),
        ("since=1h&tail=1", "line 199\n"),
        ("until=1h", ""),
        ("since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z", ""),
        ("grep=nothing", ""),
    ],
)
def test_lines_are_chosen_by_time_and_text(
    shared: House, log: str, question: str, shown: str
) -> None:
    as_events = shared.client.get(
        f"{log}?{question}&follow=false", headers={"accept": "text/event-stream"}
    )

    assert shared.client.get(f"{log}?{question}").text == shown
    found = [line[6:] for line in as_events.text.splitlines() if line.startswith("data: line")]
    assert found == shown.splitlines()
    assert as_events.text.rstrip().splitlines()[-2] == "event: end"


def test_lines_have_their_times_and_their_exact_text(shared: House) -> None:
    shared.add("exact", python("import time; time.sleep(1.2); print('\\x1b[1mbold'); print('end')"))
    path = f"/api/v1/runs/{shared.run('exact')}/log"

    lines = [json.loads(line) for line in shared.client.get(f"{path}?times=true").text.splitlines()]

    assert [line["text"] for line in lines] == ["\x1b[1mbold", "end"]
    assert {*lines[0]} == {"time", "text"}
    followed = shared.client.get(f"{path}?times=true&follow=true&grep=end").text
    assert [json.loads(line)["text"] for line in followed.splitlines()] == ["end"]


@pytest.mark.parametrize(
    "question",
    [
        *("tail=x", "lines=5", "offset=-1", "follow=perhaps", "since=soon", "times=2"),
        *("until=1h&follow=true", "raw=true&times=true"),
    ],
)
def test_a_wrong_question_is_refused(shared: House, log: str, question: str) -> None:
    assert shared.client.get(f"{log}?{question}").status_code == 400


def test_what_could_act_on_a_terminal_is_made_visible_unless_it_is_wanted_raw(
    shared: House,
) -> None:
    shared.add("evil", python(r"print('\x1b[31mred\x07')"))
    log = f"/api/v1/runs/{shared.run('evil')}/log"

    assert shared.client.get(log).text == "\\x1b[31mred\\x07\n"
    assert shared.client.get(f"{log}?raw=true").content == b"\x1b[31mred\x07\n"
    assert shared.client.get(log, headers={"range": "bytes=0-"}).content == b"\x1b[31mred\x07\n"


def test_logs_that_are_not_there_are_not_found(shared: House) -> None:
    assert shared.client.get("/api/v1/runs/99999999/log").status_code == 404
    assert shared.client.get("/api/v1/services/nobody/log").status_code == 404
    assert shared.client.get("/api/v1/services/..%2f..%2fetc/log").status_code in (400, 404)


WAITS = "import sys; print('begun'); sys.stdin.read() if 0 else None; import time; time.sleep(300)"


def test_following_shows_what_comes_and_ends_with_the_run(shared: House) -> None:
    script = (
        "import os, time\nprint('begun')\n"
        f"while not os.path.exists({str(shared.home.root / 'go-on')!r}): time.sleep(0.02)\n"
        "print('ended', end='')"
    )
    shared.add("followed", python(script))
    number = shared.ask("job.run", name="followed")["run"]["run_id"]

    seen = []
    with shared.client.stream("GET", f"/api/v1/runs/{number}/log?follow=true") as answer:
        for line in answer.iter_lines():
            seen.append(line)
            if line == "begun":
                (shared.home.root / "go-on").touch()

    assert seen == ["begun", "ended"]


def test_what_a_run_has_not_written_yet_is_waited_for_up_to_the_offset(shared: House) -> None:
    go_on = shared.home.root / "go-on-2"
    script = (
        f"import os, time\nwhile not os.path.exists({str(go_on)!r}): time.sleep(0.02)\n"
        "print('begun')\nprint('ended')"
    )
    shared.add("later", python(script))
    number = shared.ask("job.run", name="later")["run"]["run_id"]

    path = f"/api/v1/runs/{number}/log?follow=true&offset="
    with (
        shared.client.stream("GET", f"{path}6") as lines,
        shared.client.stream("GET", f"{path}8&raw=true") as some,
    ):
        go_on.touch()
        assert list(lines.iter_lines()) == ["ended"]
        assert some.read() == b"ded\n"


def events_of(answer: httpx.Response) -> Iterator[dict[str, str]]:
    event: dict[str, str] = {}
    for line in answer.iter_lines():
        if not line and event:
            yield event
            event = {}
        elif not line.startswith(":"):
            key, _, value = line.partition(": ")
            event[key] = value


def test_followed_as_events_it_can_be_gone_on_with(shared: House, log: str) -> None:
    stream = {"accept": "text/event-stream"}
    with shared.client.stream("GET", f"{log}?tail=3", headers=stream) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        whole = list(events_of(answer))
    resumed = {**stream, "last-event-id": whole[0]["id"]}
    with shared.client.stream("GET", f"{log}?tail=3", headers=resumed) as answer:
        rest = list(events_of(answer))

    assert [event.get("data") for event in whole[:3]] == ["line 197", "line 198", "line 199"]
    assert whole[-1]["event"] == "end"
    assert rest[:2] == whole[1:3]


def test_a_service_s_log_is_followed_until_the_token_is_revoked(shared: House) -> None:
    shared.ask(
        "service.add",
        definition={
            "name": "noisy",
            "command": python("print('here'); import time; time.sleep(300)"),
        },
    )
    shared.ask("service.start", names=["noisy"], timeout=60)
    eventually(lambda: "here" in shared.client.get("/api/v1/services/noisy/log").text)
    seen = threading.Event()

    def revoke() -> None:
        seen.wait(30)
        shared.ask("token.revoke", name="listener")

    thread = threading.Thread(target=revoke)
    thread.start()
    with (
        shared.visitor("read", name="listener") as client,
        client.stream("GET", "/api/v1/services/noisy/log?follow=true&tail=10") as answer,
    ):
        for line in answer.iter_lines():
            assert line == "here"
            seen.set()
    thread.join()
    assert shared.client.get("/api/v1/services/noisy@7/log").status_code == 404
    shared.ask("service.stop", names=["noisy"])
