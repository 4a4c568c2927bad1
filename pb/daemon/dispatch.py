"""Sending what is queued: whose turn it is, what goes into one message, what an end means.

The queue is in the store, so it survives everything; each notice is sent at least once. A channel
has one message under way at a time, so that what happened first is told first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pb.api.builtin import TABLES as OWN_JOBS
from pb.api.notifying import facts_of, notice_view, queue_test, require_channels
from pb.api.told import channels_of, with_channels
from pb.core.notice import UNASKED, Occasion
from pb.core.telling import pause_after
from pb.daemon.telling import Tellings
from pb.errors import ConflictError
from pb.store.notices import NoticeRow, NoticeStore

log = logging.getLogger("notify")

if TYPE_CHECKING:
    from pb.daemon.ledger import Ledger
    from pb.daemon.messages import Command, Delivered, Reply
    from pb.daemon.parts import Parts
    from pb.daemon.services import Services
    from pb.daemon.timetable import Timetable

AT_ONCE = 3
"""Messages that are under way at the same time."""

MOST = 100
"""Notices in one message."""

USUAL_ATTEMPTS, USUAL_TIMEOUT = 8, 10.0
"""For a channel that is not in the settings: it may come yet."""

ONCE = frozenset({str(Occasion.TEST), str(Occasion.START)})
"""What is not tried again: a start that is told late would make a run that is over look begun."""


class Dispatch:
    """The way from a step of the engine to the channels.

    Of several schedulers that share a store, the one that keeps the services sends for all.
    """

    def __init__(self, parts: Parts, timetable: Timetable, services: Services) -> None:
        self._parts = parts
        self._context = parts.context
        self._services = services
        self._notices = NoticeStore(parts.context.store)
        self._tellings = Tellings(parts, timetable, services.supervisor)
        self._dues: dict[str, int] | None = None
        self._busy: dict[str, bool] = {}
        self._waiting: dict[int, Trial] = {}

    # -- in each step

    def mind(self, ledger: Ledger) -> None:
        """Queue what this step has to tell, and send what is due."""
        has_own = any(run.job in OWN_JOBS for run in ledger.finished())  # a digest, it may be
        if self._tellings.decide(ledger) or ledger.is_news or has_own:
            self._dues = None
        supervisor = self._services.supervisor
        if self._services.keeper is not None or supervisor.is_closing:
            return
        if self._dues is None:
            self._dues = self._notices.dues()
        now = self._parts.clock.now_ms()
        for channel in self._free(self._dues):
            if self._dues[channel] <= now and len(self._busy) < AT_ONCE:
                self._begin(channel, now, ledger)

    def _free(self, dues: Mapping[str, int]) -> list[str]:
        """The channels that have nothing under way, the one that has waited longest first."""
        return sorted((one for one in dues if one not in self._busy), key=lambda one: dues[one])

    def next_ms(self, latest: int) -> int:
        """When there is a reason to send, or to look whether something is to be told."""
        moments = [latest, self._tellings.next_ms(latest)]
        is_ours = self._services.keeper is None and not self._services.supervisor.is_closing
        if is_ours and self._dues and len(self._busy) < AT_ONCE:
            moments += [self._dues[channel] for channel in self._free(self._dues)]
        return min(moments)

    def clear(self) -> None:
        """What the last step has decided was not recorded."""
        self._tellings.clear()
        self._dues = None
        self._busy = {channel: is_sent for channel, is_sent in self._busy.items() if is_sent}

    # -- one message

    def _begin(self, channel: str, now: int, ledger: Ledger) -> None:
        rows = self._notices.due(channel, now, MOST)
        alone = [row for row in rows if row.occasion in UNASKED]
        rows = alone[:1] or rows
        timeout = self._option(channel, "timeout", USUAL_TIMEOUT)
        self._busy[channel] = False

        def send() -> None:
            self._busy[channel] = True
            self._parts.courier.send(channel, [facts_of(row) for row in rows], timeout=timeout)

        ledger.order(send)

    def _option(self, channel: str, key: str, usual: Any) -> Any:
        found = channels_of(self._context.settings).get(channel)
        return usual if found is None else found.options[key]

    def delivered(self, message: Delivered, ledger: Ledger) -> None:
        """A message was sent, or could not be: then it goes again, unless that is enough."""
        self._busy.pop(message.channel, None)
        self._dues = None
        rows = [row for row in map(self._notices.row, message.ids) if row is not None]
        rows = [row for row in rows if row.state == "waiting"]
        if message.is_sent:
            self._end(rows, "sent", message, ledger)
            return
        most = self._option(message.channel, "attempts", USUAL_ATTEMPTS)
        over = [row for row in rows if row.attempts + 1 >= most or row.occasion in ONCE]
        self._end(over, "failed", message, ledger)
        if over:
            log.warning("Cannot tell %s, given up: %s", message.channel, message.answer)
        again = [row for row in rows if row not in over]
        if again:
            pause = pause_after(max(row.attempts for row in again) + 1)
            due_at = self._parts.clock.now_ms() + round(pause * 1000)
            ids = [row.id for row in again]
            self._notices.postpone(ids, due_at=due_at, answer=message.answer)

    def _end(
        self, rows: Sequence[NoticeRow], state: str, message: Delivered, ledger: Ledger
    ) -> None:
        if not rows:
            return
        now = self._parts.clock.now_ms()
        ids = [row.id for row in rows]
        self._notices.finish(ids, state=state, at=now, answer=message.answer)
        self._tell(rows, state, message, ledger)
        for number in ids:
            trial = self._waiting.pop(number, None)
            row = self._notices.row(number)
            if trial is not None and row is not None:
                ledger.order(lambda trial=trial, row=row: trial.take(row))  # type: ignore[misc]

    def _tell(
        self, rows: Sequence[NoticeRow], state: str, message: Delivered, ledger: Ledger
    ) -> None:
        """An event for each message; a ping that was heard is none, for there is one each run."""
        channel = channels_of(self._context.settings).get(message.channel)
        if state == "sent" and channel is not None and channel.is_ping:
            return
        now, first = self._parts.clock.now_ms(), rows[0]
        many = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        what = f"{first.text}{many}"
        text = f"Told {message.channel}: {what}"
        if state == "failed":
            text = f"Cannot tell {message.channel}: {message.answer} ({what})"
        job = first.job if len(rows) == 1 else None
        service = first.service if len(rows) == 1 else None
        ledger.tell(f"notify.{state}", text, at_ms=now, job=job, service=service)

    # -- trying it

    def bodies(self) -> dict[str, Callable[[Command, Ledger], None]]:
        return {"notify.test": self._test}

    def _test(self, command: Command, ledger: Ledger) -> None:
        """Send a test the way that all notices go; answers when there is an outcome."""
        keeper = self._services.keeper
        if keeper is not None:
            raise ConflictError(
                f"The scheduler of {keeper} sends the notices of this database",
                hint=f"Ask it: PB_HOME={keeper} pb notify test",
            )
        self._context.settings = with_channels(self._context.settings, self._parts.read_settings())
        rows = queue_test(self._context, require_channels(self._context, command.params["channel"]))
        trial = Trial(len(rows), command.reply)
        self._waiting.update((row.id, trial) for row in rows)
        self._dues = None


class Trial:
    """One answer for the tests of several channels: given when the last of them has an outcome."""

    def __init__(self, count: int, reply: Reply) -> None:
        self._count = count
        self._reply = reply
        self._views: list[dict[str, Any]] = []

    def take(self, row: NoticeRow) -> None:
        self._views.append(notice_view(row))
        if len(self._views) == self._count:
            self._reply({"notices": sorted(self._views, key=lambda view: str(view["channel"]))})
