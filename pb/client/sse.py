"""Server-sent events, from bytes (HTML Living Standard, 9.2). Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pb.core.lean import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One event of a stream; ``kind`` is ``message`` where the stream names none. ``id`` is the
    newest number that was told until here."""

    kind: str
    text: str
    id: str | None


class Reader:
    """Cuts a stream into messages. When to try again is not the stream's to say."""

    def __init__(self) -> None:
        self._rest = b""
        self._id: str | None = None
        self._kind = ""
        self._lines: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """The messages that ``chunk`` completes. Lines end as the gateway ends them."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            message = self._take(line.removesuffix(b"\r").decode("utf-8", "replace"))
            if message is not None:
                yield message

    def _take(self, line: str) -> Message | None:
        if not line:
            return self._finished()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "data":
                self._lines.append(value)
            case "event":
                self._kind = value
            case "id":
                self._id = value
        return None

    def _finished(self) -> Message | None:
        lines, kind = self._lines, self._kind
        self._lines, self._kind = [], ""
        if not lines:
            return None
        return Message(kind=kind or "message", text="\n".join(lines), id=self._id)
