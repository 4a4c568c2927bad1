"""The scheduler's events for a face that lives in an event loop: one connection, until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from pb import __version__
from pb.api import codec
from pb.api.client import nobody
from pb.errors import NeedsDaemonError
from pb.paths import Home

Json = dict[str, Any]

HELLO, SUBSCRIBE = 0, 1


async def live_events(home: Home, *, face: str) -> AsyncGenerator[Json | None]:
    """Events as they happen; the first item is None: from then on nothing is missed.

    Ends when the scheduler goes away. Raises NeedsDaemonError when none listens, and the PbError
    with which it refuses.
    """
    path = await asyncio.to_thread(socket_of, home)
    try:
        reader, writer = await asyncio.open_unix_connection(str(path), limit=codec.LINE_LIMIT)
    except OSError as error:
        raise nobody(path) from error
    try:
        hello = {"protocol": codec.PROTOCOL, "version": __version__, "face": face}
        writer.write(codec.request(HELLO, "system.hello", hello))
        writer.write(codec.request(SUBSCRIBE, "events.subscribe", {}))
        while line := await line_of(reader):
            document = codec.decode(line)
            if "error" in document:
                raise codec.error_from(document["error"])
            if document.get("method") == "event":
                yield document["params"]
            elif document.get("id") == SUBSCRIBE:
                yield None
    finally:
        writer.close()


async def line_of(reader: asyncio.StreamReader) -> bytes:
    """The next line, or nothing at the end."""
    try:
        return await reader.readline()
    except (OSError, ValueError):
        return b""


def socket_of(home: Home) -> Path:
    """Where the live scheduler listens. Raises NeedsDaemonError when none runs."""
    from pb.process.status import look

    status = look(home, "scheduler")
    if status.state not in ("running", "unknown") or status.record is None:
        raise NeedsDaemonError(
            "The scheduler is not running", hint="Start it with: pb scheduler start"
        )
    return Path(status.record.socket_path or home.socket)
