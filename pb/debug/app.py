"""The dashboard's routes: the page and its parts, what it shows, what it asks, what wakes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pb import __version__
from pb.api.http_rules import problem, problem_of
from pb.api.http_server import BODY_LIMIT, BODY_TIMEOUT, as_json
from pb.core.lean import dataclass
from pb.debug import asking, logs
from pb.debug.entry import Entry
from pb.debug.feed import Feed
from pb.debug.snapshot import MOST_JOBS, SHOWN, SORTS, Selection, Session, Snapshots
from pb.debug.usage import Usage
from pb.errors import NotFoundError, PbError, UsageError

KINDS = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
STATIC = files("pb.debug") / "static"
PARTS = {
    "/" if file.name == "index.html" else f"/{file.name}": (
        file.name,
        KINDS[Path(file.name).suffix],
    )
    for file in STATIC.iterdir()
}
"""Everything the page is made of; it comes from the package and from nowhere else."""

FREE = frozenset({*PARTS, "/healthz", "/login"})
"""What is answered without a session: nothing of it tells anything about this home."""

LONGEST_FILTER = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the routes are made of. ``log_of`` finds the log of a built-in daemon or a service."""

    snapshots: Snapshots
    feed: Feed
    entry: Entry
    connect: Callable[[], Session]
    usage: Usage
    log_of: Callable[[str], Path]
    system: Callable[[], dict[str, Any]]


def debug_routes(parts: Parts) -> Starlette:
    """The routes, without the gate that has to stand before them."""
    pages = [Route(path, part(name, kind)) for path, (name, kind) in PARTS.items()]
    routes = Starlette(
        routes=[
            *pages,
            Route("/healthz", healthz),
            Route("/login", login_by(parts.entry), methods=["POST"]),
            Route("/logout", logout_by(parts.entry), methods=["POST"]),
            Route("/state", state_of(parts.snapshots)),
            Route("/events", stream_of(parts.feed)),
            Route("/call", call_by(parts.connect), methods=["POST"]),
            Route("/log", log_by(parts)),
            Route("/usage", asked_of(lambda: {"services": parts.usage.curves()})),
            Route("/system", asked_of(parts.system)),
        ],
        exception_handlers={
            HTTPException: unroutable,
            PbError: refused,
            ClientDisconnect: unroutable,
            Exception: crashed,
        },
    )
    routes.router.redirect_slashes = False
    return routes


View = Callable[[Request], Awaitable[Response]]


def part(name: str, kind: str) -> View:
    """A view that answers one file of the package, read once."""
    content = (STATIC / name).read_bytes()

    async def view(request: Request) -> Response:
        return Response(content, headers={"content-type": f"{kind}; charset=utf-8"})

    return view


async def healthz(request: Request) -> Response:
    return answer({"schema": 1, "alive": True, "version": __version__})


def login_by(entry: Entry) -> View:
    async def view(request: Request) -> Response:
        """``{"ticket": …}``: the browser gets its cookie."""
        document = await body(request)
        ticket = document.get("ticket") if isinstance(document, dict) else None
        if not isinstance(ticket, str):
            raise UsageError("A login is a ticket")
        cookie = await anyio.to_thread.run_sync(entry.open, ticket.strip())
        return Response(as_json({"schema": 1}), headers={"set-cookie": cookie, **JSON})

    return view


def logout_by(entry: Entry) -> View:
    async def view(request: Request) -> Response:
        return Response(as_json({"schema": 1}), headers={"set-cookie": entry.close(), **JSON})

    return view


def state_of(snapshots: Snapshots) -> View:
    async def view(request: Request) -> Response:
        """``?text=PART&show=failing&sort=-name&offset=0&limit=100``: all that the page shows."""
        asked = request.query_params
        show, sort = asked.get("show", "all"), asked.get("sort", "name")
        if show not in SHOWN or sort.removeprefix("-") not in SORTS:
            raise UsageError("There is no such filter")
        selection = Selection(
            text=asked.get("text", "")[:LONGEST_FILTER],
            show=show,
            sort=sort,
            offset=number(asked.get("offset", "0")),
            limit=min(number(asked.get("limit", "100")), MOST_JOBS),
        )
        return answer(await snapshots.state(selection))

    return view


def call_by(connect: Callable[[], Session]) -> View:
    async def view(request: Request) -> Response:
        """``{"method": …, "params": {…}}``: one question to the scheduler."""
        document = await body(request)
        return answer(await anyio.to_thread.run_sync(asking.call, connect, document))

    return view


def log_by(parts: Parts) -> View:
    def collect(run: str | None, service: str | None, lines: int, after: int | None) -> Any:
        if run is not None:
            found = asking.call(
                parts.connect, {"method": "run.show", "params": {"run_id": number(run)}}
            )["run"]
            path = Path(found["log_path"]) if found["log_path"] else None
            ended = found["finished_at"] is not None
        else:
            path, ended = parts.log_of(service or ""), False
        if path is None:
            raise NotFoundError("This run has no log")
        return {**logs.piece(path, lines=lines, after=after), "path": str(path), "ended": ended}

    async def view(request: Request) -> Response:
        """``?run=5`` or ``?service=web``, with ``&lines=500`` or ``&after=OFFSET``."""
        asked = request.query_params
        after = number(asked["after"]) if "after" in asked else None
        lines = number(asked.get("lines", "500"))
        run, service = asked.get("run"), asked.get("service")
        return answer(await anyio.to_thread.run_sync(collect, run, service, lines, after))

    return view


def asked_of(collect: Callable[[], dict[str, Any]]) -> View:
    async def view(request: Request) -> Response:
        return answer(await anyio.to_thread.run_sync(collect))

    return view


def stream_of(feed: Feed) -> View:
    async def view(request: Request) -> Response:
        if feed.is_full:
            return answer(problem(503, "too_many_pages", "Too many pages watch already"), 503)
        return StreamingResponse(as_events(feed), headers={"content-type": "text/event-stream"})

    return view


async def as_events(feed: Feed) -> AsyncIterator[bytes]:
    """The feed as server-sent events (HTML Living Standard, 9.2)."""
    async for kind, document in feed.messages():
        seq = document.get("seq")  # what is not kept (a run's every step) has no number
        number = "" if seq is None else f"id: {seq}\n"
        yield f"event: {kind}\n{number}data: ".encode() + as_json(document) + b"\n"


def number(text: str) -> int:
    """A whole number from 0 on. Raises UsageError."""
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"{text[:20]!r} is not a whole number")
    return int(text[:15])


async def body(request: Request) -> Any:
    """The JSON document of a request. Raises UsageError for a large, slow or odd one."""
    content = b""
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for chunk in request.stream():
                content += chunk
                if len(content) > BODY_LIMIT:
                    raise UsageError(f"A body may have {BODY_LIMIT} bytes")
        return json.loads(content)
    except (TimeoutError, ValueError, RecursionError) as error:
        raise UsageError("The body is not JSON, or did not come") from error


JSON = {"content-type": "application/json"}


def answer(document: dict[str, Any], status: int = 200) -> Response:
    kind = "application/json" if status < 400 else "application/problem+json"
    return Response(as_json(document), status, media_type=kind)


async def refused(request: Request, error: Exception) -> Response:
    """What the scheduler, or we, will not do: its sentence and its hint."""
    assert isinstance(error, PbError)
    document = problem_of(error)
    return answer(document, int(str(document["status"])))


async def unroutable(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 400
    return answer(problem(status, "not_found", "There is nothing at this path"), status)


async def crashed(request: Request, error: Exception) -> Response:
    """A fault of ours; the gate writes it to the log, the peer learns no more than this."""
    return answer(problem(500, "failed", "The dashboard failed at this"), 500)
