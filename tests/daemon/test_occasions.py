"""From an occasion to a run, on a real store: none is lost, none counts twice, storms are held."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pb.core.triggers import key_of
from pb.daemon.messages import Noticed, Occurred, Remembered, Shutdown
from pb.daemon.storms import HOLD, MOST
from tests.kit.refusing import Refusing
from tests.kit.scheduler import World, run_together
from tests.kit.shop import Shop

Make = Callable[..., World]


def post(w: World, name: str = "user.import", **facts: Any) -> None:
    """Something happened."""
    w.engine.post(Noticed(name, w.clock.now_ms(), facts))
    w.settle()


def events_of(w: World, run_id: int) -> list[dict[str, Any]]:
    """What a run was told, one by one."""
    about = w.executor.events[run_id]
    assert about is not None
    return [json.loads(line) for line in about.lines.splitlines()]


def listen(w: World, name: str = "job", to: str = "user.import", **more: Any) -> None:
    w.add(name, triggers=[f"event: {to}"], **more)


def end(w: World, run_id: int, status: int = 0) -> None:
    w.executor.end(run_id, status)
    w.settle()


def test_an_event_starts_the_jobs_that_wait_for_it_and_tells_them_its_facts(world: Make) -> None:
    w = world()
    listen(w)
    listen(w, "other", "user.export")
    post(w, rows=3)
    run = w.runs()[0]
    about = w.executor.events[run.id]
    assert about is not None
    assert (run.trigger, str(run.state)) == ("event", "running")
    assert about.event == {"event": "user.import", "at": "2026-03-01T12:00:00.000Z", "rows": 3}
    assert (about.count, events_of(w, run.id)) == (1, [about.event])
    assert w.runs("other") == []


def test_a_job_reacts_to_the_outcome_of_another_with_what_is_known_of_the_run(world: Make) -> None:
    w = world()
    w.add("backup")
    listen(w, "cleanup", "job.backup.failed")
    w.call("job.run", name="backup")
    end(w, 1, 3 << 8)
    about = w.executor.events[w.runs("cleanup")[0].id]
    assert about is not None
    event = about.event
    assert (event["job"], event["run_id"], event["exit_code"]) == ("backup", 1, 3)
    assert event["event"] == "job.backup.failed"


def test_a_failure_that_is_tried_again_is_no_failure_yet(world: Make) -> None:
    w = world()
    w.add("backup", retry={"max_attempts": 2, "base": "1m", "jitter": 0})
    listen(w, "cleanup", "job.backup.failed")
    w.call("job.run", name="backup")
    end(w, 1, 1 << 8)
    assert w.runs("cleanup") == []
    w.run_for(61)
    end(w, 2, 1 << 8)
    assert w.states("cleanup") == ["running"]


def test_facts_are_filtered_by_value_and_by_wildcard(world: Make) -> None:
    w = world()
    w.add(triggers=[{"type": "event", "name": "user.import", "filter": {"rows": 3, "of": "a*"}}])
    post(w, rows=4, of="abc")
    post(w, rows=3, of="bc")
    post(w, rows=3)
    assert w.runs() == []
    post(w, rows=3, of="abc")
    assert w.states() == ["running"]


def test_services_tell_what_happens_to_them(world: Make) -> None:
    w = world()
    listen(w, to="service.*.started")
    definition = {"name": "web", "command": ["sleep", "1"], "enabled": True}
    w.call("service.add", definition=definition)
    w.settle()
    about = w.executor.events[w.runs()[0].id]
    assert about is not None
    assert (about.event["service"], about.event["event"]) == ("web", "service.web.started")


def test_a_job_may_wait_for_a_service_to_end_in_a_certain_way(world: Make) -> None:
    w = world()
    shop = Shop(w)
    ended = {"type": "event", "name": "service.web.exited"}
    w.add("killed", triggers=[{**ended, "filter": {"signal": "KILL"}}])
    w.add("three", triggers=[{**ended, "filter": {"exit_code": 3}}])
    shop.add("web")
    shop.crash(status=3 << 8)
    about = w.executor.events[w.runs("three")[0].id]
    assert about is not None
    facts = {"exit_code": 3, "signal": None, "reason": "exit code 3", "instance": 0}
    assert {key: about.event[key] for key in facts} == facts
    assert w.runs("killed") == []


def test_the_start_of_the_scheduler_is_an_event(world: Make) -> None:
    w = world()
    listen(w, to="scheduler.started")
    again = w.crash()
    assert again.states() == ["running"]
    again.close()


def test_a_job_does_not_react_to_itself_unless_it_names_itself(world: Make) -> None:
    w = world(lasts=1)
    listen(w, "any", "job.*.succeeded")
    listen(w, "own", "job.own.succeeded")
    w.call("job.run", name="own")
    w.run_for(3.5)
    assert len(w.runs("own")) == 4
    assert w.runs("any") != []
    assert {run.trigger for run in w.runs("any")} == {"event"}
    before = len(w.runs("any"))
    w.call("job.disable", name="own")
    w.run_for(5)
    assert len(w.runs("any")) <= before + 2


def test_events_during_a_run_become_one_run_more_that_knows_all_of_them(world: Make) -> None:
    w = world()
    listen(w)
    for number in range(5):
        post(w, number=number)
    assert w.states() == ["running", "queued"]
    end(w, 1)
    assert w.states() == ["succeeded", "running"]
    assert [event["number"] for event in events_of(w, 2)] == [1, 2, 3, 4]
    about = w.executor.events[2]
    assert about is not None
    assert (about.occasions, about.count) == (4, 4)


def test_what_waits_survives_a_crash_and_goes_on_growing(world: Make) -> None:
    w = world()
    listen(w)
    post(w, number=0)
    post(w, number=1)
    again = w.crash()
    post(again, number=2)
    assert again.states() == ["running", "queued"]
    end(again, 1)
    assert [event["number"] for event in events_of(again, 2)] == [1, 2]
    again.close()


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("skip", ["running", "queued"]),
        ("queue", ["running", "queued"]),
        ("replace", ["cancelled", "cancelled", "running"]),
        ("allow", ["running", "running", "queued"]),
    ],
)
def test_overlap_does_what_it_says_and_loses_nothing(
    world: Make, overlap: str, expected: list[str]
) -> None:
    w = world()
    listen(w, overlap=overlap, max_instances=2)
    for number in range(3):
        post(w, number=number)
    assert w.states() == expected
    told = sorted(
        event["number"]
        for run in w.runs()
        if (about := w.store.occasions.of_run(run.id)) is not None
        for event in map(json.loads, about.lines.splitlines())
    )
    assert told == [0, 1, 2]


def test_a_full_queue_of_other_runs_refuses_with_one_record_that_counts(world: Make) -> None:
    w = world()
    w.add(triggers=["every: 1m", "event: user.import"], overlap="queue")
    w.run_for(125)
    assert w.states() == ["running", "queued"]
    post(w)
    post(w)
    run = w.runs()[-1]
    assert (str(run.state), run.fire_count) == ("skipped", 2)
    assert "queue_limit" in str(run.reason)


def test_a_paused_job_records_what_it_did_not_act_on_once_with_a_count(world: Make) -> None:
    w = world()
    listen(w)
    for _ in range(2):
        w.run_for(1)
        w.call("job.pause", name="job")
        for _ in range(3):
            post(w)
            w.run_for(1)
        w.call("job.resume", name="job")
    assert [(str(run.state), run.reason, run.fire_count) for run in w.runs()] == [
        ("skipped", "paused", 3)
    ] * 2
    row = w.store.job("job")
    assert row is not None
    assert row.skip_count == 6


def test_a_disabled_job_waits_for_nothing(world: Make) -> None:
    w = world()
    listen(w)
    w.call("job.disable", name="job")
    post(w)
    assert w.runs() == []
    assert "job" not in w.watchers.watched


def test_a_job_that_is_enabled_again_knows_nothing_of_the_time_between(world: Make) -> None:
    w = world()
    w.add(triggers=["file: /in", "threshold: load1 > 4"])
    file, alert = (one.key for one in w.watchers.watched["job"])
    for key, state in ((file, {"until_ns": 5}), (alert, {"phase": "firing"})):
        w.engine.post(Remembered("job", key, state))
    w.settle()
    w.call("job.disable", name="job")
    w.engine.post(Remembered("job", alert, {"phase": "firing"}))
    w.engine.post(Occurred("job", "file", w.clock.now_ms(), {}, (), file, {"until_ns": 6}))
    w.settle()
    again = w.crash()
    again.call("job.enable", name="job")
    again.settle()
    states = {one.key: one.state for one in again.watchers.watched["job"]}
    assert states == {file: {}, alert: None}
    assert again.runs() == []
    again.close()


def test_an_unmet_dependency_refuses_an_occasion_with_its_reason(world: Make) -> None:
    w = world()
    w.add("first")
    listen(w, depends_on=["first"])
    post(w)
    post(w)
    run = w.runs()[0]
    assert (str(run.state), run.fire_count, len(w.runs())) == ("skipped", 2, 1)
    assert str(run.reason).startswith("dependency: ")


def test_a_storm_is_held_and_what_comes_meanwhile_is_one_run_afterwards(world: Make) -> None:
    w = world(lasts=0.1)
    listen(w)
    for number in range(MOST + 10):
        post(w, number=number)
        w.run_for(1)
    assert w.states() == ["succeeded"] * MOST + ["queued"]
    held = w.runs()[-1]
    assert str(held.reason).startswith("held: ")
    storms = w.call("events.recent", type="trigger.storm")["events"]
    assert [event["job"] for event in storms] == ["job"]
    w.run_for(HOLD)
    assert w.states() == ["succeeded"] * (MOST + 1)
    assert [event["number"] for event in events_of(w, held.id)] == list(range(MOST, MOST + 10))


def test_a_held_job_replaces_nothing(world: Make) -> None:
    w = world()
    listen(w, overlap="replace")
    for _ in range(MOST + 1):
        post(w)
    assert w.states()[-2:] == ["running", "queued"]


def test_two_jobs_that_wait_for_each_other_do_not_keep_the_scheduler_busy(world: Make) -> None:
    w = world(lasts=0)
    listen(w, "ping", "job.pong.*")
    listen(w, "pong", "job.ping.*")
    w.call("job.run", name="ping")
    w.run_for(30)
    assert len(w.runs("ping")) + len(w.runs("pong")) <= 2 * MOST + 5


def test_occasions_at_one_moment_have_records_of_their_own(world: Make) -> None:
    w = world()
    listen(w, overlap="allow")
    for _ in range(3):
        w.engine.post(Noticed("user.import", w.clock.now_ms()))
    w.settle()
    assert w.states() == ["running"] * 3
    assert len({run.fire_at for run in w.runs()}) == 3


def test_another_attempt_is_for_the_same_event(world: Make) -> None:
    w = world()
    listen(w, retry={"max_attempts": 2, "base": "1s", "jitter": 0})
    post(w, number=7)
    end(w, 1, 1 << 8)
    w.run_for(2)
    assert [event["number"] for event in events_of(w, 2)] == [7]
    end(w, 2, 1 << 8)
    w.call("run.retry", run_id=2)
    assert [event["number"] for event in events_of(w, 3)] == [7]


def test_an_event_whose_commit_fails_is_acted_on_once_the_store_can_be_written(
    world: Make,
) -> None:
    w = world()
    listen(w)
    refusing = Refusing(w)
    refusing.left = 1
    w.engine.post(Noticed("user.import", w.clock.now_ms()))
    w.engine.step()
    assert w.runs() == []
    w.run_for(5)
    assert w.states() == ["running"]


def test_an_outcome_and_the_run_that_follows_it_are_committed_together(world: Make) -> None:
    w = world()
    w.add("backup")
    listen(w, "cleanup", "job.backup.succeeded")
    w.call("job.run", name="backup")
    refusing = Refusing(w)
    refusing.left = 1
    w.executor.end(1)
    w.engine.step()
    assert (w.states("backup"), w.states("cleanup")) == (["running"], [])
    w.run_for(5)
    assert (w.states("backup"), w.states("cleanup")) == (["succeeded"], ["running"])


# -- the seam


def occurred(w: World, key: str | None = None, **more: Any) -> None:
    w.engine.post(Occurred("job", "event", w.clock.now_ms(), {"path": "/x"}, trigger=key, **more))
    w.settle()


def test_watchers_are_told_what_is_on_and_what_it_remembers(world: Make) -> None:
    w = world()
    listen(w)
    (watched,) = w.watchers.watched["job"]
    assert watched.state is None
    assert json.loads(watched.key) == {"type": "event", "name": "user.import"}
    w.engine.post(Remembered("job", watched.key, {"phase": "pending"}))
    w.settle()
    again = w.crash()
    (found,) = again.watchers.watched["job"]
    assert found.state == {"phase": "pending"}
    occurred(again, found.key, state={"phase": "firing"})
    assert again.store.occasions.states("job") == {found.key: {"phase": "firing"}}
    again.close()


def test_a_trigger_that_was_changed_starts_anew_and_a_removed_one_is_forgotten(
    world: Make,
) -> None:
    w = world()
    listen(w)
    key = w.watchers.watched["job"][0].key
    w.engine.post(Remembered("job", key, {"n": 1}))
    w.settle()
    definition = {"name": "job", "command": ["true"], "triggers": ["event: user.other"]}
    w.call("job.add", definition=definition, replace=True)
    (changed,) = w.watchers.watched["job"]
    assert (changed.state, w.store.occasions.states("job")) == (None, {})
    w.engine.post(Remembered("job", key, {"n": 2}))
    w.settle()
    assert w.store.occasions.states("job") == {}
    w.engine.post(Remembered("job", changed.key, {"n": 3}))
    w.settle()
    w.call("job.remove", name="job")
    assert (w.watchers.watched, w.store.occasions.states("job")) == ({}, {})


def test_an_occasion_of_a_job_that_is_gone_or_has_no_such_trigger_is_void(world: Make) -> None:
    w = world()
    occurred(w)
    w.add(triggers=["every: 1h"])
    occurred(w)
    assert w.runs() == []


def test_keys_do_not_depend_on_the_order_in_which_a_filter_was_written() -> None:
    from pb.core.triggers import trigger_from

    one = trigger_from({"type": "event", "name": "user.a", "filter": {"a": "1", "b": "2"}})
    two = trigger_from({"type": "event", "name": "user.a", "filter": {"b": "2", "a": "1"}})
    assert key_of(one) == key_of(two)


def test_an_occasion_without_items_is_its_own(world: Make) -> None:
    w = world()
    listen(w)
    occurred(w)
    about = w.executor.events[1]
    assert about is not None
    assert (about.occasions, about.count, about.event["path"]) == (1, 1, "/x")
    assert events_of(w, 1) == [about.event]
    shown = w.call("run.show", run_id=1)["run"]
    assert (shown["event"]["path"], shown["event_count"]) == ("/x", 1)


def test_of_two_thresholds_that_are_crossed_during_a_run_the_next_one_knows_both(
    world: Make,
) -> None:
    w = world()
    w.add(triggers=["threshold: load1 > 1", "threshold: load5 > 1"])
    w.call("job.run", name="job")
    for metric in ("load1", "load5"):
        facts = {"metric": metric, "op": ">", "threshold": 1, "value": 2}
        w.engine.post(Occurred("job", "threshold", w.clock.now_ms(), facts))
        w.settle()
    end(w, 1)
    assert [one["metric"] for one in events_of(w, 2)] == ["load1", "load5"]


# -- several schedulers on one store


def test_of_two_schedulers_one_watches_and_the_other_takes_over_when_it_leaves(
    tmp_path: Path,
) -> None:
    one = World(tmp_path / "one", db=tmp_path / "shared.db", name="one")
    two = World(tmp_path / "two", db=tmp_path / "shared.db", name="two", clock=one.clock)
    one.add(triggers=["event: user.import", "event: system.network.up"])
    run_together([one, two], 2)
    assert ("job" in one.watchers.watched, "job" in two.watchers.watched) == (True, False)
    for world in (one, two):
        world.engine.post(Noticed("system.network.up", world.clock.now_ms()))
    run_together([one, two], 1)
    assert one.states() == ["running"]
    two.call("event.emit", name="import")
    run_together([one, two], 1)
    assert len(one.runs()) == 2
    one.engine.post(Shutdown(keep_runs=True))
    run_together([one, two], 3)
    assert "job" in two.watchers.watched
    one.close()
    two.close()


# -- what is said of a new job


def test_a_name_that_nothing_has_yet_is_remarked_upon(world: Make) -> None:
    w = world()
    w.add("backup")
    said = w.add("cleanup", triggers=["event: job.bakup.failed", "event: service.web.failed"])
    assert said["notes"] == [
        "There is no job named 'bakup' yet. Did you mean backup?",
        "There is no service named 'web' yet.",
    ]
    quiet = ["event: job.backup.failed", "event: job.*.failed", "event: user.a", "every: 1h"]
    assert w.add("quiet", triggers=quiet)["notes"] == []
