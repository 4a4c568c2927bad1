"""The scheduler's socket: newline-delimited JSON-RPC 2.0 for processes of the same user.

Reads are answered from a connection to the store of their own, in a thread, and never disturb
the engine; everything else is a message to it. Nobody is waited for without a deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import stat
import struct
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard

from pb import __version__
from pb.api import codec
from pb.api.catalogue import find
from pb.api.context import Context
from pb.api.local import carry_out
from pb.api.methods import run_show
from pb.api.registry import Method, UnknownMethodError, checked
from pb.api.views import Json
from pb.core.lean import dataclass
from pb.daemon.bus import Bus
from pb.daemon.messages import Command, Message
from pb.errors import ConflictError, InvalidError, PbError, UnresponsiveError
from pb.process.memory import give_back
from pb.process.peer import user_name
from pb.store.store import Store

log = logging.getLogger("server")

MAX_CONNECTIONS = 256
LINE_SECONDS = 10.0
"""How long a half-sent line, or an answer that nobody reads, may hold a connection."""

COMMAND_SECONDS = 4.5
"""How long a command may take before its asker is told so; just under the client's patience."""

STOP_SECONDS = 24 * 3600.0
"""Stopping may take a grace of any length; its asker decides when to give up."""

LARGE = 256 * 1024
"""Bytes of a request or an answer after which free memory is given back to the system."""

FACES = ("cli", "gateway", "grpc", "debug", "python")

FOR_OTHERS = ("gateway", "grpc", "debug")
"""Faces that ask for somebody else, whose name and address they tell. All of them are this user's
own processes, so this is for the record; it is no door."""

SLOW = frozenset({"job.cancel", "run.cancel", "service.stop", "backup.create", "backup.verify"})

ANSWERED_IN_TIME = frozenset({"service.start", "service.restart", "service.wait"})
"""Methods whose own ``timeout`` the engine keeps, and answers when it is over."""


class Server:
    """Listens on one socket. ``post`` hands a message to the engine."""

    def __init__(
        self, *, path: Path, context: Context, bus: Bus, post: Callable[[Message], None]
    ) -> None:
        self._path = path
        self._context = context
        self._bus = bus
        self._post = post
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        # One reader: SQLite connections are not shared, and reads are short.
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read")
        self._reading: Store | None = None

    async def listen(self) -> None:
        """Bind the socket, private; a stale one is removed, nothing else ever is.

        Raises PbError when something else stands there, or somebody listens.
        """
        make_room(self._path)
        try:
            self._server = await asyncio.start_unix_server(
                self._serve, path=str(self._path), limit=codec.LINE_LIMIT
            )
            os.chmod(self._path, 0o600)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise PbError(
                f"Cannot listen on {self._path}: {reason}", hint="Choose another with --socket."
            ) from error

    async def close(self) -> None:
        """Take no more, let answers under way go out, remove the socket."""
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=0.2)
        for task in self._tasks:
            task.cancel()
        self._reader.shutdown(wait=True, cancel_futures=True)
        if self._reading is not None:
            self._reading.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._tasks.add(task)
        try:
            peer = peer_of(writer.get_extra_info("socket"))
            if len(self._tasks) > MAX_CONNECTIONS:
                raise UnresponsiveError("Too many connections", hint="Close some, and try again.")
            await Connection(reader, writer, peer, self).serve()
        except PbError as error:
            writer.write(codec.failure(None, error))
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    # -- carrying out

    async def answer(
        self, method: Method, params: Json, actor: str, peer: str | None = None
    ) -> bytes:
        """The result of one call, as JSON. Raises PbError."""
        if method.scope == "read" and not method.needs_daemon:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._reader, self._read, method, params)
        return codec.dumped_result(await self._ask_engine(method, params, actor, peer))

    def _read(self, method: Method, params: Json) -> bytes:
        if self._reading is None:
            self._reading = Store(self._context.store.path, readonly=True)
        context = replace(self._context, store=self._reading)
        return codec.dumped_result(carry_out(context, method, params))

    async def _ask_engine(self, method: Method, params: Json, actor: str, peer: str | None) -> Json:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Json] = loop.create_future()

        def reply(result: Json | PbError) -> None:
            if future.done():
                return
            if isinstance(result, PbError):
                future.set_exception(result)
            else:
                future.set_result({"schema": 1, **result})

        self._post(Command(method.name, params, actor, reply, peer))
        seconds = patience(method, params)
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError:
            if method.name == "run.wait":
                return run_show(self._context, run_id=params["run_id"])
            raise UnresponsiveError(
                f"{method.name} has not taken effect within {seconds:g} s",
                hint="It goes on; see `pb scheduler status`.",
            ) from None

    def subscribe(self, connection: Connection) -> Awaitable[None]:
        return connection.forward(self._bus)


def patience(method: Method, params: Json) -> float:
    """Seconds until an asker is told that it takes longer."""
    if method.name == "run.wait":
        return min(float(params["timeout"]), STOP_SECONDS)
    if method.name in ANSWERED_IN_TIME:
        return min(float(params["timeout"]) + COMMAND_SECONDS, STOP_SECONDS)
    return STOP_SECONDS if method.name in SLOW else COMMAND_SECONDS


class Connection:
    """One client: its lines are answered in order."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        peer: Peer,
        server: Server,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._peer = peer
        self._server = server
        self._face = "cli"
        self._subscribing = False

    async def serve(self) -> None:
        while line := await self._line():
            await self._send(await self._respond(line))
            if len(line) > LARGE:
                asyncio.get_running_loop().call_soon(give_back)
            if self._subscribing:
                self._subscribing = False
                await self._server.subscribe(self)

    async def _line(self) -> bytes:
        """The next line; its first byte may take for ever, the rest may not."""
        first = await self._reader.read(1)
        if not first or first == b"\n":
            return first
        try:
            async with asyncio.timeout(LINE_SECONDS):
                return first + await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            raise InvalidError(f"A message is longer than {codec.LINE_LIMIT} bytes") from None
        except asyncio.IncompleteReadError:
            return b""

    async def _send(self, message: bytes) -> None:
        """In pieces: asyncio moves all that is still to be written with each part that was."""
        async with asyncio.timeout(LINE_SECONDS):
            for start in range(0, len(message), LARGE):
                self._writer.write(memoryview(message)[start : start + LARGE])
                await self._writer.drain()
        if len(message) > LARGE:
            asyncio.get_running_loop().call_soon(give_back)

    async def _respond(self, line: bytes) -> bytes:
        number: Any = None
        try:
            document = codec.decode(line)
            number = document.get("id")
            name, params = document.get("method"), document.get("params") or {}
            if not isinstance(name, str) or not isinstance(params, dict):
                raise codec.ProtocolError("Not a request: method and params are needed")
            return codec.response(number, await self._call(name, params))
        except UnknownMethodError as error:
            return codec.failure(number, error, rpc_code=codec.METHOD_NOT_FOUND)
        except codec.ProtocolError as error:
            return codec.failure(number, error, rpc_code=codec.INVALID_REQUEST)
        except PbError as error:
            return codec.failure(number, error)
        except Exception:
            log.error("Cannot answer:\n%s", traceback.format_exc())
            fault = PbError("The scheduler could not answer", hint="See `pb scheduler logs`.")
            return codec.failure(number, fault)

    async def _call(self, name: str, params: Json) -> bytes:
        if name == "system.hello":
            return codec.dumped_result(self._hello(params))
        method = find(name)
        values = checked(method, params)
        if name == "events.subscribe":
            self._subscribing = True
            return codec.dumped_result({"schema": 1, "subscribed": True})
        actor = f"{self._face}:{self._peer.name}"
        return await self._server.answer(method, values, actor, self._peer.place)

    def _hello(self, params: Json) -> Json:
        """The handshake: both ends must speak the same protocol."""
        spoken = params.get("protocol")
        if spoken != codec.PROTOCOL:
            raise codec.ProtocolError(
                f"This scheduler (pb {__version__}) speaks protocol {codec.PROTOCOL}, "
                f"the client {spoken!r} (pb {params.get('version')})",
                hint="Run `pb scheduler restart` after an upgrade.",
            )
        if params.get("face") in FACES:
            self._face = params["face"]
        if self._face in FOR_OTHERS:
            name, place = params.get("for"), params.get("peer")
            self._peer = Peer(
                name=name if is_word(name) else self._peer.name,
                place=place if is_word(place) else self._peer.place,
            )
        return {"schema": 1, "protocol": codec.PROTOCOL, "version": __version__}

    async def forward(self, bus: Bus) -> None:
        """Send events until the client goes away."""
        subscription = bus.subscribe()
        gone = asyncio.ensure_future(self._reader.read(1))
        try:
            while not gone.done():
                waiting = asyncio.ensure_future(subscription.get())
                await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done():
                    waiting.cancel()
                    return
                await self._send(codec.notification("event", waiting.result()))
        finally:
            gone.cancel()
            bus.unsubscribe(subscription)


def make_room(path: Path) -> None:
    """Remove a socket that nobody listens on. Raises ConflictError for anything else."""
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise PbError(f"Cannot listen on {path}: {(error.strerror or '').lower()}") from error
    if not stat.S_ISSOCK(facts.st_mode):
        raise ConflictError(
            f"{path} is not a socket, so it was left alone",
            hint="Choose another path with --socket, or move it aside.",
        )
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError:
            pass  # somebody is there, slow or not ours
    raise ConflictError(
        f"Another process listens on {path}", hint="Choose another path with --socket."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who is at the other end, and where: what the record of a change says."""

    name: str
    place: str | None


def is_word(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= 128 and value.isprintable()


def peer_of(connection: socket.socket) -> Peer:
    """Who connects, by the kernel's word. Raises PbError for anybody but us and root."""
    pid, uid = peer_credentials(connection)
    if uid not in (os.geteuid(), 0):
        raise PbError(f"This socket is not for user id {uid}")
    return Peer(name=user_name(uid), place=None if pid is None else f"pid {pid}")


def peer_credentials(connection: socket.socket) -> tuple[int | None, int]:
    """The peer's PID, where it is told, and user id (SO_PEERCRED, unix(7); LOCAL_PEERCRED on macOS
    and the BSDs)."""
    if hasattr(socket, "SO_PEERCRED"):
        size = struct.calcsize("3i")
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        pid, uid, _ = struct.unpack("3i", credentials)
        return pid, uid
    # struct xucred {u_int version; uid_t uid; …}; level 0, option 1. Not tried by us on macOS.
    return None, int(struct.unpack_from("2I", connection.getsockopt(0, 1, 76))[1])
