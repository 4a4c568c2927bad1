"""The keys of a timer: how each becomes a trigger or a policy of the job that it starts."""

from __future__ import annotations

from collections.abc import Mapping

from pb.config.imports.found import Draft, Entry, Take, nothing, omit
from pb.config.imports.systemd_calendar import calendar_trigger
from pb.config.imports.systemd_keys import ORDERING, seconds
from pb.config.imports.systemd_words import span


def take_calendar(draft: Draft, entry: Entry) -> None:
    draft.append("triggers", calendar_trigger(entry.text))


def take_every(draft: Draft, entry: Entry) -> None:
    draft.append("triggers", {"type": "every", "every": seconds(entry)})
    draft.change(entry, "counts from the scheduler's own start, not from the unit's")


def take_at_start(draft: Draft, entry: Entry) -> None:
    delay = {"delay": seconds(entry)} if span(entry) else {}
    draft.append("triggers", {"type": "startup", "per": "boot", **delay})


def take_persistent(draft: Draft, entry: Entry) -> None:
    if entry.text.lower() not in ("yes", "true", "on", "1"):
        draft.put("misfire.catch_up", "none")


TIMER_KEYS: Mapping[str, Take] = {
    "Description": nothing,
    "Documentation": nothing,
    **dict.fromkeys(ORDERING, nothing),
    "DefaultDependencies": nothing,
    "Unit": nothing,
    "AccuracySec": nothing,
    "OnCalendar": take_calendar,
    "OnUnitActiveSec": take_every,
    "OnUnitInactiveSec": take_every,
    "OnBootSec": take_at_start,
    "OnStartupSec": take_at_start,
    "OnActiveSec": take_at_start,
    "RandomizedDelaySec": lambda d, e: d.put("jitter", seconds(e)),
    "FixedRandomDelay": nothing,
    "Persistent": take_persistent,
    "WakeSystem": omit("pb wakes no machine"),
    "RemainAfterElapse": nothing,
    "OnClockChange": omit("pb has no such trigger"),
    "OnTimezoneChange": omit("pb has no such trigger"),
    **{
        key: omit("pb runs the job in any case")
        for key in ("ConditionACPower", "ConditionVirtualization", "ConditionPathExists")
    },
}
