"""Services: defining them, what is done with them, how they fare, and their logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from pb.client import wire
from pb.client.answers import (
    Definition,
    DoneList,
    ServiceAdded,
    ServiceList,
    ServiceScaled,
    ServiceShown,
    ServiceSwitched,
)
from pb.client.blocking import logs
from pb.client.blocking.connection import Connection
from pb.client.parts import LogLine, LogPart
from pb.client.wire import STOP_TIME, given, path_of, several


class Services:
    """``client.services``. A name is a service's, an instance's (``web@1``) or a group's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, names: Sequence[str] = ()) -> ServiceList:
        """All services, instance by instance, or some."""
        answer = self._connection.get(path_of("services"), given(name=several(names)))
        return cast(ServiceList, answer["services"])

    def get(self, name: str) -> ServiceShown:
        """One service, whole."""
        return cast(ServiceShown, self._connection.get(path_of("services", name)))

    def add(self, definition: Definition) -> ServiceAdded:
        """Add a service; a name that is taken is a ConflictError."""
        return cast(ServiceAdded, self._connection.post(path_of("services"), definition))

    def put(self, name: str, definition: Definition) -> ServiceAdded:
        """Add a service, or replace the one of that name; what runs goes on as it was."""
        path = path_of("services", name)
        return cast(ServiceAdded, self._connection.ask("PUT", path, body=definition))

    def remove(self, name: str) -> None:
        """Stop it and forget it."""
        self._connection.ask("DELETE", path_of("services", name))

    def start(
        self, name: str, *, deps: bool = True, wait: str = "ready", timeout: float = 60.0
    ) -> DoneList:
        """Start it, and what it depends on; answers when they are ready or have failed.

        ``wait`` is ready, started or none; ``timeout`` seconds, 300 at most.
        """
        values = given(deps=deps, wait=wait, timeout=timeout)
        return self._do(name, "start", values, within=wire.patience(timeout))

    def stop(
        self,
        name: str,
        *,
        force: bool = False,
        timeout: float | None = None,
        dependents: bool = False,
    ) -> DoneList:
        """Stop it (``dependents``: and first what depends on it); answers when nothing is left."""
        values = given(force=force, timeout=timeout, dependents=dependents)
        return self._do(name, "stop", values, within=wire.patience(timeout or 0, STOP_TIME))

    def restart(
        self, name: str, *, wait: str = "ready", timeout: float = 60.0, force: bool = False
    ) -> DoneList:
        """Restart it with its present definition; answers when it is ready or has failed."""
        values = given(wait=wait, timeout=timeout, force=force)
        return self._do(name, "restart", values, within=wire.patience(timeout, STOP_TIME))

    def _do(self, name: str, verb: str, values: wire.Json, *, within: float) -> DoneList:
        path = path_of("services", name, verb)
        answer = self._connection.post(path, values, timeout=within)
        return cast(DoneList, answer["services"])

    def reload(self, name: str) -> None:
        """Have it read its configuration again, as its ``reload`` key says."""
        self._connection.post(path_of("services", name, "reload"))

    def reset(self, name: str) -> ServiceList:
        """Forget its failures, and start it if it had failed."""
        answer = self._connection.post(path_of("services", name, "reset"))
        return cast(ServiceList, answer["services"])

    def signal(self, name: str, signal: str, *, scope: str = "main") -> int:
        """Send a signal to its main process, its ``group`` or its ``tree``; to how many it went."""
        path = path_of("services", name, "signal")
        answer = self._connection.post(path, given(signal=signal, scope=scope))
        return int(answer["sent"])

    def scale(self, name: str, replicas: int) -> ServiceScaled:
        """Run so many instances of it."""
        path = path_of("services", name, "scale")
        return cast(ServiceScaled, self._connection.post(path, given(replicas=replicas)))

    def enable(self, name: str) -> ServiceSwitched:
        """Make it part of ``all``, and start it with the scheduler."""
        path = path_of("services", name, "enable")
        return cast(ServiceSwitched, self._connection.post(path))

    def disable(self, name: str) -> ServiceSwitched:
        """Take it out of ``all``; what runs goes on."""
        path = path_of("services", name, "disable")
        return cast(ServiceSwitched, self._connection.post(path))

    def wait(self, name: str, goal: str = "ready", *, timeout: float = 60.0) -> DoneList:
        """How it fares once it is ready, healthy or stopped, or after ``timeout`` seconds."""
        query = {"for": goal, "timeout": timeout}
        path = path_of("services", name, "wait")
        answer = self._connection.get(path, query, timeout=wire.patience(timeout))
        return cast(DoneList, answer["services"])

    def log(
        self,
        name: str,
        *,
        offset: int | None = None,
        limit: int | None = None,
        tail: int | None = None,
        raw: bool = False,
    ) -> LogPart:
        """A part of its log: ``limit`` bytes from ``offset`` on (1 MiB, 16 at most), or the last
        ``tail`` lines. Control characters are made visible, but with ``raw``."""
        path = path_of("services", name, "log")
        return logs.part(self._connection, path, offset=offset, limit=limit, tail=tail, raw=raw)

    def lines(
        self,
        name: str,
        *,
        offset: int | None = None,
        tail: int | None = None,
        since: str | None = None,
        until: str | None = None,
        grep: str | None = None,
    ) -> Iterator[LogLine]:
        """The lines of its log that there are, with their times: from ``offset`` on, or the last
        ``tail`` of those that match. ``since`` and ``until`` are instants, or how long ago."""
        return logs.lines(
            self._connection,
            path_of("services", name, "log"),
            offset=offset,
            tail=tail,
            since=since,
            until=until,
            grep=grep,
            follow=False,
        )

    def follow(
        self,
        name: str,
        *,
        offset: int | None = None,
        tail: int | None = None,
        since: str | None = None,
        grep: str | None = None,
        patience: float | None = None,
    ) -> Iterator[LogLine]:
        """The lines from ``offset`` (or the last ``tail`` of those that match) on, as they come,
        for ever. A break is mended for ``patience`` seconds (None: for ever)."""
        return logs.lines(
            self._connection,
            path_of("services", name, "log"),
            offset=offset,
            tail=tail,
            since=since,
            grep=grep,
            follow=True,
            patience=patience,
        )
