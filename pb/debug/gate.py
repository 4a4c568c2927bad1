"""Who may look and act: the user whose scheduler this is, from this machine, with a page of ours.

A pure ASGI middleware. Three locks, one behind the other: the request comes from a page of ours or
from no page; on loopback the kernel says that the user's own process asks; and the browser has a
session. Only the page's own parts are handed out without the third.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

import anyio

from pb.api.http_rules import Refusal, problem, problem_of, refusal_of, values
from pb.api.http_server import secured, send_problem
from pb.debug.entry import Entry
from pb.errors import PbError, UnsupportedError
from pb.process.peer import TABLES, peer_uid

logger = logging.getLogger("pb.debug")

ACTIONS = frozenset({"/call", "/login", "/logout"})
"""What takes POST, and only that."""

MARK = b"x-pb-page"
"""A header that a page of another site cannot send without asking first, which is refused."""

STRANGER = Refusal(
    status=403,
    code="another_user",
    message="This dashboard belongs to another user of this machine",
    hint="Start your own: pb debug web",
)
UNMARKED = Refusal(
    status=403,
    code="unmarked",
    message="Whoever wants something done sends the header X-PB-Page and a JSON body",
)


class Gate:
    """Wraps the routes. ``allowed`` is what the Host header may say; ``free`` needs no session."""

    def __init__(
        self,
        routes: Callable[..., Any],
        allowed: frozenset[str],
        entry: Entry,
        free: frozenset[str],
        tables: tuple[str, ...] = TABLES,
    ) -> None:
        self._routes = routes
        self._allowed = allowed
        self._entry = entry
        self._free = free
        self._tables = tables

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        send = secured(send)
        method, headers, path = scope["method"], scope["headers"], scope["path"]
        takes = ("POST",) if path in ACTIONS else ("GET", "HEAD")
        refusal = refusal_of(method, headers, self._allowed, navigation=path == "/")
        refusal = refusal or await anyio.to_thread.run_sync(self._stranger, scope)
        if refusal is not None:
            await send_problem(send, refusal.problem())
        elif method not in takes:
            wrong = problem(405, "method_not_allowed", f"This takes {takes[0]}")
            await send_problem(send, wrong, (b"allow", ", ".join(takes).encode()))
        elif (found := await anyio.to_thread.run_sync(self._uninvited, scope)) is not None:
            await send_problem(send, found)
        else:
            await self._pass(scope, receive, send)

    def _stranger(self, scope: Any) -> Refusal | None:
        """Why this peer may not look, or None. Root may look at everything anyhow.

        Where the kernel does not tell, the session alone decides.
        """
        try:
            uid = peer_uid(scope["client"], scope["server"], self._tables)
        except UnsupportedError:
            return None
        return None if uid is not None and uid in (0, os.geteuid()) else STRANGER

    def _uninvited(self, scope: Any) -> dict[str, object] | None:
        """The problem with a request that has no session, or does not say that it is a page's."""
        headers, path = scope["headers"], scope["path"]
        if path in ACTIONS and (values(headers, MARK) != ["1"] or not is_json(headers)):
            return UNMARKED.problem()
        if path in self._free:
            return None
        try:
            refusal = self._entry.refusal(headers)
        except PbError as error:
            logger.warning("%s", error.message)
            return problem_of(error)
        return refusal.problem() if refusal else None

    async def _pass(self, scope: Any, receive: Any, send: Any) -> None:
        begun = False

        async def send_noting(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._routes(scope, receive, send_noting)
        except Exception:
            logger.exception("unexpected error while answering %s", scope["path"])
            if not begun:
                await send_problem(send, problem(500, "failed", "The dashboard failed at this"))


def is_json(headers: Any) -> bool:
    """Whether a body is said to be JSON: a form cannot say so."""
    kinds = values(headers, b"content-type")
    return [kind.partition(";")[0].strip().lower() for kind in kinds] == ["application/json"]
