"""Who may call what through gRPC: the token of each call, its scope, and streams that end with it.

Nothing is answered here but refusals.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any

import grpc

from pb.api import METHODS
from pb.api.registry import Method
from pb.api.token_book import Grant
from pb.errors import PbError, PermissionDeniedError
from pb.gateway.doorman import Doorman, allow
from pb.gateway.pace import TooFastError
from pb.gateway.rpc_words import refuse

GRANT: ContextVar[Grant] = ContextVar("grant")
"""What the token of the call in hand gives."""

STALLED = 30.0
"""Seconds for which a peer may not read a stream before he is given up."""

FAULT = "The gateway failed at this"

logger = logging.getLogger("pb.gateway")


class TokenCheck(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Every method, health and reflection among them, wants ``authorization: Bearer TOKEN``.

    ``methods`` is the registry's method behind each of ours; every other one (health, reflection)
    is for whoever may read. A stream is ended when its token is good no more.
    """

    def __init__(self, doorman: Doorman, methods: Mapping[str, str]) -> None:
        self._doorman = doorman
        self._methods = methods

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], call: Any
    ) -> Any:
        metadata = call.invocation_metadata
        given = [value for key, value in metadata if key == "authorization"]
        fits = len(given) == 1 and isinstance(given[0], str)
        grant = self._doorman.knows(given[0]) if fits else None
        if grant is not None:
            return await self._let_in(grant, await continuation(call), call.method)
        # A stream-stream method begins before any message has arrived, so that a peer that sends
        # none is turned away too; the others read a status without messages all the same.
        return grpc.stream_stream_rpc_method_handler(self._turn_away)

    async def _let_in(self, grant: Grant, served: Any, path: str) -> Any:
        """The method's own way of being served, as far as the token reaches."""
        method = METHODS[self._methods.get(path.rpartition("/")[2], "scheduler.status")]
        if not grant.may(method.access):
            return grpc.stream_stream_rpc_method_handler(too_narrow(grant, method))
        try:
            self._doorman.pace(grant)
        except TooFastError as error:
            return grpc.stream_stream_rpc_method_handler(functools.partial(too_fast, error))
        GRANT.set(grant)
        if served is None or not served.response_streaming:
            return served
        return served._replace(
            **{
                kind: self._ending(grant, behaviour)
                for kind in ("unary_stream", "stream_stream")
                if (behaviour := getattr(served, kind)) is not None
            }
        )

    def _ending(self, grant: Grant, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        """A streaming method that ends when the token is good no more."""

        async def stream(asked: Any, context: Any) -> None:
            work = asyncio.ensure_future(sent(behaviour(asked, context), context))
            try:
                with self._doorman.staying(grant, work.cancel):
                    await asyncio.wait({work})
            finally:
                work.cancel()
            if work.cancelled():
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "The token is good no more")
            work.result()

        return stream

    async def _turn_away(self, messages: Any, context: Any) -> None:
        if not await self._doorman.turned_away(context.peer()):
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, "Too many failed authentications"
            )
        await context.abort(
            grpc.StatusCode.UNAUTHENTICATED,
            "This needs the metadata authorization: Bearer TOKEN, with what gateway.token holds",
        )


async def sent(answers: Any, context: Any) -> None:
    """Carry out a streaming method of either kind: one that yields, or one that writes itself."""
    if not hasattr(answers, "__aiter__"):
        await answers
        return
    try:
        async with aclosing(answers):
            async for answer in answers:
                async with asyncio.timeout(STALLED):
                    await context.write(answer)
    except TimeoutError:
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "You do not read what is sent")
    except PbError as error:
        await refuse(context, error)
    except Exception:
        logger.exception("unexpected error in a stream")
        await context.abort(grpc.StatusCode.INTERNAL, FAULT)


async def too_fast(error: TooFastError, messages: Any, context: Any) -> None:
    await refuse(context, error)


def too_narrow(grant: Grant, method: Method) -> Callable[[Any, Any], Awaitable[None]]:
    async def refuse_it(messages: Any, context: Any) -> None:
        try:
            allow(grant, method)
        except PermissionDeniedError as error:
            await refuse(context, error)

    return refuse_it
