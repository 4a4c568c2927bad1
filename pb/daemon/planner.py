"""Keeping the timetable true: what is due, what changed, what the clock did.

Decisions are ``core.scheduling``'s; runs are ``runs``'; writing is the ledger's.
"""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from pb.config.zones import local_zone_name, zone
from pb.core.model import State
from pb.core.scheduling import COUNT_LIMIT, Fire, Missed, due, walk
from pb.daemon.followers import Followers
from pb.daemon.ledger import Happened, Ledger
from pb.daemon.parts import Parts
from pb.daemon.runs import Runs
from pb.daemon.timetable import Entry, Timetable, entry_from
from pb.errors import PbError
from pb.store.history import own_jobs
from pb.store.rows import PlanRow

CROWD = 200
"""With more jobs than this overdue at once, missed fire times are counted less exactly."""

CROWD_LIMIT = 60

ZONE_SECONDS = 30.0
"""How often to look whether the system's time zone has changed."""

JUMP_MS = 2_000
"""How far the wall clock may stray from the monotonic one before it counts as a jump."""


class Planner:
    """The timetable and the clock's health. Times are epoch ms."""

    def __init__(self, parts: Parts, runs: Runs) -> None:
        store, clock = parts.context.store, parts.clock
        self.timetable = Timetable()
        self.followers = Followers(store=store, clock=clock, runs=runs, timetable=self.timetable)
        self._store = store
        self._clock = clock
        self._runs = runs
        self._boot_id = parts.boot_id
        self._booted_ms = parts.booted_ms
        self._revision = self._removals = 0
        self._offset_ms = self._measure()
        self._zone_name = local_zone_name()
        self._look_at_zone = 0.0
        self._cause = "the scheduler was not running"

    def blame(self, cause: str) -> None:
        """Say why the next fire times to be missed were missed."""
        self._cause = cause

    def count_of_people(self) -> int:
        """How many jobs there are besides pb's own."""
        own = own_jobs(self._store.select)
        return sum(entry.name not in own for entry in self.timetable)

    # -- reading definitions

    def load(self, ledger: Ledger) -> None:
        """Read every job from the store."""
        self.timetable.clear()
        self._runs.definitions.clear()
        self._revision = self._store.sharing.revision()
        self._removals = self._store.sharing.removals()
        zones: dict[str, tzinfo] = {}
        for row in self._store.plans():
            self._put(row, ledger, zones)

    def see_changes(self, ledger: Ledger) -> None:
        """Read what other processes have changed: definitions, pauses, and what they have fired."""
        if self._store.sharing.removals() != self._removals:
            self.load(ledger)
            return
        for row in self._store.plans_since(self._revision):
            self._revision = row.revision
            entry = self.timetable.get(row.name)
            if entry is None or entry.updated_ms != row.updated_at:
                self._runs.definitions.forget(row.name)
                self._put(row, ledger)
            elif (entry.planned_ms, entry.next_ms) != (row.planned_until, row.next_fire_at):
                entry.planned_ms, entry.next_ms = row.planned_until, row.next_fire_at
                entry.boot_id = row.boot_id
                self.timetable.schedule(entry)

    def refresh(self, name: str, ledger: Ledger) -> None:
        """Read one job again: it was added, changed, paused or removed."""
        self._runs.definitions.forget(name)
        row = self._store.plan(name)
        if row is None:
            self.timetable.remove(name)
        else:
            self._put(row, ledger)

    def _put(self, row: PlanRow, ledger: Ledger, zones: dict[str, tzinfo] | None = None) -> None:
        try:
            entry = entry_from(row, {} if zones is None else zones)
        except PbError as error:
            # One job's trouble: it does not run, everything else does, and people are told.
            text = f"Job {row.name} cannot be used: {error.message}"
            ledger.tell("job.invalid", text, at_ms=self._clock.now_ms(), job=row.name)
            self.timetable.remove(row.name)
            return
        if entry.boot_id is None and entry.startups and row.created_at >= self._booted_ms:
            # Added during this boot: "at boot" means the next one.
            entry.boot_id = self._boot_id
            ledger.boot(entry.name, self._boot_id)
        if entry.is_on and entry.next_ms is None:
            entry.plan(entry.planned_ms)
            if entry.next_ms is not None:  # else others would read it anew, and so on for ever
                ledger.plan(entry.name, entry.planned_ms, entry.next_ms)
        self.timetable.put(entry)

    # -- firing

    def fire_due(self, ledger: Ledger, sharers: int) -> None:
        """Settle every fire time that has come, and end the pauses that are over.

        Where several schedulers share the store it is this one's part of the jobs that are due;
        what the others do not take meanwhile is left to the next step, which comes at once.
        """
        now = self._clock.now_ms()
        for entry in self.timetable.pop_resumed(now):
            self._end_pause(entry, now, ledger)
        entries = self.timetable.pop_due(now)
        part = -(-len(entries) // sharers)
        for entry, at_ms in entries[part:]:
            entry.next_ms = at_ms
            self.timetable.schedule(entry)
        del entries[part:]
        limit = COUNT_LIMIT if len(entries) <= CROWD else CROWD_LIMIT
        for entry, first_ms in entries:
            if not self._waits_for_an_end(entry, first_ms, ledger):
                self._settle(entry, first_ms, now, limit, ledger)
        if entries:
            self._cause = "the scheduler was late (asleep or busy)"

    def _settle(self, entry: Entry, first_ms: int, now: int, limit: int, ledger: Ledger) -> None:
        decision = due(
            entry.triggers,
            entry.zone,
            entry.name,
            first_ms=first_ms,
            now_ms=now,
            misfire=entry.misfire,
            limit=limit,
        )
        missed = self._without_record(entry, decision.missed)
        if missed is not None:
            self._miss(entry, missed, ledger)
        refusal = self.followers.why_not(entry) if decision.fires and entry.depends_on else None
        for fire in decision.fires:
            if refusal is not None:
                self._runs.refuse(entry, fire, refusal, ledger)
            else:
                self._runs.fire(entry, fire, ledger)
        entry.planned_ms, entry.next_ms = now, decision.next_ms
        if entry.counts_from_ends and not self._runs.of_job(entry.name):
            entry.next_ms = entry.first_after(now)
        self._record(entry, ledger)

    def _miss(self, entry: Entry, missed: Missed, ledger: Ledger) -> None:
        """One record for fire times that nobody acted on."""
        row = self._runs.row(entry.name, missed.last_ms, "missed")
        row.state, row.fire_count = State.MISSED, missed.count
        row.finished_at = row.queued_at
        row.reason = missed.reason(self._cause)
        if ledger.claim(row):
            ledger.finish(row)
            ledger.tell_run(row, f"Job {entry.name}: {row.reason}")

    # -- counting from the ends of runs

    def _waits_for_an_end(self, entry: Entry, due_ms: int, ledger: Ledger) -> bool:
        """Whether what is due counts from the end of a run that goes on: then it is not due."""
        if not entry.counts_from_ends or not self._runs.of_job(entry.name):
            return False
        entry.next_ms = entry.next_beat()
        if entry.next_ms is not None and entry.next_ms <= due_ms:
            return False
        self._record(entry, ledger)
        return True

    def mind_ends(self, ledger: Ledger) -> None:
        """Plan the jobs that count from the end of a run, when one has ended or did not start."""
        for name in {name for name in ledger.finished_jobs() if name is not None}:
            entry = self.timetable.get(name)
            if entry is None or not entry.counts_from_ends or not entry.is_on:
                continue
            if not self._runs.of_job(name):
                beat, again = entry.next_beat(), entry.first_after(self._clock.now_ms())
                entry.next_ms = min((at for at in (beat, again) if at is not None), default=None)
                self._record(entry, ledger)

    def _without_record(self, entry: Entry, missed: Missed | None) -> Missed | None:
        """Less the fire times that were acted on before the clock was set back over them."""
        if missed is None:
            return None
        known = self._store.recorded(entry.name, missed.first_ms, missed.last_ms)
        if not known:
            return missed
        times, _ = walk(
            entry.triggers, entry.zone, entry.name, missed.first_ms, missed.last_ms, COUNT_LIMIT
        )
        rest = [fire.at_ms for fire in times if fire.at_ms not in known]
        return Missed(len(rest), rest[0], rest[-1], missed.at_least) if rest else None

    def _replan(self, entry: Entry, after_ms: int, ledger: Ledger) -> None:
        entry.plan(after_ms)
        self._record(entry, ledger)

    def _record(self, entry: Entry, ledger: Ledger) -> None:
        ledger.plan(entry.name, entry.planned_ms, entry.next_ms)
        self.timetable.schedule(entry)

    def _end_pause(self, entry: Entry, now: int, ledger: Ledger) -> None:
        """The moment until which a job was paused has come; what it missed is not made up."""
        self._store.set_paused(entry.name, paused_at=None, note=None, until=None, now=now)
        self._store.set_plan(entry.name, now, None)
        ledger.tell(
            "job.resumed", f"Job {entry.name} resumed: its pause is over", at_ms=now, job=entry.name
        )
        self.refresh(entry.name, ledger)

    def fire_startups(self, ledger: Ledger) -> None:
        """The scheduler has started: jobs that run at boot, or at each start of it."""
        now = self._clock.now_ms()
        for entry in self.timetable:
            for startup in entry.startups:
                first_of_boot = entry.boot_id != self._boot_id
                if entry.is_on and (startup.per == "daemon" or first_of_boot):
                    at_ms = now + round(startup.delay * 1000)
                    self._runs.fire(entry, Fire(at_ms, "startup"), ledger)
            if entry.startups and entry.boot_id != self._boot_id:
                entry.boot_id = self._boot_id
                ledger.boot(entry.name, self._boot_id)

    # -- the clock

    def _measure(self) -> float:
        return self._clock.now_ms() - self._clock.monotonic() * 1000

    def mind_the_clock(self, ledger: Ledger) -> None:
        """Notice jumps of the wall clock and a changed system time zone."""
        jump = self._measure() - self._offset_ms
        if abs(jump) > JUMP_MS:
            self._offset_ms += jump
            self._jumped(jump, ledger)
        if self._clock.monotonic() >= self._look_at_zone:
            self._look_at_zone = self._clock.monotonic() + ZONE_SECONDS
            self._mind_the_zone(ledger)

    def _mind_the_zone(self, ledger: Ledger) -> None:
        name = local_zone_name()
        if name == self._zone_name:
            return
        before, self._zone_name = self._zone_name, name
        self._tell_clock(f"The system's time zone changed from {before} to {name}", ledger)
        self._happened("zone_changed", ledger, before=before, zone=name)
        for entry in [entry for entry in self.timetable if entry.zone_name == "local"]:
            entry.zone = zone("local")
            self._replan(entry, max(entry.planned_ms, self._clock.now_ms()), ledger)

    def _jumped(self, jump: float, ledger: Ledger) -> None:
        way = "forward" if jump > 0 else "back"
        self._tell_clock(f"The clock was set {way} by {abs(jump) / 1000:.0f} s", ledger)
        self._happened("clock_changed", ledger, seconds=round(jump / 1000, 1))
        self._cause = f"the clock was set {way}"
        if jump < 0:
            # What is recorded stays recorded (one row for each fire time); the rest is planned
            # from the new time on, or a clock that was wrong by a year would stop all jobs.
            now = self._clock.now_ms()
            for entry in list(self.timetable):
                if entry.planned_ms > now:
                    self._replan(entry, now, ledger)

    def _happened(self, word: str, ledger: Ledger, **facts: Any) -> None:
        ledger.happened.append(Happened(f"system.{word}", self._clock.now_ms(), facts=facts))

    def _tell_clock(self, text: str, ledger: Ledger) -> None:
        ledger.tell("scheduler.clock_changed", text, at_ms=self._clock.now_ms())
