"""Where one can be in the terminal UI: five views, and one job, run, service or daemon.

A place asks for what the snapshot lacks, and makes its rows of both. Nothing is drawn here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from pb.core.lean import dataclass
from pb.debug.snapshot import SHOWN, ordered
from pb.debug.terminal import details, views
from pb.debug.terminal.source import Source
from pb.debug.terminal.table import Listing, Row, Thing
from pb.debug.terminal.words import count
from pb.errors import PbError

Json = dict[str, Any]

RUNS = 300
EVENTS = 1000
HISTORY = 40


@dataclass(slots=True, kw_only=True)
class Seen:
    """What is known at one moment. ``now``: epoch seconds."""

    state: Json
    now: float
    tails: Mapping[str, Sequence[str]] = field(default_factory=dict)
    usage: Mapping[str, Sequence[Json]] = field(default_factory=dict)

    def document(self, thing: Thing | None) -> Json | None:
        """What the snapshot says of a job, run or service."""
        match thing:
            case Thing(kind="job", name=name):
                return named(self.state["jobs"]["shown"], "name", name)
            case Thing(kind="service", name=name):
                return named(self.state["services"], "name", name)
            case Thing(kind="builtin", name=name):
                return named(self.state["builtins"], "name", name)
            case Thing(kind="run", name=name):
                known = [*self.state["open_runs"], *self.state["runs"]]
                return named(known, "run_id", int(name))
        return None


FRESH = ("problem", "now_ms", "builtins", "scheduler")


def kept(before: Json | None, after: Json) -> Json:
    """``after``; where nobody answered, what was known before, with the problem."""
    if before is None or not after["problem"]:
        return after
    return before | {key: after[key] for key in FRESH}


def named(documents: Sequence[Json], key: str, name: object) -> Json | None:
    return next((one for one in documents if one[key] == name), None)


@dataclass(slots=True, kw_only=True)
class Place:
    """``needle``: what is filtered by; ``which`` and ``order``: one of its ``shows`` and
    ``sorts``; ``found``: what it asked for."""

    title: str
    thing: Thing | None = None
    shows: tuple[str, ...] = ()
    sorts: tuple[str, ...] = ()
    needle: str = ""
    which: int = 0
    order: int = 0
    found: Json = field(default_factory=dict)
    problem: Json | None = None

    @property
    def show(self) -> str:
        return self.shows[self.which] if self.shows else ""

    @property
    def can_be_filtered(self) -> bool:
        return self.thing is None

    @property
    def keys(self) -> list[tuple[str, str]]:
        """What keys do here, whatever is chosen."""
        find = [("/", "find")] if self.can_be_filtered else []
        which = [("f", "which")] if self.shows else []
        return [*find, *which, *([("o", "order")] if self.sorts else [])]

    async def refresh(self, source: Source) -> None:
        """Ask for what it needs; what is refused is shown instead."""
        try:
            self.found = await self.load(source)
            self.problem = None
        except PbError as error:
            self.problem = {"message": error.message, "hint": error.hint}

    async def load(self, source: Source) -> Json:
        return {}

    def document(self, thing: Thing, seen: Seen) -> Json | None:
        """What is known of one of its things, to say what can be done to it."""
        return seen.document(thing)

    def listing(self, seen: Seen, room: int) -> Listing:
        if self.problem:
            return details.listing(details.problem(self.problem, room))
        return self.shown(seen, room)

    def shown(self, seen: Seen, room: int) -> Listing:
        raise AssertionError(f"{self.title} shows nothing")

    def remark(self, some: int, all_: int, noun: str) -> str:
        """``3 of 1,043 jobs, failing, by next run``."""
        told = count(all_, noun) if some == all_ else f"{some:,} of {count(all_, noun)}"
        sort = self.sorts[self.order].lstrip("-").replace("_", " ") if self.order else ""
        parts = (told, self.show if self.which else "", f"by {sort}" if sort else "")
        return ", ".join(part for part in parts if part)

    def nothing(self, noun: str) -> str:
        if self.needle or self.which:
            return f"No {noun} matches (f: which, Esc: all)."
        return f"No {noun}s yet."


class Overview(Place):
    def shown(self, seen: Seen, room: int) -> Listing:
        return views.overview(seen.state, seen.tails, seen.now, self.needle)


class Jobs(Place):
    def shown(self, seen: Seen, room: int) -> Listing:
        known = seen.state["jobs"]["shown"]
        listed = [job for job in known if SHOWN[self.show](job)]
        listed = views.matching(listed, self.needle, views.job_text)
        if self.order:
            listed = ordered(listed, self.sorts[self.order])
        remark = self.remark(len(listed), len(known), "job")
        return views.jobs(listed, seen.now, empty=self.nothing("job"), remark=remark)


class Runs(Place):
    async def load(self, source: Source) -> Json:
        return await source.ask("job.history", n=RUNS, **views.RUN_SHOWS[self.show])

    def document(self, thing: Thing, seen: Seen) -> Json | None:
        return named(self.found.get("runs", ()), "run_id", int(thing.name))

    def shown(self, seen: Seen, room: int) -> Listing:
        known = self.found.get("runs", ())
        listed = views.matching(known, self.needle, views.run_text)
        remark = self.remark(len(listed), len(known), "run")
        return views.runs(listed, seen.now, empty=self.nothing("run"), remark=remark)


class Services(Place):
    def shown(self, seen: Seen, room: int) -> Listing:
        own = len(seen.state["services"])
        remark = count(own, "service") if own else ""
        return views.services(seen.state, seen.usage, seen.now, self.needle, remark=remark)


class Events(Place):
    async def load(self, source: Source) -> Json:
        family = {"type": self.show} if self.which else {}
        return await source.ask("events.recent", n=EVENTS, **family)

    def shown(self, seen: Seen, room: int) -> Listing:
        known = self.found.get("events", ())
        listed = views.matching(known, self.needle, views.event_text)
        remark = self.remark(len(listed), len(known), "event")
        return views.events(listed, empty=self.nothing("event"), remark=remark)


# -- one of them


class OneThing(Place):
    async def tail(self, source: Source, thing: Thing) -> list[str]:
        """The end of its log; nothing where there is none yet."""
        try:
            piece = await source.log(thing, details.TAIL)
        except PbError:
            return []
        return [line["text"] for line in piece["lines"]]

    def shown(self, seen: Seen, room: int) -> Listing:
        return details.listing(self.rows(seen, room) if self.found else ())

    def rows(self, seen: Seen, room: int) -> Iterator[Row]:
        raise AssertionError(f"{self.title} has no rows")


class OneJob(OneThing):
    async def load(self, source: Source) -> Json:
        assert self.thing is not None
        found = await source.ask("job.show", name=self.thing.name)
        history = await source.ask("job.history", name=self.thing.name, n=HISTORY)
        last = next((run for run in history["runs"] if run["started_at"]), None)
        log = await self.tail(source, run_thing(last)) if last else []
        return {**found, "history": history["runs"], "log": log}

    def document(self, thing: Thing, seen: Seen) -> Json | None:
        if thing.kind == "run":
            return named(self.found.get("history", ()), "run_id", int(thing.name))
        return self.found.get("job")

    @property
    def last_run(self) -> Thing | None:
        known = self.found.get("history", ())
        return next((run_thing(run) for run in known if run["started_at"]), None)

    def rows(self, seen: Seen, room: int) -> Iterator[Row]:
        return details.job(self.found, self.found["log"], seen.now, room)


class OneRun(OneThing):
    async def load(self, source: Source) -> Json:
        assert self.thing is not None
        found = await source.ask("run.show", run_id=int(self.thing.name))
        return {**found, "log": await self.tail(source, self.thing)}

    def document(self, thing: Thing, seen: Seen) -> Json | None:
        return self.found.get("run")

    def rows(self, seen: Seen, room: int) -> Iterator[Row]:
        return details.run(self.found, self.found["log"], seen.now, room)


class OneService(OneThing):
    async def load(self, source: Source) -> Json:
        assert self.thing is not None
        found = await source.ask("service.show", name=self.thing.name)
        meant = named(found["instances"], "name", self.thing.name) or found["service"]
        return {**found, "service": meant, "log": await self.tail(source, self.thing)}

    def document(self, thing: Thing, seen: Seen) -> Json | None:
        return self.found.get("service")

    def rows(self, seen: Seen, room: int) -> Iterator[Row]:
        assert self.thing is not None
        usage = seen.usage.get(self.thing.name, ())
        return details.service(self.found, usage, self.found["log"], seen.now, room)


class OneDaemon(OneThing):
    async def load(self, source: Source) -> Json:
        assert self.thing is not None
        return {"log": await self.tail(source, self.thing)}

    def rows(self, seen: Seen, room: int) -> Iterator[Row]:
        assert self.thing is not None
        one = seen.document(self.thing)
        assert one is not None
        usage = seen.usage.get(self.thing.name, ())
        return details.builtin(one, usage, self.found["log"], seen.now, room)


def run_thing(run: Json) -> Thing:
    return Thing(kind="run", name=str(run["run_id"]))


def five_views() -> list[Place]:
    """In the order of their keys, 1 to 5."""
    return [
        Overview(title="Overview"),
        Jobs(title="Jobs", shows=views.JOB_SHOWS, sorts=views.JOB_SORTS),
        Runs(title="Runs", shows=tuple(views.RUN_SHOWS)),
        Services(title="Services"),
        Events(title="Events", shows=views.EVENT_SHOWS),
    ]


ONE = {"job": OneJob, "run": OneRun, "service": OneService, "builtin": OneDaemon}
TITLES = {"job": "Job", "run": "Run", "service": "Service", "builtin": "Daemon"}


def place_of(thing: Thing) -> Place:
    """The place where one thing is shown whole."""
    return ONE[thing.kind](title=f"{TITLES[thing.kind]} {thing.name}", thing=thing)
