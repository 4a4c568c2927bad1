"""Every door with every key: each route of HTTP, with no token, a wrong, an expired, a revoked one,
and one of each scope. The table of endpoints says what there is, so a new door is tried as well."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from pb.api import METHODS
from pb.api.tokens import SCOPES
from pb.gateway.app import routes_of
from pb.gateway.endpoints import ENDPOINTS
from pb.gateway.openapi import document
from tests.gateway.serving import FakeScheduler, Gateway, a_job
from tests.gateway.tokens import REFUSED, Keys, bearer, keys
from tests.kit.users import NOBODY
from tests.kit.websocket import Refused, Socket

OTHERS = {
    "/events": "read",
    "/metrics": "read",
    "/api/v1/openapi.json": "read",
    "/api/v1/docs": "read",
    "/api/v1/docs.css": "read",
    "/api/v1/runs/{run_id}/log": "read",
    "/api/v1/services/{name}/log": "read",
}
"""Doors that are not in the table."""

PUBLIC = {"/healthz", "/readyz"}

PROVEN = {"/api/v1/hooks/{name}"}
"""Doors with a proof of their own; ``test_hooks`` tries them."""


class Door(NamedTuple):
    verb: str
    path: str
    scope: str

    @property
    def url(self) -> str:
        name = "pb-20260101T000000Z.tar.gz" if "/backups/" in self.path else "a"
        path = self.path.replace("{name}", name).replace("{run_id}", "7")
        return path.replace("{method}", "scheduler.status")


DOORS = [
    *(Door(one.verb, one.path, one.of.access) for one in ENDPOINTS),
    *(Door("GET", path, scope) for path, scope in OTHERS.items()),
    Door("POST", "/api/v1/call/{method}", "read"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return keys(tmp_path_factory.mktemp("keys") / "home")


@pytest.fixture(scope="module")
def tokens(home: Keys) -> dict[str, str]:
    return home.every_kind()


@pytest.fixture(scope="module")
def scheduler() -> FakeScheduler:
    return FakeScheduler(a_job("a"))


@pytest.fixture(scope="module")
def gateway(scheduler: FakeScheduler, home: Keys) -> Iterator[Gateway]:
    with Gateway(scheduler.connect, home.home.db, home.home) as running:
        running.doorman.delay = 0.0  # refusing is tried here a thousand times
        yield running


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=30) as client:
        yield client


def test_every_door_is_tried_here() -> None:
    served = {getattr(route, "path", "") for route in routes_of()}
    tried = {door.path for door in DOORS} | PUBLIC | PROVEN

    assert served == tried
    assert set(document()["paths"]) <= served
    assert set(document()["paths"]) >= PROVEN


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("door", DOORS, ids=lambda door: f"{door.verb} {door.path}")
def test_a_token_that_is_not_good_opens_no_door(
    client: httpx.Client,
    tokens: dict[str, str],
    scheduler: FakeScheduler,
    door: Door,
    kind: str,
) -> None:
    before = len(scheduler.calls)

    answer = client.request(door.verb, door.url, headers=bearer(tokens[kind]), json={})

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert len(scheduler.calls) == before


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("door", DOORS, ids=lambda door: f"{door.verb} {door.path}")
def test_a_token_opens_the_doors_of_its_scope_and_no_other(
    client: httpx.Client,
    tokens: dict[str, str],
    scheduler: FakeScheduler,
    door: Door,
    scope: str,
) -> None:
    reaches = SCOPES.index(scope) >= SCOPES.index(door.scope)
    whole = '{"command": ["true"], "signal": "TERM", "replicas": 1}'
    before = len(scheduler.calls)

    with client.stream(  # /events has no end
        door.verb,
        door.url,
        headers={**bearer(tokens[scope]), "content-type": "application/json"},
        content=body_for(door, whole),
    ) as answer:
        assert answer.status_code not in (401, 404, 405) or reaches
        assert (answer.status_code == 403) == (not reaches)
        if not reaches:
            answer.read()
            assert answer.json()["code"] == "permission"
            assert len(scheduler.calls) == before


def body_for(door: Door, whole: str) -> str:
    """What the door takes, so that only the token can be in the way."""
    needed = {
        "service.signal": '{"signal": "TERM"}',
        "service.scale": '{"replicas": 1}',
    }
    endpoint = next((e for e in ENDPOINTS if (e.verb, e.path) == (door.verb, door.path)), None)
    if endpoint is None:
        return ""
    return whole if endpoint.whole else needed.get(endpoint.method, "")


@pytest.mark.parametrize("door", DOORS, ids=lambda door: f"{door.verb} {door.path}")
def test_a_foreign_host_or_page_opens_no_door_with_the_best_of_keys(
    client: httpx.Client, tokens: dict[str, str], scheduler: FakeScheduler, door: Door
) -> None:
    before = len(scheduler.calls)
    good = bearer(tokens["admin"])

    def status(**headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.request(door.verb, door.url, headers={**good, **named}).status_code

    assert status(host="evil.example") == 421
    assert status(origin="http://evil.example") == 403
    assert status(origin="null") == 403
    assert status(sec_fetch_site="cross-site") == 403
    assert len(scheduler.calls) == before


@pytest.mark.parametrize("kind", [*REFUSED, *SCOPES])
@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_over_a_socket_with_every_kind_of_token(
    gateway: Gateway, tokens: dict[str, str], scheduler: FakeScheduler, method: str, kind: str
) -> None:
    if kind in REFUSED:
        with pytest.raises(Refused) as caught:
            Socket(gateway.port, headers=bearer(tokens[kind]))
        assert caught.value.status == 401
        return
    reaches = SCOPES.index(kind) >= SCOPES.index(METHODS[method].access)
    before = len(scheduler.calls)
    with Socket(gateway.port, headers=bearer(tokens[kind])) as talk:
        answer = talk.answer(method)

    assert (answer.get("error", {}).get("code") == "permission") == (not reaches)
    if not reaches:
        assert len(scheduler.calls) == before


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_by_its_name_with_every_scope(
    client: httpx.Client,
    tokens: dict[str, str],
    scheduler: FakeScheduler,
    method: str,
    scope: str,
) -> None:
    reaches = SCOPES.index(scope) >= SCOPES.index(METHODS[method].access)
    before = len(scheduler.calls)

    answer = client.post(f"/api/v1/call/{method}", headers=bearer(tokens[scope]))

    assert answer.status_code not in (401, 404, 405) or reaches
    if method != "events.subscribe":  # a stream of its own, whoever asks
        assert (answer.status_code == 403) == (not reaches)
    if not reaches or method == "events.subscribe":
        assert len(scheduler.calls) == before


def test_a_token_never_stands_in_the_log(
    client: httpx.Client, tokens: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    for token in tokens.values():
        client.get("/api/v1/jobs", headers=bearer(token))
        client.get(f"/api/v1/jobs?token={token}", headers=bearer(tokens["admin"]))

    assert not [token for token in tokens.values() if token and token in caplog.text]


CONNECT = """
import os, socket, sys
os.setgid({gid}); os.setuid({uid})
with socket.socket(socket.AF_UNIX) as connection:
    try:
        connection.connect({path!r})
        connection.sendall(b'{{"jsonrpc":"2.0","id":1,"method":"scheduler.status"}}\\n')
        print(connection.recv(65536).decode())
    except OSError as error:
        print(type(error).__name__)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("is_open", [False, True])
def test_another_user_gets_nothing_from_the_scheduler_s_socket(
    tmp_path: Path, is_open: bool
) -> None:
    """Not even when somebody has opened all the modes: the kernel says who asks."""
    import subprocess
    import tempfile

    from tests.gateway.house import house

    with tempfile.TemporaryDirectory(dir="/tmp") as top, house(Path(top) / "home") as whole:
        path = whole.home.socket
        if is_open:
            for place, mode in ((Path(top), 0o755), (whole.home.root, 0o755), (path, 0o777)):
                place.chmod(mode)
        script = CONNECT.format(uid=NOBODY, gid=NOBODY, path=str(path))
        ran = subprocess.run(
            [sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True
        )
        for place, mode in ((whole.home.root, 0o700), (path, 0o600)):
            place.chmod(mode)

    said = ran.stdout.strip()
    if is_open:  # refused in words, or cut off before they could be heard
        cut_off = ("BrokenPipeError", "ConnectionResetError", "")
        assert "This socket is not for user id 65534" in said or said in cut_off
        assert "result" not in said
    else:
        assert said == "PermissionError"
