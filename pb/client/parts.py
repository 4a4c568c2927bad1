"""What comes in pieces: parts of logs, lines, and what is told beside events."""

from __future__ import annotations

from typing import Literal

from pb.core.lean import dataclass
from pb.errors import PbError


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """A part of a log. Offsets count bytes from the log's first line ever: they stay the same when
    it is rotated.

    ``begin`` and ``next`` are where the part begins, and where to go on; ``first`` and ``end``
    those of the whole that is left.
    """

    content: bytes
    begin: int
    next: int
    first: int
    end: int

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line without its end; ``next`` is the offset to go on from, None where it is not told.

    ``time`` is when it was written, as far as that is known: RFC 3339, in UTC.
    """

    text: str
    next: int | None = None
    time: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something about a stream of events itself.

    ``up`` and ``down``: the scheduler behind the gateway; ``reconnected``: the gateway was away,
    and what was missed follows; ``lost``: so many events will not come, because they are not kept
    any more or were not read fast enough.
    """

    kind: Literal["up", "down", "reconnected", "lost"]
    lost: int = 0


class LostEventsError(PbError):
    """Events were lost, and nobody was there to be told."""

    code = "lost_events"
