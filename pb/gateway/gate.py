"""What every HTTP request passes before a route sees it: Host, Origin, token, size, last resort.

A pure ASGI middleware, so that nothing is answered around it: 404, 405 and the framework's own
errors carry the same headers, and no traceback reaches a peer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from math import ceil
from typing import Any

from pb.api.http_rules import Refusal, problem, problem_of, refusal_of, values
from pb.api.http_server import BODY_LIMIT, BODY_TIMEOUT, secured, send_problem
from pb.api.token_book import Grant
from pb.gateway.doorman import Doorman
from pb.gateway.pace import TooFastError

logger = logging.getLogger("pb.gateway")

SOCKET = "/ws"
"""The path of the one WebSocket there is."""

PUBLIC = frozenset({"/healthz", "/readyz"})
"""Paths that answer without a token; they tell nothing but alive, ready and version."""

HOOKS = "/api/v1/hooks/"
"""Below it whoever posts proves himself to the hook that he calls."""

UNAUTHENTICATED = problem(
    401,
    "unauthenticated",
    "This needs a token that is good",
    "Send the header Authorization: Bearer TOKEN, with what gateway.token in the home holds, or "
    "with one of `pb gateway pair`.",
)
TOO_MANY = problem(429, "too_many_failures", "Too many failed authentications", "Wait a second.")
GRANT = "pb.grant"
"""The key of the ASGI scope under which a route finds what the token gives."""

CHALLENGE = (b"www-authenticate", b'Bearer realm="pb"')


class Gate:
    """Wraps the routes, and the one WebSocket. ``allowed`` is what the Host header may say."""

    def __init__(
        self,
        routes: Callable[..., Any],
        sockets: Callable[..., Any],
        doorman: Doorman,
        allowed: frozenset[str],
    ) -> None:
        self._routes = routes
        self._sockets = sockets
        self._doorman = doorman
        self._allowed = allowed

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Any, receive: Any, send: Any) -> None:
        send = secured(send)
        refusal = self._refusal(scope["method"], scope)
        if refusal is not None:
            await send_problem(send, refusal.problem())
        elif is_public(scope) or await self._is_known(scope, send):
            await self._pass(scope, receive, send)

    async def _socket(self, scope: Any, receive: Any, send: Any) -> None:
        """A WebSocket passes the same, before it is accepted: a refusal is an answer of HTTP."""
        denied = secured(denial(send))
        await receive()  # websocket.connect
        refusal = self._refusal("GET", scope)
        if refusal is not None:
            await send_problem(denied, refusal.problem())
        elif await self._is_known(scope, denied):
            if scope["path"] == SOCKET:
                await self._sockets(scope, receive, send)
            else:
                words = problem(404, "not_found", "There is no WebSocket at this path")
                await send_problem(denied, words)

    def _refusal(self, method: str, scope: Any) -> Refusal | None:
        scheme = "https" if scope["scheme"] in ("https", "wss") else "http"
        return refusal_of(method, scope["headers"], self._allowed, scheme=scheme)

    async def _is_known(self, scope: Any, send: Any) -> bool:
        given = values(scope["headers"], b"authorization")
        grant = self._doorman.knows(given[0]) if len(given) == 1 else None
        if grant is not None:
            scope[GRANT] = grant
            return await self._is_in_pace(grant, send)
        if await self._doorman.turned_away(str(scope["client"])):
            await send_problem(send, UNAUTHENTICATED, CHALLENGE)
        else:
            await send_problem(send, TOO_MANY, (b"retry-after", b"1"))
        return False

    async def _is_in_pace(self, grant: Grant, send: Any) -> bool:
        try:
            self._doorman.pace(grant)
        except TooFastError as error:
            wait = str(ceil(error.seconds)).encode()
            await send_problem(send, problem_of(error), (b"retry-after", wait))
            return False
        return True

    async def _pass(self, scope: Any, receive: Any, send: Any) -> None:
        if has_body(scope):
            body = await read_body(scope, receive)
            if isinstance(body, dict):
                await send_problem(send, body, (b"connection", b"close"))
                return
            receive = replay(body, receive)
        started = Started(send)
        try:
            await self._routes(scope, receive, started)
        except Exception:
            logger.exception("unexpected error while answering %s", scope["path"])
            if not started.yes:
                await send_problem(send, problem(500, "failed", "The gateway failed at this"))


def is_public(scope: Any) -> bool:
    """Whether the route itself sees to who may."""
    is_hook = scope["path"].startswith(HOOKS) and scope["method"] == "POST"
    return scope["path"] in PUBLIC or is_hook


def denial(send: Any) -> Callable[[Any], Any]:
    """``send`` for a WebSocket that is not accepted (ASGI, WebSocket Denial Response)."""

    async def send_denial(message: Any) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    return send_denial


class Started:
    """``send`` that remembers whether an answer has begun."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self.yes = False

    async def __call__(self, message: Any) -> None:
        self.yes = True
        await self._send(message)


def has_body(scope: Any) -> bool:
    """Whether a body comes with the request: one of these announces it (RFC 9112, 6.3)."""
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


async def read_body(scope: Any, receive: Any) -> bytes | dict[str, Any]:
    """The whole body, or the problem with it: too large, too slow, or cut off."""
    length = values(scope["headers"], b"content-length")
    too_large = problem(413, "too_large", f"A body may have {BODY_LIMIT} bytes")
    if length and length[0].isdigit() and int(length[0]) > BODY_LIMIT:
        return too_large
    body, more = b"", True
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    return problem(400, "cut_off", "The request ended in the middle")
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > BODY_LIMIT:
                    return too_large
    except TimeoutError:
        return problem(408, "too_slow", "The request's body did not arrive in time")
    return body


def replay(body: bytes, receive: Any) -> Callable[[], Any]:
    """A ``receive`` that hands the body out again, then waits for what comes from the peer."""
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Any:
        return parts.pop() if parts else await receive()

    return receive_again
