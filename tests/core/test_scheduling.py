"""Planning as tables: what is due, what was missed, what overlap does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pb.core.model import At, CatchUp, Cron, Every, Misfire, Overlap, Startup, Trigger
from pb.core.scheduling import (
    Admission,
    Admitted,
    Due,
    Fire,
    Missed,
    Refused,
    Replaces,
    Waits,
    admit,
    due,
    instant,
    kind_of,
    look_back,
    milliseconds,
    upcoming,
    upcoming_ms,
)

HOUR = 3_600_000
NOON = milliseconds(datetime(2026, 3, 1, 12, tzinfo=UTC))
HOURLY = (Cron(expr="0 * * * *"),)


def settle(now_ms: int, misfire: Misfire | None = None, *, limit: int = 1_500) -> Due:
    return due(
        HOURLY,
        UTC,
        "job",
        first_ms=NOON,
        now_ms=now_ms,
        misfire=misfire or Misfire(),
        limit=limit,
    )


def test_one_fire_time_in_time_runs() -> None:
    assert settle(NOON + 500) == Due((Fire(NOON, "cron"),), None, NOON + HOUR)


@pytest.mark.parametrize(
    ("misfire", "ran", "missed"),
    [
        (Misfire(), [3], Missed(3, NOON, NOON + 2 * HOUR)),
        (Misfire(catch_up=CatchUp.NONE), [], Missed(4, NOON, NOON + 3 * HOUR)),
        (Misfire(catch_up=CatchUp.NONE, grace=3600), [3], Missed(3, NOON, NOON + 2 * HOUR)),
        (Misfire(catch_up=CatchUp.ALL), [0, 1, 2, 3], None),
        (Misfire(catch_up=CatchUp.ALL, max_catch_up=2), [2, 3], Missed(2, NOON, NOON + HOUR)),
        (Misfire(catch_up=CatchUp.ALL, window=5400), [2, 3], Missed(2, NOON, NOON + HOUR)),
        (Misfire(catch_up=CatchUp.LATEST, window=60), [], Missed(4, NOON, NOON + 3 * HOUR)),
        (Misfire(catch_up=CatchUp.ALL, max_catch_up=0), [], Missed(4, NOON, NOON + 3 * HOUR)),
    ],
)
def test_the_policy_decides_about_late_fire_times(
    misfire: Misfire, ran: list[int], missed: Missed | None
) -> None:
    decision = settle(NOON + 3 * HOUR + 1_800_000, misfire)
    assert [fire.at_ms for fire in decision.fires] == [NOON + n * HOUR for n in ran]
    assert decision.missed == missed
    assert decision.next_ms == NOON + 4 * HOUR


def test_too_many_to_count_still_finds_the_newest_ones() -> None:
    now = NOON + 1000 * HOUR + 60_000
    decision = settle(now, Misfire(catch_up=CatchUp.ALL, max_catch_up=3), limit=5)
    assert [fire.at_ms for fire in decision.fires] == [NOON + n * HOUR for n in (998, 999, 1000)]
    assert decision.missed is not None
    assert decision.missed.at_least
    assert decision.next_ms == NOON + 1001 * HOUR


def test_looking_back_stops_at_what_was_counted() -> None:
    found, next_ms = look_back(HOURLY, UTC, "job", NOON, NOON + 2 * HOUR, Misfire(max_catch_up=10))
    assert [fire.at_ms for fire in found] == [NOON + HOUR, NOON + 2 * HOUR]
    assert next_ms == NOON + 3 * HOUR


def test_looking_back_over_a_trigger_that_has_ended_finds_nothing() -> None:
    only = (At(at=instant(NOON)),)
    assert look_back(only, UTC, "job", NOON, NOON + HOUR, Misfire()) == ([], None)


def test_the_earliest_of_several_triggers_fires_and_says_its_kind() -> None:
    triggers: tuple[Trigger, ...] = (
        Startup(),
        Cron(expr="0 15 * * *"),
        At(at=instant(NOON + HOUR)),
        Every(seconds=2 * 3600),
    )
    assert upcoming(triggers, instant(NOON), UTC, "job") == (instant(NOON + HOUR), "at")
    decision = due(
        triggers,
        UTC,
        "job",
        first_ms=NOON + HOUR,
        now_ms=NOON + 3 * HOUR,
        misfire=Misfire(catch_up=CatchUp.ALL),
    )
    assert [fire.kind for fire in decision.fires] == ["at", "every", "cron"]


@pytest.mark.parametrize(
    ("trigger", "kind"),
    [
        (Cron(expr="* * * * *"), "cron"),
        (Every(seconds=5), "every"),
        (At(at=instant(0)), "at"),
        (Startup(), "startup"),
    ],
)
def test_every_trigger_has_a_kind(trigger: Trigger, kind: str) -> None:
    assert kind_of(trigger) == kind


def test_a_job_that_only_runs_by_hand_never_fires() -> None:
    assert upcoming_ms((), NOON, UTC, "job") is None


@pytest.mark.parametrize(
    ("overlap", "active", "waiting", "expected"),
    [
        (Overlap.SKIP, 0, 0, Admitted()),
        (Overlap.SKIP, 1, 0, Refused("overlap: the last run is still active")),
        (Overlap.QUEUE, 1, 0, Waits()),
        (Overlap.QUEUE, 1, 2, Refused("overlap: 2 waiting already (queue_limit 2)")),
        (Overlap.REPLACE, 1, 1, Replaces()),
        (Overlap.ALLOW, 2, 0, Admitted()),
        (Overlap.ALLOW, 3, 0, Refused("overlap: 3 active already (max_instances 3)")),
    ],
)
def test_overlap_is_a_table(
    overlap: Overlap, active: int, waiting: int, expected: Admission
) -> None:
    admission = admit(overlap, active=active, waiting=waiting, queue_limit=2, max_instances=3)
    assert admission == expected


@pytest.mark.parametrize("ms", [0, 1, 999, NOON, NOON + 1, -1])
def test_instants_and_milliseconds_are_the_same_thing(ms: int) -> None:
    assert milliseconds(instant(ms)) == ms


@pytest.mark.parametrize(
    "trigger",
    [At(at=instant(NOON) + timedelta(microseconds=123)), Every(seconds=1.0005)],
    ids=["at", "every"],
)
def test_a_time_between_two_milliseconds_comes_once(trigger: Trigger) -> None:
    first = upcoming_ms((trigger,), NOON, UTC, "job")
    assert first is not None
    answer = due((trigger,), UTC, "job", first_ms=first, now_ms=first, misfire=Misfire())

    assert answer.fires == (Fire(first, kind_of(trigger)),)
    assert answer.missed is None
    assert answer.next_ms is None or answer.next_ms > first
