"""A WebSocket client that does just what a test says, on a plain blocking socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

Json = dict[str, Any]


class Refused(Exception):  # noqa: N818 - what a test expects is no error
    """The server did not accept it: its status and what it said."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status}: {body.decode(errors='replace')}")
        self.status = status
        self.body = body


class Socket:
    """One WebSocket. ``closed`` is the code with which the server has closed it."""

    def __init__(
        self, port: int, path: str = "/ws", *, host: str = "", headers: dict[str, str] | None = None
    ) -> None:
        self.closed: int | None = None
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._events: Iterator[Event] = iter(())
        self._text = ""
        extra = [(k.encode(), v.encode()) for k, v in (headers or {}).items()]
        name = host or f"127.0.0.1:{port}"
        self._send(Request(host=name, target=path, extra_headers=extra))
        self._shake_hands()

    def __enter__(self) -> Socket:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._socket.close()

    def _send(self, event: Event) -> None:
        self._socket.sendall(self._connection.send(event))

    def _shake_hands(self) -> None:
        status, body = 0, b""
        for event in self._received():
            match event:
                case AcceptConnection():
                    return
                case RejectConnection():
                    status = event.status_code
                    if not event.has_body:
                        break
                case RejectData():
                    body += event.data
                    if event.body_finished:
                        break
        self._socket.close()
        raise Refused(status, body)

    def _received(self) -> Iterator[Event]:
        while True:
            while (event := next(self._events, None)) is not None:
                yield event
            content = self._socket.recv(65536)
            self._connection.receive_data(content or None)
            self._events = iter(list(self._connection.events()))
            if not content:
                yield from self._events
                return

    def say(self, frame: Json | str | bytes) -> None:
        match frame:
            case bytes():
                self._send(BytesMessage(data=frame))
            case str():
                self._send(TextMessage(data=frame))
            case _:
                self._send(TextMessage(data=json.dumps(frame)))

    def ask(self, method: str, number: str = "1", **params: Any) -> None:
        self.say({"type": "req", "id": number, "method": method, "params": params})

    def hear(self) -> Json | None:
        """The next frame; None when the server has closed it."""
        for event in self._received():
            match event:
                case CloseConnection():
                    self.closed = event.code
                    return None
                case Ping():
                    self._send(event.response())
                case Message():
                    self._text += str(event.data)
                    if event.message_finished:
                        text, self._text = self._text, ""
                        return dict(json.loads(text))
        return None

    def answer(self, method: str, **params: Any) -> Json:
        """Ask, and wait for that answer; events that come meanwhile are passed over."""
        self.ask(method, "a", **params)
        while (frame := self.hear()) is not None:
            if frame.get("id") == "a":
                return frame
        raise AssertionError(f"closed with {self.closed}")

    def event(self, name: str) -> Json:
        """The next event of that name; others are passed over."""
        while (frame := self.hear()) is not None:
            if frame["type"] == "event" and frame["event"] == name:
                return dict(frame["data"])
        raise AssertionError(f"closed with {self.closed}")
