"""The HTTP interface on a real scheduler: what each path does, page by page."""

from __future__ import annotations

import httpx
import jsonschema
import pytest

from pb.gateway.answers import things
from pb.gateway.openapi import document
from tests.gateway.house import House
from tests.kit import eventually


def test_a_job_from_its_birth_to_its_end(shared: House) -> None:
    web = shared.client
    made = web.post("/api/v1/jobs", json={"name": "life", "command": ["true"]})
    again = web.post("/api/v1/jobs", json={"name": "life", "command": ["true"]})
    replaced = web.put(
        "/api/v1/jobs/life", json={"command": ["false"], "description": "ends badly"}
    )
    shown = web.get("/api/v1/jobs/life").json()

    assert (made.status_code, made.json()["created"]) == (201, True)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert (replaced.status_code, replaced.json()["created"]) == (200, False)
    assert shown["definition"]["command"] == ["false"]
    assert shown["source"] == "api"

    begun = web.post("/api/v1/jobs/life/run")
    number = begun.json()["run"]["run_id"]
    assert begun.status_code == 202
    ended = web.get(f"/api/v1/runs/{number}/wait", params={"timeout": 60}).json()["run"]
    assert (ended["state"], ended["by"]) == ("failed", "gateway:local")
    assert web.get("/api/v1/jobs/life/stats").json()["all"]["errors"] == 1
    assert web.get("/api/v1/jobs/life/runs").json()["runs"][0]["run_id"] == number
    assert web.get("/api/v1/runs?job=life&state=failed").json()["runs"]
    assert web.get("/api/v1/runs?job=life&state=succeeded").json()["runs"] == []

    assert web.post("/api/v1/jobs/life/pause", json={"note": "why"}).json()["changed"] is True
    assert web.post("/api/v1/jobs/life/resume").json()["job"]["paused"] is False
    assert web.post("/api/v1/jobs/life/disable").json()["job"]["enabled"] is False
    assert web.post("/api/v1/jobs/life/enable").json()["job"]["enabled"] is True
    assert web.delete("/api/v1/jobs/life").json()["removed"] == "life"
    assert web.get("/api/v1/jobs/life").status_code == 404


def test_a_run_is_cancelled(shared: House) -> None:
    shared.add("long", ["sleep", "300"])
    number = shared.client.post("/api/v1/jobs/long/run").json()["run"]["run_id"]

    [run] = shared.client.post(f"/api/v1/runs/{number}/cancel").json()["runs"]

    assert run["state"] == "cancelled"
    assert run["reason"] == "cancelled by gateway:local"


def test_jobs_are_filtered_and_paged(shared: House) -> None:
    for number in range(5):
        shared.add(f"page-{number}", ["true"], tags=["paged"], description=f"Number {number}")
    shared.ask("job.pause", name="page-3")
    web = shared.client

    first = web.get("/api/v1/jobs?tag=paged&n=2").json()
    second = web.get(f"/api/v1/jobs?tag=paged&n=2&after={first['next']}").json()
    third = web.get(f"/api/v1/jobs?tag=paged&n=2&after={second['next']}").json()

    pages = [[job["name"] for job in page["jobs"]] for page in (first, second, third)]
    assert pages == [["page-0", "page-1"], ["page-2", "page-3"], ["page-4"]]
    assert third["next"] is None
    assert names(web.get("/api/v1/jobs?tag=paged&state=paused")) == ["page-3"]
    assert names(web.get("/api/v1/jobs?text=NUMBER 4")) == ["page-4"]
    assert web.get("/api/v1/jobs?state=asleep").status_code == 400


def names(answer: httpx.Response) -> list[str]:
    return [job["name"] for job in answer.json()["jobs"]]


def test_who_has_an_answer_already_is_told_so(shared: House) -> None:
    shared.add("tagged", ["true"])
    first = shared.client.get("/api/v1/jobs/tagged")
    tag = first.headers["etag"]

    same = shared.client.get("/api/v1/jobs/tagged", headers={"if-none-match": f'W/"x", {tag}'})
    shared.ask("job.pause", name="tagged")
    other = shared.client.get("/api/v1/jobs/tagged", headers={"if-none-match": tag})

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert other.status_code == 200
    assert other.headers["etag"] != tag


def test_next_schedule_activity_queues_and_settings(shared: House) -> None:
    shared.add("hourly", ["true"], triggers=["cron: 0 * * * *"], timezone="UTC", queue="slow")
    web = shared.client

    assert len(web.get("/api/v1/jobs/hourly/next?n=3").json()["jobs"][0]["fire_times"]) == 3
    coming = web.get("/api/v1/schedule?hours=2&job=hourly").json()
    assert [job["name"] for job in coming["jobs"]] == ["hourly"]
    queues = {queue["name"]: queue for queue in web.get("/api/v1/queues").json()["queues"]}
    assert queues["slow"] == {"name": "slow", "slots": 1, "jobs": 1, "running": 0, "queued": 0}
    assert queues["default"]["slots"] is None
    assert web.get("/api/v1/activity?since=1d&bucket=1h").status_code == 200
    config = web.get("/api/v1/config").json()
    assert config["settings"]["gateway.port"] == 18789
    assert config["origins"]["gateway.port"] == "default"


def test_a_queue_counts_what_runs_and_what_waits_in_it(shared: House) -> None:
    shared.add("one", ["sleep", "300"], queue="narrow")
    shared.add("two", ["sleep", "300"], queue="narrow")
    for name in ("one", "two"):
        shared.ask("job.run", name=name)

    def narrow() -> dict[str, object]:
        queues = shared.client.get("/api/v1/queues").json()["queues"]
        return next(queue for queue in queues if queue["name"] == "narrow")

    assert eventually(lambda: (narrow()["running"], narrow()["queued"]) == (1, 1))
    for name in ("one", "two"):
        shared.client.post(f"/api/v1/jobs/{name}/cancel")


def test_a_service_from_its_birth_to_its_end(shared: House) -> None:
    web = shared.client
    definition = {"name": "web", "command": ["sleep", "300"], "enabled": False}
    assert web.post("/api/v1/services", json=definition).status_code == 201

    [started] = web.post("/api/v1/services/web/start", json={"timeout": 60}).json()["services"]
    assert (started["ok"], started["state"]) == (True, "running")
    assert web.get("/api/v1/services/web").json()["service"]["pid"] == started["pid"]
    assert web.get("/api/v1/services/web/wait?for=ready&timeout=60").status_code == 200
    assert web.get("/api/v1/services?name=web").json()["services"][0]["state"] == "running"
    sent = web.post("/api/v1/services/web/signal", json={"signal": "CONT"})
    assert sent.json()["sent"] == 1
    [again] = web.post("/api/v1/services/web/restart", json={"timeout": 60}).json()["services"]
    assert again["pid"] != started["pid"]
    assert web.post("/api/v1/services/web/scale", json={"replicas": 1}).status_code == 200
    assert web.post("/api/v1/services/web/reload").status_code == 501
    [stopped] = web.post("/api/v1/services/web/stop", json={"force": True}).json()["services"]
    assert stopped["ok"] is True
    assert web.post("/api/v1/services/web/reset").status_code == 200
    assert web.delete("/api/v1/services/web").status_code == 200


def test_events_after_a_number_come_in_their_order(shared: House) -> None:
    before = shared.client.get("/api/v1/events?n=1").json()["newest_seq"]
    shared.add("told", ["true"])
    shared.ask("job.pause", name="told")

    after = shared.client.get(f"/api/v1/events?since={before}&job=told").json()["events"]
    newest = shared.client.get("/api/v1/events?type=job&job=told").json()["events"]

    assert [event["type"] for event in after] == ["job.added", "job.paused"]
    assert [event["type"] for event in newest] == ["job.paused", "job.added"]


def test_tokens_and_the_trail_over_http(shared: House) -> None:
    web = shared.client
    made = web.post("/api/v1/tokens", json={"name": "phone", "scope": "write", "expires": "1d"})
    assert made.status_code == 201
    with httpx.Client(
        base_url=shared.gateway.url,
        headers={"authorization": f"Bearer {made.json()['token']}"},
        trust_env=False,
    ) as phone:
        shared.add("by-phone", ["true"])
        assert phone.post("/api/v1/jobs/by-phone/pause").status_code == 200
        [change] = web.get("/api/v1/audit?actor=phone").json()["changes"]
        assert web.delete("/api/v1/tokens/phone").json()["changed"] is True
        assert phone.get("/api/v1/jobs").status_code == 401

    assert (change["face"], change["method"], change["target"]) == (
        "gateway",
        "job.pause",
        "by-phone",
    )
    assert change["peer"].startswith("127.0.0.1:")
    assert "phone" in [token["name"] for token in web.get("/api/v1/tokens").json()["tokens"]]


def test_definitions_are_shown_without_their_secrets_but_to_an_admin(shared: House) -> None:
    secret = "correct-horse"
    shared.add("secretive", ["run", f"--password={secret}"], env={"API_TOKEN": secret})

    with shared.visitor("write") as writer:
        hidden = writer.get("/api/v1/jobs/secretive")
    whole = shared.client.get("/api/v1/jobs/secretive")

    assert secret not in hidden.text
    assert hidden.json()["definition"]["env"] == {"API_TOKEN": "***"}
    assert whole.json()["definition"]["env"] == {"API_TOKEN": secret}


@pytest.mark.parametrize(
    ("verb", "path", "sent", "said"),
    [
        ("POST", "/api/v1/jobs", None, "definition is needed"),
        ("POST", "/api/v1/jobs", {"name": "x", "comand": ["true"]}, "command"),
        ("PUT", "/api/v1/jobs/a", {"name": "b", "command": ["true"]}, "another name"),
        ("POST", "/api/v1/jobs/a/run", {"by": "root"}, "no parameter"),
        ("POST", "/api/v1/jobs/a/pause", {"until": 2**53}, "from 0 to"),
        ("POST", "/api/v1/jobs", {"name": "x", "command": ["\ud800"]}, "not JSON"),
        ("POST", "/api/v1/services/a/signal", {}, "needs the parameter"),
        ("POST", "/api/v1/services/a/start", {"timeout": 1e9}, "0 to 300"),
        ("POST", "/api/v1/tokens", {"scope": "root"}, "scope"),
        ("DELETE", "/api/v1/jobs/a", {"x": 1}, "no body"),
        ("GET", "/api/v1/runs/0", None, "number"),
        ("GET", "/api/v1/runs/1e3", None, "number"),
        ("GET", "/api/v1/schedule?hours=0", None, "above 0"),
        ("GET", "/api/v1/schedule?hours=1&hours=2", None, "twice"),
        ("POST", "/api/v1/jobs/a/run?by=x", None, "not in the query"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(
    shared: House, verb: str, path: str, sent: object, said: str
) -> None:
    import json

    content = None if sent is None else json.dumps(sent).encode()
    answer = shared.client.request(
        verb, path, content=content, headers={"content-type": "application/json"}
    )

    assert answer.status_code == 400
    assert said in answer.text


def test_the_document_describes_every_thing_as_it_is(shared: House) -> None:
    shared.add("thing", ["true"], triggers=["cron: 0 0 1 1 *"])
    number = shared.run("thing")
    shared.ask("service.add", definition={"name": "thing", "command": ["true"], "enabled": False})
    shared.token(name="thing")
    web, known = shared.client, things()
    config = shared.home.config
    config.write_text('[notify.thing]\ntype = "command"\ncommand = "true"\n')
    told = web.post("/api/v1/notify/test", json={"channel": "thing"}, timeout=60).json()
    config.unlink()
    real = {
        "Notice": told["notices"][0],
        "Channel": web.get("/api/v1/notify/channels").json()["channels"][0],
        "Job": web.get("/api/v1/jobs").json()["jobs"][0],
        "Run": web.get("/api/v1/runs?job=thing").json()["runs"][0],
        "Service": web.get("/api/v1/services").json()["services"][0],
        "Event": web.get("/api/v1/events").json()["events"][0],
        "Queue": web.get("/api/v1/queues").json()["queues"][0],
        "Token": web.get("/api/v1/tokens").json()["tokens"][0],
        "Change": web.get("/api/v1/audit").json()["changes"][0],
        "Next": web.get("/api/v1/jobs/thing/next").json()["jobs"][0],
    }
    assert number
    assert real.keys() == known.keys()
    for name, thing in real.items():
        jsonschema.validate(thing, known[name])
        assert set(thing) == set(known[name]["properties"]), name


def test_the_document_is_openapi_3_1_and_the_page_shows_all_of_it(shared: House) -> None:
    served = shared.client.get("/api/v1/openapi.json").json()
    page = shared.client.get("/api/v1/docs")
    style = shared.client.get("/api/v1/docs.css")

    assert served == document()
    assert served["openapi"] == "3.1.0"
    for schema in served["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    ids = [one["operationId"] for verbs in served["paths"].values() for one in verbs.values()]
    assert len(ids) == len(set(ids))
    assert all(f'id="{one}"' in page.text for one in ids)
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert "style=" not in page.text
    assert style.headers["content-type"].startswith("text/css")


def test_backups_are_made_listed_and_verified_by_admins_only(shared: House) -> None:
    web = shared.client
    made = web.post("/api/v1/backups")
    name = made.json()["backup"]["name"]

    assert made.status_code == 201, made.text
    assert web.get("/api/v1/backups").json()["backups"][0]["name"] == name
    assert web.get(f"/api/v1/backups/{name}/verify").json()["ok"] is True
    missing = web.get("/api/v1/backups/pb-20200101T000000Z.tar.gz/verify")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert web.get("/api/v1/backups/..%2f..%2fetc%2fpasswd/verify").status_code in (400, 404)
    with shared.visitor("write") as visitor:
        assert visitor.post("/api/v1/backups").status_code == 403
        assert visitor.get("/api/v1/backups").status_code == 403


def test_the_log_level_is_changed_from_afar(shared: House) -> None:
    web = shared.client
    assert web.post("/api/v1/scheduler/log-level", json={"level": "warning"}).json() == {
        "schema": 1,
        "level": "warning",
        "before": "info",
    }
    assert web.post("/api/v1/scheduler/log-level", json={"level": "loud"}).status_code == 400
    assert web.post("/api/v1/scheduler/log-level", json={"level": "info"}).status_code == 200
