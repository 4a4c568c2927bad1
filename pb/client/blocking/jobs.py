"""Jobs: defining, running, pausing, and what became of their runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

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
from pb.client.blocking.connection import Connection
from pb.client.wire import PAGE, STOP_TIME, given, path_of, several


class Jobs:
    """``client.jobs``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(
        self,
        *,
        state: str | None = None,
        tag: str | None = None,
        text: str | None = None,
        builtin: bool = False,
    ) -> Iterator[Job]:
        """All jobs that match, by name, however many pages that takes.

        ``state`` is idle, running, paused or disabled; ``text`` a part of name or description;
        with ``builtin`` the jobs that pb itself has are among them.
        """
        after: str | None = None
        while True:
            page = self.page(n=PAGE, after=after, state=state, tag=tag, text=text, builtin=builtin)
            for job in page["jobs"]:
                yield job
            after = page["next"]
            if after is None:
                return

    def page(
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
        return cast(JobPage, self._connection.get(path_of("jobs"), query))

    def get(self, name: str) -> JobShown:
        """One job, whole: definition, next times, last runs."""
        return cast(JobShown, self._connection.get(path_of("jobs", name)))

    def add(self, definition: Definition) -> JobAdded:
        """Add a job; a name that is taken is a ConflictError."""
        return cast(JobAdded, self._connection.post(path_of("jobs"), definition))

    def put(self, name: str, definition: Definition) -> JobAdded:
        """Add a job, or replace the one of that name."""
        path = path_of("jobs", name)
        return cast(JobAdded, self._connection.ask("PUT", path, body=definition))

    def remove(self, name: str) -> None:
        """Remove a job; its history stays."""
        self._connection.ask("DELETE", path_of("jobs", name))

    def restore(self, name: str) -> Job:
        """Bring back a job that was removed, as it was."""
        answer = self._connection.post(path_of("jobs", name, "restore"))
        return cast(Job, answer["job"])

    def pause(self, name: str, *, note: str | None = None, until: int | None = None) -> JobChanged:
        """Run nothing of it until it is resumed, or until then: milliseconds since 1970."""
        return self._change(name, "pause", note=note, until=until)

    def resume(self, name: str, *, catch_up: bool = False) -> JobChanged:
        """Let it run again, from now on, or with what was missed as its ``misfire`` says."""
        return self._change(name, "resume", catch_up=catch_up)

    def enable(self, name: str) -> JobChanged:
        """Let a disabled job run again."""
        return self._change(name, "enable")

    def disable(self, name: str) -> JobChanged:
        """Take it out of service without removing it."""
        return self._change(name, "disable")

    def _change(self, name: str, verb: str, **values: object) -> JobChanged:
        answer = self._connection.post(path_of("jobs", name, verb), given(**values))
        return cast(JobChanged, answer)

    def run(self, name: str) -> Run:
        """Start a run now; answers once its process was started."""
        answer = self._connection.post(path_of("jobs", name, "run"))
        return cast(Run, answer["run"])

    def cancel(self, name: str) -> RunList:
        """Stop all its runs; answers when their trees are gone."""
        path = path_of("jobs", name, "cancel")
        answer = self._connection.post(path, timeout=STOP_TIME)
        return cast(RunList, answer["runs"])

    def next(self, name: str, *, n: int = 5) -> Next:
        """Its next fire times."""
        answer = self._connection.get(path_of("jobs", name, "next"), given(n=n))
        return cast(Next, answer["jobs"][0])

    def runs(
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
        answer = self._connection.get(path_of("jobs", name, "runs"), query)
        return cast(RunList, answer["runs"])

    def hook(self, name: str) -> Hook:
        """How its web hook is fired, for those who call it; needs the scope admin."""
        return cast(Hook, self._connection.get(path_of("jobs", name, "hook")))

    def stats(self, name: str) -> Stats:
        """How its newest runs went: rates, durations, lateness."""
        return cast(Stats, self._connection.get(path_of("jobs", name, "stats")))
