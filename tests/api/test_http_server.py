"""The limits that uvicorn gets from us, tried over real sockets with the smallest application."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pb.api.http_server import ImpatientProtocol, QuietServer, address_of, as_json, http_server
from pb.process.listen import listen


class Impatient(ImpatientProtocol):
    head_timeout = 0.2


async def hello(scope: Any, receive: Any, send: Any) -> None:
    head = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b"hi"})


@contextmanager
def serving(app: Any) -> Iterator[tuple[int, QuietServer]]:
    """A server in a thread: its port and itself; stopped from the outside by ``stop``."""
    listener = listen("127.0.0.1", 0, setting="x.port")
    up, server, loops = threading.Event(), [], []

    async def serve() -> None:
        server.append(http_server(app, Impatient))
        loops.append(asyncio.get_running_loop())
        up.set()
        await server[0].serve(sockets=[listener])

    port = address_of(listener)[1]
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert up.wait(10)
    try:
        yield port, server[0]
    finally:
        loops[0].call_soon_threadsafe(server[0].stop)
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: "])
def test_a_peer_that_never_finishes_its_head_is_cut_off(begun: bytes) -> None:
    with serving(hello) as (port, _), socket.create_connection(("127.0.0.1", port)) as slow:
        slow.settimeout(10)
        slow.sendall(begun)

        assert slow.recv(100) == b""


def test_a_second_head_on_the_same_connection_has_its_deadline_too() -> None:
    with serving(hello) as (port, _), socket.create_connection(("127.0.0.1", port)) as slow:
        slow.settimeout(10)
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        first = b""
        while not first.endswith(b"hi"):
            first += slow.recv(1000)
        slow.sendall(b"GET / HT")

        assert first.startswith(b"HTTP/1.1 200")
        assert slow.recv(1000) == b""


def test_an_answer_may_take_longer_than_a_head() -> None:
    async def slow_hello(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(2 * Impatient.head_timeout)
        await hello(scope, receive, send)

    with serving(slow_hello) as (port, _), socket.create_connection(("127.0.0.1", port)) as peer:
        peer.settimeout(10)
        peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

        assert peer.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_peer_that_comes_just_as_the_server_stops_does_not_hold_it_up() -> None:
    peers: list[socket.socket] = []
    stops: list[QuietServer] = []
    ports: list[int] = []

    async def stopping(scope: Any, receive: Any, send: Any) -> None:
        peers.append(socket.create_connection(("127.0.0.1", ports[0])))
        stops[0].stop()
        await hello(scope, receive, send)

    begun = time.monotonic()
    with serving(stopping) as (port, server):
        ports.append(port)
        stops.append(server)
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert peer.recv(1000).startswith(b"HTTP/1.1 200")
    assert time.monotonic() - begun < 3.0
    peers[0].close()


def test_an_idle_server_uses_no_processor_time() -> None:
    with serving(hello):
        begun = time.process_time()
        threading.Event().wait(0.5)

        assert time.process_time() - begun < 0.02


def test_json_keeps_text_that_is_no_utf_8() -> None:
    assert as_json({"text": "a\udcffb"}) == b'{"text":"a\\udcffb"}\n'
