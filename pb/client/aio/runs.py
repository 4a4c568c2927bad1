"""Runs: the past of all jobs, one run, its end, and its output."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import cast

from pb.client.aio import logs
from pb.client.aio.connection import Connection
from pb.client.answers import Run, RunList
from pb.client.parts import LogLine, LogPart
from pb.client.wire import PAGE, STOP_TIME, given, path_of, patience, several


class Runs:
    """``client.runs``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list(
        self,
        *,
        job: str | None = None,
        state: Sequence[str] = (),
        failed: bool = False,
        trigger: str | None = None,
        reason: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> AsyncIterator[Run]:
        """All runs that match, the newest first, however many pages that takes."""
        before: int | None = None
        while True:
            page = await self.page(
                n=PAGE,
                before=before,
                job=job,
                state=state,
                failed=failed,
                trigger=trigger,
                reason=reason,
                since=since,
                until=until,
            )
            for run in page:
                yield run
            if len(page) < PAGE:
                return
            before = page[-1]["run_id"]

    async def page(
        self,
        *,
        n: int = 20,
        before: int | None = None,
        job: str | None = None,
        state: Sequence[str] = (),
        failed: bool = False,
        trigger: str | None = None,
        reason: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> RunList:
        """The newest ``n`` runs that match, the newest first; ``before`` is a run's number.

        ``since`` and ``until`` are instants (RFC 3339), or how long ago: ``2h``.
        """
        query = given(
            n=n,
            before=before,
            job=job,
            state=several(state),
            failed=failed,
            trigger=trigger,
            reason=reason,
            since=since,
            until=until,
        )
        answer = await self._connection.get(path_of("runs"), query)
        return cast(RunList, answer["runs"])

    async def get(self, run_id: int) -> Run:
        """One run."""
        answer = await self._connection.get(path_of("runs", run_id))
        return cast(Run, answer["run"])

    async def wait(self, run_id: int, *, timeout: float = 30.0) -> Run:
        """The run once it has ended, or as it is after ``timeout`` seconds (300 at most)."""
        path, query = path_of("runs", run_id, "wait"), given(timeout=timeout)
        answer = await self._connection.get(path, query, timeout=patience(timeout))
        return cast(Run, answer["run"])

    async def cancel(self, run_id: int) -> RunList:
        """Stop it; answers when its tree is gone."""
        path = path_of("runs", run_id, "cancel")
        answer = await self._connection.post(path, timeout=STOP_TIME)
        return cast(RunList, answer["runs"])

    async def log(
        self,
        run_id: int,
        *,
        offset: int | None = None,
        limit: int | None = None,
        tail: int | None = None,
        raw: bool = False,
    ) -> LogPart:
        """A part of its output: ``limit`` bytes from ``offset`` on (1 MiB, 16 at most), or the last
        ``tail`` lines. Control characters are made visible, but with ``raw``."""
        path = path_of("runs", run_id, "log")
        return await logs.part(
            self._connection, path, offset=offset, limit=limit, tail=tail, raw=raw
        )

    def lines(
        self,
        run_id: int,
        *,
        offset: int | None = None,
        tail: int | None = None,
        since: str | None = None,
        until: str | None = None,
        grep: str | None = None,
    ) -> AsyncIterator[LogLine]:
        """The lines of its output that there are, with their times: from ``offset`` on, or the last
        ``tail`` of those that match. ``since`` and ``until`` are instants, or how long ago."""
        return logs.lines(
            self._connection,
            path_of("runs", run_id, "log"),
            offset=offset,
            tail=tail,
            since=since,
            until=until,
            grep=grep,
            follow=False,
        )

    def follow(
        self,
        run_id: int,
        *,
        offset: int | None = None,
        tail: int | None = None,
        since: str | None = None,
        grep: str | None = None,
        patience: float | None = None,
    ) -> AsyncIterator[LogLine]:
        """The lines from ``offset`` (or the last ``tail`` of those that match) on, as they come,
        until the run has ended. A break is mended for ``patience`` seconds (None: for ever)."""
        return logs.lines(
            self._connection,
            path_of("runs", run_id, "log"),
            offset=offset,
            tail=tail,
            since=since,
            grep=grep,
            follow=True,
            patience=patience,
        )
