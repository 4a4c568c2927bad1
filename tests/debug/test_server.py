"""The debug server's routes and its gate, over real sockets, in front of plain values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest

from pb.api import METHODS
from pb.debug import asking
from pb.debug.app import PARTS
from pb.errors import UnresponsiveError
from tests.debug.scene import Dashboard, Scene, a_busy_scene, a_job, dashboard_of

NO_TABLES = ("/proc/net/no-such-table",)


@pytest.fixture
def scene() -> Scene:
    return a_busy_scene()


@pytest.fixture
def dashboard(scene: Scene, tmp_path: Path) -> Iterator[Dashboard]:
    with dashboard_of(scene, tmp_path) as running:
        yield running


@pytest.fixture
def client(dashboard: Dashboard) -> Iterator[httpx.Client]:
    with dashboard.client() as asking:
        yield asking


@pytest.fixture
def stranger(dashboard: Dashboard) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=dashboard.url, trust_env=False) as asking:
        yield asking


def test_the_page_and_all_its_parts_come_from_the_package(stranger: httpx.Client) -> None:
    for path, (name, kind) in PARTS.items():
        answer = stranger.get(path)

        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert answer.content == (files("pb.debug") / "static" / name).read_bytes()


def test_every_file_of_the_package_is_served() -> None:
    static = files("pb.debug") / "static"

    assert {file.name for file in static.iterdir()} == {name for name, _ in PARTS.values()}


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_inline() -> None:
    for name, _ in PARTS.values():
        text = (files("pb.debug") / "static" / name).read_text()
        text = text.replace('xmlns="http://www.w3.org/2000/svg"', "")

        assert "https://" not in text
        assert "innerHTML" not in text
        assert "style=" not in text
        assert "@import" not in text
    page = (files("pb.debug") / "static" / "index.html").read_text()
    assert "<style" not in page
    assert "http://" not in page
    assert 'onclick="' not in page


@pytest.mark.parametrize("path", ["/", "/state", "/app.js", "/nowhere"])
def test_every_answer_carries_the_strict_policy(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert not [name for name in headers if name.startswith("access-control")]


def test_the_state_has_all_that_the_page_shows(client: httpx.Client) -> None:
    state = client.get("/state").json()

    assert state["scheduler"]["pid"] == 12346
    assert [service["state"] for service in state["builtins"]] == ["running"] * 3
    assert [job["name"] for job in state["jobs"]["shown"]][:2] == ["backup-home", "certificates"]
    assert state["jobs"]["counts"] == {"all": 7, "running": 1, "failing": 2, "paused": 1}
    assert state["jobs"]["coming"][0]["name"] == "disk-report"
    assert [job["name"] for job in state["jobs"]["failing"]] == ["mail-digest", "sqlite-vacuum"]
    assert [job["name"] for job in state["jobs"]["paused"]] == ["log-cleanup"]
    assert [run["job"] for run in state["open_runs"]] == ["photo-index"]
    assert [event["seq"] for event in state["events"]] == [6, 5, 4, 3, 2, 1]
    assert state["runs"][0]["job"] == "photo-index"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("show=running", ["photo-index"]),
        ("show=failing", ["mail-digest", "sqlite-vacuum"]),
        ("show=paused", ["log-cleanup"]),
        ("text=IND", ["photo-index"]),
        ("text=e&show=failing", ["mail-digest", "sqlite-vacuum"]),
        ("text=zzz", []),
        ("limit=1", ["backup-home"]),
        ("limit=1&offset=1", ["certificates"]),
        ("limit=2&sort=-run_count", ["disk-report", "backup-home"]),
        ("limit=1&sort=last_run", ["sqlite-vacuum"]),
        ("limit=1&sort=-name", ["sqlite-vacuum"]),
        ("limit=9&offset=6&sort=-last_run", ["certificates"]),
    ],
)
def test_jobs_are_filtered_by_the_server(
    client: httpx.Client, query: str, names: list[str]
) -> None:
    jobs = client.get(f"/state?{query}").json()["jobs"]

    assert [job["name"] for job in jobs["shown"]] == names
    assert jobs["total"] == 7


@pytest.mark.parametrize(
    "query", ["show=odd", "sort=odd", "offset=-1", "limit=x", "limit=-1", "limit=%D9%A3"]
)
def test_a_wrong_filter_is_refused(client: httpx.Client, query: str) -> None:
    assert client.get(f"/state?{query}").status_code == 400


def test_ten_thousand_jobs_are_cut_to_a_page(client: httpx.Client, scene: Scene) -> None:
    scene.jobs = [a_job(f"job-{n:05}") for n in range(10_000)]

    first, most = client.get("/state"), client.get("/state?limit=999999999999")
    found = client.get("/state?text=job-09999").json()

    assert len(first.json()["jobs"]["shown"]) == 100
    assert first.json()["jobs"]["matching"] == 10_000
    assert len(first.content) < 150_000
    assert len(most.json()["jobs"]["shown"]) == 1000
    assert [job["name"] for job in found["jobs"]["shown"]] == ["job-09999"]


def test_many_pages_that_ask_at_once_cost_one_question(client: httpx.Client, scene: Scene) -> None:
    client.get("/state")
    before = scene.questions
    for _ in range(5):
        client.get("/state")

    assert scene.questions == before


def test_whoever_asks_after_an_event_sees_what_it_changed(
    client: httpx.Client, scene: Scene
) -> None:
    with client.stream("GET", "/events") as page:
        lines = page.iter_lines()
        assert next(lines) == "event: look"
        client.get("/state")
        scene.jobs[0]["run_count"] = 999
        scene.happen("run.succeeded", "backup-home succeeded", job="backup-home")
        while next(lines) != "event: event":
            pass

        assert next(lines) == "id: 7"
        assert json.loads(next(lines).removeprefix("data: "))["text"] == "backup-home succeeded"
        assert client.get("/state").json()["jobs"]["shown"][0]["run_count"] == 999


def test_without_a_scheduler_the_state_says_so(client: httpx.Client, scene: Scene) -> None:
    scene.stop()

    state = client.get("/state").json()

    assert state["scheduler"]["running"] is False
    assert state["builtins"][0]["state"] == "stopped"
    assert len(state["jobs"]["shown"]) == 7


def test_a_scheduler_that_hangs_is_a_sentence_on_the_page(scene: Scene, tmp_path: Path) -> None:
    def unresponsive() -> Any:
        raise UnresponsiveError("The scheduler is alive but does not answer", hint="See the log.")

    dashboard = Dashboard(unresponsive, scene.services, scene.listen, token=tmp_path / "t")
    with dashboard, dashboard.client() as client:
        state = client.get("/state").json()

    assert state["problem"]["message"] == "The scheduler is alive but does not answer"
    assert state["problem"]["hint"] == "See the log."
    assert state["jobs"]["shown"] == []


def test_a_fault_of_ours_tells_the_peer_nothing(scene: Scene, tmp_path: Path) -> None:
    def broken() -> Any:
        raise RuntimeError("secret detail")

    dashboard = Dashboard(broken, scene.services, scene.listen, token=tmp_path / "t")
    with dashboard, dashboard.client() as client:
        answer = client.get("/state")

    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/state", "/nowhere"])
def test_what_is_read_takes_nothing_else(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
@pytest.mark.parametrize("path", ["/call", "/login", "/logout"])
def test_what_is_done_takes_post_only(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/", "/state", "/events", "/app.js"])
def test_a_foreign_host_or_origin_gets_nothing(client: httpx.Client, path: str) -> None:
    assert client.get(path, headers={"host": "evil.example"}).status_code == 421
    assert client.get(path, headers={"origin": "http://evil.example"}).status_code == 403
    assert client.get(path, headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_a_link_from_elsewhere_opens_the_page_and_not_its_state(client: httpx.Client) -> None:
    link = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }

    assert client.get("/", headers=link).status_code == 200
    assert client.get("/state", headers=link).status_code == 403


PAUSE = {"method": "job.pause", "params": {"name": "backup-home"}}
MARKED = {"x-pb-page": "1"}


def test_an_action_is_a_method_of_the_registry(client: httpx.Client, scene: Scene) -> None:
    answer = client.post("/call", json=PAUSE, headers=MARKED)

    assert (answer.status_code, answer.json()["changed"]) == (200, True)
    assert scene.calls == [("job.pause", {"name": "backup-home"})]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json"},
        {"x-pb-page": "1", "content-type": "text/plain"},
        {"x-pb-page": "1", "content-type": "application/x-www-form-urlencoded"},
        {**MARKED, "content-type": "application/json", "origin": "http://evil.example"},
        {**MARKED, "content-type": "application/json", "origin": "null"},
        {**MARKED, "content-type": "application/json", "sec-fetch-site": "same-site"},
        {**MARKED, "content-type": "application/json", "host": "evil.example"},
    ],
)
def test_what_a_page_of_another_site_can_send_does_nothing(
    client: httpx.Client, scene: Scene, headers: dict[str, str]
) -> None:
    answer = client.post("/call", content=json.dumps(PAUSE), headers=headers)

    assert answer.status_code in (403, 421)
    assert scene.calls == []


@pytest.mark.parametrize("path", ["/state", "/events", "/log?service=web", "/usage", "/system"])
def test_without_a_session_nothing_is_told(stranger: httpx.Client, path: str) -> None:
    answer = stranger.get(path)

    assert answer.status_code == 401
    assert "pb debug web --open" in answer.json()["hint"]


def test_without_a_session_nothing_is_done(stranger: httpx.Client, scene: Scene) -> None:
    assert stranger.post("/call", json=PAUSE, headers=MARKED).status_code == 401
    assert scene.calls == []


@pytest.mark.parametrize(
    "method", ["scheduler.shutdown", "run.begin", "job.import", "nothing", "system.hello"]
)
def test_what_the_page_has_no_business_with_is_not_offered(
    client: httpx.Client, method: str
) -> None:
    answer = client.post("/call", json={"method": method, "params": {}}, headers=MARKED)

    assert answer.status_code == 403


@pytest.mark.parametrize("text", ["", "[]", "{", '{"method": 1, "params": {}}', "[" * 20_000])
def test_an_odd_call_is_a_sentence(client: httpx.Client, text: str) -> None:
    headers = {**MARKED, "content-type": "application/json"}

    assert client.post("/call", content=text, headers=headers).status_code == 400


def test_every_method_of_the_page_exists_and_is_what_it_says() -> None:
    assert all(METHODS[name].scope == "read" for name in asking.READS)
    assert all(METHODS[name].scope == "write" for name in asking.ACTIONS | asking.SLOW)


def test_a_ticket_opens_once(dashboard: Dashboard, stranger: httpx.Client) -> None:
    ticket = dashboard.link.partition("ticket=")[2]

    let_in = stranger.post("/login", json={"ticket": ticket}, headers=MARKED)
    again = stranger.post("/login", json={"ticket": ticket}, headers=MARKED)

    cookie = let_in.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert stranger.get("/state").status_code == 200
    assert again.status_code == 403
    assert "pb debug link" in again.json()["hint"]


def test_a_session_outlives_the_debug_server_and_ends_with_its_cookie(
    dashboard: Dashboard, scene: Scene, tmp_path: Path
) -> None:
    with dashboard.client() as client:
        assert client.get("/state").status_code == 200
        gone = client.post("/logout", json={}, headers=MARKED)

    assert "Max-Age=0" in gone.headers["set-cookie"]
    name, _, value = dashboard.headers["cookie"].partition("=")
    with dashboard_of(scene, tmp_path) as later:
        cookie = {"cookie": f"pb-debug-{later.port}={value}"}
        assert httpx.get(f"{later.url}/state", headers=cookie, trust_env=False).status_code == 200
        wrong = {"cookie": f"{name}={value}"}
        assert httpx.get(f"{later.url}/state", headers=wrong, trust_env=False).status_code == 401


def test_a_new_token_ends_all_sessions(dashboard: Dashboard, client: httpx.Client) -> None:
    dashboard.token.write_text("k" * 43)

    assert client.get("/state").status_code == 401


def test_a_token_that_others_can_read_lets_nobody_in(
    dashboard: Dashboard, client: httpx.Client
) -> None:
    dashboard.token.chmod(0o644)

    assert client.get("/state").status_code == 403


def test_a_log_is_told_from_where_one_left_off(dashboard: Dashboard, client: httpx.Client) -> None:
    log = dashboard.token.with_name("web.log")
    assert client.get("/log?service=web").json()["exists"] is False
    log.write_text("one\ntwo\nthr")

    first = client.get("/log?service=web&lines=2").json()
    log.write_text("one\ntwo\nthree\nfour\n")
    rest = client.get(f"/log?service=web&after={first['next']}").json()
    nothing = client.get(f"/log?service=web&after={rest['next']}").json()

    assert [line["text"] for line in first["lines"]] == ["two", "thr"]
    assert [line["text"] for line in rest["lines"]] == ["three", "four"]
    assert rest["follows"] is True
    assert rest["lines"][0]["offset"] == first["lines"][1]["offset"]
    assert nothing["lines"] == []


def test_secrets_of_definitions_stay_on_the_server(scene: Scene) -> None:
    answer = asking.shown(
        "job.show",
        {
            "job": {"name": "a"},
            "definition": {"env": {"API_TOKEN": "hush"}, "command": ["x", "--password=hush"]},
        },
    )

    assert "hush" not in json.dumps(answer)


def test_where_the_kernel_does_not_tell_a_session_or_the_token_is_enough(
    scene: Scene, tmp_path: Path
) -> None:
    with dashboard_of(scene, tmp_path, tables=NO_TABLES) as dashboard:

        def status(**headers: str) -> int:
            return httpx.get(f"{dashboard.url}/state", headers=headers, trust_env=False).status_code

        assert status() == 401
        assert status(**dashboard.headers) == 200
        token = dashboard.token.read_text().strip()
        assert status(authorization="Bearer " + "x" * 43) == 401
        assert status(authorization=token) == 401
        assert status(authorization=f"Bearer {token}") == 200
