"""The debug server's process: socket, page, feed of events. The only wiring here.

Web libraries are imported after the process has detached.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import signal
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pb.api.face import Face, run_face
from pb.config.settings import Settings
from pb.paths import Home
from pb.process.lifecycle import Running
from pb.process.listen import listen, loopback_address

if TYPE_CHECKING:
    from pb.debug.app import Parts
    from pb.debug.entry import Entry

logger = logging.getLogger("pb.debug")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the debug server until a signal; the exit code."""
    return run_face(DEBUG, argv)


def check(home: Home, settings: Settings) -> None:
    """What must be right before the debug server detaches: a loopback host."""
    loopback_address(settings.debug.host, "debug.host")


def serve(running: Running, home: Home, settings: Settings) -> None:
    """Bind, say ready, and answer until a signal. Raises PbError when it cannot start."""
    host = loopback_address(settings.debug.host, "debug.host")
    with listen(host, settings.debug.port, setting="debug.port") as listener:
        asyncio.run(page(running, listener, home, settings))


DEBUG = Face(service="debug", flags={"host": str, "port": int}, check=check, serve=serve)


async def page(running: Running, listener: socket.socket, home: Home, settings: Settings) -> None:
    """Serve the dashboard, until a signal."""
    from pb.api.http_rules import allowed_authorities, authority
    from pb.api.http_server import address_of, http_server
    from pb.api.tickets import life_of
    from pb.debug.app import FREE, debug_routes
    from pb.debug.entry import Entry
    from pb.debug.gate import Gate

    host, port = address_of(listener)
    life = life_of(running.record.pid, running.record.started_at_ms)
    entry = Entry(home.token, life, port)
    parts = parts_of(home, settings, entry)
    gate = Gate(debug_routes(parts), allowed_authorities(host, port), entry, FREE)
    web = http_server(gate)

    def stop() -> None:
        parts.feed.close()
        web.stop()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    running.ready(address=f"http://{authority(host, port)}", ports={"http": port})
    logger.info("listening on %s", authority(host, port))
    await web.serve(sockets=[listener])
    logger.info("stopped")


def parts_of(home: Home, settings: Settings, entry: Entry) -> Parts:
    """The pieces that the routes stand on, wired to this home."""
    from pb.api import events, session
    from pb.debug.app import Parts
    from pb.debug.around import leaders, log_of, machine_of, services
    from pb.debug.feed import Feed
    from pb.debug.snapshot import Snapshots
    from pb.debug.system import system
    from pb.debug.usage import Usage

    connect = functools.partial(session, home, settings, face="debug")
    snapshots = Snapshots(connect, functools.partial(services, home), machine_of(home))
    return Parts(
        snapshots=snapshots,
        feed=Feed(functools.partial(events, home, settings), snapshots.changed),
        entry=entry,
        connect=connect,
        usage=Usage(functools.partial(leaders, connect, home)),
        log_of=functools.partial(log_of, connect, home),
        system=functools.partial(system, home),
    )
