"""The HTTP face, asked with a real client over a real socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from pb.errors import StoreError, UnresponsiveError
from tests.gateway.serving import BEARER, FakeScheduler, Gateway, a_job
from tests.kit import eventually

EVERY_ROUTE = [
    ("GET", "/api/v1/status"),
    ("GET", "/api/v1/jobs"),
    ("GET", "/api/v1/jobs/a"),
    ("GET", "/api/v1/runs"),
    ("POST", "/api/v1/jobs/a/pause"),
    ("POST", "/api/v1/jobs/a/resume"),
    ("POST", "/api/v1/jobs/a/run"),
    ("GET", "/nowhere"),
    ("PATCH", "/api/v1/jobs/a"),
]


@pytest.fixture
def scheduler() -> FakeScheduler:
    return FakeScheduler(a_job("a"), a_job("b"))


@pytest.fixture
def gateway(scheduler: FakeScheduler) -> Iterator[Gateway]:
    with Gateway(scheduler.connect) as running:
        yield running


@pytest.fixture
def stranger(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, trust_env=False) as client:
        yield client


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers=BEARER, trust_env=False) as client:
        yield client


def problem(answer: httpx.Response) -> dict[str, object]:
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, object] = answer.json()
    assert document["status"] == answer.status_code
    assert {"title", "code"} <= document.keys()
    assert "Traceback" not in answer.text
    return document


def test_status_and_jobs_are_the_registry_s_own_documents(client: httpx.Client) -> None:
    status, jobs = client.get("/api/v1/status").json(), client.get("/api/v1/jobs").json()

    assert status["running"] is True
    assert status["schema"] == 1
    assert [job["name"] for job in jobs["jobs"]] == ["a", "b"]
    assert client.get("/api/v1/jobs/b").json()["job"]["name"] == "b"


def test_pause_resume_and_run_ask_for_just_that(
    client: httpx.Client, scheduler: FakeScheduler
) -> None:
    paused = client.post("/api/v1/jobs/a/pause", json={"note": "moving disks"})
    resumed = client.post("/api/v1/jobs/a/resume")
    ran = client.post("/api/v1/jobs/a/run", json={})

    assert (paused.status_code, resumed.status_code, ran.status_code) == (200, 200, 202)
    assert paused.json()["changed"] is True
    assert ran.json()["run"]["run_id"] == 7
    assert scheduler.calls == [
        ("job.pause", {"name": "a", "note": "moving disks"}),
        ("job.resume", {"name": "a"}),
        ("job.run", {"name": "a"}),
    ]


def test_runs_take_a_job_states_and_a_number(
    client: httpx.Client, scheduler: FakeScheduler
) -> None:
    client.get("/api/v1/runs?job=a&state=failed&state=lost&n=5")
    client.get("/api/v1/runs")

    assert scheduler.calls == [
        ("job.history", {"n": 5, "name": "a", "states": ["failed", "lost"]}),
        ("job.history", {}),
    ]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("n=0", "from 1 to"),
        ("n=1001", "from 1 to"),
        ("n=-1", "from 1 to"),
        ("n=0000000019999", "from 1 to"),
        ("n=%D9%A3", "from 1 to"),
        ("state=faild", "failed"),
        ("stat=failed", "state"),
        ("job=../x", "job name"),
    ],
)
def test_a_wrong_filter_is_refused_in_words(
    client: httpx.Client, scheduler: FakeScheduler, question: str, said: str
) -> None:
    answer = client.get(f"/api/v1/runs?{question}")

    assert answer.status_code == 400
    assert said in json.dumps(problem(answer))
    assert scheduler.calls == []


@pytest.mark.parametrize(
    "name", ["%2e%2e", "a%00b", "%252e", "a%20b", "-a", "a" * 65, "%ff", "a%0a"]
)
def test_a_name_is_decoded_once_and_then_has_to_be_a_name(
    client: httpx.Client, scheduler: FakeScheduler, name: str
) -> None:
    answer = client.get(httpx.URL(client.base_url, raw_path=f"/api/v1/jobs/{name}".encode()))

    assert answer.status_code == 400
    assert problem(answer)["code"] == "invalid"
    assert scheduler.calls == []


def test_an_encoded_slash_is_no_way_into_another_route(client: httpx.Client) -> None:
    answer = client.get(httpx.URL(client.base_url, raw_path=b"/api/v1/jobs/a%2F..%2Fb"))

    assert answer.status_code == 404


def test_an_unknown_job_path_or_method_is_a_problem_with_a_hint(client: httpx.Client) -> None:
    job, path = client.get("/api/v1/jobs/c"), client.get("/api/v1/nothing")
    method, slash = client.patch("/api/v1/jobs/a"), client.get("/api/v1/jobs/")

    assert (job.status_code, path.status_code, method.status_code) == (404, 404, 405)
    assert slash.status_code == 404
    assert problem(job)["hint"] == "Did you mean a?"
    assert problem(method)["code"] == "method_not_allowed"
    assert "GET" in method.headers["allow"]


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
def test_every_route_wants_the_token(
    stranger: httpx.Client, scheduler: FakeScheduler, method: str, path: str
) -> None:
    for headers in ({}, {"authorization": f"Bearer {'x' * 50}"}):
        answer = stranger.request(method, path, headers=headers)

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert problem(answer)["code"] == "unauthenticated"
    assert scheduler.calls == []


@pytest.mark.parametrize(
    "authorization",
    [
        *("", "Bearer", "Basic YTpi", "Bearer é", BEARER["authorization"] + "x"),
        *(BEARER["authorization"][7:], BEARER["authorization"].replace(" ", "")),
        *(BEARER["authorization"].replace("Bearer", "Token"), f"x {BEARER['authorization']}"),
    ],
)
def test_only_a_bearer_with_the_whole_token_is_known(
    stranger: httpx.Client, authorization: str
) -> None:
    answer = stranger.get("/api/v1/jobs", headers={"authorization": authorization.encode()})

    assert answer.status_code == 401


def test_the_token_counts_in_no_other_place(stranger: httpx.Client) -> None:
    token = BEARER["authorization"][7:]

    assert stranger.get(f"/api/v1/jobs?token={token}").status_code == 401
    assert stranger.get("/api/v1/jobs", headers={"cookie": f"token={token}"}).status_code == 401


def test_two_authorizations_are_none(gateway: Gateway) -> None:
    pair = [("authorization", BEARER["authorization"]), ("authorization", "Bearer x")]

    answer = httpx.get(f"{gateway.url}/api/v1/jobs", headers=pair, trust_env=False)

    assert answer.status_code == 401


def test_health_is_public_and_tells_only_alive_and_version(
    stranger: httpx.Client, scheduler: FakeScheduler
) -> None:
    health, ready = stranger.get("/healthz"), stranger.get("/readyz")

    assert (health.status_code, ready.status_code) == (200, 200)
    assert health.json().keys() == {"schema", "alive", "version"}
    assert ready.json().keys() == {"schema", "ready", "version"}

    scheduler.up = False
    assert stranger.get("/healthz").status_code == 200
    down = stranger.get("/readyz")
    assert down.status_code == 503
    assert problem(down)["hint"] == "Start it with: pb scheduler start"


def test_without_a_scheduler_facts_come_from_the_store_and_a_run_is_unavailable(
    client: httpx.Client, scheduler: FakeScheduler
) -> None:
    scheduler.up = False

    status, run = client.get("/api/v1/status"), client.post("/api/v1/jobs/a/run")

    assert status.json()["running"] is False
    assert run.status_code == 503
    assert problem(run)["hint"] == "Start it with: pb scheduler start"


def test_a_session_to_the_scheduler_is_kept_for_reading_and_one_to_the_store_is_not(
    client: httpx.Client, scheduler: FakeScheduler
) -> None:
    for _ in range(3):
        client.get("/api/v1/jobs")
    assert scheduler.opened == 1

    scheduler.up = False
    assert client.get("/api/v1/status").json()["running"] is False
    scheduler.up = True
    assert client.get("/api/v1/status").json()["running"] is True
    assert scheduler.opened == scheduler.closed + 1


def test_changes_never_go_over_a_session_that_may_be_stale(
    client: httpx.Client, scheduler: FakeScheduler
) -> None:
    client.get("/api/v1/jobs")
    client.post("/api/v1/jobs/a/run")

    assert scheduler.opened == 2


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnresponsiveError("The scheduler is alive but does not answer"), 503),
        (StoreError("The database is corrupt"), 500),
        (RuntimeError("secret detail"), 500),
    ],
)
def test_every_failure_is_a_problem_and_never_a_traceback(
    client: httpx.Client, scheduler: FakeScheduler, error: Exception, status: int
) -> None:
    scheduler.fails_with = error

    answer = client.get("/api/v1/jobs")

    assert answer.status_code == status
    assert problem(answer)
    assert "secret" not in answer.text


def test_text_that_came_from_odd_bytes_is_answered_too(scheduler: FakeScheduler) -> None:
    scheduler.jobs["a"]["last_error"] = "bad \udcff byte"
    with Gateway(scheduler.connect) as gateway:
        answer = httpx.get(f"{gateway.url}/api/v1/jobs", headers=BEARER, trust_env=False)

    assert b"bad \\udcff byte" in answer.content


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"x" * (1024 * 1024 + 1), "application/json", 413),
        (b"[" * 100_000, "application/json", 400),
        (b"{", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b'{"force": true}', "application/json", 400),
        (b'{"note": 1}', "application/json", 400),
        (b'{"note": "x"}', "text/plain", 400),
        (b"note=x", "application/x-www-form-urlencoded", 400),
    ],
)
def test_a_body_is_a_small_json_object_of_known_keys(
    client: httpx.Client, scheduler: FakeScheduler, content: bytes, kind: str, status: int
) -> None:
    answer = client.post("/api/v1/jobs/a/pause", content=content, headers={"content-type": kind})

    assert answer.status_code == status
    assert problem(answer)
    assert scheduler.calls == []


def test_a_body_without_a_length_is_bounded_as_well(client: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 65536

    answer = client.post("/api/v1/jobs/a/pause", content=endless())

    assert answer.status_code == 413


def test_guessing_is_slowed_down_and_the_right_token_is_not(gateway: Gateway) -> None:
    with httpx.Client(base_url=gateway.url, trust_env=False) as client:
        guesses = [client.get("/api/v1/jobs").elapsed.total_seconds() for _ in range(6)]
        right = client.get("/api/v1/jobs", headers=BEARER)

    assert guesses[5] >= 0.9
    assert sum(guesses[:5]) < 0.9
    assert right.status_code == 200
    assert right.elapsed.total_seconds() < 0.9


def test_stopping_is_quick_with_a_connection_left_open(scheduler: FakeScheduler) -> None:
    with Gateway(scheduler.connect) as gateway:
        idle = socket.create_connection(("127.0.0.1", gateway.port))
        httpx.get(f"{gateway.url}/healthz", trust_env=False)

    assert eventually(lambda: idle.recv(100) == b"")
    idle.close()
