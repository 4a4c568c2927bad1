"""One look at a service from the outside: does it accept a connection, does it answer a GET.

Every check answers None when it has passed, else the reason in words, for a sentence that begins
with what was checked. No thread, no HTTP library; how often to look is not decided here.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pb import __version__
from pb.core.durations import duration_words
from pb.core.service import Exec, Http, Probe, Tcp
from pb.core.urls import Url, parse_url
from pb.daemon.errands import PROBE, Errands
from pb.errors import PbError

if TYPE_CHECKING:
    import ssl

    from pb.process.spawn import Spawn

SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN})
"""What a machine short of something answers: that says nothing about the service."""

HEAD_LIMIT, HEADERS_LIMIT = 8 * 1024, 200
"""Bytes of a status line or header, and how many of them, that are read at the most."""

BODY_LIMIT, BODY_SECONDS = 64 * 1024, 0.25
"""How much of the answer's body is read, and for how long: hanging up in the middle of it makes
simple servers complain in their log."""


class InconclusiveError(Exception):
    """The check could not be made: the machine is short of something."""


async def attempt(probe: Probe, timeout: float, what: Spawn, errands: Errands) -> str | None:
    """Check once; the answer is a whole sentence. Raises InconclusiveError.

    ``what`` is how the service was started: an ``exec`` probe shares its surroundings.
    """
    began = time.monotonic()
    try:
        async with asyncio.timeout(None if isinstance(probe, Exec) else timeout):
            match probe:
                case Tcp():
                    problem = await check_tcp(probe)
                case Http():
                    problem = await check_http(probe)
                case Exec():
                    problem = await check_exec(probe, timeout, what, errands)
    except TimeoutError:
        if time.monotonic() - began > timeout * 1.5 + 1.0:
            raise InconclusiveError("we were held up ourselves") from None
        problem = f"did not answer within {duration_words(timeout)}"
    return None if problem is None else f"{name_of(probe)} {problem}"


def name_of(probe: Probe) -> str:
    match probe:
        case Tcp():
            host = f"[{probe.host}]" if ":" in probe.host else probe.host
            return f"{host}:{probe.port}"
        case Http():
            return probe.url
        case Exec():
            return probe.command[0]


async def check_exec(probe: Exec, timeout: float, what: Spawn, errands: Errands) -> str | None:
    """The command exits with 0."""
    env = {**what.env, PROBE: "1"}
    outcome = await errands.probe(replace(what, argv=probe.command, env=env, stdin=None), timeout)
    if outcome.is_passing:
        raise InconclusiveError(outcome.reason or "")
    if outcome.reason is None:
        return None
    reason = f"answered with {outcome.reason}" if outcome.exit_code else outcome.reason
    return f"{reason} ({outcome.words})" if outcome.words else reason


async def check_tcp(probe: Tcp) -> str | None:
    """A connection is accepted; it is closed again at once."""
    with failing() as problem:
        (await connect(probe.host, probe.port)).close()
    return problem.reason


async def check_http(probe: Http) -> str | None:
    """The GET is answered with a status that counts as good. Redirects are answers."""
    try:
        url = parse_url(probe.url)
        request = request_of(url, probe)
    except PbError as error:
        return error.message
    with failing() as problem:
        status = await get(url, request)
        if not is_good(status, probe):
            return f"was answered with {status}"
    return problem.reason


def is_good(status: int, probe: Http) -> bool:
    return status in probe.status if probe.status else 200 <= status <= 399


class Problem:
    """Why a check has failed; ``reason`` None: it has not."""

    reason: str | None = None


@contextlib.contextmanager
def failing() -> Iterator[Problem]:
    """Put what the network answers into words. Raises InconclusiveError."""
    problem = Problem()
    try:
        yield problem
    except OSError as error:
        if error.errno in SHORT:
            raise InconclusiveError(os.strerror(error.errno)) from error
        problem.reason = words_of(error)
    except (ValueError, EOFError) as error:
        problem.reason = str(error)


def words_of(error: OSError) -> str:
    if type(error).__name__.startswith("SSL"):  # to ask for the class would import ssl
        return "does not speak TLS"
    if isinstance(error, socket.gaierror):
        return "has a host name that is not known"
    if isinstance(error, ConnectionRefusedError):
        return "refused the connection"
    if isinstance(error, ConnectionError):
        return "closed the connection without an answer"
    return (error.strerror or str(error)).lower()


async def connect(host: str, port: int) -> socket.socket:
    """A connected socket that does not block. Raises OSError."""
    problem: OSError = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    for family, address in await addresses(host, port):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, address)
            # A port of the ephemeral range may be given to us and connect to itself (RFC 9293
            # 3.5: simultaneous open): nobody listens there.
            if sock.getsockname() != sock.getpeername():
                return sock
            sock.close()
        except OSError as error:
            sock.close()
            problem = error
        except BaseException:
            sock.close()
            raise
    raise problem


async def addresses(host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
    """Where to connect to. A number, and localhost, need no thread to be looked up."""
    if host == "localhost":
        return [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::1", port))]
    with contextlib.suppress(ValueError):
        is_old = ipaddress.ip_address(host.partition("%")[0]).version == 4
        return [(socket.AF_INET if is_old else socket.AF_INET6, (host, port))]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, (str(address[0]), port)) for family, _, _, _, address in found]


def request_of(url: Url, probe: Http) -> bytes:
    """The GET's bytes. Raises PbError for a header that would be more than one."""
    headers = {
        "Host": url.authority,
        "User-Agent": f"pb/{__version__}",
        "Accept": "*/*",
        "Connection": "close",
    }
    for name, value in probe.headers.items():
        if not name or not name.isascii() or not name.isprintable() or set(name) & set(": \t"):
            raise PbError(f"has the header {name!r}, which is no name of a header")
        if not value.isprintable():
            raise PbError(f"has the header {name} with characters that no header may have")
        double = next((own for own in headers if own.lower() == name.lower()), name)
        headers.pop(double, None)
        headers[name] = value
    lines = [f"GET {url.target} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
    return "\r\n".join([*lines, "", ""]).encode("utf-8")


async def get(url: Url, request: bytes) -> int:
    """Send the request and answer the status. Raises OSError, ValueError and EOFError."""
    sock = await connect(url.host, url.port)
    is_secure = url.scheme == "https"
    try:
        reader, writer = await asyncio.open_connection(
            sock=sock,
            limit=HEAD_LIMIT,
            ssl=trusting() if is_secure else None,
            server_hostname=url.host if is_secure else None,
        )
    except BaseException:
        sock.close()
        raise
    try:
        writer.write(request)
        status, length = await head_of(reader)
        await listen_on(reader, length)
        return status
    finally:
        writer.transport.abort()


async def head_of(reader: asyncio.StreamReader) -> tuple[int, int]:
    """Status and body length of the final answer: 100 to 199 come before it (RFC 9110 15.2)."""
    while True:
        words = (await line_of(reader)).split(maxsplit=2)
        is_http = len(words) > 1 and words[0].startswith(b"HTTP/1.")
        if not is_http or len(words[1]) != 3 or not words[1].isdigit():
            raise ValueError("did not answer in HTTP")
        status, length = int(words[1]), await headers_of(reader)
        if status >= 200:
            return status, 0 if status in (204, 304) else length


async def headers_of(reader: asyncio.StreamReader) -> int:
    """Read all headers; the answer is the body's length, or the most that is read of it."""
    length = BODY_LIMIT
    for _ in range(HEADERS_LIMIT):
        name, _colon, value = (await line_of(reader)).partition(b":")
        if not name:
            return length
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            length = min(int(value), BODY_LIMIT)
    raise ValueError("answered with too many headers")


async def line_of(reader: asyncio.StreamReader) -> bytes:
    try:
        line = await reader.readline()
    except ValueError as error:
        raise ValueError("answered with a head that is too long") from error
    if not line.endswith(b"\n"):
        raise EOFError("closed the connection without an answer")
    return line.rstrip(b"\r\n")


async def listen_on(reader: asyncio.StreamReader, left: int) -> None:
    """Hear the body out, within reason."""
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(BODY_SECONDS):
            while left > 0 and (piece := await reader.read(left)):
                left -= len(piece)


def trusting() -> ssl.SSLContext:
    """A probe asks whether somebody answers, mostly at an address no certificate is made for."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
