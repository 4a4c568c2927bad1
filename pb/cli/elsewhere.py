"""Another gateway in place of this machine's scheduler: what ``--url`` and ``PB_URL`` lead to.

The methods are the same, and so is what they answer. Only asking is here; nothing is rendered.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from pb.cli.asked import asked, elsewhere
from pb.cli.render import mark, note
from pb.core.lean import dataclass
from pb.errors import NotFoundError, PbError
from pb.process.logtext import LogLine

if TYPE_CHECKING:
    from pb.cli.event_stream import Wanted
    from pb.cli.logs import View
    from pb.client import Client, Notice
    from pb.client.place import Place

Json = dict[str, Any]

SPARE = 10.0
"""Seconds on top of those that the scheduler has: for the way there and back."""

PIECE = 4 * 1024 * 1024
"""Bytes of a log that are asked for at once."""


class Elsewhere:
    """A session with the scheduler behind another gateway."""

    is_local = False

    def __enter__(self) -> Elsewhere:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """The connection is kept for what this command asks next."""

    def call(self, method: str, params: Json | None = None, *, timeout: float = 5.0) -> Json:
        """The method's answer. Raises the PbError that the gateway answered."""
        return client().call(method, params, timeout=timeout + SPARE)


def client() -> Client:
    """The client of the gateway that is meant."""
    from pb.client.place import place_elsewhere

    return client_of(place_elsewhere(elsewhere(), token_file=asked.token_file, trust=asked.trust))


@cache
def client_of(place: Place) -> Client:
    from pb.client import Client

    return Client(place.url, place.token, trust=place.trust)


def events(wanted: Wanted, last: int) -> Iterator[Json]:
    """Events later than ``last``, for ever; what happens to the stream itself is said aloud."""
    from pb.cli.event_stream import ANY

    found = client().events(
        types=[wanted.type] if wanted.type else [],
        jobs=[wanted.job] if wanted.job else [],
        services=[wanted.service] if wanted.service not in (None, ANY) else [],
        since=last,
        told=tell,
    )
    for event in found:
        if wanted.takes(dict(event)):
            yield dict(event)


def tell(notice: Notice) -> None:
    """Say what was interrupted, and that something is missing."""
    if notice.kind == "down":
        note("The scheduler went away; waiting for it to come back")
    elif notice.kind == "reconnected":
        note("The gateway went away, and is back")
    elif notice.kind == "lost":
        note(f"{mark('warn', sys.stderr)} {notice.lost} events were lost")


# -- logs


@dataclass(frozen=True, slots=True, kw_only=True)
class FarLog:
    """A log where the gateway is: a run's, by its number, or a service instance's, by its name."""

    run_id: int | None = None
    service: str = ""

    @property
    def _logs(self) -> tuple[Any, Any]:
        """Whom to ask for it, and by what."""
        found = client()
        return (found.services, self.service) if self.run_id is None else (found.runs, self.run_id)

    def exists(self) -> bool:
        """Whether anything was written yet, and is still there."""
        owner, name = self._logs
        try:
            owner.log(name, limit=1, raw=True)
        except NotFoundError:
            return False
        return True

    def last(self, wanted: View) -> Iterator[LogLine]:
        """The last lines that match."""
        owner, name = self._logs
        found = owner.lines(
            name, tail=wanted.lines, until=instant(wanted.until_ms), **chosen(wanted)
        )
        return map(line_of, found)

    def follow(self, wanted: View) -> Iterator[LogLine]:
        """The last lines that match, then what comes; a run's end with the run."""
        owner, name = self._logs
        return map(line_of, owner.follow(name, tail=wanted.lines, **chosen(wanted)))

    def pieces(self, lines: int | None) -> Iterator[bytes]:
        """The exact bytes of the last lines; None: of all that there is."""
        owner, name = self._logs
        part = owner.log(name, tail=lines, limit=PIECE, raw=True)
        while part.content:
            yield part.content
            part = owner.log(name, offset=part.next, limit=PIECE, raw=True)

    def tail(self, count: int) -> tuple[str, ...]:
        """The last lines, for a screen that tells of something else; why not, if not."""
        owner, name = self._logs
        try:
            return tuple(line.text for line in owner.lines(name, tail=count))
        except NotFoundError:
            return ()
        except PbError as error:
            return (f"(its log cannot be read: {error})",)


def chosen(wanted: View) -> Json:
    return {"since": instant(wanted.since_ms), "grep": wanted.grep}


def instant(at_ms: int | None) -> str | None:
    from pb.cli.facts import rfc3339

    return rfc3339(at_ms)


def line_of(line: Any) -> LogLine:
    """A line of the client's as one of the logs here."""
    at = None if line.time is None else datetime.fromisoformat(line.time).timestamp()
    return LogLine(text=line.text, time_ms=None if at is None else round(at * 1000))
