"""Which log is meant, where reading it begins, and following it: what HTTP and gRPC share.

No face's words here. Reading happens in threads; following looks at the file's size first, which
costs next to nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio

from pb.core.lean import dataclass
from pb.errors import NotFoundError, did_you_mean
from pb.gateway.endpoints import INSTANCE_PATTERN
from pb.gateway.params import checked_name
from pb.gateway.tailing import ANY, Choice, Piece, Tail
from pb.process.logread import LogSource, starting_point

LIMIT, MOST = 1024 * 1024, 16 * 1024 * 1024
"""Bytes of one answer, unless another number is asked for; and at most."""

MOST_LINES = 100_000

POLL = 0.1
"""Seconds between looks at a followed file's size."""

ALIVE_EVERY = 15.0
"""Seconds of silence after which a follower is given a sign of life."""

OPEN = ("queued", "starting", "running")

Ask = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Asks a method of the registry for whoever wants the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What of a log is asked for, in bytes; ``tail`` in lines. ``is_events``: as an SSE stream.
    ``choice``: which of its lines."""

    offset: int | None = None
    limit: int = LIMIT
    tail: int | None = None
    follow: bool = False
    raw: bool = False
    is_events: bool = False
    choice: Choice = ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A log and its name for a file; ``is_over`` answers whether nothing will be added any more.
    ``is_emptied``: it may begin anew, and then an offset beyond its end means nothing."""

    path: Path
    name: str
    is_over: Callable[[], Awaitable[bool]]
    is_emptied: bool = True


async def log_of_run(ask: Ask, run_id: int) -> Log:
    """The output of one run. Raises NotFoundError."""
    path = (await ask("run.show", {"run_id": run_id}))["run"]["log_path"]
    if path is None:
        raise NotFoundError(f"Run {run_id} has no log", hint="It has not begun, or never did.")

    async def is_over() -> bool:
        now = await ask("run.show", {"run_id": run_id})
        return now["run"]["state"] not in OPEN

    return Log(path=Path(path), name=f"run-{run_id}.log", is_over=is_over, is_emptied=False)


async def log_of_service(ask: Ask, name: str) -> Log:
    """The log of a service, or of one of its instances (``web@1``). Raises NotFoundError."""
    checked_name(name, INSTANCE_PATTERN)
    found = await ask("service.show", {"name": name})
    paths = {view["name"]: view["log_path"] for view in found["instances"]}
    if name not in paths:
        hint = did_you_mean(name, list(paths)) or f"Instances: {', '.join(paths)}."
        raise NotFoundError(f"There is no instance {name}", hint=hint)

    async def is_over() -> bool:
        return False

    return Log(path=Path(paths[name]), name=f"{name}.log", is_over=is_over)


def opened(log: Log) -> LogSource:
    try:
        return LogSource(log.path)
    except FileNotFoundError:
        raise NotFoundError(
            f"There is no {log.name}", hint="Nothing was written yet, or it was let go."
        ) from None


def first_of(source: LogSource, wanted: Wanted) -> int:
    """The offset at which what is wanted begins."""
    extent = source.extent()
    is_chosen = wanted.tail is not None or wanted.choice.since_ms is not None
    if is_chosen and wanted.offset is None:
        selection = wanted.choice.selection(extent.times)
        return starting_point(source, extent, wanted.tail, selection)
    return min(max(wanted.offset or 0, extent.first), extent.end)


async def following(log: Log, wanted: Wanted, over: asyncio.Event) -> AsyncGenerator[list[Piece]]:
    """What is there from where it is wanted on; with ``follow`` then what comes, until nothing more
    will come. An empty list is a sign of life. Ends early, and without the rest, once ``over``."""
    loop = asyncio.get_running_loop()
    tail = Tail(
        log.path, lambda source: first_of(source, wanted), raw=wanted.raw, choice=wanted.choice
    )
    quiet_since = asked_at = loop.time()
    is_last = not wanted.follow
    floor = 0 if log.is_emptied else wanted.offset or 0
    try:
        while not over.is_set():
            pieces = await anyio.to_thread.run_sync(tail.read) if tail.has_more() else []
            if pieces:
                quiet_since = loop.time()
                if whole := beyond(floor, pieces, raw=wanted.raw):
                    yield whole
                continue
            if is_last:
                rest = await anyio.to_thread.run_sync(tail.rest)
                yield beyond(floor, list(rest), raw=wanted.raw)
                return
            if loop.time() - asked_at >= 5 * POLL:
                is_last, asked_at = await log.is_over(), loop.time()
                if is_last:
                    continue
            if loop.time() - quiet_since > ALIVE_EVERY:
                quiet_since = loop.time()
                yield []
            await asyncio.sleep(POLL)
    finally:
        tail.close()


def beyond(floor: int, pieces: list[Piece], *, raw: bool) -> list[Piece]:
    """What of these lies beyond an offset; lines whole, bytes from there on."""
    found = [piece for piece in pieces if piece.text and piece.next > floor]
    if not raw:
        return found
    return [replace(piece, text=piece.text[floor - piece.next :]) for piece in found]
