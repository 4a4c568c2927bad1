"""Sharing the store with other schedulers: what comes first in each step, since others write too.

All are equal: whoever comes first claims what is due, and all others see that in their own next
transaction, before they decide anything (decision 0009).
"""

from __future__ import annotations

import logging
from collections import Counter

from pb.api.views import whole_run_view
from pb.core.model import State
from pb.daemon.ledger import Ledger
from pb.daemon.open_run import Stop
from pb.daemon.parts import Parts
from pb.daemon.planner import Planner
from pb.daemon.presence import Presence
from pb.daemon.recovery import Recovery
from pb.daemon.runs import Runs
from pb.daemon.services import Services
from pb.errors import ConflictError, NotFoundError, StoreError
from pb.store.sharing import SchedulerRow

KEEPER = "services_keeper"
"""The store's own fact: the instance id of the scheduler that keeps the services."""

log = logging.getLogger("sharing")


class Sharing:
    """What the others have done, brought into this scheduler's memory."""

    def __init__(self, parts: Parts, *, planner: Planner, runs: Runs, services: Services) -> None:
        self._store = parts.context.store
        self._clock = parts.clock
        self._planner = planner
        self._runs = runs
        self._services = services
        self._elsewhere = runs.elsewhere
        lease = parts.context.settings.scheduler.lease
        self._presence = Presence(store=self._store, clock=parts.clock, row=parts.me, lease=lease)
        self.recovery = Recovery(parts, runs, self._presence)
        self._version = self._store.changes_elsewhere()
        self.seconds = self._presence.seconds
        self.is_sure = self._presence.is_sure
        self.doubt = self._presence.doubt

    @property
    def count(self) -> int:
        """How many schedulers share the work, this one among them."""
        return 1 + len(self._presence.others)

    # -- beginning and ending

    def begin(self, ledger: Ledger) -> str:
        """Join, and read everything: what those who are gone have left is recovered."""
        self._version = self._store.changes_elsewhere()
        self._presence.join()
        return self.read(ledger)

    def read(self, ledger: Ledger) -> str:
        """Read all plans, runs and services anew."""
        ledger.write_runs()
        self._planner.load(ledger)
        self._see_elsewhere()
        tally = self.recovery.recover(ledger)
        self._see_runs(ledger)
        self._mind_services()
        return f"{tally}; {self._services.recover(ledger)}"

    def _mind_services(self) -> bool:
        """Find who keeps the services: whoever came first and lives. True: it is us since now."""
        store, before = self._store, self._services.keeper
        keeper = self._presence.others.get(store.meta(KEEPER) or "")
        self._services.keeper = None if keeper is None else keeper.home
        if keeper is None and store.meta(KEEPER) != self._presence.id:
            store.set_meta(KEEPER, self._presence.id)
        return keeper is None and before is not None

    def leave(self) -> None:
        """Let the others act for this scheduler from now on."""
        try:
            with self._store.transaction(durable=False):
                self._presence.leave()
        except StoreError as error:
            log.warning("Cannot leave the store, the lease will end: %s", error.message)

    # -- in each step

    def look(self, ledger: Ledger, *, takes_over: bool) -> bool:
        """Whether something was new: others have written, or somebody is gone."""
        self._presence.trust()
        version = self._store.changes_elsewhere()
        is_news = version != self._version
        if not self._presence.has_joined or not (is_news or self._presence.is_due()):
            return False
        self._version = version
        seen = self._presence.look()
        if seen.is_fenced:
            self._start_over(ledger)
            return True
        if is_news:
            self._planner.see_changes(ledger)
            self._services.reread(ledger)
        if is_news or seen.gone:
            self._see_elsewhere()
            if seen.gone and takes_over:
                self._take_over(seen.gone, ledger)
            self._see_runs(ledger)
        return is_news or bool(seen.gone)

    def _start_over(self, ledger: Ledger) -> None:
        """Others took this scheduler for dead: nothing that it remembers is its own any more."""
        text = "This scheduler was silent for too long: others have taken over its runs"
        log.warning("%s; it reads everything anew", text)
        ledger.tell("scheduler.fenced", text, at_ms=self._clock.now_ms())
        self._runs.let_go()
        self._services.hand_over(ConflictError(text, hint="Ask again."))
        log.info("Recovery: %s", self.begin(ledger))

    def _take_over(self, gone: tuple[SchedulerRow, ...], ledger: Ledger) -> None:
        for row in gone:
            text = f"The scheduler of {row.home} (PID {row.pid}) is gone"
            log.info("%s", text)
            ledger.tell("scheduler.gone", text, at_ms=self._clock.now_ms())
        log.info("Recovery: %s", self.recovery.recover(ledger))
        if self._mind_services():
            log.info("Recovery: %s", self._services.recover(ledger))

    # -- the runs of others

    def _see_elsewhere(self) -> None:
        living = self._presence.others
        self._elsewhere.see(run for run in self._store.sharing.open_runs() if run.owner in living)
        used: Counter[str] = Counter()
        locked: set[str] = set()
        for run in self._elsewhere:
            if run.state is not State.QUEUED:
                entry = self._planner.timetable.get(run.job)
                used[entry.queue if entry is not None else "default"] += 1
                locked.update(entry.locks if entry is not None else ())
        self._runs.line.see_elsewhere(used, locked)

    def _see_runs(self, ledger: Ledger) -> None:
        """Go on with what waited for runs elsewhere, and do what was asked for of ours."""
        self._runs.go_on()
        for run_id in list(self._elsewhere.waiting):
            self._answer(run_id, ledger)
        for run in self._store.sharing.open_runs():
            if run.stop_reason is not None and run.id in self._runs.open:
                self._runs.stop(run.id, Stop(State.CANCELLED, run.stop_reason), ledger)

    def _answer(self, run_id: int, ledger: Ledger) -> None:
        """Answer who waits for a run that was elsewhere: it has ended, or it is ours by now."""
        run, row = self._runs.open.get(run_id), self._store.run(run_id)
        if run is not None:
            run.on_end += self._elsewhere.waiting.pop(run_id)
        elif row is None or row.finished_at is not None:
            for reply in self._elsewhere.waiting.pop(run_id):
                answer = (
                    {"run": whole_run_view(row), "done": True, "survivors": []}
                    if row is not None
                    else NotFoundError(f"There is no run {run_id} any more")
                )
                ledger.answer(reply, lambda answer=answer: answer)  # type: ignore[misc]
