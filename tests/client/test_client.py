"""The client before a real gateway and a real scheduler: what is asked, and what is refused."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path

import pytest

from pb.client import AsyncClient, Client
from pb.client.place import place_elsewhere, place_of
from pb.errors import (
    ConflictError,
    Exit,
    InvalidError,
    NeedsDaemonError,
    NotFoundError,
    PbError,
    PermissionDeniedError,
    UnresponsiveError,
    UsageError,
)
from tests.gateway.house import House, python
from tests.gateway.serving import TOKEN
from tests.gateway.tokens import PAST, Keys


def test_a_job_from_its_birth_to_its_end(client: Client) -> None:
    made = client.jobs.add({"name": "life", "command": python("print('hello')")})
    run = client.runs.wait(client.jobs.run("life")["run_id"], timeout=60)
    shown = client.jobs.get("life")
    client.jobs.remove("life")
    restored = client.jobs.restore("life")
    client.jobs.remove("life")

    assert made["created"]
    assert restored["name"] == "life"
    assert (run["state"], run["exit_code"]) == ("succeeded", 0)
    assert client.runs.log(run["run_id"]).text == "hello\n"
    assert [one["run_id"] for one in shown["runs"]] == [run["run_id"]]
    assert [one["run_id"] for one in client.runs.list(job="life")] == [run["run_id"]]
    with pytest.raises(NotFoundError):
        client.jobs.get("life")


def test_the_same_with_asyncio(shared: House) -> None:
    async def life() -> tuple[str, list[str]]:
        async with AsyncClient(shared.gateway.url, TOKEN) as client:
            await client.jobs.add({"name": "soon", "command": python("print(1); print(2)")})
            run = await client.jobs.run("soon")
            lines = [line.text async for line in client.runs.follow(run["run_id"])]
            ended = await client.runs.wait(run["run_id"], timeout=60)
            return ended["state"], lines

    assert asyncio.run(life()) == ("succeeded", ["1", "2"])


def test_a_service_is_started_looked_at_and_stopped(client: Client) -> None:
    client.services.put("web", {"command": ["sleep", "300"], "enabled": False})
    [started] = client.services.start("web", timeout=60)
    [found] = client.services.list(["web"])
    [stopped] = client.services.stop("web")

    assert (started["ok"], found["state"], stopped["ok"]) == (True, "running", True)
    assert client.services.get("web")["service"]["state"] == "stopped"
    assert client.services.scale("web", 2)["before"] == 1
    client.services.remove("web")


def test_what_is_refused_is_raised_as_the_command_would_say_it(client: Client) -> None:
    client.jobs.add({"name": "here", "command": ["true"]})

    with pytest.raises(NotFoundError, match="There is no job") as missing:
        client.jobs.get("heer")
    with pytest.raises(ConflictError):
        client.jobs.add({"name": "here", "command": ["true"]})
    with pytest.raises(InvalidError) as invalid:
        client.jobs.add({"name": "other", "command": ["true"], "timeout": "soon"})
    with pytest.raises(UsageError) as unknown:
        client.call("job.fly")
    with pytest.raises(InvalidError, match="no name"):
        client.jobs.remove("..")
    with pytest.raises(UsageError, match="stream"):
        client.call("events.subscribe")

    assert missing.value.hint == "Did you mean here?"
    assert (missing.value.exit_code, invalid.value.exit_code) == (Exit.NOT_FOUND, Exit.INVALID)
    assert (unknown.value.code, unknown.value.exit_code) == ("unknown_method", Exit.USAGE)


@pytest.mark.parametrize("kind", ["wrong", "expired", "revoked"])
def test_a_token_that_is_not_good_is_refused(shared: House, kind: str) -> None:
    shared.gateway.doorman.delay = 0.0
    token = "pb_" + "x" * 43
    if kind != "wrong":
        token = shared.token("admin", name=kind)
    if kind == "expired":
        Keys(home=shared.home).expire("expired")
    if kind == "revoked":
        shared.ask("token.revoke", name="revoked")

    with Client(shared.gateway.url, token) as client, pytest.raises(PermissionDeniedError) as found:
        client.status()

    assert found.value.exit_code == Exit.PERMISSION
    assert "pb gateway pair" in str(found.value.hint)
    assert token not in repr(client) + str(found.value) + str(found.value.hint)


def test_a_token_that_may_only_look_looks(shared: House) -> None:
    with Client(shared.gateway.url, shared.token("read")) as client:
        assert client.status()["running"] is True
        with pytest.raises(PermissionDeniedError, match="its scope is read"):
            client.jobs.add({"name": "no", "command": ["true"]})
        with pytest.raises(PermissionDeniedError):
            client.call("job.add", {"definition": {"name": "no", "command": ["true"]}})


def test_what_a_gateway_knows_of_itself(client: Client) -> None:
    assert client.health()["alive"] is True
    assert client.ready() is True
    assert client.openapi()["openapi"] == "3.1.0"
    assert "pb_scheduler_up 1" in client.metrics()
    assert client.config()["settings"]["gateway.port"] == 18789
    assert client.queues()["queues"]
    backup = client.backups.create()["backup"]
    assert client.backups.verify(backup["name"])["problem"] is None
    assert [one["name"] for one in client.backups.list()] == [backup["name"]]
    assert client.log_level()["level"] in ("debug", "info", "warning", "error")
    assert client.emit("told", {"a": 1})["event"] == "user.told"
    assert client.periods(by="hour", since="2h")["by"] == "hour"
    made = client.tokens.create("guest", scope="read", expires="7d")
    assert made["name"] in [token["name"] for token in client.tokens.list()]
    assert client.tokens.revoke("guest")["state"] == "revoked"
    assert client.audit(method="token")[0]["target"] == "guest"


# -- where, and with what


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("gateway:18789", "begins with"),
        ("ftp://127.0.0.1", "begins with"),
        ("http://127.0.0.1:port", "cannot be read"),
        ("http://user:secret@127.0.0.1:1", "nothing else"),
        ("https://pb.example/?token=secret", "nothing else"),
        ("https://pb.example/api/v1", "nothing else"),
        ("http://pb.example:18789", "without encryption"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as found:
        Client(url, TOKEN)

    assert "secret" not in str(found.value)


def test_a_token_is_needed_and_has_to_be_one() -> None:
    with pytest.raises(UsageError, match="A token is needed"):
        Client("http://127.0.0.1:1")
    with pytest.raises(InvalidError, match="no token"):
        Client("http://127.0.0.1:1", "two words")
    with pytest.raises(UsageError, match="needs the gateway's url"):
        Client(token=TOKEN)
    with pytest.raises(UsageError, match="not by both"):
        Client("http://127.0.0.1:1", TOKEN, home="somewhere")


def test_a_place_does_not_show_its_token() -> None:
    place = place_of("http://[::1]:80/", TOKEN)

    assert place.url == "http://[::1]:80"
    assert TOKEN not in repr(place)


def test_the_environment_says_where_and_with_what(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared: House
) -> None:
    for name in ("PB_URL", "PB_TOKEN", "PB_TOKEN_FILE", "PB_TRUST"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="no gateway's URL"):
        place_elsewhere()
    monkeypatch.setenv("PB_URL", shared.gateway.url)
    with pytest.raises(UsageError, match="A token is needed"):
        place_elsewhere()

    file = tmp_path / "token"
    monkeypatch.setenv("PB_TOKEN_FILE", str(file))
    with pytest.raises(NotFoundError):
        place_elsewhere()
    file.write_text("short")
    file.chmod(0o600)
    with pytest.raises(InvalidError):
        place_elsewhere()
    file.write_text(TOKEN)
    file.chmod(0o644)
    with pytest.raises(PermissionDeniedError) as found:
        place_elsewhere()
    assert "chmod 600" in str(found.value.hint)
    file.chmod(0o600)
    with Client.from_environment() as client:
        assert client.status()["running"] is True
    monkeypatch.setenv("PB_TOKEN", "x" * 40)
    assert place_elsewhere().token == "x" * 40
    assert place_elsewhere(token_file=str(file)).token == TOKEN


def test_without_a_gateway_here_it_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(NeedsDaemonError, match="The gateway is not running"):
        Client(home=tmp_path / "home")


def test_whoever_does_not_answer_is_told_apart() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with (
            Client(f"http://127.0.0.1:{port}", TOKEN) as client,
            pytest.raises(NeedsDaemonError, match="No gateway can be reached") as nobody,
        ):
            client.status()
        closed.listen()
        with (
            Client(f"http://127.0.0.1:{port}", TOKEN, timeout=0.2) as client,
            pytest.raises(UnresponsiveError, match="in time"),
        ):
            client.status()
        with (
            Client(f"https://127.0.0.1:{port}", TOKEN, timeout=0.2) as client,
            pytest.raises(PbError),
        ):
            client.status()

    assert nobody.value.exit_code == Exit.NEEDS_DAEMON


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 200 OK", b"HTTP/1.1 404 Not Found", b"HTTP/1.1 302 Found"]
)
def test_a_server_that_is_no_gateway_is_told_apart(said: bytes) -> None:
    page = b"<html></html>"
    length = b"content-length: %d" % len(page)
    with socket.create_server(("127.0.0.1", 0)) as other:
        thread = threading.Thread(target=answer_once, args=(other, said, length, page))
        thread.start()
        with (
            Client(f"http://127.0.0.1:{other.getsockname()[1]}", TOKEN) as client,
            pytest.raises(PbError, match="not a gateway") as found,
        ):
            client.status()
        thread.join(30)

    assert found.value.code == "protocol"


def answer_once(server: socket.socket, *parts: bytes) -> None:
    said, length, page = parts
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"\r\n".join([said, length, b"", page]))


def test_what_speaks_no_tls_is_told_apart(shared: House) -> None:
    url = shared.gateway.url.replace("http:", "https:")

    with Client(url, TOKEN) as client, pytest.raises(NeedsDaemonError, match="TLS"):
        client.status()


def test_an_expiry_in_the_past_is_refused(client: Client) -> None:
    with pytest.raises(InvalidError):
        client.tokens.create(expires=PAST)
