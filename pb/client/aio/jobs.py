"""Jobs: defining, running, pausing, and what became of their runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import cast

from pb.client.aio.connection import Connection
from pb.client.answers import (
    Definition,
    Hook,
    Job,
    JobAdded,
    JobChanged,
    JobPage,
    JobShown,
    Next,
    Run,
    RunList,
    Stats,
)
from pb.client.wire import PAGE, STOP_TIME, given, path_of, several


class Jobs:
    """``client.jobs``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list(
        self,
        *,
        state: str | None = None,
        tag: str | None = None,
        text: str | None = None,
        builtin: bool = False,
    ) -> AsyncIterator[Job]:
        """All jobs that match, by name, however many pages that takes.

        ``state`` is idle, running, paused or disabled; ``text`` a part of name or description;
        with ``builtin`` the jobs that pb itself has are among them.
        """
        after: str | None = None
        while True:
            page = await self.page(
                n=PAGE, after=after, state=state, tag=tag, text=text, builtin=builtin
            )
            for job in page["jobs"]:
                yield job
            after = page["next"]
            if after is None:
                return

    async def page(
        self,
        *,
        n: int = 100,
        after: str | None = None,
        state: str | None = None,
        tag: str | None = None,
        text: str | None = None,
        builtin: bool = False,
    ) -> JobPage:
        """The first ``n`` jobs that match, of those behind the name ``after``."""
        query = given(n=n, after=after, state=state, tag=tag, text=text, all=builtin or None)
        return cast(JobPage, await self._connection.get(path_of("jobs"), query))

    async def get(self, name: str) -> JobShown:
        """One job, whole: definition, next times, last runs."""
        return cast(JobShown, await self._connection.get(path_of("jobs", name)))

    async def add(self, definition: Definition) -> JobAdded:
        """Add a job; a name that is taken is a ConflictError."""
        return cast(JobAdded, await self._connection.post(path_of("jobs"), definition))

    async def put(self, name: str, definition: Definition) -> JobAdded:
        """Add a job, or replace the one of that name."""
        path = path_of("jobs", name)
        return cast(JobAdded, await self._connection.ask("PUT", path, body=definition))

    async def remove(self, name: str) -> None:
        """Remove a job; its history stays."""
        await self._connection.ask("DELETE", path_of("jobs", name))

    async def restore(self, name: str) -> Job:
        """Bring back a job that was removed, as it was."""
        answer = await self._connection.post(path_of("jobs", name, "restore"))
        return cast(Job, answer["job"])

    async def pause(
        self, name: str, *, note: str | None = None, until: int | None = None
    ) -> JobChanged:
        """Run nothing of it until it is resumed, or until then: milliseconds since 1970."""
        return await self._change(name, "pause", note=note, until=until)

    async def resume(self, name: str, *, catch_up: bool = False) -> JobChanged:
        """Let it run again, from now on, or with what was missed as its ``misfire`` says."""
        return await self._change(name, "resume", catch_up=catch_up)

    async def enable(self, name: str) -> JobChanged:
        """Let a disabled job run again."""
        return await self._change(name, "enable")

    async def disable(self, name: str) -> JobChanged:
        """Take it out of service without removing it."""
        return await self._change(name, "disable")

    async def _change(self, name: str, verb: str, **values: object) -> JobChanged:
        answer = await self._connection.post(path_of("jobs", name, verb), given(**values))
        return cast(JobChanged, answer)

    async def run(self, name: str) -> Run:
        """Start a run now; answers once its process was started."""
        answer = await self._connection.post(path_of("jobs", name, "run"))
        return cast(Run, answer["run"])

    async def cancel(self, name: str) -> RunList:
        """Stop all its runs; answers when their trees are gone."""
        path = path_of("jobs", name, "cancel")
        answer = await self._connection.post(path, timeout=STOP_TIME)
        return cast(RunList, answer["runs"])

    async def next(self, name: str, *, n: int = 5) -> Next:
        """Its next fire times."""
        answer = await self._connection.get(path_of("jobs", name, "next"), given(n=n))
        return cast(Next, answer["jobs"][0])

    async def runs(
        self,
        name: str,
        *,
        n: int = 20,
        before: int | None = None,
        state: Sequence[str] = (),
        failed: bool = False,
        trigger: str | None = None,
        reason: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> RunList:
        """Its newest runs that match, the newest first; ``before`` is a run's number."""
        query = given(
            n=n,
            before=before,
            state=several(state),
            failed=failed,
            trigger=trigger,
            reason=reason,
            since=since,
            until=until,
        )
        answer = await self._connection.get(path_of("jobs", name, "runs"), query)
        return cast(RunList, answer["runs"])

    async def hook(self, name: str) -> Hook:
        """How its web hook is fired, for those who call it; needs the scope admin."""
        return cast(Hook, await self._connection.get(path_of("jobs", name, "hook")))

    async def stats(self, name: str) -> Stats:
        """How its newest runs went: rates, durations, lateness."""
        return cast(Stats, await self._connection.get(path_of("jobs", name, "stats")))
