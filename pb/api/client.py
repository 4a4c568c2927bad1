"""The blocking client of the scheduler's socket: small, quick to import, never waits for ever.

Raises NeedsDaemonError when nobody listens, UnresponsiveError when nobody answers in time.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pb import __version__
from pb.api import codec
from pb.errors import NeedsDaemonError, PermissionDeniedError, UnresponsiveError

if TYPE_CHECKING:
    from pb.api.asker import Asker

DEADLINE = 4.5
"""Seconds a call waits for its answer unless the caller knows better, and for a greeting: with what
a command takes to start, a scheduler that is frozen is told of within five."""


class Client:
    """One connection. ``call`` may be used many times, by one thread at a time."""

    is_local = False

    def __init__(
        self,
        path: Path,
        *,
        timeout: float = DEADLINE,
        face: str = "cli",
        asker: Asker | None = None,
    ) -> None:
        self.path = path
        self._number = 0
        self._buffer = b""
        self._socket = connect(path, timeout)
        # The handshake goes out with the first call: no round trip of its own.
        hello = {"protocol": codec.PROTOCOL, "version": __version__, "face": face}
        if asker is not None:
            hello |= {"for": asker.name, "peer": asker.peer}
        self._pending = codec.request(0, "system.hello", hello)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def call(
        self, method: str, params: dict[str, Any] | None = None, *, timeout: float = DEADLINE
    ) -> dict[str, Any]:
        """The method's result. Raises the PbError that the scheduler answered."""
        deadline = time.monotonic() + timeout
        self._number += 1
        hello, self._pending = self._pending, b""
        self._send(hello + codec.request(self._number, method, params or {}), deadline)
        if hello:
            # Whoever is alive greets at once, however long the call itself may take.
            self._answer(0, min(deadline, time.monotonic() + DEADLINE))
        return self._answer(self._number, deadline)

    def notifications(self) -> Iterator[dict[str, Any]]:
        """What the scheduler says by itself, until the connection ends."""
        while line := self._line(None):
            document = codec.decode(line)
            if document.get("method") == "event":
                yield document["params"]

    def _answer(self, number: int, deadline: float) -> dict[str, Any]:
        while line := self._line(deadline):
            document = codec.decode(line)
            if document.get("id") != number:
                continue
            if "error" in document:
                raise codec.error_from(document["error"])
            result: dict[str, Any] = document["result"]
            return result
        raise NeedsDaemonError(
            "The scheduler closed the connection",
            hint="See `pb scheduler status` and `pb scheduler logs`.",
        )

    def _send(self, message: bytes, deadline: float) -> None:
        try:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            self._socket.sendall(message)
        except TimeoutError as error:
            raise unresponsive(self.path) from error
        except OSError as error:
            raise nobody(self.path) from error

    def _line(self, deadline: float | None) -> bytes:
        """The next line, or nothing at the end. ``deadline`` is monotonic; None waits for ever."""
        pieces = [self._buffer]
        while b"\n" not in pieces[-1]:
            pieces.append(self._receive(deadline))
            if not pieces[-1]:
                return b""
        line, _, self._buffer = pieces[-1].partition(b"\n")
        return b"".join([*pieces[:-1], line])

    def _receive(self, deadline: float | None) -> bytes:
        try:
            left = None if deadline is None else max(0.001, deadline - time.monotonic())
            self._socket.settimeout(left)
            return self._socket.recv(1 << 18)
        except TimeoutError as error:
            raise unresponsive(self.path) from error
        except OSError as error:
            raise nobody(self.path) from error


def connect(path: Path, timeout: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        connection.connect(str(path))
    except TimeoutError as error:
        connection.close()
        raise unresponsive(path) from error
    except PermissionError as error:
        connection.close()
        raise PermissionDeniedError(f"{path} belongs to somebody else") from error
    except BlockingIOError as error:
        # EAGAIN: its queue of connections is full, so it is alive and accepts none (unix(7)).
        connection.close()
        raise unresponsive(path) from error
    except OSError as error:
        connection.close()
        raise nobody(path) from error
    return connection


def unresponsive(path: Path) -> UnresponsiveError:
    return UnresponsiveError(
        "The scheduler is alive but does not answer",
        hint="See `pb scheduler logs`; `pb scheduler stop --force` ends it.",
    )


def nobody(path: Path) -> NeedsDaemonError:
    return NeedsDaemonError(
        f"No scheduler listens on {path}", hint="Start it with: pb scheduler start"
    )
