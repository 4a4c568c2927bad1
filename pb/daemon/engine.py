"""The engine: one mailbox, one step at a time, all state. Record, then tell, then act.

``step`` is synchronous and does everything that is due; ``run`` only waits for the next reason to
step. Nothing here knows a socket, a process or SQL.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import deque
from collections.abc import Callable

from pb.core.model import State
from pb.daemon.alarm import Alarm
from pb.daemon.backing_up import Aside
from pb.daemon.commands import Commands
from pb.daemon.desk import Desk, merged
from pb.daemon.dispatch import Dispatch
from pb.daemon.ledger import Ledger, Order
from pb.daemon.messages import (
    Command,
    Delivered,
    DoneAside,
    Message,
    OccasionMessage,
    PatienceOver,
    Reload,
    Reply,
    RunMessage,
    Shutdown,
    TimeIsUp,
)
from pb.daemon.occasions import Occasions
from pb.daemon.open_run import Stop
from pb.daemon.parts import Parts
from pb.daemon.planner import Planner
from pb.daemon.reload import Reloading
from pb.daemon.retention import Past
from pb.daemon.run_messages import handle_run, lets_start
from pb.daemon.runs import Runs
from pb.daemon.services import Services
from pb.daemon.sharing import Sharing
from pb.daemon.timers import Timers
from pb.daemon.turnstile import Turnstile
from pb.errors import StoreError

log = logging.getLogger("engine")

LOOK_MS = 60_000
"""Never sleep longer than this: laptops suspend and users change the time (SPEC section 4)."""

SLICE = 8
"""Orders carried out before the event loop gets its turn: a start takes about a millisecond."""

STORE_RETRY_MS = 1_000
"""Milliseconds between tries to write a store that refused."""


class Engine:
    """Owns the jobs' plans and the open runs of one scheduler."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._context = parts.context
        self._clock = parts.clock
        self._runs = Runs(
            parts, after=lambda seconds, run_id: self.after(seconds, TimeIsUp(run_id, seconds))
        )
        self._turnstile = Turnstile(parts, self._runs, self.after)
        self._planner = Planner(parts, self._runs)
        self._services = Services(parts, self.after)
        self._sharing = Sharing(
            parts, planner=self._planner, runs=self._runs, services=self._services
        )
        self._occasions = Occasions(parts, self._runs, self._planner, self._services)
        self._dispatch = Dispatch(parts, self._planner.timetable, self._services)
        commands = Commands(
            engine=self,
            context=parts.context,
            runs=self._runs,
            timetable=self._planner.timetable,
            check_settings=parts.read_settings,
            is_guest=parts.facts.mode == "embedded",
        )
        self._aside = Aside(parts)
        self._desk = Desk(
            bodies=merged(commands, self._services, self._aside, self._dispatch),
            context=parts.context,
            bus=parts.bus,
            transact=self._transact,
            refresh=self._refresh,
            settle=self._services.settle,
        )
        self._past = Past(parts, self.post)
        self._reloading = Reloading(
            parts, self._transact, self._refresh, self._ring, runs=self._runs, past=self._past
        )
        self._mailbox: deque[Message] = deque()
        self._orders: deque[Order] = deque()
        self._timers = Timers()
        self._alarm: Alarm | None = None
        self._stopping: Shutdown | None = None
        self._refused: StoreError | None = None
        self.is_finished = False
        self._on_finish: list[Reply] = []

    # -- being told

    def post(self, message: Message) -> None:
        """Put a message into the mailbox; the next step handles it."""
        self._mailbox.append(message)
        self._ring()

    def _ring(self) -> None:
        if self._alarm is not None:
            self._alarm.ring()

    def after(self, seconds: float, message: Message) -> None:
        """Post ``message`` in ``seconds`` of monotonic time."""
        self._timers.add(self._clock.monotonic() + seconds, message)

    # -- living

    def start(self) -> None:
        """Read the store, recover what an earlier life left, and fire the startup triggers."""
        with self._parts.executor.collecting():
            self._transact(self._begin)

    def _begin(self, ledger: Ledger) -> None:
        log.info("Recovery: %s", self._sharing.begin(ledger))
        self._occasions.begin(ledger)
        self._planner.fire_startups(ledger)
        text = f"Scheduler started with {self._planner.count_of_people()} jobs"
        ledger.tell("scheduler.started", text, at_ms=self._clock.now_ms())

    async def run(self) -> None:
        """Step whenever there is a reason, until the shutdown is done."""
        self._alarm = Alarm(self._clock)
        try:
            while not self.is_finished:
                await self._live(self._alarm)
        finally:
            self._alarm.close()
            self._alarm = None

    async def _live(self, alarm: Alarm) -> None:
        """One step, and the wait for the next reason to step."""
        self.step(SLICE)
        while self._orders and (self._refused is None or self._sharing.is_sure()):
            await asyncio.sleep(0)
            self._act(SLICE)
        self._may_finish()
        if self.is_finished:
            return  # without a pause: what ends from here on is the next scheduler's to see
        if self._has_work():
            await asyncio.sleep(0)
        else:
            await alarm.wait(self._next_ms(), self._timer_seconds())

    def _has_work(self) -> bool:
        ready = self._runs.line.may_start and self._stopping is None and self._refused is None
        return bool(self._mailbox and self._refused is None) or ready

    def _next_ms(self) -> int:
        """The wall-clock moment of the next fire time, delayed run, or look at the clock."""
        if self._refused is not None:
            return self._clock.now_ms() + STORE_RETRY_MS
        moments = [self._dispatch.next_ms(self._clock.now_ms() + LOOK_MS)]
        if self._stopping is None:
            moments += self._coming()
        return min(moments)

    def _coming(self) -> list[int]:
        """The moments at which something fires, or may start."""
        line, occasions = self._runs.line.next_ms(), self._occasions.next_ms()
        wanted = (self._planner.timetable.next_ms(), line, occasions)
        return [at for at in wanted if at is not None]

    def _timer_seconds(self) -> float:
        at, look = self._timers.next_at(), self._sharing.seconds()
        if self._refused is not None:
            look = STORE_RETRY_MS / 1000  # nobody can look before the next try
        return look if at is None else min(look, max(0.0, at - self._clock.monotonic()))

    def idle_seconds(self) -> float:
        """How long nothing is due; a scheduler driven by hand asks for it."""
        return min(self._timer_seconds(), max(0, self._next_ms() - self._clock.now_ms()) / 1000)

    def step(self, slice_: int = 1_000_000) -> None:
        """Do everything that is due now: commands one by one, the rest in one commit.

        Of the orders that follow from it, the first ``slice_`` are carried out at once.
        """
        batch = [*self._mailbox, *self._timers.rung(self._clock.monotonic())]
        self._mailbox.clear()
        commands = [message for message in batch if isinstance(message, Command)]
        batch = [message for message in batch if not isinstance(message, Command)]
        try:
            if self._refused is not None:
                self._restore(self._refused)
            while commands:
                self._desk.carry_out(commands.pop(0))
            durable = self._must_last(batch)
            self._transact(lambda ledger: self._think(batch, ledger, durable), durable=durable)
        except StoreError as error:
            for command in commands:
                command.reply(error)
            self._refuse(error, batch)
        self._act(slice_)
        self._may_finish()

    def _act(self, most: int) -> None:
        """Carry out orders; what they post is the next step's."""
        for _ in range(min(most, len(self._orders))):
            if not self._sharing.is_sure() and not self._look_again():
                return
            order = self._orders.popleft()
            try:
                order()
            except Exception:
                log.error("Cannot carry out an order:\n%s", traceback.format_exc())

    def _look_again(self) -> bool:
        """Too much time has passed to act without a look whether others have taken over."""
        try:
            self._transact(lambda ledger: None)
        except StoreError as error:
            self._refuse(error, [])
        return self._sharing.is_sure()

    def _must_last(self, batch: list[Message]) -> bool:
        """Whether this step may claim fire times or start runs: that must survive a power cut."""
        if any(lets_start(message, self._runs) for message in batch):
            return True
        now = self._clock.now_ms()
        return self._runs.line.may_start or any(at <= now for at in self._coming())

    def _transact(self, think: Callable[[Ledger], None], *, durable: bool = True) -> None:
        """Think, commit, tell, act. A StoreError means that nothing of it has happened."""
        store, is_curious = self._context.store, self._occasions.is_curious
        ledger = Ledger(store, self._parts.bus, is_curious=is_curious, is_durable=durable)
        try:
            with self._context.store.transaction(durable=durable):
                ledger.is_news = self._sharing.look(ledger, takes_over=self._stopping is None)
                think(ledger)
                self._occasions.settle(ledger)
                self._dispatch.mind(ledger)
                ledger.commit()
        except StoreError as error:
            self._sharing.doubt()
            ledger.dismiss(error)
            raise
        self._past.ended(ledger.finished_jobs())
        self._orders.extend(ledger.settle())

    def _think(self, batch: list[Message], ledger: Ledger, durable: bool) -> None:
        self._planner.mind_the_clock(ledger)
        self._sharing.recovery.look_at_foreground(ledger)
        for message in batch:
            self._guarded(message, ledger)
        self._services.settle(ledger)
        # What is due only since this look must be claimed durably too: in the next step.
        if self._stopping is None and (durable or not (ledger.is_news and self._must_last([]))):
            self._planner.mind_ends(ledger)  # what counts from an end of just now is not due
            self._planner.followers.follow(ledger)
            self._planner.fire_due(ledger, self._sharing.count)
            self._turnstile.ask(ledger)
            self._runs.ripen(self._clock.now_ms())
            self._runs.dispatch(ledger)
            self._past.mind(ledger)
        self._planner.mind_ends(ledger)

    def _guarded(self, message: Message, ledger: Ledger) -> None:
        """One message's trouble is not the daemon's end; it is logged and nothing else stops."""
        try:
            self._handle(message, ledger)
        except StoreError:
            raise
        except Exception:
            log.error("Cannot handle %r:\n%s", message, traceback.format_exc())

    def _handle(self, message: Message, ledger: Ledger) -> None:
        match message:
            case PatienceOver():
                self._services.give_up(message, ledger)
            case Delivered():
                self._dispatch.delivered(message, ledger)
            case Shutdown():
                self.shut_down(message, ledger)
            case Reload():
                self._reload(message)
            case DoneAside():
                self._aside.done(message, ledger)
            case Command():
                raise TypeError("a command has a step of its own")
            case _:
                if isinstance(message, OccasionMessage):
                    self._occasions.handle(message, ledger)
                elif isinstance(message, RunMessage):
                    handle_run(message, self._runs, self._turnstile, self._past, ledger)
                else:
                    self._services.handle(message, ledger)

    def _refresh(self, names: list[str], ledger: Ledger) -> None:
        for name in names:
            self._planner.refresh(name, ledger)
        changed, self._context.services_changed = self._context.services_changed, []
        self._services.refresh(changed, ledger)

    # -- reloading

    def _reload(self, message: Reload) -> None:
        # Outside this step's transaction: applying files is a write of its own.
        self._ring()
        asyncio.get_running_loop().call_soon(self.apply_files, message.reply)

    def apply_files(self, reply: Reply | None = None) -> None:
        """Read the definition files again and apply them; a bad one changes nothing of its job."""
        self._reloading.apply(reply)

    def follow_files(self) -> bool:
        """The same when they have changed by themselves; False: try again later."""
        return self._reloading.follow()

    # -- a store that refuses

    def _refuse(self, error: StoreError, batch: list[Message]) -> None:
        """Nothing of this step has happened. A daemon that cannot remember must not act."""
        self._mailbox.extendleft(reversed(batch))
        if self._refused is None:
            log.error("%s; nothing is started until it can be written again", error.message)
        self._refused = error
        self._parts.facts.notice = self._context.refusal = error.message

    def _restore(self, error: StoreError) -> None:
        """Try the store again: read all state anew, because the last step was rolled back."""
        self._runs.clear(error)
        self._services.clear(error)
        self._dispatch.clear()
        self._planner.blame(f"the store could not be written ({error.message})")
        self._transact(self._reread)
        log.warning("The store can be written again")
        self._refused = None
        self._parts.facts.notice = self._context.refusal = None

    def _reread(self, ledger: Ledger) -> None:
        self._sharing.read(ledger)
        text = "The store can be written again"
        ledger.tell("scheduler.restored", text, at_ms=self._clock.now_ms())

    # -- ending

    @property
    def is_stopping(self) -> bool:
        return self._stopping is not None

    @property
    def wants_restart(self) -> bool:
        """Whether to be replaced in place, once finished."""
        return self._stopping is not None and self._stopping.restart

    def shut_down(self, message: Shutdown, ledger: Ledger) -> None:
        """Take no new work; wait for running runs, then stop them. Asked twice: do not wait."""
        at_once = message.at_once or self._stopping is not None
        first = self._stopping is None
        self._stopping = message if first else self._stopping
        self._services.close()
        self._aside.close()
        if message.reply is not None:
            self._on_finish.append(message.reply)
        if first:
            alive = [f"{run.row.job} (run {run.row.id})" for run in self._runs.alive()]
            waits = f"; waiting for {', '.join(alive)}" if alive and not message.keep_runs else ""
            log.info("Stopping%s", waits)
            ledger.tell(
                "scheduler.stopping", f"Scheduler stopping{waits}", at_ms=self._clock.now_ms()
            )
            if not message.keep_runs:
                self.after(
                    self._context.settings.scheduler.shutdown_timeout, Shutdown(at_once=True)
                )
        if at_once:
            for run in list(self._runs.alive()):
                self._runs.stop(run.row.id, Stop(State.CANCELLED, "the scheduler stopped"), ledger)

    def _may_finish(self) -> None:
        if self._stopping is None or self.is_finished or self._mailbox or self._orders:
            return
        if self._stopping.keep_runs or not any(self._runs.alive()):
            self.is_finished = True
            if not self.wants_restart:
                self._sharing.leave()
            self._services.dismiss()
            for reply in self._on_finish:
                reply({"stopped": True})
