"""The client itself: what is asked of a gateway as a whole, and the way to everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from pb.client import wire
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
from pb.client.blocking.backups import Backups
from pb.client.blocking.connection import Connection
from pb.client.blocking.events import Told, happenings
from pb.client.blocking.jobs import Jobs
from pb.client.blocking.notices import Notices
from pb.client.blocking.runs import Runs
from pb.client.blocking.services import Services
from pb.client.blocking.tokens import Tokens
from pb.client.past_answers import Digest, Expiring
from pb.client.place import Place, place_elsewhere, place_here, place_of
from pb.client.wire import ANSWER_TIME, given, path_of
from pb.errors import UsageError


class Client:
    """A gateway, and what it can be asked. Close it, or use it with ``with``.

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
    def from_environment(cls, *, timeout: float = ANSWER_TIME) -> Client:
        """The gateway of ``PB_URL``, with ``PB_TOKEN`` or ``PB_TOKEN_FILE``, and ``PB_TRUST``."""
        place = place_elsewhere()
        return cls(place.url, place.token, trust=place.trust, timeout=timeout)

    @property
    def url(self) -> str:
        """Where the gateway is."""
        return self._connection.place.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def close(self) -> None:
        """Close the connections that are kept."""
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    # -- the gateway and the scheduler

    def health(self) -> Health:
        """Whether the gateway is alive, and its version; needs no good token."""
        return cast(Health, self._connection.get("/healthz"))

    def ready(self) -> bool:
        """Whether the scheduler behind the gateway answers; needs no good token."""
        answer = self._connection.send("GET", "/readyz")
        return answer.status != 503 and bool(wire.answer_of(self.url, answer)["ready"])

    def status(self, *, jobs: bool = False) -> Status:
        """The scheduler: since when it runs, and where; with ``jobs`` also all jobs."""
        return cast(Status, self._connection.get(path_of("status"), given(jobs=jobs)))

    def reload(self) -> Reloaded:
        """Read configuration and definition files again."""
        return cast(Reloaded, self._connection.post(path_of("scheduler", "reload")))

    def log_level(self, level: str | None = None) -> LogLevel:
        """What the scheduler logs: debug, info, warning or error; or change that."""
        path = path_of("scheduler", "log-level")
        return cast(LogLevel, self._connection.post(path, given(level=level)))

    def restart(self) -> None:
        """Replace the scheduler by a fresh one in place; its runs stay its children."""
        self._connection.post(path_of("scheduler", "restart"))

    def shutdown(self, *, keep_runs: bool = False) -> None:
        """Stop the scheduler; ``keep_runs`` leaves its runs alive, to be adopted by the next."""
        values = given(keep_runs=keep_runs)
        self._connection.post(path_of("scheduler", "shutdown"), values)

    # -- what is planned, and what has been

    def schedule(self, *, hours: float = 12.0, n: int = 100, job: str | None = None) -> Schedule:
        """The jobs that fire in the coming hours, the soonest first."""
        query = given(hours=hours, n=n, job=job)
        return cast(Schedule, self._connection.get(path_of("schedule"), query))

    def stats(self, *, job: str | None = None) -> Stats:
        """How the newest runs went, of one job or all: rates, durations, lateness."""
        return cast(Stats, self._connection.get(path_of("stats"), given(job=job)))

    def periods(
        self,
        *,
        by: str = "day",
        since: str | None = None,
        until: str | None = None,
        job: str | None = None,
    ) -> Periods:
        """How runs went by hour, day, week or month (UTC), however long ago."""
        query = given(by=by, since=since, until=until, job=job)
        return cast(Periods, self._connection.get(path_of("stats", "periods"), query))

    def digest(self, *, since: str | None = None, until: str | None = None) -> Digest:
        """What happened in the last 24 hours, or in another time."""
        query = given(since=since, until=until)
        return cast(Digest, self._connection.get(path_of("digest"), query))

    def retention(self, *, job: str | None = None) -> Expiring:
        """Which runs would be let go now, and the size of their logs."""
        return cast(Expiring, self._connection.get(path_of("retention"), given(job=job)))

    def activity(
        self, *, since: str = "14d", bucket: str = "15m", job: str | None = None
    ) -> Activity:
        """How many runs began in each stretch of time, by state."""
        query = given(since=since, bucket=bucket, job=job)
        return cast(Activity, self._connection.get(path_of("activity"), query))

    def deps(self, *, job: str | None = None) -> Dependencies:
        """Which jobs wait for which."""
        return cast(Dependencies, self._connection.get(path_of("deps"), given(job=job)))

    def queues(self) -> Queues:
        """The queues: their slots, and what runs and waits in them."""
        return cast(Queues, self._connection.get(path_of("queues")))

    def config(self) -> Config:
        """Every setting in effect, and where it came from."""
        return cast(Config, self._connection.get(path_of("config")))

    def audit(
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
        answer = self._connection.get(path_of("audit"), query)
        return cast(ChangeList, answer["changes"])

    def metrics(self) -> str:
        """The numbers for Prometheus, as its text format."""
        return wire.text_in(self.url, self._connection.send("GET", "/metrics"))

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document of the gateway."""
        return self._connection.get(path_of("openapi.json"))

    # -- events

    def recent_events(
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
        return cast(RecentEvents, self._connection.get(path_of("events"), query))

    def emit(self, name: str, facts: dict[str, Any] | None = None) -> Emitted:
        """Tell the jobs that wait for the event ``user.NAME`` that it has happened."""
        answer = self._connection.post(path_of("events", name), given(data=facts))
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
    ) -> Iterator[Event]:
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

    def call(
        self, method: str, params: dict[str, Any] | None = None, *, timeout: float = ANSWER_TIME
    ) -> dict[str, Any]:
        """The answer of any method of the registry, by its name and with its own parameters."""
        return self._connection.post(path_of("call", method), params, timeout=timeout)


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
