"""``Scheduler``: a scheduler inside this program, asked by plain calls. ``aio`` is its async face.

Jobs and runs are answered as dictionaries, with the keys that ``pb job list --json`` and
``pb job history --json`` have (docs/reference/api.md).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from pb.embedded import asking
from pb.embedded.aio import Aio
from pb.embedded.asking import Json, Question
from pb.embedded.declaring import Triggers, declared_in, definition_of
from pb.embedded.life import Life, stopped
from pb.errors import ConflictError, PbError
from pb.paths import find_home

Declarer = ModuleType | Callable[..., Any]


class Scheduler:
    """The scheduler of one home, living in a thread of this process until ``stop``.

    ``home`` is a directory (by default ``PB_HOME``, else ``~/.ponybunny``), ``db`` another
    database file than the home's. ``jobs`` are functions that ``@job`` has declared, and modules
    that hold such. It is the daemon's engine: same store, files, socket and rules, so every `pb`
    command sees it; and a home has one scheduler, so ``start`` raises ConflictError, naming the
    PID, where another one runs.

    ``with Scheduler() as s:`` starts and stops it; ``async with`` does so without blocking the
    loop. Its methods may be called from any thread; those of ``s.aio`` are awaited. All raise
    PbError (``message``, ``hint``): NotFoundError, InvalidError, ConflictError, NeedsDaemonError
    when it does not run, StoreError.
    """

    def __init__(
        self,
        home: str | os.PathLike[str] | None = None,
        *,
        db: str | os.PathLike[str] | None = None,
        jobs: Iterable[Declarer] = (),
    ) -> None:
        self._home = find_home(None if home is None else os.fspath(home))
        self._db = None if db is None else os.path.abspath(os.fspath(db))
        self._declared: dict[str, Json] = {}
        self._life: Life | None = None
        self.aio = Aio(self)
        for one in jobs:
            self._declare(one)

    # -- living

    @property
    def home(self) -> Path:
        return self._home.root

    @property
    def is_running(self) -> bool:
        return self._life is not None and not self._life.ended.done()

    def start(self) -> None:
        """Start it, and add the declared jobs; returns when it is ready. Running: does nothing.

        What was due while no scheduler ran is treated as each job's ``misfire`` says.
        """
        if self.is_running:
            return
        self._life = Life(self._home, self._db)
        try:
            self._life.begin()
            for definition in self._declared.values():
                self.ask(asking.added(definition, replace=True))
        except BaseException:
            self.stop(keep_runs=True)
            raise

    def stop(self, *, keep_runs: bool = False) -> None:
        """Stop it; returns when nothing of it is left in this process.

        Runs are waited for up to the setting ``scheduler.shutdown_timeout`` (30 s), then stopped;
        a second call, from another thread, stops them at once. With ``keep_runs`` they go on, and
        the next scheduler of this home, daemon or not, adopts them. Not running: does nothing.
        """
        life = self._life
        if life is None:
            return
        life.end(keep_runs=keep_runs)
        life.join()
        self._ended(life)

    def _ended(self, life: Life) -> None:
        if self._life is life:
            self._life = None
        error = life.ended.exception()
        if isinstance(error, PbError) and not life.has_failed_to_start:
            raise error

    def __enter__(self) -> Scheduler:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Scheduler:
        await self.aio.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        await self.aio.stop()

    # -- jobs

    def add(self, declarer: Declarer) -> None:
        """Add a function that ``@job`` has declared, or all of a module; now, and at each start.

        A job of that name is replaced; what else the home has stays. Raises InvalidError,
        ConflictError when two functions have one name.
        """
        for definition in self._declare(declarer):
            if self.is_running:
                self.ask(asking.added(definition, replace=True))

    def _declare(self, declarer: Declarer) -> list[Json]:
        functions = declared_in(declarer) if isinstance(declarer, ModuleType) else [declarer]
        found = [definition_of(function) for function in functions]
        for definition in found:
            before = self._declared.setdefault(definition["name"], definition)
            if before.get("python") != definition.get("python"):
                raise ConflictError(
                    f"{before['python']} and {definition['python']} are both named "
                    f"{definition['name']}",
                    hint='Give one another name: @job(name="…").',
                )
        return found

    def add_job(
        self,
        name: str,
        command: str | Sequence[str] | None = None,
        *,
        python: str | Callable[..., Any] | None = None,
        triggers: Triggers = (),
        cron: str | None = None,
        every: str | float | timedelta | None = None,
        at: str | datetime | None = None,
        replace: bool = False,
        **keys: object,
    ) -> Json:
        """Add a job; it stays in the home until it is removed.

        ``command`` is a list of arguments, or one text that is split as a shell would split it;
        ``python`` a function of a module, or its name ``module:function``. ``triggers`` are as in
        a definition file, ``cron``, ``every`` (``"5m"``, seconds, a timedelta) and ``at`` short
        for one; without any it runs by hand only. ``keys`` are a definition's, such as
        ``timeout="30s"`` or ``retry={"max_attempts": 3}``. Raises InvalidError for what is wrong
        with them, ConflictError when the name is taken and ``replace`` is False.
        """
        return self.ask(  # type: ignore[no-any-return]
            asking.add_job(
                name,
                command,
                python=python,
                triggers=triggers,
                cron=cron,
                every=every,
                at=at,
                replace=replace,
                keys=keys,
            )
        )

    def remove_job(self, name: str) -> None:
        """Remove a job; its history stays, and so does a run that is active."""
        self._declared.pop(name, None)
        self.ask(asking.of_job("job.remove", name, None))

    def get_job_status(self, name: str) -> Json:
        """The job as it is now: ``state``, ``next_run``, ``last_run``, ``last_result``, counts."""
        return self.ask(asking.of_job("job.show", name))  # type: ignore[no-any-return]

    def list_jobs(self) -> list[Json]:
        """All jobs of the home, by name."""
        return self.ask(Question("job.list", {}, "jobs"))  # type: ignore[no-any-return]

    def pause_job(
        self, name: str, *, note: str | None = None, until: datetime | None = None
    ) -> Json:
        """Run nothing of it until it is resumed, or until an instant (an aware datetime)."""
        return self.ask(asking.pause_job(name, note, until))  # type: ignore[no-any-return]

    def resume_job(self, name: str, *, catch_up: bool = False) -> Json:
        """Let it run again; with ``catch_up`` also what was missed, as its ``misfire`` says."""
        return self.ask(asking.resume_job(name, catch_up))  # type: ignore[no-any-return]

    # -- runs

    def run(self, name: str, *, wait: bool = True, timeout: float | None = None) -> Json:
        """Run a job now. With ``wait`` the answer is how the run ended (``state``, ``exit_code``,
        ``output`` …), else the run as it started. ``timeout``: see ``wait``.
        """
        run: Json = self.ask(asking.of_job("job.run", name, "run"))
        return self.wait(run["run_id"], timeout=timeout) if wait else run

    def wait(self, run_id: int, *, timeout: float | None = None) -> Json:
        """Wait until a run has ended, for ``timeout`` seconds at most (None: for ever).

        Raises UnresponsiveError when it has not ended by then; it goes on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = asking.WAIT if deadline is None else max(0.0, deadline - time.monotonic())
            answer = self.ask(asking.wait(run_id, min(left, asking.WAIT)))
            if answer.get("done"):
                return answer["run"]  # type: ignore[no-any-return]
            if timeout is not None and left <= asking.WAIT:
                raise asking.still_running(answer["run"], timeout)

    def cancel(self, name: str) -> list[Json]:
        """Stop all runs of a job; answers them when nothing of them is left."""
        return self.ask(asking.of_job("job.cancel", name, "runs"))  # type: ignore[no-any-return]

    def history(self, name: str | None = None, *, n: int = 20, **filters: object) -> list[Json]:
        """The newest ``n`` runs, newest first, of one job or all. ``filters`` are those of
        ``job.history``: ``states=["failed"]``, ``failed=True``, ``since="2h"``, ``until=…``."""
        return self.ask(asking.history(name, n, filters))  # type: ignore[no-any-return]

    def call(self, method: str, params: Mapping[str, object] | None = None) -> Json:
        """Any method by its name (docs/reference/api.md), with its whole answer."""
        return self.ask(Question(method, dict(params or {})))  # type: ignore[no-any-return]

    # -- asking

    def ask(self, question: Question) -> Any:
        """Put a question and wait for the answer."""
        try:
            return question.answered(self.put(question).result())
        except CancelledError:
            raise stopped() from None

    def put(self, question: Question) -> Future[bytes]:
        """Put a question. Raises NeedsDaemonError when nobody is there to answer it."""
        if self._life is None:
            raise stopped()
        return self._life.ask(question.method, question.params)
