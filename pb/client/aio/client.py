"""The client itself: what is asked of a gateway as a whole, and the way to everything else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from pb.client import wire
from pb.client.aio.backups import Backups
from pb.client.aio.connection import Connection
from pb.client.aio.events import Told, happenings
from pb.client.aio.jobs import Jobs
from pb.client.aio.notices import Notices
from pb.client.aio.runs import Runs
from pb.client.aio.services import Services
from pb.client.aio.tokens import Tokens
from pb.client.answers import (
    Activity,
    ChangeList,
    Config,
    Dependencies,
    Emitted,
    Event,
    Health,
    LogLevel,
    Periods,
    Queues,
    RecentEvents,
    Reloaded,
    Schedule,
    Stats,
    Status,
)
from pb.client.past_answers import Digest, Expiring
from pb.client.place import Place, place_elsewhere, place_here, place_of
from pb.client.wire import ANSWER_TIME, given, path_of
from pb.errors import UsageError


class AsyncClient:
    """A gateway, and what it can be asked. Close it, or use it with ``async with``.

    Without ``url`` it is the gateway of this user's ``home`` (None: ``PB_HOME``, else the default
    home), with its token and its certificate. Elsewhere a ``token`` is needed. ``trust`` is a file
    of certificates or the SHA-256 of the gateway's own, where the system's authorities do not know
    it. ``timeout``: seconds for an answer.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        home: str | Path | None = None,
        trust: str | None = None,
        timeout: float = ANSWER_TIME,
    ) -> None:
        self._connection = Connection(chosen(url, token, home, trust), timeout)
        self.jobs = Jobs(self._connection)
        self.runs = Runs(self._connection)
        self.services = Services(self._connection)
        self.tokens = Tokens(self._connection)
        self.backups = Backups(self._connection)
        self.notices = Notices(self._connection)

    @classmethod
    def from_environment(cls, *, timeout: float = ANSWER_TIME) -> AsyncClient:
        """The gateway of ``PB_URL``, with ``PB_TOKEN`` or ``PB_TOKEN_FILE``, and ``PB_TRUST``."""
        place = place_elsewhere()
        return cls(place.url, place.token, trust=place.trust, timeout=timeout)

    @property
    def url(self) -> str:
        """Where the gateway is."""
        return self._connection.place.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    async def close(self) -> None:
        """Close the connections that are kept."""
        await self._connection.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        await self.close()

    # -- the gateway and the scheduler

    async def health(self) -> Health:
        """Whether the gateway is alive, and its version; needs no good token."""
        return cast(Health, await self._connection.get("/healthz"))

    async def ready(self) -> bool:
        """Whether the scheduler behind the gateway answers; needs no good token."""
        answer = await self._connection.send("GET", "/readyz")
        return answer.status != 503 and bool(wire.answer_of(self.url, answer)["ready"])

    async def status(self, *, jobs: bool = False) -> Status:
        """The scheduler: since when it runs, and where; with ``jobs`` also all jobs."""
        return cast(Status, await self._connection.get(path_of("status"), given(jobs=jobs)))

    async def reload(self) -> Reloaded:
        """Read configuration and definition files again."""
        return cast(Reloaded, await self._connection.post(path_of("scheduler", "reload")))

    async def log_level(self, level: str | None = None) -> LogLevel:
        """What the scheduler logs: debug, info, warning or error; or change that."""
        path = path_of("scheduler", "log-level")
        return cast(LogLevel, await self._connection.post(path, given(level=level)))

    async def restart(self) -> None:
        """Replace the scheduler by a fresh one in place; its runs stay its children."""
        await self._connection.post(path_of("scheduler", "restart"))

    async def shutdown(self, *, keep_runs: bool = False) -> None:
        """Stop the scheduler; ``keep_runs`` leaves its runs alive, to be adopted by the next."""
        values = given(keep_runs=keep_runs)
        await self._connection.post(path_of("scheduler", "shutdown"), values)

    # -- what is planned, and what has been

    async def schedule(
        self, *, hours: float = 12.0, n: int = 100, job: str | None = None
    ) -> Schedule:
        """The jobs that fire in the coming hours, the soonest first."""
        query = given(hours=hours, n=n, job=job)
        return cast(Schedule, await self._connection.get(path_of("schedule"), query))

    async def stats(self, *, job: str | None = None) -> Stats:
        """How the newest runs went, of one job or all: rates, durations, lateness."""
        return cast(Stats, await self._connection.get(path_of("stats"), given(job=job)))

    async def periods(
        self,
        *,
        by: str = "day",
        since: str | None = None,
        until: str | None = None,
        job: str | None = None,
    ) -> Periods:
        """How runs went by hour, day, week or month (UTC), however long ago."""
        query = given(by=by, since=since, until=until, job=job)
        return cast(Periods, await self._connection.get(path_of("stats", "periods"), query))

    async def digest(self, *, since: str | None = None, until: str | None = None) -> Digest:
        """What happened in the last 24 hours, or in another time."""
        query = given(since=since, until=until)
        return cast(Digest, await self._connection.get(path_of("digest"), query))

    async def retention(self, *, job: str | None = None) -> Expiring:
        """Which runs would be let go now, and the size of their logs."""
        return cast(Expiring, await self._connection.get(path_of("retention"), given(job=job)))

    async def activity(
        self, *, since: str = "14d", bucket: str = "15m", job: str | None = None
    ) -> Activity:
        """How many runs began in each stretch of time, by state."""
        query = given(since=since, bucket=bucket, job=job)
        return cast(Activity, await self._connection.get(path_of("activity"), query))

    async def deps(self, *, job: str | None = None) -> Dependencies:
        """Which jobs wait for which."""
        return cast(Dependencies, await self._connection.get(path_of("deps"), given(job=job)))

    async def queues(self) -> Queues:
        """The queues: their slots, and what runs and waits in them."""
        return cast(Queues, await self._connection.get(path_of("queues")))

    async def config(self) -> Config:
        """Every setting in effect, and where it came from."""
        return cast(Config, await self._connection.get(path_of("config")))

    async def audit(
        self,
        *,
        n: int = 50,
        before: int | None = None,
        since: str | None = None,
        until: str | None = None,
        actor: str | None = None,
        method: str | None = None,
        target: str | None = None,
    ) -> ChangeList:
        """Who has changed what: the newest changes that match; ``before`` is a change's number."""
        query = given(
            n=n, before=before, since=since, until=until, actor=actor, method=method, target=target
        )
        answer = await self._connection.get(path_of("audit"), query)
        return cast(ChangeList, answer["changes"])

    async def metrics(self) -> str:
        """The numbers for Prometheus, as its text format."""
        return wire.text_in(self.url, await self._connection.send("GET", "/metrics"))

    async def openapi(self) -> dict[str, Any]:
        """The OpenAPI document of the gateway."""
        return await self._connection.get(path_of("openapi.json"))

    # -- events

    async def recent_events(
        self,
        *,
        n: int = 50,
        since: int | None = None,
        type: str | None = None,  # noqa: A002 - the word of the event itself
        job: str | None = None,
        service: str | None = None,
    ) -> RecentEvents:
        """The newest events that match, the newest first; with ``since`` those after that number,
        the oldest first. ``type`` is a whole type, or a family such as ``run``."""
        query = given(n=n, since=since, type=type, job=job, service=service)
        return cast(RecentEvents, await self._connection.get(path_of("events"), query))

    async def emit(self, name: str, facts: dict[str, Any] | None = None) -> Emitted:
        """Tell the jobs that wait for the event ``user.NAME`` that it has happened."""
        answer = await self._connection.post(path_of("events", name), given(data=facts))
        return cast(Emitted, answer)

    def events(
        self,
        *,
        types: Sequence[str] = (),
        jobs: Sequence[str] = (),
        services: Sequence[str] = (),
        since: int | None = None,
        told: Told | None = None,
        patience: float | None = None,
    ) -> AsyncIterator[Event]:
        """Events as they happen, from now on, or from after the number ``since``.

        When the connection breaks it is made anew, for as long as ``patience`` seconds (None: for
        ever), and what was missed comes first. ``told`` is called with each Notice about the stream
        itself; without it a loss of events is raised as LostEventsError.
        """
        return happenings(
            self._connection,
            types=types,
            jobs=jobs,
            services=services,
            since=since,
            told=told,
            patience=patience,
        )

    # -- anything else

    async def call(
        self, method: str, params: dict[str, Any] | None = None, *, timeout: float = ANSWER_TIME
    ) -> dict[str, Any]:
        """The answer of any method of the registry, by its name and with its own parameters."""
        return await self._connection.post(path_of("call", method), params, timeout=timeout)


def chosen(url: str | None, token: str | None, home: str | Path | None, trust: str | None) -> Place:
    """The gateway that is meant."""
    if url is None:
        if token is not None or trust is not None:
            raise UsageError("A token, or what is trusted, needs the gateway's url too")
        return place_here(home)
    if home is not None:
        raise UsageError("A gateway is meant by its url or by its home, not by both")
    if token is None:
        raise UsageError("A token is needed", hint="Make one there: pb gateway pair")
    return place_of(url, token, trust)
