"""Logs of runs and services over HTTP: a part of one, or all that comes.

Offsets are the log's own, counted from its first line ever, so they stay the same when it is
rotated. Text is made harmless for a terminal, since that is where curl prints it; the exact bytes
are had with ``raw=true`` or a Range header. Reading happens in threads.
"""

from __future__ import annotations

import asyncio
import functools
import re
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import anyio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pb.api.history import moment_ms
from pb.api.http_server import as_json
from pb.core.lean import dataclass
from pb.errors import UsageError, did_you_mean
from pb.gateway.asking import Visitor, ask
from pb.gateway.following import (
    LIMIT,
    MOST,
    MOST_LINES,
    Ask,
    Log,
    Wanted,
    first_of,
    following,
    log_of_run,
    log_of_service,
    opened,
)
from pb.gateway.gate import GRANT
from pb.gateway.params import BOOLEANS, run_number
from pb.gateway.tailing import Choice
from pb.process.logread import LogSource

PARAMETERS = ("offset", "limit", "tail", "follow", "raw", "since", "until", "grep", "times")

RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a log: where it begins and ends, and where the whole begins and ends."""

    begin: int
    end: int
    first: int
    last: int
    content: bytes


async def run_log(request: Request) -> Response:
    """The output of one run."""
    run_id = run_number(request.path_params["run_id"])
    return await answered(request, await log_of_run(asking(request), run_id))


async def service_log(request: Request) -> Response:
    """The log of a service, or of one of its instances (``web@1``)."""
    return await answered(
        request, await log_of_service(asking(request), request.path_params["name"])
    )


def asking(request: Request) -> Ask:
    visitor = Visitor(grant=request.scope[GRANT], peer=None)
    return functools.partial(ask, request.app.state.rooms.bridge, visitor)


async def answered(request: Request, log: Log) -> Response:
    wanted = wanted_of(request)
    ranged = request.headers.get("range")
    if ranged is not None and not wanted.follow:
        return await in_range(log, ranged)
    if wanted.follow or wanted.is_events:
        return followed(request, log, wanted)
    part = await anyio.to_thread.run_sync(read, log, wanted)
    return Response(part.content, headers=headers_of(log, part), media_type="text/plain")


def wanted_of(request: Request) -> Wanted:
    given = dict(request.query_params)
    for word in given:
        if word not in PARAMETERS:
            hint = did_you_mean(word[:64], PARAMETERS) or f"Known here: {', '.join(PARAMETERS)}."
            raise UsageError(f"There is no parameter {word[:64]!a} here", hint=hint)
    is_events = "text/event-stream" in request.headers.get("accept", "")
    follow = boolean(given, "follow", default=is_events)
    raw, choice = boolean(given, "raw"), choice_of(given)
    if follow and choice.until_ms is not None:
        raise UsageError("follow goes on where until would end it: choose one")
    if raw and choice.timed:
        raise UsageError("raw gives the exact bytes, and times puts something before each line")
    last = request.headers.get("last-event-id", "")
    offset = int(last) if is_events and last.isascii() and last.isdigit() else None
    return Wanted(
        offset=whole(given, "offset", 2**53) if offset is None else offset,
        limit=whole(given, "limit", MOST) or LIMIT,
        tail=whole(given, "tail", MOST_LINES),
        follow=follow,
        raw=raw,
        is_events=is_events,
        choice=choice,
    )


def choice_of(given: dict[str, str]) -> Choice:
    """Which lines are wanted; an instant, or how long ago."""
    now_ms = time.time_ns() // 1_000_000
    return Choice(
        since_ms=moment_ms("since", given.get("since"), now_ms),
        until_ms=moment_ms("until", given.get("until"), now_ms),
        grep=given.get("grep") or None,
        timed=boolean(given, "times"),
    )


def whole(given: dict[str, str], word: str, most: int) -> int | None:
    text = given.get(word)
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,17}", text) or int(text) > most:
        raise UsageError(f"{word} is a number from 0 to {most}")
    return int(text)


def boolean(given: dict[str, str], word: str, *, default: bool = False) -> bool:
    text = given.get(word, str(default).lower())
    if text not in BOOLEANS:
        raise UsageError(f"{word} is true or false")
    return BOOLEANS[text]


# -- a part


def read(log: Log, wanted: Wanted) -> Part:
    """The bytes that are wanted, made harmless unless they are wanted raw. Blocks."""
    source = opened(log)
    try:
        extent = source.extent()
        begin = first_of(source, wanted)
        end = min(extent.end, begin + wanted.limit)
        if wanted.raw:
            content = b"".join(piece for _, piece in bytes_between(source, begin, end))
        else:
            torn = begin == extent.first and extent.torn
            lines = source.lines(begin, end, torn=torn)
            pieces = wanted.choice.pieces(lines, lambda: extent.times)
            content = b"".join(piece.text for piece in pieces)
        return Part(begin=begin, end=end, first=extent.first, last=extent.end, content=content)
    finally:
        source.close()


def bytes_between(source: LogSource, begin: int, end: int) -> list[tuple[int, bytes]]:
    pieces, offset = [], begin
    while offset < end:
        place, chunk = source.read(offset, end - offset)
        if not chunk or place >= end:
            break
        pieces.append((place, chunk[: end - place]))
        offset = place + len(chunk)
    return pieces


def headers_of(log: Log, part: Part) -> dict[str, str]:
    return {
        "accept-ranges": "bytes",
        "content-disposition": f'attachment; filename="{log.name}"',
        "x-log-offset": str(part.begin),
        "x-log-next": str(part.end),
        "x-log-first": str(part.first),
        "x-log-size": str(part.last),
    }


async def in_range(log: Log, text: str) -> Response:
    """The exact bytes of one range (RFC 9110, 14.2); what is no single range is not understood."""
    found = RANGE.fullmatch(text.replace(" ", ""))
    if found is None or not (found[1] or found[2]):
        raise UsageError("A Range is one of bytes, such as bytes=0-1023 or bytes=-1024")

    def between() -> Part | int:
        source = opened(log)
        try:
            extent = source.extent()
            if found[1]:
                begin = int(found[1])
                end = min(extent.end, int(found[2]) + 1) if found[2] else extent.end
            else:
                begin, end = max(extent.first, extent.end - int(found[2])), extent.end
            if not extent.first <= begin < end:
                return extent.end
            end = min(end, begin + MOST)
            content = b"".join(piece for _, piece in bytes_between(source, begin, end))
            return Part(begin=begin, end=end, first=extent.first, last=extent.end, content=content)
        finally:
            source.close()

    part = await anyio.to_thread.run_sync(between)
    if isinstance(part, int):
        return Response(status_code=416, headers={"content-range": f"bytes */{part}"})
    shown = f"bytes {part.begin}-{part.end - 1}/{part.last}"
    headers = {**headers_of(log, part), "content-range": shown}
    return Response(part.content, 206, headers=headers, media_type="text/plain")


# -- following


def followed(request: Request, log: Log, wanted: Wanted) -> Response:
    kind = "text/event-stream" if wanted.is_events else "text/plain"
    return StreamingResponse(parts(request, log, wanted), media_type=f"{kind}; charset=utf-8")


async def parts(request: Request, log: Log, wanted: Wanted) -> AsyncIterator[bytes]:
    """The answer to whoever follows, as long as his token is good."""
    over = asyncio.Event()
    with request.app.state.rooms.doorman.staying(request.scope[GRANT], over.set):
        async with aclosing(following(log, wanted, over)) as found:
            async for pieces in found:
                if not pieces and wanted.is_events:
                    yield b": alive\n\n"
                for piece in pieces:
                    yield piece.event if wanted.is_events else piece.text
    if wanted.is_events:
        yield b"event: end\ndata: " + as_json({"log": log.name}) + b"\n"
