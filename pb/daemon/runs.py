"""The open runs and their lives: from an occasion to an outcome.

Every change goes through the step's ledger; processes are the executor's. Rules that can be
decided from facts alone are ``core.scheduling``'s.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from pb.api.lives import set_identity
from pb.api.views import run_view
from pb.core.model import Job, Overlap, State
from pb.core.reactive import REACTIVE
from pb.core.scheduling import Admission, Fire, Refused, Replaces, Waits, admit
from pb.daemon.activity import Activities
from pb.daemon.definitions import Definitions
from pb.daemon.elsewhere import Elsewhere
from pb.daemon.ledger import Ledger
from pb.daemon.line import Line
from pb.daemon.messages import Exited, LimitExceeded, SpawnFailed, Started, TreeGone
from pb.daemon.open_run import Open, Stop, ending, gate_of
from pb.daemon.outcomes import how_it_went, note_end, outcome
from pb.daemon.parts import Parts
from pb.daemon.retries import retry_seconds
from pb.daemon.timetable import Entry
from pb.errors import PbError
from pb.store.rows import Run

TRY_AGAIN_MS = 1_000
"""After a refused fork (EAGAIN, ENOMEM), how long until the next try."""

TRIES = 300
"""How many such tries before the run fails."""


class Runs:
    """All open runs. Times are epoch ms; ``after`` asks the engine for a message later on."""

    def __init__(self, parts: Parts, after: Callable[[float, int], None]) -> None:
        settings = parts.context.settings.scheduler
        self.open: dict[int, Open] = {}
        self.ended: list[Run] = []
        self.gated: list[Open] = []
        self.elsewhere = Elsewhere()
        self.line = Line(settings.max_running, settings.queues)
        self._store = parts.context.store
        self._home = parts.context.home
        self._clock = parts.clock
        self._executor = parts.executor
        self._owner = parts.me.id
        self._after = after
        self._activities = Activities(self.elsewhere, self._line_up)
        self.definitions = Definitions(self._store)

    # -- occasions

    def fire(self, entry: Entry, fire: Fire, ledger: Ledger) -> None:
        """Act on one fire time: a run, or a skip with its reason. Once only, whatever happens."""
        row = self.row(entry.name, fire.at_ms, fire.kind)
        late_ms = row.queued_at - fire.at_ms
        row.not_before_at = fire.at_ms + entry.delay_ms(late_ms, random.random())  # noqa: S311
        self.take_in(entry, row, self.admission(entry), ledger)

    def manual(self, entry: Entry, by: str, ledger: Ledger, *, again: Run | None = None) -> Run:
        """A run that somebody asked for, or another attempt of one; only overlap holds it up."""
        row = self.row(entry.name, self._clock.now_ms(), "manual")
        row.requested_by = by
        if again is not None:
            row.fire_at, row.trigger = again.fire_at, again.trigger
            row.attempt = self._store.attempts(again) + 1
        self.take_in(entry, row, self.admission(entry), ledger)
        if again is not None and row.id:
            self._store.occasions.hand_on(again.id, row.id)
        return row

    def refuse(self, entry: Entry, fire: Fire, reason: str, ledger: Ledger) -> None:
        """Record that a fire time is not acted on."""
        self.skip(self.row(entry.name, fire.at_ms, fire.kind), reason, ledger)

    def row(self, job: str, fire_ms: int, trigger: str) -> Run:
        """A record of one occasion, not claimed yet."""
        now = self._clock.now_ms()
        return Run(
            job=job,
            fire_at=fire_ms,
            trigger=trigger,
            state=State.QUEUED,
            queued_at=now,
            owner=self._owner,
        )

    def admission(self, entry: Entry) -> Admission:
        """What the overlap policy says of one run more, just now."""
        active, waiting = self._activities.counts(entry.name)
        return admit(
            entry.overlap,
            active=active,
            waiting=waiting,
            queue_limit=entry.queue_limit,
            max_instances=entry.max_instances,
        )

    def take_in(self, entry: Entry, row: Run, admission: Admission, ledger: Ledger) -> None:
        """Claim a run and let it go on as it was admitted, or record that it was refused."""
        if isinstance(admission, Refused):
            first = self._activities.first(entry.name)
            number = f" (run {first})" if first is not None else ""
            self.skip(row, admission.reason + number, ledger)
        elif ledger.claim(row):
            run = Open(
                row,
                priority=entry.priority,
                queue=entry.queue,
                locks=entry.locks,
                gate=gate_of(entry.conditions, row),
            )
            self._enter(run, ledger, waits=isinstance(admission, Waits | Replaces))
            if isinstance(admission, Replaces):
                self._replace(row, ledger)

    def _replace(self, row: Run, ledger: Ledger) -> None:
        """Stop what is active of the run's job, here and elsewhere."""
        reason = f"replaced by run {row.id}"
        for run_id in self._activities.active(row.job):
            self.stop(run_id, Stop(State.CANCELLED, reason), ledger)
        others = self.elsewhere.of_job(row.job)
        self._store.sharing.ask_to_stop([run.id for run in others], reason)

    def skip(self, row: Run, reason: str, ledger: Ledger) -> None:
        """Record that an occasion is not acted on."""
        row.state, row.reason, row.finished_at = State.SKIPPED, reason, row.queued_at
        if ledger.claim(row):
            ledger.finish(row)
            ledger.tell_run(row, f"Job {row.job} skipped: {reason}")

    def _enter(self, run: Open, ledger: Ledger, *, waits: bool) -> None:
        """Add a claimed run to the open ones: to wait for others, for its time, or for a slot."""
        row = run.row
        self.open[row.id] = run
        self._activities.enter(run, waits=waits)
        if not waits:
            self._line_up(run)
        ledger.tell_run(row, f"Run {row.id} of {row.job} queued")

    def _line_up(self, run: Open) -> None:
        if run.gate is not None:
            self.gated.append(run)
        else:
            self.line.put(run, self._clock.now_ms())

    # -- starting

    def ripen(self, now_ms: int) -> None:
        """Let delayed runs whose moment has come line up for a slot."""
        for run in self.line.ripe(now_ms):
            if self.open.get(run.row.id) is run and run.row.state is State.QUEUED:
                self.line.put(run, now_ms)

    def dispatch(self, ledger: Ledger) -> None:
        """Give free slots to ready runs, by priority. The claim of each is committed first."""
        while (run := self.line.take()) is not None:
            if self.open.get(run.row.id) is not run or run.row.state is not State.QUEUED:
                self.line.release(run)
                continue
            try:
                run.job = self.definitions.get(str(run.row.job))
            except Exception as error:
                self.finish(run, State.FAILED, f"its definition cannot be used: {error}", ledger)
                continue
            if run.row.trigger in REACTIVE:
                run.event = self._store.occasions.of_run(run.row.id)
            run.row.state, run.row.reason = State.STARTING, None
            run.row.log_path = str(self._home.run_log(run.row.job, run.row.id))
            self.line.starting += 1
            ledger.save(run.row)
            ledger.order(lambda run=run: self._start(run))  # type: ignore[misc]

    def _start(self, run: Open) -> None:
        """As ordered, unless the run was let go of since."""
        event, run.event = run.event, None
        if self.open.get(run.row.id) is run and run.job is not None:
            self._executor.start(run.row, run.job, event)

    # -- what happens to them

    def started(self, message: Started, ledger: Ledger) -> None:
        run = self.open.get(message.run_id)
        if run is None or run.row.state is not State.STARTING:
            return  # told again after the store had refused
        self.line.starting -= 1
        row = run.row
        row.state, row.started_at = State.RUNNING, message.at_ms
        set_identity(row, message.identity)
        ledger.save(row)
        ledger.tell_run(row, f"Run {row.id} of {row.job} started")
        if run.job is not None and run.job.timeout is not None:
            self._after(run.job.timeout, row.id)
        for reply in run.on_start:
            ledger.answer(reply, lambda: {"run": run_view(row)})
        run.on_start.clear()
        if run.stop is not None:
            self._send_stop(run, ledger)

    def spawn_failed(self, message: SpawnFailed, ledger: Ledger) -> None:
        run = self.open.get(message.run_id)
        if run is None or run.row.state is not State.STARTING:
            return
        self.line.starting -= 1
        run.tries += 1
        if run.stop is not None:
            self.finish(run, run.stop.outcome, run.stop.reason, ledger)
        elif message.is_transient and run.tries < TRIES:
            self.line.release(run)
            run.row.state, run.row.reason = State.QUEUED, f"waiting: {message.reason}"
            run.row.not_before_at = message.at_ms + TRY_AGAIN_MS
            ledger.save(run.row)
            self._line_up(run)
        else:
            run.row.started_at = message.at_ms
            self.finish(run, State.FAILED, message.reason, ledger)

    def exited(self, message: Exited, ledger: Ledger) -> None:
        run = self.open.get(message.run_id)
        if run is None:
            return
        note_end(run, message)
        if run.stop is None:
            ended = outcome(run, self._executor.last_words)
            self.finish(run, *ended, ledger, at_ms=message.at_ms)

    def tree_gone(self, message: TreeGone, ledger: Ledger) -> None:
        run = self.open.get(message.run_id)
        if run is None or run.stop is None:
            return
        reason = how_it_went(run.stop.reason, message)
        self.finish(run, run.stop.outcome, reason, ledger, survivors=message.survivors)

    def time_is_up(self, run_id: int, seconds: float, ledger: Ledger) -> None:
        run = self.open.get(run_id)
        if run is not None and run.exited is None:
            self.stop(run_id, Stop(State.TIMED_OUT, f"timeout of {seconds:g} s"), ledger)

    def limit_exceeded(self, message: LimitExceeded, ledger: Ledger) -> None:
        run = self.open.get(message.run_id)
        if run is not None and run.exited is None:
            self.stop(message.run_id, Stop(State.FAILED, message.reason), ledger)

    # -- stopping and ending

    def stop(self, run_id: int, why: Stop, ledger: Ledger) -> None:
        """Stop a run: at once when nothing of it was started, else when its tree is gone."""
        run = self.open[run_id]
        if run.stop is not None:
            return
        run.stop = why
        if run.row.state is State.QUEUED:
            self.finish(run, why.outcome, why.reason, ledger)
        elif run.row.state is State.RUNNING:
            self._send_stop(run, ledger)

    def _send_stop(self, run: Open, ledger: Ledger) -> None:
        def stop() -> None:
            if self.open.get(run.row.id) is run:
                self._executor.stop(run.row, run.job)

        ledger.order(stop)

    def finish(
        self,
        run: Open,
        state: State,
        reason: str | None,
        ledger: Ledger,
        *,
        at_ms: int | None = None,
        survivors: Sequence[tuple[int, str]] = (),
    ) -> None:
        """Give a run its outcome; what waited for it goes on."""
        row = run.row
        self.line.release(run)
        row.state, row.reason = state, reason
        row.finished_at = at_ms if at_ms is not None else self._clock.now_ms()
        row.output = self._executor.result(row) if row.pid is not None else None
        ledger.finish(row)
        del self.open[row.id]
        is_last = not self._try_again(run, ledger)
        self._activities.leave(row, self.open)
        words = str(state).replace("_", " ")
        why = f": {reason}" if reason else ""
        ledger.tell_run(row, f"Run {row.id} of {row.job} {words}{why}", is_last=is_last)
        ledger.order(lambda: self._executor.forget(row))
        for reply in run.on_start + run.on_end:
            ledger.answer(reply, lambda: ending(row, survivors))

    def _try_again(self, run: Open, ledger: Ledger) -> bool:
        """Claim the next attempt of a run that ended badly, if its job's policy says so.

        It is queued until its backoff is over, and active for overlap all the while.
        """
        seconds = retry_seconds(run, self._executor)
        if seconds is None:
            self.ended += [run.row] if run.row.state is not State.SKIPPED else []  # a skip is none
            return False
        row = run.row
        following = self.row(str(row.job), row.fire_at, row.trigger)
        following.attempt, following.requested_by = row.attempt + 1, row.requested_by
        following.not_before_at = self._clock.now_ms() + round(seconds * 1000)
        following.reason = f"attempt {following.attempt} in {seconds:.0f} s, after run {row.id}"
        if not ledger.claim(following):
            return False
        ledger.retried(following)
        self._store.occasions.hand_on(row.id, following.id)
        self._enter(run.anew(following), ledger, waits=False)
        return True

    def go_on(self) -> None:
        """Runs elsewhere have changed: let go on what waited for them."""
        self._activities.go_on(self.open)

    # -- asking

    def will_start_now(self, row: Run) -> bool:
        """Whether nothing but its process stands between the run and running."""
        return row.id in self._activities.active(row.job) and self.line.may_start

    @property
    def may_follow(self) -> bool:
        """Whether the end of a run can let another one start."""
        return self.line.is_waited_in or self._activities.is_waited_in

    def of_job(self, name: str) -> list[Open]:
        return [run for run in self.open.values() if run.row.job == name]

    def alive(self) -> Iterator[Open]:
        """The runs that have a process, or are about to."""
        return (run for run in self.open.values() if run.row.state is not State.QUEUED)

    # -- coming back

    def readmit(self, row: Run, job: Job | None, ledger: Ledger) -> Open:
        """Enter an open run that an earlier scheduler left: it is queued or has a process."""
        run = Open(row, job=job)
        self.open[row.id] = run
        if job is not None:
            run.queue, run.locks, run.priority = job.queue, job.locks, job.priority
        if row.state is State.QUEUED:
            run.gate = gate_of(job.conditions, row) if job is not None else None
            self._requeue(run, ledger)
        else:
            self._activities.enter(run, waits=False)
            self.line.hold(run)
            self._remaining_time(run)
            if job is not None:
                self._executor.limit(row, job)
        self._store.sharing.take_over(row, self._owner)
        ledger.save(row)
        return run

    def _requeue(self, run: Open, ledger: Ledger) -> None:
        """Enter a run that was queued; where others of its job are active it waits, as it did."""
        overlap = run.job.overlap if run.job is not None else Overlap.SKIP
        is_second = self._activities.active(run.row.job) or self.elsewhere.comes_before(run.row)
        self._enter(run, ledger, waits=bool(is_second) and overlap is not Overlap.ALLOW)
        if overlap is Overlap.REPLACE:
            self._replace(run.row, ledger)

    def _remaining_time(self, run: Open) -> None:
        if run.job is not None and run.job.timeout is not None and run.row.started_at is not None:
            used = (self._clock.now_ms() - run.row.started_at) / 1000
            self._after(max(0.0, run.job.timeout - used), run.row.id)

    def clear(self, error: PbError) -> None:
        """Forget everything, to be read from the store again. Processes are not touched."""
        for run in self.open.values():
            for reply in run.on_start + run.on_end:
                reply(error)
        self._forget_all()

    def let_go(self) -> None:
        """Forget everything, because it is somebody else's; who waits here waits for that."""
        for run_id, run in self.open.items():
            self._executor.let_go(run.row)
            for reply in run.on_start:
                reply({"run": run_view(run.row)})
            for reply in run.on_end:
                self.elsewhere.wait(run_id, reply)
        self._forget_all()

    def _forget_all(self) -> None:
        self.open.clear()
        self.ended.clear()
        self.gated.clear()
        self._activities.clear()
        self.definitions.clear()
        self.line = self.line.emptied()
