"""The gateway's process: token, sockets, both servers in one loop. The only wiring here.

Web and gRPC libraries are imported after the process has detached: a fork must not meet their
threads, and a refused start need not pay for them.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import signal
import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

from pb.api.certificate import Certificate, certificate_of, fingerprint
from pb.api.face import Face, run_face
from pb.api.token_file import ensure_token, read_token
from pb.config.settings import GatewaySettings, Settings
from pb.core.lean import dataclass
from pb.paths import Home
from pb.process.lifecycle import Running
from pb.process.listen import listen, listening_address, port_taken

if TYPE_CHECKING:
    import grpc

    from pb.gateway.bridge import Bridge
    from pb.gateway.doorman import Doorman
    from pb.gateway.hub import Hub

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared; binding there needs a certificate

STOP_TIMEOUT = 5.0
"""Seconds that calls under way have to finish when the gateway stops."""

logger = logging.getLogger("pb.gateway")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the gateway until a signal; the exit code."""
    return run_face(GATEWAY, argv)


def check(home: Home, settings: Settings) -> None:
    """What must be right before the gateway detaches: a host that it may listen on, a token, and
    where everything is encrypted a certificate."""
    certified = certificate_of(home, settings.gateway)
    listening_address(settings.gateway.host, "gateway.host", is_encrypted=certified is not None)
    ensure_token(home.token)


def serve(running: Running, home: Home, settings: Settings) -> None:
    """Bind, say ready, and answer until a signal. Raises PbError when it cannot start."""
    from pb.api import session
    from pb.api.listening import live_events
    from pb.api.token_book import TokenBook
    from pb.gateway.bridge import Bridge
    from pb.gateway.doorman import Doorman
    from pb.gateway.hub import Hub

    book = TokenBook(read_token(home.token), settings.db_path(home), soon=soon)
    doorman = Doorman(book, settings.gateway.rate_limit)
    bridge = Bridge(functools.partial(session, home, settings, face="gateway"))
    chosen = settings.gateway
    certified = certificate_of(home, chosen)
    host = listening_address(chosen.host, "gateway.host", is_encrypted=certified is not None)
    with listen(host, chosen.port, setting="gateway.port") as listener:
        hub = Hub(functools.partial(live_events, home, face="gateway"), bridge.events)
        inside = Inside(bridge, doorman, hub, chosen, certified)
        asyncio.run(faces(running, listener, inside))


def soon(work: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon(work)


GATEWAY = Face(
    service="gateway",
    flags={"host": str, "port": int, "grpc_port": int},
    check=check,
    serve=serve,
)


@dataclass(frozen=True, slots=True)
class Inside:
    """What both servers work with."""

    bridge: Bridge
    doorman: Doorman
    hub: Hub
    chosen: GatewaySettings
    certified: Certificate | None

    def names(self) -> list[str]:
        """The names beside loopback's by which the gateway may be called."""
        is_everywhere = self.chosen.host.strip("[]") in EVERYWHERE
        return [*self.chosen.names, *(own_names() if is_everywhere else ())]


def own_names() -> list[str]:
    """The machine's own name and addresses, for a gateway that listens on all of them."""
    import psutil

    found = [one.address for each in psutil.net_if_addrs().values() for one in each]
    return [socket.gethostname().lower(), *(a.partition("%")[0] for a in found if is_address(a))]


def is_address(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


async def faces(running: Running, listener: socket.socket, inside: Inside) -> None:
    """Both servers in one loop, until a signal."""
    from pb.api.http_rules import allowed_authorities, authority
    from pb.api.http_server import address_of, http_server
    from pb.gateway.app import gateway_app
    from pb.gateway.rpc import grpc_server

    host, port = address_of(listener)
    bridge, doorman, hub = inside.bridge, inside.doorman, inside.hub
    rpc = await grpc_server(bridge, doorman, hub)
    bound = bind_grpc(rpc, host, inside.chosen.grpc_port, inside.certified)
    await rpc.start()
    allowed = allowed_authorities(host, port, inside.names())
    app = gateway_app(bridge, doorman, hub, allowed)
    web = http_server(app, sockets=True, certificate=inside.certified)

    def stop() -> None:
        hub.close()
        web.stop()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    scheme = "http" if inside.certified is None else "https"
    address = f"{scheme}://{authority(host, port)}"
    running.ready(address=address, ports={"http": port, "grpc": bound})
    logger.info("listening on %s, gRPC on %s", address, authority(host, bound))
    if inside.certified is not None:
        logger.info(
            "certificate %s, SHA-256 %s", inside.certified.cert, fingerprint(inside.certified)
        )
    try:
        await web.serve(sockets=[listener])
    finally:
        await rpc.stop(STOP_TIMEOUT)
        bridge.close()
        logger.info("stopped")


def bind_grpc(
    server: grpc.aio.Server, host: str, port: int, certified: Certificate | None = None
) -> int:
    """Bind the gRPC port (0 picks a free one); errors as ``listen`` gives them.

    grpc says no more than that it could not, so the port is tried with a socket of ours first.
    """
    from pb.api.http_rules import authority

    if port:
        listen(host, port, setting="gateway.grpc_port").close()
    try:
        if certified is None:
            return int(server.add_insecure_port(authority(host, port)))
        import grpc

        credentials = grpc.ssl_server_credentials([certified.pair()])
        return int(server.add_secure_port(authority(host, port), credentials))
    except RuntimeError as error:
        raise port_taken(port, "gateway.grpc_port") from error
