"""The HTTP routes: each asks one method of the registry and hands its answer on.

No route has logic of its own; access control is the gate's and the registry's. A new route is a
line in ``endpoints``; what is not one method's answer (health, logs, streams) is named here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from pb import __version__
from pb.api.catalogue import find
from pb.api.http_rules import authority, problem, problem_of
from pb.api.http_server import as_json
from pb.api.token_book import Grant
from pb.core.lean import dataclass
from pb.errors import PbError, UsageError
from pb.gateway.asking import Desk, Encoded, Visitor, ask, encoded
from pb.gateway.bridge import Bridge, Json
from pb.gateway.doorman import Doorman
from pb.gateway.endpoints import ROOT, Endpoint, by_path
from pb.gateway.gate import GRANT, Gate
from pb.gateway.hooks import fired
from pb.gateway.hub import Hub
from pb.gateway.logs import run_log, service_log
from pb.gateway.metrics import metrics
from pb.gateway.openapi import document
from pb.gateway.page import STYLE, page
from pb.gateway.params import body, params_of
from pb.gateway.sockets import Peer
from pb.gateway.sse import events

View = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What the routes work with."""

    bridge: Bridge
    desk: Desk
    doorman: Doorman
    hub: Hub


def gateway_app(bridge: Bridge, doorman: Doorman, hub: Hub, allowed: frozenset[str]) -> Gate:
    """The whole HTTP application behind its gate. ``allowed``: what a Host header may say."""
    known = routes_of()
    routes = Starlette(
        routes=[ByPath(known), *known],
        exception_handlers={PbError: refused, HTTPException: unroutable, Exception: crashed},
    )
    routes.router.redirect_slashes = False
    routes.state.rooms = Rooms(bridge=bridge, desk=Desk(bridge), doorman=doorman, hub=hub)

    async def sockets(scope: Any, receive: Any, send: Any) -> None:
        who = visitor_of(scope[GRANT], scope["client"])
        await Peer(bridge, hub, doorman, who, receive, send).serve()

    return Gate(routes, sockets, doorman, allowed)


def routes_of() -> list[Route]:
    """Every route; the tests' list of doors."""
    asked = [Route(path, asking(verbs), methods=list(verbs)) for path, verbs in by_path()]
    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/events", events),
        Route("/metrics", metrics),
        Route(f"{ROOT}/openapi.json", openapi),
        Route(f"{ROOT}/docs", docs),
        Route(f"{ROOT}/docs.css", docs_style),
        Route(f"{ROOT}/runs/{{run_id}}/log", run_log),
        Route(f"{ROOT}/services/{{name}}/log", service_log),
        Route(f"{ROOT}/call/{{method}}", call, methods=["POST"]),
        Route(f"{ROOT}/hooks/{{name}}", hook, methods=["POST"]),
        *asked,
    ]


class ByPath(BaseRoute):
    """The routes whose path says all, looked up instead of tried one by one."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = {route.path: route for route in routes if not route.param_convertors}

    def matches(self, scope: Any) -> tuple[Match, Any]:
        route = self._routes.get(scope["path"])
        return (Match.NONE, {}) if route is None else route.matches(scope)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        await self._routes[scope["path"]].handle(scope, receive, send)


def asking(verbs: Mapping[str, Endpoint]) -> View:
    """The view of one path: asks what its table says."""

    async def view(request: Request) -> Response:
        endpoint = verbs["GET" if request.method == "HEAD" else request.method]
        params = await params_of(endpoint, request)
        if endpoint.verb == "GET":
            asked = rooms(request).desk.read(visitor(request), endpoint.method, params)
            return tagged(request, await asked)
        found = await ask(rooms(request).bridge, visitor(request), endpoint.method, params)
        return answer(found, endpoint.status)

    return view


async def call(request: Request) -> Response:
    """Any method of the registry, by its name and with its own parameters, as on ``/ws``."""
    if request.query_params:
        raise UsageError("This request takes its parameters in the body, not in the query")
    params = await body(request) or {}
    return answer(await ask(rooms(request).bridge, visitor(request), called(request), params))


async def hook(request: Request) -> Response:
    """A job's web hook; whoever calls it has no token of the gateway."""
    peer = None if request.client is None else authority(request.client[0], request.client[1])
    found, headers = await fired(request, rooms(request).bridge, rooms(request).doorman, peer)
    return answer(found, 202) if headers is None else as_problem(found, headers)


def called(request: Request) -> str:
    """The name of a method that answers once; it has to be one."""
    name = find(request.path_params["method"][:64]).name
    if name == "events.subscribe":
        raise UsageError("Events are a stream of their own", hint="GET /events")
    return name


def rooms(request: Request) -> Rooms:
    return cast(Rooms, request.app.state.rooms)


def visitor(request: Request) -> Visitor:
    """Who asks, as the gate has let him in."""
    return visitor_of(request.scope[GRANT], request.client)


def visitor_of(grant: Grant, client: tuple[str, int] | None) -> Visitor:
    peer = None if client is None else authority(client[0], client[1])
    return Visitor(grant=grant, peer=peer)


def answer(document: Json, status: int = 200) -> Response:
    return Response(as_json(document), status, media_type="application/json")


def tagged(request: Request, found: Encoded) -> Response:
    """The answer with its ETag; nothing but 304 for whoever has it already (RFC 9110, 13.1.2)."""
    tag = found.tag
    known = [
        one.strip().removeprefix("W/")
        for one in request.headers.get("if-none-match", "").split(",")
    ]
    if tag in known or known == ["*"]:
        return Response(status_code=304, headers={"etag": tag})
    return Response(found.content, headers={"etag": tag}, media_type="application/json")


async def healthz(request: Request) -> Response:
    """Alive, whatever the scheduler does."""
    return answer({"schema": 1, "alive": True, "version": __version__})


async def readyz(request: Request) -> Response:
    """Ready means: the scheduler behind this gateway answers."""
    if await rooms(request).bridge.is_scheduler_up():
        return answer({"schema": 1, "ready": True, "version": __version__})
    hint = "Start it with: pb scheduler start"
    return as_problem(problem(503, "needs_daemon", "The scheduler does not answer", hint))


async def openapi(request: Request) -> Response:
    return tagged(request, encoded(document()))


async def docs(request: Request) -> Response:
    return Response(page(document()), media_type="text/html; charset=utf-8")


async def docs_style(request: Request) -> Response:
    return Response(STYLE, media_type="text/css; charset=utf-8")


def as_problem(document: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(
        as_json(document), document["status"], headers, media_type="application/problem+json"
    )


async def refused(request: Request, error: Exception) -> Response:
    """An error of ours, in words that the peer may read."""
    return as_problem(problem_of(cast(PbError, error)))


async def unroutable(request: Request, error: Exception) -> Response:
    """What the framework itself refuses: an unknown path (404) or method (405)."""
    unfit = cast(HTTPException, error)
    words = {
        404: ("not_found", "There is nothing at this path"),
        405: ("method_not_allowed", f"This path does not take {request.method}"),
    }
    code, message = words.get(unfit.status_code, ("failed", "This request cannot be answered"))
    return as_problem(problem(unfit.status_code, code, message), dict(unfit.headers or {}))


async def crashed(request: Request, error: Exception) -> Response:
    """A fault of ours; the gate writes it to the log, the peer learns no more than this."""
    return as_problem(problem(500, "failed", "The gateway failed at this"))
