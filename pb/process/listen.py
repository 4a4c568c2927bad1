"""Binding a TCP port, and naming who has it when it is taken.

Never beyond loopback unless everything is encrypted, never a port that somebody shares, and nobody
who holds a port is killed.
"""

from __future__ import annotations

import errno
import socket
from ipaddress import ip_address

from pb.errors import ConflictError, InvalidError, PbError, PermissionDeniedError

BACKLOG = 128


def loopback_address(host: str, setting: str) -> str:
    """The loopback address that ``host`` names, or a refusal.

    ``setting`` is what the user would change (``gateway.host``). Raises PermissionDeniedError for
    an address beyond loopback and InvalidError for a name that is none.
    """
    if host.lower() == "localhost":
        return "127.0.0.1"
    try:
        address = ip_address(host.strip("[]"))
    except ValueError as error:
        raise InvalidError(
            f"{host!r} is not an address to listen on", hint=f"Set {setting} to 127.0.0.1 or ::1."
        ) from error
    if not address.is_loopback:
        raise PermissionDeniedError(
            f"Refusing to listen on {host}: beyond this machine everything would travel in clear "
            "text, the token included",
            hint=f"Set {setting} to 127.0.0.1 and reach it from elsewhere through ssh -L"
            + (", or set gateway.tls = true." if setting.startswith("gateway.") else "."),
        )
    return str(address)


def listening_address(host: str, setting: str, *, is_encrypted: bool) -> str:
    """The address that ``host`` names: any where everything is encrypted, else a loopback one.

    Raises as ``loopback_address``.
    """
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return loopback_address(host, setting)
    return str(address) if is_encrypted else loopback_address(host, setting)


def listen(address: str, port: int, *, setting: str) -> socket.socket:
    """A listening, non-blocking socket on ``address`` (from ``listening_address``).

    Port 0 picks a free one; ``setting`` is what the user would change (``gateway.port``). Raises
    ConflictError naming the owner of a taken port, PermissionDeniedError for a privileged one,
    InvalidError for an impossible one.
    """
    if not 0 <= port <= 65_535:
        raise InvalidError(f"{port} is no port", hint=f"Set {setting} between 0 and 65535.")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's algorithm off for IPPROTO_TCP only.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise refused(error, address, port, setting) from error
    return listener


def refused(error: OSError, address: str, port: int, setting: str) -> PbError:
    """What went wrong with binding, in words."""
    match error.errno:
        case errno.EADDRINUSE:
            return port_taken(port, setting)
        case errno.EACCES | errno.EPERM:
            return PermissionDeniedError(
                f"Port {port} needs more rights than this user has",
                hint=f"Choose one above 1023: set {setting}.",
            )
        case _:
            return PbError(f"Cannot listen on {address} port {port}: {error.strerror}")


def port_taken(port: int, setting: str) -> ConflictError:
    """The error for a port that somebody has, naming the owner where the system tells."""
    owner = port_owner(port)
    return ConflictError(
        f"Port {port} is taken by {owner}" if owner else f"Port {port} is taken",
        hint=f"Stop that program, or choose another port: set {setting} (0 picks a free one).",
    )


def port_owner(port: int) -> str | None:
    """The process that listens on ``port``, as ``name (PID n)``; None when that cannot be known."""
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            if connection.status == psutil.CONN_LISTEN and address and address.port == port:
                if connection.pid is None:
                    return None
                return f"{psutil.Process(connection.pid).name()} (PID {connection.pid})"
    except (psutil.Error, OSError):
        return None
    return None
