"""Who is told of what and when: an engine with a fake clock, executor and courier."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pb.config.settings import NotifySettings
from pb.daemon.messages import Noticed, Occurred, Remembered
from pb.daemon.storms import MOST
from pb.errors import ConflictError, NotFoundError
from pb.store.notices import NoticeRow, NoticeStore
from tests.kit.courier import FakeCourier
from tests.kit.scheduler import World

OPS = {"type": "webhook", "url": "https://example.org/hook"}
PING = {"type": "ping", "url": "https://example.org/ping"}
CHANNELS = NotifySettings(channels={"ops": OPS, "watch": PING})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, notify=CHANNELS)
    yield world
    world.close()


def add(world: World, name: str = "job", **more: Any) -> None:
    world.add(name, **{"notify": ["ops"], **more})


def run(world: World, *codes: int, name: str = "job", seconds: float = 10) -> None:
    """One run after the other, each with its exit code."""
    for code in codes:
        number = world.call("job.run", name=name)["run"]["run_id"]
        world.executor.end(number, code << 8)
        world.settle()
        world.run_for(seconds)


def history(world: World, **wanted: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.call("notify.history", **wanted)["notices"]
    return found


def test_a_failure_is_told_once_and_so_is_its_end(world: World) -> None:
    add(world)

    run(world, 1, 1, 2, 0, 0, 1)

    assert world.courier.texts() == [
        "Job job failed: exit code 1",
        "Job job succeeds again, after 3 failures",
        "Job job failed: exit code 1",
    ]
    assert {row["state"] for row in history(world)} == {"sent"}


def test_nobody_is_told_of_a_job_that_names_nobody(world: World) -> None:
    world.add("quiet")

    run(world, 1, name="quiet")

    assert history(world) == []


def test_the_settings_say_who_is_told_where_a_job_says_nothing(tmp_path: Path) -> None:
    usual = NotifySettings(channels={"ops": OPS, "b": OPS}, default=["ops"])
    world = World(tmp_path, notify=usual)
    world.add("usual")
    world.add("own", notify=["b"])
    world.add("none", notify=[])
    world.add("more", notify={"on": ["success"]})

    for name in ("usual", "own", "none"):
        run(world, 1, name=name)
    run(world, 0, name="more")

    assert [(row["channel"], row["job"]) for row in history(world)] == [
        ("ops", "more"),
        ("b", "own"),
        ("ops", "usual"),
    ]
    world.close()


def test_it_is_told_after_the_last_retry_only(world: World) -> None:
    add(world, retry={"max_attempts": 2, "base": "5s", "jitter": 0})
    number = world.call("job.run", name="job")["run"]["run_id"]

    world.executor.end(number, 1 << 8)
    world.settle()
    world.run_for(4)
    assert history(world) == []
    world.run_for(2)
    world.executor.end(world.runs()[-1].id, 1 << 8)
    world.settle()
    world.run_for(10)

    assert [row["run_id"] for row in history(world)] == [world.runs()[-1].id]


def test_what_goes_on_failing_is_told_again_only_after_repeat(world: World) -> None:
    add(world, notify={"to": ["ops"], "repeat": "1h"})

    run(world, 1, 1, 1, seconds=1500)
    run(world, 1, seconds=1500)

    assert world.courier.texts() == [
        "Job job failed: exit code 1",
        "Job job failed: exit code 1 (4 in a row)",
    ]


def test_within_the_cooldown_neither_a_failure_nor_its_end_is_told(world: World) -> None:
    add(world, notify={"to": ["ops"], "cooldown": "1h"})

    run(world, 1, 0, 1, 0, seconds=60)
    run(world, 1, seconds=3600)
    run(world, 1, 0)

    assert world.courier.texts() == [
        "Job job failed: exit code 1",
        "Job job succeeds again, after a failure",
        "Job job failed: exit code 1 (2 in a row)",
        "Job job succeeds again, after 2 failures",
    ]


def test_many_at_once_become_one_message(world: World) -> None:
    for number in range(5):
        add(world, f"job{number}")
        run(world, 1, name=f"job{number}", seconds=0.5)
    assert world.courier.messages() == []

    world.run_for(10)

    assert [len(one) for one in world.courier.messages()] == [5]
    assert {row["message"] for row in history(world)} == {history(world)[-1]["id"]}


def test_with_no_time_to_group_each_goes_at_once(world: World) -> None:
    add(world, notify={"to": ["ops"], "group": 0})

    run(world, 1, seconds=0.001)

    assert len(world.courier.messages()) == 1


def test_a_miss_is_told_once_until_something_runs_again(world: World) -> None:
    add(world, triggers=["cron: 0 * * * *"], misfire={"catch_up": "none"})

    world.run_for(1800)  # half past, where no fire time is on time

    for _ in range(2):
        world.clock.advance(7200)
        world.settle()
        world.run_for(10)
    assert len(world.courier.texts()) == 1
    run(world, 0)
    world.clock.advance(7200)
    world.settle()
    world.run_for(10)

    assert [text.split(":")[0] for text in world.courier.texts()] == [
        "Job job has missed its time",
        "Job job has missed its time",
    ]


def test_skips_and_successes_are_told_to_who_asks_for_them(world: World) -> None:
    add(world, notify={"to": ["ops"], "on": ["skipped", "success", "start"]})
    world.call("job.run", name="job")
    world.call("job.run", name="job")
    world.executor.end(1)
    world.settle()

    world.run_for(10)

    assert [row["occasion"] for row in history(world)] == ["success", "skipped", "start"]


def test_a_storm_of_triggers_is_told_to_who_asks_for_it(world: World) -> None:
    add(world, triggers=["event: user.import"], notify={"to": ["ops"], "on": ["storm"]})
    add(world, "other", triggers=["event: user.import"])
    world.executor.lasts = 0.1

    for _ in range(MOST + 5):
        world.engine.post(Noticed("user.import", world.clock.now_ms(), {}))
        world.settle()
        world.run_for(1)
    world.run_for(10)

    assert [row["occasion"] for row in history(world)] == ["storm"]
    assert "was started more than" in world.courier.texts()[0]


def test_a_cancelled_run_is_no_news(world: World) -> None:
    add(world)
    number = world.call("job.run", name="job")["run"]["run_id"]

    world.call("run.cancel", run_id=number)
    world.run_for(10)

    assert history(world) == []


def test_a_ping_hears_of_every_run_and_of_no_recovery(world: World) -> None:
    add(world, notify=["watch"])

    run(world, 0, 1, 1, 0)

    assert [row["occasion"] for row in history(world)][::-1] == [
        *("start", "success", "start", "failure", "start", "failure", "start", "success")
    ]


def test_a_start_is_not_told_later_on(world: World) -> None:
    add(world, notify=["watch"])
    world.courier.fails["watch"] = "connection refused"

    run(world, 0)

    rows = {row["occasion"]: row for row in history(world)}
    assert (rows["start"]["state"], rows["start"]["attempts"]) == ("failed", 1)
    assert (rows["success"]["state"], rows["success"]["answer"]) == (
        "waiting",
        "connection refused",
    )


def test_what_cannot_be_sent_is_tried_again_ever_more_seldom_and_then_given_up(
    world: World,
) -> None:
    add(world)
    world.courier.fails["ops"] = "answered 500"

    run(world, 1)
    world.run_for(1)
    assert history(world)[0]["attempts"] == 1
    world.run_for(6 * 3600)

    [row] = history(world)
    assert (row["state"], row["attempts"], row["answer"]) == ("failed", 8, "answered 500")
    assert world.call("events.recent", type="notify")["events"][0]["type"] == "notify.failed"


def test_what_was_sent_at_last_is_said_to_be(world: World) -> None:
    add(world)
    world.courier.fails["ops"] = "answered 500"
    run(world, 1)

    world.courier.fails.clear()
    world.run_for(60)

    assert [(row["state"], row["attempts"]) for row in history(world)] == [("sent", 2)]
    assert world.call("events.recent", type="notify")["events"][0]["type"] == "notify.sent"


def test_a_slow_channel_holds_up_no_other_and_no_run(tmp_path: Path) -> None:
    slow = {f"slow{n}": OPS for n in range(2)}
    world = World(tmp_path, notify=NotifySettings(channels={"ops": OPS, **slow}))
    world.courier.slow.update(slow)
    add(world, notify=[*slow, "ops"])

    run(world, 1, 0, 1, 0)

    assert len(world.courier.texts("ops")) == 4
    assert [len(one) for one in world.courier.messages("slow0")] == [1]
    assert world.states() == ["failed", "succeeded", "failed", "succeeded"]
    world.close()


def test_while_one_message_is_under_way_the_next_ones_gather(world: World) -> None:
    add(world)
    world.courier.slow.add("ops")
    run(world, 1, 0, 1)

    world.courier.arrive(0)
    world.settle()

    assert [len(one) for one in world.courier.messages()] == [1, 2]


def test_a_crash_between_the_outcome_and_the_message_loses_nothing(world: World) -> None:
    add(world)
    world.courier.slow.add("ops")
    run(world, 1)
    assert len(world.courier.messages()) == 1

    world.courier.slow.clear()
    again = world.crash()
    again.run_for(10)

    assert [len(one) for one in again.courier.messages()] == [1, 1]
    assert [row["state"] for row in history(again)] == ["sent"]
    again.close()


def test_a_run_that_was_lost_in_a_crash_is_told(world: World) -> None:
    add(world)
    world.call("job.run", name="job")
    world.executor.alive.clear()

    again = world.crash()
    again.run_for(10)

    assert [text.split(":")[0] for text in again.courier.texts()] == ["Job job lost"]
    again.close()


def test_a_channel_that_nobody_knows_is_tried_all_the_same(world: World) -> None:
    """The courier reads the settings anew: it may be there by then, and says so if not."""
    add(world, notify=["later"])

    run(world, 1)

    assert world.courier.messages("later") == [["Job job failed: exit code 1"]]


def test_a_test_takes_the_way_of_all_notices_and_is_alone(world: World) -> None:
    add(world)
    run(world, 1, seconds=0.1)

    answer = world.ask("notify.test", channel="ops")
    world.settle()

    assert [view["answer"] for view in answer[0]["notices"]] == ["250 accepted"]
    assert world.courier.messages()[0] == ["This is a test: notices reach this channel"]


def test_a_test_of_all_channels_is_answered_when_all_have_an_outcome(world: World) -> None:
    world.courier.slow.add("ops")
    world.courier.fails["watch"] = "answered 404"

    answer = world.ask("notify.test", channel=None)
    world.settle()
    assert answer == []
    world.courier.arrive(0)
    world.settle()

    assert [(view["channel"], view["state"]) for view in answer[0]["notices"]] == [
        ("ops", "sent"),
        ("watch", "failed"),
    ]


def test_a_test_of_a_channel_that_is_none_is_refused(world: World) -> None:
    with pytest.raises(NotFoundError) as caught:
        world.call("notify.test", channel="osp")

    assert caught.value.hint == "Did you mean ops?"


def test_of_two_schedulers_on_one_store_one_sends(world: World, tmp_path: Path) -> None:
    other = World(
        tmp_path / "other",
        clock=world.clock,
        db=world.store.path,
        name="other",
        courier=FakeCourier(),
        notify=CHANNELS,
    )
    other.add("job", notify=["ops"])

    run(other, 1)
    assert other.courier.messages() == []
    world.settle()
    world.run_for(1)

    assert world.courier.texts() == ["Job job failed: exit code 1"]
    with pytest.raises(ConflictError):
        other.call("notify.test", channel="ops")
    other.close()


def test_sent_notices_are_let_go_some_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pb.store.notices.KEPT", 5)
    add(world, notify={"to": ["ops"], "group": 0})

    run(world, *[1, 0] * 55, seconds=0.01)

    assert len(NoticeStore(world.store).history(n=1000)) < 20


# -- thresholds


DISK = {"metric": "disk.percent:/", "op": ">", "threshold": 90}


ON = ["threshold"]


def cross(world: World, value: float) -> None:
    """The threshold of the job is crossed."""
    (rule,) = world.watchers.watched["job"]
    now = world.clock.now_ms()
    event = {**DISK, "value": value}
    world.engine.post(Occurred("job", "threshold", now, event, trigger=rule.key, state={"n": 1}))
    world.settle()
    world.run_for(10)


def subside(world: World, value: float, since_ms: int) -> None:
    """It is over."""
    (rule,) = world.watchers.watched["job"]
    over = {**DISK, "value": value, "since_ms": since_ms}
    world.engine.post(Remembered("job", rule.key, {"n": 2}, over))
    world.settle()
    world.run_for(10)


def test_a_threshold_is_told_with_its_value_and_so_is_its_end(world: World) -> None:
    on = ["threshold", "failure"]
    add(world, triggers=["threshold: disk.percent:/ > 90"], notify={"to": ["ops"], "on": on})
    begun = world.clock.now_ms()

    cross(world, 93.1)
    subside(world, 80, begun)

    assert world.courier.texts() == [
        "Job job: disk.percent:/ is 93.1 % (> 90 %)",
        "Job job: disk.percent:/ is 80 % again, no longer > 90 %",
    ]
    notice = world.courier.sent[0][1][0]
    assert {key: notice[key] for key in DISK} == DISK
    assert (notice["occasion"], notice["value"], notice["state"]) == ("threshold", 93.1, "crossed")
    told = world.call("events.recent")["events"]
    kinds = [one["type"] for one in told if one["type"].startswith("trigger.")]
    assert sorted(kinds) == ["trigger.crossed", "trigger.over"]


def test_a_threshold_that_is_told_again_before_it_is_over_says_that_it_lingers(
    world: World,
) -> None:
    add(world, triggers=["threshold: disk.percent:/ > 90"], notify={"to": ["ops"], "on": ON})

    cross(world, 88)

    text = "Job job: disk.percent:/ is 88 %, not back far enough (was > 90 %)"
    assert world.courier.texts() == [text]


def test_the_threshold_of_a_paused_job_is_told_to_nobody(world: World) -> None:
    add(world, triggers=["threshold: disk.percent:/ > 90"], notify={"to": ["ops"], "on": ON})
    world.call("job.pause", name="job")
    world.settle()

    cross(world, 93.1)
    subside(world, 80, 0)

    assert world.courier.texts() == []


# -- digests


def test_a_digest_goes_alone_as_soon_as_its_job_is_over(world: World) -> None:
    definition = {"name": "digest_daily", "command": ["true"], "timezone": "UTC"}
    world.call("job.add", definition=definition, replace=True)
    notices = NoticeStore(world.store)
    number = world.call("job.run", name="digest_daily")["run"]["run_id"]
    now = world.clock.now_ms()
    row = NoticeRow(thing="t", channel="ops", occasion="failure", at=now, text="one", due_at=now)
    digest = dataclasses.replace(row, thing="d", occasion="digest", text="digest")
    with world.store.transaction():
        notices.add([row, digest])

    world.executor.end(number, 0)
    world.settle()
    world.run_for(1)

    assert world.courier.messages() == [["digest"], ["one"]]
