"""The hands: starting runs, watching them end, stopping their trees.

Everything that happens is posted to the engine's mailbox; nothing is decided here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pb.api.letting_go import result_path
from pb.api.surroundings import environment_files, from_home
from pb.core.limits import is_watched
from pb.core.model import NO_LIMITS, Job
from pb.daemon.calls import CALL, argv_of, call_of, place_of
from pb.daemon.conditions import ConditionChecks
from pb.daemon.errands import Errands
from pb.daemon.event_facts import EVENT_VARIABLES, given_event
from pb.daemon.limits import LimitWatch
from pb.daemon.messages import Exited, LimitExceeded, Message, SpawnFailed, Started, TreeGone
from pb.daemon.outcomes import printable, refusal_of
from pb.daemon.results import drop_result, read_result
from pb.daemon.watching import Ended, Watching
from pb.errors import PbError
from pb.process.identity import Identity
from pb.process.signals import signal_number
from pb.process.spawn import Spawn, spawn
from pb.process.tree import TreeStop, leader_of, members
from pb.process.usage import Usage
from pb.store.rows import Run

if TYPE_CHECKING:
    from pb.daemon.clock import Clock
    from pb.daemon.logkeeping import LogKeeping
    from pb.paths import Home
    from pb.store.occasions import RunEvent

MARKER = "PB_MARKER"

OURS = (
    *("PB_JOB", "PB_RUN_ID", "PB_ATTEMPT", "PB_FIRE_TIME", "PB_OUTPUT", CALL, MARKER),
    *EVENT_VARIABLES,
)
"""Variables that a run gets from us and must not inherit from us."""

SAID_BYTES = 1024 * 1024
"""How far back a retry's pattern is looked for."""


class Executor(Protocol):
    """What the engine needs of the outside world; tests hand in a fake."""

    def start(self, row: Run, job: Job, event: RunEvent | None = None) -> None:
        """Start the run's process, and tell it of its event; posts Started or SpawnFailed."""
        ...

    def stop(self, row: Run, job: Job | None) -> None:
        """Stop the run's tree; posts TreeGone when nothing is left, or what would not die."""
        ...

    def look_around(self, row: Run, job: Job) -> None:
        """Look whether the conditions of a queued run hold; posts ConditionsSeen."""
        ...

    def adopt(self, row: Run, identity: Identity) -> bool:
        """Watch a process that an earlier scheduler started; False when it is gone."""
        ...

    def search(self, row: Run) -> Identity | None:
        """The leader of a run whose process was never recorded, if it is alive."""
        ...

    def collecting(self) -> AbstractContextManager[None]:
        """Read what the guardian kept; it forgets it when the block ends well (has committed)."""
        ...

    def collected(self) -> dict[tuple[int, int], int]:
        """Exit statuses that were read: raw wait status by (pid, start ticks)."""
        ...

    def is_watching(self, run_id: int) -> Identity | None:
        """The process of a run that is being watched already."""
        ...

    def limit(self, row: Run, job: Job) -> None:
        """Watch the limits of a run that was adopted; of one that is started they always are."""
        ...

    def forget(self, row: Run) -> None:
        """The run has its outcome, and that is in the store."""
        ...

    def let_go(self, row: Run) -> None:
        """The run is another scheduler's by now: do nothing more to it."""
        ...

    def result(self, row: Run) -> str | None:
        """The JSON that the run has handed back."""
        ...

    def last_words(self, row: Run) -> str | None:
        """The last line that the run wrote, made safe."""
        ...

    def has_said(self, row: Run, text: str) -> bool:
        """Whether ``text`` stands in the newest part of what the run wrote."""
        ...


GUEST_UMASK = 0o077
"""The umask of runs that ask for none, where ours is our host's: a daemon's own."""


class ProcessExecutor:
    """Real processes. All methods belong to the event loop's thread.

    ``is_guest``: this process is another program's, so nothing of it is touched.
    """

    def __init__(
        self,
        *,
        home: Home,
        store_id: str,
        database: Path,
        clock: Clock,
        post: Callable[[Message], None],
        logs: LogKeeping,
        watching: Watching,
        environ: Mapping[str, str],
        is_guest: bool = False,
    ) -> None:
        self._home = home
        self._is_guest = is_guest
        self._store_id = store_id
        self._database = database
        self._clock = clock
        self._post = post
        self._logs = logs
        self._base = {
            "PYTHONUNBUFFERED": "1",
            **{key: value for key, value in environ.items() if key not in OURS},
        }
        self._base.pop("PONY_SCHEDULER_BACKGROUND", None)
        self._watching = watching
        self._stops: dict[int, TreeStop] = {}
        self._limits = LimitWatch(self._exceeded, self._hurry)
        errands = Errands(watching.expect)
        self._conditions = ConditionChecks(clock=clock, post=post, errands=errands)
        self._watched: dict[int, Identity] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def _ended(self, run_id: int, log_path: Path) -> Ended:
        def ended(status: int | None, at_ms: int, used: Usage) -> None:
            self._logs.unwatch(log_path)
            self._post(Exited(run_id, status, at_ms, used))

        return ended

    # -- starting

    def start(self, row: Run, job: Job, event: RunEvent | None = None) -> None:
        try:
            what = self._spawn(row, job)
            if event is not None:
                what = replace(what, env={**what.env, **given_event(event, what.log_path)})
            identity = spawn(what)
        except (PbError, OSError) as error:
            reason, transient = refusal_of(error)
            self._post(SpawnFailed(row.id, reason, transient, self._clock.now_ms()))
            return
        self._watching.expect(identity, self._ended(row.id, what.log_path))
        self._watched[row.id] = identity
        self._logs.watch_soon(what.log_path, job.log.max_size)
        self.limit(row, job)
        self._post(Started(row.id, identity, self._clock.now_ms()))

    def _spawn(self, row: Run, job: Job) -> Spawn:
        user_home = self._base.get("HOME") or "/"
        given = {**environment_files(job.env_file, user_home), **job.env}
        return Spawn(
            argv=argv_of(job, user_home),
            env={
                **self._base,
                **given,
                **call_of(job),
                **place_of(job, self._home, self._database),
                **self._facts(row),
            },
            cwd=from_home(job.cwd or "~", user_home),
            stdin=None if job.stdin is None else job.stdin.encode("utf-8", "surrogateescape"),
            log_path=self._log_path(row),
            umask=GUEST_UMASK if self._is_guest and job.umask is None else job.umask,
            limits=job.limits,
            is_guest=self._is_guest,
        )

    def _log_path(self, row: Run) -> Path:
        return Path(row.log_path) if row.log_path else self._home.run_log(row.job, row.id)

    def _facts(self, row: Run) -> dict[str, str]:
        from pb.api.views import rfc3339

        return {
            "PB_JOB": row.job or "",
            "PB_RUN_ID": str(row.id),
            "PB_ATTEMPT": str(row.attempt),
            "PB_FIRE_TIME": str(rfc3339(row.fire_at)),
            "PB_OUTPUT": str(result_path(self._log_path(row))),
            MARKER: self._marker(row.id),
        }

    def _marker(self, run_id: int) -> str:
        return f"{self._store_id}/{run_id}"

    def look_around(self, row: Run, job: Job) -> None:
        def prepare() -> Spawn:
            return replace(self._spawn(row, job), limits=NO_LIMITS)

        self._conditions.look(row.id, job, prepare)

    # -- stopping

    def stop(self, row: Run, job: Job | None) -> None:
        task = asyncio.get_running_loop().create_task(self._stop(row, job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop(self, row: Run, job: Job | None) -> None:
        stopping = TreeStop(
            self._watched.get(row.id),
            self._marker(row.id),
            signum=signal_number(job.stop_signal if job else "TERM"),
            grace=job.kill_grace if job else 10.0,
        )
        self._stops[row.id] = stopping
        while (delay := stopping.step(time.monotonic())) is not None:
            await asyncio.sleep(delay)
            if self._stops.get(row.id) is not stopping:
                return  # let go
        del self._stops[row.id]
        left = [(survivor.pid, survivor.command) for survivor in stopping.survivors]
        self._watching.look()
        self._post(TreeGone(row.id, left, bool(stopping.killed)))

    def limit(self, row: Run, job: Job) -> None:
        self._logs.bound(self._log_path(row), job.log.max_size)
        identity = self._watched.get(row.id)
        if identity is not None and is_watched(job.limits):
            marker, log_path = self._marker(row.id), self._log_path(row)
            self._limits.watch(row.id, identity, marker, job.limits, log_path)

    def _exceeded(self, run_id: int, reason: str) -> None:
        self._post(LimitExceeded(run_id, reason))

    def _hurry(self, run_id: int) -> None:
        """A run that is being stopped grows on: its grace is over."""
        if run_id in self._stops:
            self._stops[run_id].hurry()

    # -- coming back

    def adopt(self, row: Run, identity: Identity) -> bool:
        if not self._watching.adopt(identity, self._ended(row.id, self._log_path(row))):
            self._logs.settle(self._log_path(row))
            return False
        self._watched[row.id] = identity
        self._logs.bound(self._log_path(row), None)
        self._logs.watch(self._log_path(row))
        return True

    def search(self, row: Run) -> Identity | None:
        """The oldest process that carries the run's marker and leads a session: its leader."""
        return leader_of(members(None, self._marker(row.id)))

    def collecting(self) -> AbstractContextManager[None]:
        return self._watching.collecting()

    def collected(self) -> dict[tuple[int, int], int]:
        return self._watching.collected()

    def is_watching(self, run_id: int) -> Identity | None:
        return self._watched.get(run_id)

    def forget(self, row: Run) -> None:
        if row.output is not None:
            drop_result(self._log_path(row))
        self._unwatch(row)

    def _unwatch(self, row: Run) -> None:
        self._limits.forget(row.id)
        self._conditions.drop(row.id)
        if self._watched.pop(row.id, None) is not None:
            self._logs.unwatch(self._log_path(row))

    def let_go(self, row: Run) -> None:
        # It may still be our child, to be collected when it ends.
        self._stops.pop(row.id, None)
        self._unwatch(row)

    def result(self, row: Run) -> str | None:
        return None if row.log_path is None else read_result(Path(row.log_path))

    def last_words(self, row: Run) -> str | None:
        return last_line(row.log_path or "")

    def has_said(self, row: Run, text: str) -> bool:
        return text.encode() in newest_bytes(row.log_path or "", SAID_BYTES)


def last_line(path: str | Path) -> str | None:
    """The last line of a log that says something, made safe."""
    for line in reversed(newest_bytes(path, 4096).split(b"\n")):
        words = line.strip(b"\0 \t\r").decode("utf-8", "replace")
        if words:
            return printable(words)
    return None


def newest_bytes(path: str | Path, size: int) -> bytes:
    """The last ``size`` bytes of a log; nothing when it cannot be read."""
    with contextlib.suppress(OSError), open(path, "rb") as log:
        log.seek(max(0, os.fstat(log.fileno()).st_size - size))
        return log.read()
    return b""
