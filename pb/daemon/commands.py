"""The commands that only a running scheduler can carry out: running, cancelling, waiting, ending.

All others are ``api.methods``. Each body runs inside a transaction of its own; answers that have
to wait are given by the run they wait for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pb.api.context import Context, require, require_run
from pb.api.views import Json, run_view, whole_run_view
from pb.core.model import OPEN, State
from pb.daemon.ledger import Ledger
from pb.daemon.messages import Command, Reload, Reply, Shutdown
from pb.daemon.open_run import Open, Stop
from pb.daemon.runs import Runs
from pb.daemon.timetable import Timetable
from pb.errors import ConflictError, PbError, UnsupportedError
from pb.process.daemon_log import level_now, set_level
from pb.store.rows import Run

if TYPE_CHECKING:
    from pb.daemon.engine import Engine

log = logging.getLogger("scheduler")

Body = Callable[[Command, Ledger], None]


class Commands:
    """The engine's own methods. Raises PbError to refuse."""

    def __init__(
        self,
        *,
        engine: Engine,
        context: Context,
        runs: Runs,
        timetable: Timetable,
        check_settings: Callable[[], object],
        is_guest: bool = False,
    ) -> None:
        self._engine = engine
        self._context = context
        self._runs = runs
        self._timetable = timetable
        self._check_settings = check_settings
        self._is_guest = is_guest

    def bodies(self) -> dict[str, Callable[[Command, Ledger], None]]:
        return {
            "job.run": self._job_run,
            "job.cancel": self._job_cancel,
            "run.cancel": self._run_cancel,
            "run.retry": self._run_retry,
            "run.wait": self._run_wait,
            "scheduler.shutdown": self._scheduler_shutdown,
            "scheduler.restart": self._scheduler_restart,
            "scheduler.reload": self._scheduler_reload,
            "scheduler.log_level": self._scheduler_log_level,
        }

    def _job_run(self, command: Command, ledger: Ledger) -> None:
        require(self._context, command.params["name"])
        self._start(command.params["name"], command, ledger)

    def _run_retry(self, command: Command, ledger: Ledger) -> None:
        """Another attempt of a run that has ended: the same fire time, one attempt more."""
        row = require_run(self._context, command.params["run_id"])
        if row.job is None or row.trigger == "cli":
            raise ConflictError(f"Run {row.id} is no job's run", hint="Run its command again.")
        if row.state in OPEN:
            raise ConflictError(f"Run {row.id} is {row.state}", hint="Wait for its end.")
        require(self._context, row.job)
        self._start(row.job, command, ledger, again=row)

    def _start(
        self, name: str, command: Command, ledger: Ledger, *, again: Run | None = None
    ) -> None:
        if self._engine.is_stopping:
            raise PbError("The scheduler is stopping", hint="Start it again first.")
        entry = self._timetable.get(name)
        if entry is None:
            raise PbError(
                f"The definition of {name} cannot be used", hint=f"See: pb job show {name}"
            )
        by = command.params["by"] or command.actor
        row = self._runs.manual(entry, by, ledger, again=again)
        if self._runs.will_start_now(row):
            self._runs.open[row.id].on_start.append(command.reply)
        else:
            ledger.order(lambda: command.reply({"run": run_view(row)}))

    def _job_cancel(self, command: Command, ledger: Ledger) -> None:
        name = command.params["name"]
        require(self._context, name)
        others = [run.id for run in self._runs.elsewhere.of_job(name)]
        self._cancel(self._runs.of_job(name), others, command, ledger)

    def _run_cancel(self, command: Command, ledger: Ledger) -> None:
        row = require_run(self._context, command.params["run_id"])
        run = self._runs.open.get(row.id)
        others = [row.id] if self._runs.elsewhere.find(row.id) is not None else []
        self._cancel([run] if run is not None else [], others, command, ledger)

    def _cancel(
        self, runs: list[Open], others: list[int], command: Command, ledger: Ledger
    ) -> None:
        """Stop ``runs``, and have ``others`` stopped by the schedulers that they belong to; the
        answer comes when the last tree is gone."""
        gathering = Gathering(len(runs) + len(others), command.reply)
        if not runs and not others:
            ledger.order(gathering.answer)
        reason = f"cancelled by {command.actor}"
        for run in runs:
            run.on_end.append(gathering.take)
            self._runs.stop(run.row.id, Stop(State.CANCELLED, reason), ledger)
        self._context.store.sharing.ask_to_stop(others, reason)
        for run_id in others:
            self._runs.elsewhere.wait(run_id, gathering.take)

    def _run_wait(self, command: Command, ledger: Ledger) -> None:
        row = require_run(self._context, command.params["run_id"])
        run = self._runs.open.get(row.id)
        if run is not None:
            run.on_end.append(command.reply)
        elif self._runs.elsewhere.find(row.id) is not None:
            self._runs.elsewhere.wait(row.id, command.reply)
        else:
            ledger.order(lambda: command.reply({"run": whole_run_view(row), "done": True}))

    def _scheduler_shutdown(self, command: Command, ledger: Ledger) -> None:
        keep_runs = command.params["keep_runs"]
        self._engine.shut_down(Shutdown(keep_runs=keep_runs), ledger)
        ledger.order(lambda: command.reply({"stopping": True}))

    def _scheduler_restart(self, command: Command, ledger: Ledger) -> None:
        if self._engine.is_stopping:
            raise PbError("The scheduler is stopping already")
        # A bad configuration is refused here, and the old scheduler stays.
        self._check_settings()
        self._engine.shut_down(Shutdown(keep_runs=True, restart=True), ledger)
        ledger.order(lambda: command.reply({"restarting": True}))

    def _scheduler_log_level(self, command: Command, ledger: Ledger) -> None:
        """Until the next start, or until the settings say otherwise than they do now."""
        if self._is_guest:
            raise UnsupportedError("The log of a scheduler inside another program is that one's")
        before, wanted = level_now(), command.params["level"]
        if wanted is not None:
            set_level(wanted)
            log.info("Logging what is of level %s or worse (before: %s)", wanted, before)
        answer = {"level": level_now(), "before": before}
        ledger.order(lambda: command.reply(answer))

    def _scheduler_reload(self, command: Command, ledger: Ledger) -> None:
        ledger.order(lambda: self._engine.post(Reload(command.reply)))


class Gathering:
    """One answer for several runs: given when the last of them has ended."""

    def __init__(self, count: int, reply: Reply) -> None:
        self._count = count
        self._reply = reply
        self._runs: list[Any] = []
        self._survivors: list[Any] = []

    def take(self, answer: Json | PbError) -> None:
        if isinstance(answer, dict):
            self._runs.append(answer["run"])
            self._survivors += answer.get("survivors", [])
        self._count -= 1
        if self._count <= 0:
            self.answer()

    def answer(self) -> None:
        self._reply({"runs": self._runs, "survivors": self._survivors})
