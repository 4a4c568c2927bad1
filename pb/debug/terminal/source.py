"""Whom the terminal UI asks: the same snapshots, feed and methods as the dashboard's page."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from pb.api import events, session
from pb.core.lean import dataclass
from pb.debug import asking, logs
from pb.debug.around import leaders, log_of, machine_of, services
from pb.debug.feed import Feed, Message
from pb.debug.snapshot import Selection, Snapshots
from pb.debug.terminal.attention import is_unwell
from pb.debug.terminal.table import Thing
from pb.debug.usage import Usage
from pb.errors import NotFoundError, PbError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pb.api import Session
    from pb.config.settings import Settings
    from pb.paths import Home

Json = dict[str, Any]

ALL = 1_000_000
"""Jobs of one answer: the terminal UI has no pages."""

TAIL = 3
"""Log lines of a service that is not well."""

MOST_TAILS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Every question, each in a thread, so that a slow answer holds up nobody's keys."""

    connect: Callable[[], Session]
    snapshots: Snapshots
    feed: Feed
    usage: Usage
    log_of: Callable[[str], Path]

    def heard(self) -> AsyncIterator[Message]:
        """``look``, ``event`` and ``alive``, as they come."""
        return self.feed.messages()

    async def state(self) -> Json:
        """All that the overview shows, and all jobs."""
        return await self.snapshots.state(Selection(limit=ALL))

    async def ask(self, method: str, **params: Any) -> Json:
        """Raises the PbError that was answered."""
        question = {"method": method, "params": params}
        return await anyio.to_thread.run_sync(
            asking.call, self.connect, question, abandon_on_cancel=True
        )

    async def log(self, thing: Thing, lines: int, after: int | None = None) -> Json:
        """The end of a log, or what came since. Raises PbError where there is none."""
        return await anyio.to_thread.run_sync(
            self._piece, thing, lines, after, abandon_on_cancel=True
        )

    def _piece(self, thing: Thing, lines: int, after: int | None) -> Json:
        if thing.kind != "run":
            return logs.piece(self.log_of(thing.name), lines=lines, after=after) | {"ended": False}
        question = {"method": "run.show", "params": {"run_id": int(thing.name)}}
        run = asking.call(self.connect, question)["run"]
        if not run["log_path"]:
            raise NotFoundError(f"Run {thing.name} has no log")
        found = logs.piece(Path(run["log_path"]), lines=lines, after=after)
        return found | {"ended": run["finished_at"] is not None}

    async def tails(self, views: Sequence[Json]) -> Mapping[str, Sequence[str]]:
        """The last log lines of services that are not well."""
        unwell = [view for view in views if is_unwell(view)][:MOST_TAILS]
        return await anyio.to_thread.run_sync(self._tails, unwell) if unwell else {}

    def _tails(self, views: Sequence[Json]) -> Mapping[str, Sequence[str]]:
        found = {}
        for view in views:
            try:
                piece = logs.piece(Path(view["log_path"]), lines=TAIL)
            except PbError:
                continue  # its detail view says what stands in its log's place
            found[view["name"]] = [line["text"] for line in piece["lines"]]
        return found


def source_of(home: Home, settings: Settings) -> Source:
    """The pieces, wired to this home."""
    connect = functools.partial(session, home, settings, face="debug")
    snapshots = Snapshots(connect, functools.partial(services, home), machine_of(home))
    return Source(
        connect=connect,
        snapshots=snapshots,
        feed=Feed(functools.partial(events, home, settings), snapshots.changed),
        usage=Usage(functools.partial(leaders, connect, home)),
        log_of=functools.partial(log_of, connect, home),
    )
