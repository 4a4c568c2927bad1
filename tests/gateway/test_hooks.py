"""Web hooks over HTTP, in a whole house: who may come in without a token of the gateway."""

from __future__ import annotations

import hashlib
import hmac

import httpx
import pytest

from tests.gateway.house import House
from tests.kit import eventually

SECRET = "a-secret-of-its-own-4567"


@pytest.fixture
def stranger(shared: House) -> httpx.Client:
    """Somebody who has no token of the gateway."""
    return httpx.Client(base_url=shared.gateway.url, trust_env=False, timeout=30)


def add(shared: House, name: str, **keys: str) -> str:
    shared.add(name, ["true"], triggers=[{"type": "webhook", **keys}])
    return str(shared.client.get(f"/api/v1/jobs/{name}/hook").json()["token"])


def states(shared: House, name: str) -> list[str]:
    return [run["state"] for run in shared.ask("job.history", name=name)["runs"]]


def test_whoever_knows_the_token_of_a_hook_fires_it(shared: House, stranger: httpx.Client) -> None:
    token = add(shared, "deploy")
    with stranger:
        taken = stranger.post(
            "/api/v1/hooks/deploy",
            json={"ref": "main"},
            headers={"authorization": f"Bearer {token}"},
        )
    assert (taken.status_code, taken.json()["taken"]) == (202, True)
    eventually(lambda: states(shared, "deploy") == ["succeeded"], timeout=30)
    (run,) = shared.ask("job.history", name="deploy")["runs"]
    event = shared.ask("run.show", run_id=run["run_id"])["run"]["event"]
    assert (event["body"], event["event"]) == ({"ref": "main"}, "webhook")
    assert event["peer"].startswith("127.0.0.1:")


def test_a_body_that_is_signed_as_github_signs_fires_it_too(
    shared: House, stranger: httpx.Client
) -> None:
    add(shared, "signed", secret=SECRET)
    body = b'{"zen": "Keep it logically awesome."}'
    mark = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    with stranger:
        wrong = stranger.post(
            "/api/v1/hooks/signed", content=body + b" ", headers={"x-hub-signature-256": mark}
        )
        right = stranger.post(
            "/api/v1/hooks/signed",
            content=body,
            headers={"x-hub-signature-256": mark, "x-github-event": "ping"},
        )
    assert (wrong.status_code, right.status_code) == (401, 202)
    eventually(lambda: states(shared, "signed") == ["succeeded"], timeout=30)


def test_a_wrong_token_an_unknown_hook_and_nonsense_are_answered_alike(
    shared: House, stranger: httpx.Client
) -> None:
    token = add(shared, "mine")
    with stranger:
        answers = [
            stranger.post(f"/api/v1/hooks/{path}", headers={"authorization": f"Bearer {shown}"})
            for path, shown in (("mine", "wrong"), ("nobody", token), ("a%20b", token))
        ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert states(shared, "mine") == []


def test_the_rest_of_the_gate_applies(shared: House, stranger: httpx.Client) -> None:
    token = add(shared, "guarded")
    good = {"authorization": f"Bearer {token}"}
    with stranger:
        host = stranger.post("/api/v1/hooks/guarded", headers={**good, "host": "evil.example"})
        page = stranger.post(
            "/api/v1/hooks/guarded", headers={**good, "origin": "http://evil.example"}
        )
        large = stranger.post("/api/v1/hooks/guarded", headers=good, content=b"x" * 300_000)
        looked = stranger.get("/api/v1/hooks/guarded", headers=good)
        deeper = stranger.post("/api/v1/hooks/guarded/more", headers=good)
    assert host.status_code in (400, 403, 421)
    assert page.status_code == 403
    assert (large.status_code, looked.status_code) == (413, 401)
    assert deeper.status_code == 404
    assert states(shared, "guarded") == []


def test_a_token_of_the_gateway_is_none_of_a_hook(shared: House) -> None:
    add(shared, "other")
    assert shared.client.post("/api/v1/hooks/other").status_code == 401
    assert states(shared, "other") == []


def test_only_an_admin_is_shown_the_token(shared: House) -> None:
    add(shared, "shown")
    with shared.visitor("write") as visitor:
        assert visitor.get("/api/v1/jobs/shown/hook").status_code == 403
