"""uvicorn as both web faces run it: our signals, our limits, silent, and asleep when idle.

Imported by the two faces only, and only after they have detached; nothing else in this room may
import it. No route and no rule lives here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from pb.api.certificate import Certificate
from pb.api.http_rules import SECURITY_HEADERS

HEAD_TIMEOUT = 10.0
"""Seconds a client has to send the head of a request; a slower one is cut off."""

CONNECTIONS = 512
"""Connections at once; the next one is answered 503."""

BODY_LIMIT = 1024 * 1024
"""Bytes of a request's body (SPEC section 6, limits)."""

BODY_TIMEOUT = 10.0

PING_EVERY = 20.0
"""Seconds between pings on a WebSocket, and for which one may stay unanswered."""

CORKED = 64 * 1024
"""Bytes that are held back at most until the loop's turn is over."""

STOP_TIMEOUT = 5
"""Seconds that open answers have to finish when the server stops."""


class Corked:
    """A transport that sends in one go what is written in one turn of the loop.

    uvicorn writes the head and the body of an answer apart, which would be two system calls and
    two packets. What is held is bounded, so that the peer's pace is still felt.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, content: bytes) -> None:
        if not content:
            return
        self._held.append(content)
        self._size += len(content)
        if self._size >= CORKED:
            self.flush()
        elif len(self._held) == 1:
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Hand on what is held."""
        if self._held:
            content = b"".join(self._held)
            self._held, self._size = [], 0
            self._transport.write(content)

    def close(self) -> None:
        self.flush()
        self._transport.close()


class ImpatientProtocol(H11Protocol):
    """h11 with a deadline for each request's head, which uvicorn itself does not have."""

    head_timeout = HEAD_TIMEOUT
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, Corked(transport, self.loop)))
        self._watch()

    def data_received(self, chunk: bytes) -> None:
        self._watch()
        super().data_received(chunk)
        if self.conn.their_state is not h11.IDLE:
            self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    @property
    def is_idle(self) -> bool:
        """Whether no answer is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _watch(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.head_timeout, self._cut)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


class QuietServer(uvicorn.Server):
    """uvicorn without its signal traps and without its ten wake-ups a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask the server to finish; ``serve`` returns within ``STOP_TIMEOUT``."""
        self.should_exit = True
        self._stopping.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, but a peer accepted in this very moment is told to go as well.

        It is no connection yet when uvicorn tells them all, and would be waited for in vain.
        """
        hurrying = asyncio.create_task(self._hurry())
        try:
            await super().shutdown(sockets)
        finally:
            hurrying.cancel()

    async def _hurry(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            for connection in list(self.server_state.connections):
                if isinstance(connection, ImpatientProtocol) and connection.is_idle:
                    connection.transport.close()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def http_server(
    app: Callable[..., Any],
    protocol: type[ImpatientProtocol] = ImpatientProtocol,
    *,
    sockets: bool = False,
    certificate: Certificate | None = None,
) -> QuietServer:
    """The server for ``app``; serve it with ``serve(sockets=[...])`` inside a running loop.

    ``sockets``: whether it speaks WebSocket too. ``certificate``: what it encrypts with, if at all.
    """
    return QuietServer(
        uvicorn.Config(
            app,
            http=protocol,
            ssl_certfile=None if certificate is None else certificate.cert,
            ssl_keyfile=None if certificate is None else certificate.key,
            ws="wsproto" if sockets else "none",
            ws_max_size=BODY_LIMIT,
            ws_ping_interval=PING_EVERY,
            ws_ping_timeout=PING_EVERY,
            ws_per_message_deflate=False,
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=int(HEAD_TIMEOUT),
            timeout_graceful_shutdown=STOP_TIMEOUT,
            h11_max_incomplete_event_size=32 * 1024,
        )
    )


def address_of(listener: socket.socket) -> tuple[str, int]:
    host, port = listener.getsockname()[:2]
    return str(host), int(port)


def secured(send: Callable[..., Any]) -> Callable[..., Any]:
    """``send`` that adds the date and the security headers to every answer's head."""

    async def send_secured(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            date = (b"date", formatdate(usegmt=True).encode())
            message = {**message, "headers": [*message["headers"], date, *SECURITY_HEADERS]}
        await send(message)

    return send_secured


def as_json(document: object) -> bytes:
    """``document`` as ASCII JSON: text that came from odd bytes (lone surrogates) survives."""
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


async def send_problem(
    send: Callable[..., Any], problem: dict[str, Any], *extra: tuple[bytes, bytes]
) -> None:
    """Answer a problem document from below the web framework."""
    body = as_json(problem)
    head = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        *extra,
    ]
    await send({"type": "http.response.start", "status": problem["status"], "headers": head})
    await send({"type": "http.response.body", "body": body})
