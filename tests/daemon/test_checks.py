"""TCP and HTTP probes against real sockets that misbehave in every way there is."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from pb.core.service import Http, Tcp
from pb.core.urls import parse_url
from pb.daemon.checks import BODY_LIMIT, check_http, check_tcp, connect, get, request_of
from pb.errors import InvalidError

LIMIT = 10.0


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@asynccontextmanager
async def serving(talk: Talk, host: str = "127.0.0.1", **options: Any) -> AsyncIterator[int]:
    """A server at the port that this answers; it is gone afterwards, and so are its connections."""
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            try:
                await talk(reader, writer)
                writer.close()
                await writer.wait_closed()
            finally:
                writer.transport.abort()

    server = await asyncio.start_server(serve, host, 0, **options)
    try:
        async with asyncio.timeout(LIMIT):
            yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(3):
            await asyncio.sleep(0)


def saying(*pieces: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return talk


def answering(*pieces: bytes, status: tuple[int, ...] = ()) -> str | None:
    """What the check says of a server that answers with those bytes and hangs up."""

    async def run() -> str | None:
        async with serving(saying(*pieces)) as port:
            return await check_http(Http(url=f"http://127.0.0.1:{port}/", status=status))

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "wanted", "problem"),
    [
        (200, (), None),
        (301, (), None),
        (399, (), None),
        (404, (), "was answered with 404"),
        (503, (), "was answered with 503"),
        (404, (404,), None),
        (200, (404,), "was answered with 200"),
    ],
)
def test_a_status_counts_as_good_or_not(
    status: int, wanted: tuple[int, ...], problem: str | None
) -> None:
    answer = f"HTTP/1.1 {status} Whatever\r\ncontent-length: 2\r\n\r\nok".encode()

    assert answering(answer, status=wanted) == problem


@pytest.mark.parametrize(
    ("pieces", "problem"),
    [
        ((b"",), "closed the connection without an answer"),
        ((b"HTTP/1.1 200",), "closed the connection without an answer"),
        ((b"SSH-2.0-OpenSSH_9.2\r\n",), "did not answer in HTTP"),
        ((b"HTTP/1.1 abc\r\n\r\n",), "did not answer in HTTP"),
        ((b"x" * 100_000,), "answered with a head that is too long"),
        ((b"HTTP/1.1 200 OK\r\n", *(b"a: b\r\n",) * 1000), "answered with too many headers"),
        ((b"HTTP/1.1 200 OK\n\nbody",), None),
        ((b"HTTP/1.0 204 No\r\n\r\n",), None),
        ((b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",), None),
        ((b"HTTP/1.1 200 OK\r\n\r\n", *(b"x" * BODY_LIMIT,) * 100), None),
    ],
)
def test_whatever_comes_back_is_no_trouble(pieces: tuple[bytes, ...], problem: str | None) -> None:
    assert answering(*pieces) == problem


def test_the_request_is_a_plain_get() -> None:
    url = parse_url("http://localhost:8080?deep=1#part")
    request = request_of(url, Http(url="", headers={"host": "a.example", "X-Probe": "1"}))

    first, *headers = request.decode().split("\r\n")
    assert first == "GET /?deep=1 HTTP/1.1"
    assert "host: a.example" in headers
    assert "X-Probe: 1" in headers
    assert "Connection: close" in headers
    assert not [line for line in headers if line.startswith("Host:")]


@pytest.mark.parametrize(
    ("text", "host", "port", "target", "authority"),
    [
        ("http://127.0.0.1:80", "127.0.0.1", 80, "/", "127.0.0.1"),
        ("https://A.example/x?y=1", "A.example", 443, "/x?y=1", "A.example"),
        ("http://[::1]:8000/", "::1", 8000, "/", "[::1]:8000"),
    ],
)
def test_an_address_is_taken_apart(
    text: str, host: str, port: int, target: str, authority: str
) -> None:
    url = parse_url(text)

    assert (url.host, url.port, url.target, url.authority) == (host, port, target, authority)


@pytest.mark.parametrize(
    "text",
    [
        *("", "localhost:80", "ftp://x/", "http://", "http://x:0/", "http://x:65536/"),
        *("http://a b/", "http://x/\r\nA: b", "http://me@x/", "http://[zz]/", "http://x/ü"),
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        parse_url(text)


def test_nobody_is_taken_for_listening_because_we_met_ourselves() -> None:
    """A socket that connects to its own port succeeds, and nobody listens there."""
    with socket.socket() as alone:
        alone.bind(("127.0.0.1", 0))
        alone.connect(alone.getsockname())  # the kernel allows it: this is what is guarded against
        assert alone.getpeername() == alone.getsockname()

    async def many(port: int) -> list[str | None]:
        return [await check_tcp(Tcp(port=port)) for _ in range(50)]

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert set(asyncio.run(many(port))) == {"refused the connection"}


def test_ipv6_and_localhost_are_tried_both() -> None:
    async def run() -> str | None:
        async with serving(saying(), "::1") as port:
            (await connect("localhost", port)).close()
            return await check_tcp(Tcp(host="::1", port=port))

    assert asyncio.run(run()) is None


def test_a_name_that_nobody_knows_is_a_sentence() -> None:
    probe = Tcp(host="no-such-host.invalid", port=80)

    assert asyncio.run(check_tcp(probe)) == "has a host name that is not known"


def test_a_server_with_a_certificate_of_its_own_is_asked_over_tls(tmp_path: Path) -> None:
    pem = tmp_path / "own.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-batch"),
            *("-subj", "/CN=somebody", "-keyout", pem, "-out", tmp_path / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", pem)

    good = saying(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 No\r\n\r\n")

    async def run() -> list[str | None]:
        async with serving(good, ssl=context) as one, serving(plain) as other:
            return [await check_http(Http(url=f"https://127.0.0.1:{n}/")) for n in (one, other)]

    assert asyncio.run(run()) == [None, "does not speak TLS"]


def test_a_body_that_never_ends_is_not_heard_out() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nso far")
        await reader.read()

    async def run() -> int:
        async with serving(talk) as port:
            url = parse_url(f"http://127.0.0.1:{port}/")
            return await get(url, request_of(url, Http(url="")))

    assert asyncio.run(run()) == 200
