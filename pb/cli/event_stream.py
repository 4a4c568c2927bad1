"""Events of the scheduler for a face that follows them: none twice, none that is kept left out.

A scheduler that goes away is waited for. What they look like is said elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from pb.cli.asked import ANSWER_TIME, elsewhere, session
from pb.cli.render import note
from pb.core.lean import dataclass
from pb.errors import NeedsDaemonError

Json = dict[str, Any]

ANY = "*"
AGAIN = 0.5
"""Seconds between two tries to find a scheduler that went away."""

GAP = 1000
"""Events that are asked for at once, of those that happened while nobody was connected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events. ``type``: a whole one, or a family such as ``run``; ``service``: a name, or
    ``*`` for any; None: whichever."""

    type: str | None = None
    job: str | None = None
    service: str | None = None

    @property
    def params(self) -> Json:
        return {"type": self.type, "job": self.job, "service": self.service}

    def takes(self, event: Json) -> bool:
        """Whether it is one of them, as ``events.recent`` would choose."""
        kind, service = str(event["type"]), event.get("service")
        is_type = self.type is None or kind == self.type or kind.startswith(f"{self.type}.")
        is_service = self.service in (None, service) or (self.service == ANY and service)
        return is_type and self.job in (None, event.get("job")) and bool(is_service)


def recent(call: Callable[..., Json], wanted: Wanted, count: int) -> list[Json]:
    """The newest events, the oldest of them first."""
    answer = call("events.recent", {"n": count, **wanted.params}, timeout=ANSWER_TIME)
    return list(reversed(answer["events"]))


def newest(call: Callable[..., Json], wanted: Wanted) -> int:
    """The number of the last of them; 0 for none."""
    found = recent(call, wanted, 1)
    return int(found[-1]["seq"]) if found else 0


def stream(wanted: Wanted, last: int, *, is_told: bool = True) -> Iterator[Json]:
    """Events later than ``last``. A scheduler that goes away is waited for; ``is_told``: aloud."""
    if elsewhere() is not None:
        from pb.cli.elsewhere import events

        yield from events(wanted, last)
    while True:
        try:
            for event in _connected(wanted, last):
                last = max(last, event["seq"] or 0)
                yield event
        except NeedsDaemonError:
            pass  # It is not back yet.
        else:
            if is_told:
                note("The scheduler went away; waiting for it to come back")
        time.sleep(AGAIN)


def _connected(wanted: Wanted, last: int) -> Iterator[Json]:
    """Events as they come, first those that happened since ``last``; ends with the scheduler.

    It is subscribed before it looks back, so that nothing can happen in between.
    """
    from pb.api.client import Client

    with session(local_ok=False) as live:
        if not isinstance(live, Client):
            raise NeedsDaemonError("The scheduler is not running")
        live.call("events.subscribe", timeout=ANSWER_TIME)
        for event in _missed(wanted, last):
            last = event["seq"]
            yield event
        for event in live.notifications():
            if event.get("lost"):  # we were too slow for some, most of which are kept
                for missed in _missed(wanted, last):
                    last = missed["seq"]
                    yield missed
            # A run's every step is told and not kept: it has no number.
            is_new = event["seq"] is None or event["seq"] > last
            if is_new and wanted.takes(event):
                yield event


def _missed(wanted: Wanted, last: int) -> Iterator[Json]:
    with session(local_ok=False) as talk:
        page = None
        while page is None or len(page) == GAP:
            asked_for = {"n": GAP, "since": last, **wanted.params}
            page = talk.call("events.recent", asked_for, timeout=ANSWER_TIME)["events"]
            for event in page:
                last = event["seq"]
                yield event
