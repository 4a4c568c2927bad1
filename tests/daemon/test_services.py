"""The supervisor with hands that touch nothing and a clock that is told: lives as tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pb.core.service import Health, StopScope
from pb.core.supervision import Phase
from pb.daemon.messages import (
    FilesChanged,
    HealthChanged,
    InstanceReady,
    MemoryExceeded,
    NotReadyInTime,
)
from pb.errors import ConflictError, NeedsDaemonError, NotFoundError, UnsupportedError
from tests.kit.scheduler import World
from tests.kit.shop import Shop

Make = Callable[..., World]


@pytest.fixture
def shop(world: Make) -> Shop:
    return Shop(world())


def test_a_new_service_is_started_at_once(shop: Shop) -> None:
    shop.add()

    assert shop.phase() == "running"
    assert shop.view()["state"] == "running"
    assert shop.view()["pid"] == shop.row().pid
    assert shop.told() == ["service.added", "service.started"]


def test_one_that_is_not_enabled_waits_to_be_started(shop: Shop) -> None:
    shop.add(enabled=False)
    assert shop.phase() == "stopped"

    assert shop.call("start")["services"][0]["ok"]
    assert shop.phase() == "running"


def test_start_of_one_that_runs_says_so(shop: Shop) -> None:
    shop.add()
    pid = shop.row().pid

    [answer] = shop.call("start")["services"]

    assert (answer["ok"], answer["action"], answer["pid"]) == (True, "already_running", pid)
    assert len(shop.hands.launched) == 1


def test_who_is_stopped_stays_so_through_restarts_of_scheduler_and_machine(shop: Shop) -> None:
    shop.add()
    assert shop.call("stop")["services"][0]["action"] == "stopped"
    shop.restart_scheduler()
    assert shop.phase() == "stopped"
    shop.restart_scheduler(boot_id="boot-2")

    assert shop.phase() == "stopped"
    assert shop.view()["desired"] == "stopped"


def test_one_that_ran_is_started_after_a_reboot_unless_it_was_disabled(shop: Shop) -> None:
    shop.add("a")
    shop.add("b")
    shop.world.call("service.disable", name="b")
    shop.hands.alive.clear()
    shop.restart_scheduler(boot_id="boot-2")

    assert (shop.phase("a"), shop.phase("b")) == ("running", "stopped")
    assert shop.row("a").exit_reason == "the machine was restarted"


def test_it_is_adopted_by_the_next_scheduler_and_never_doubled(shop: Shop) -> None:
    shop.add()
    pid = shop.row().pid
    shop.restart_scheduler()

    assert (shop.phase(), shop.row().pid) == ("running", pid)
    assert len(shop.hands.launched) == 1
    assert shop.told()[-1] == "service.adopted"


def test_one_whose_pid_was_never_recorded_is_found_by_its_marker(shop: Shop) -> None:
    shop.add()
    row = shop.row()
    pid, row.phase, row.pid = row.pid, Phase.LAUNCHING, None
    with shop.world.store.transaction():
        shop.world.store.services.save([row])
    shop.restart_scheduler()

    assert (shop.phase(), shop.row().pid) == ("running", pid)


def test_a_claim_without_a_process_is_simply_started(shop: Shop) -> None:
    shop.add()
    row = shop.row()
    row.phase, row.pid = Phase.LAUNCHING, None
    shop.hands.alive.clear()
    with shop.world.store.transaction():
        shop.world.store.services.save([row])
    shop.restart_scheduler()

    assert shop.phase() == "running"
    assert shop.row().restarts == 0


def test_one_that_ended_while_nobody_watched_is_started_again(shop: Shop) -> None:
    shop.add()
    shop.hands.alive.clear()
    shop.restart_scheduler()
    shop.run_for(1)

    assert shop.phase() == "running"
    assert shop.row().exit_reason == "ended unseen"
    assert shop.hands.stopped  # what its tree left was looked for


def test_a_crash_is_followed_by_growing_delays_and_in_the_end_by_failed(shop: Shop) -> None:
    shop.add(restart={"max_restarts": 2, "delay": "1s", "jitter": 0})
    shop.crash()
    assert shop.phase() == "backoff"
    assert shop.view()["next_start_at"] is not None
    shop.run_for(0.5)
    assert shop.phase() == "backoff"
    shop.run_for(0.6)
    assert (shop.phase(), shop.row().restarts) == ("running", 1)
    shop.crash()
    shop.run_for(1.5)
    assert shop.phase() == "backoff"
    shop.run_for(1)
    shop.crash()

    assert shop.phase() == "failed"
    assert shop.view()["reason"] == "exit code 1; 3 times within 10m of life"
    assert shop.told()[-1] == "service.failed"


def test_without_a_delay_the_successor_starts_in_the_same_step(shop: Shop) -> None:
    shop.add(restart={"delay": 0})
    shop.hands.end_life(shop.key(), 9)
    shop.world.engine.step()
    shop.world.engine.step()

    assert shop.phase() == "running"
    assert len(shop.hands.launched) == 2
    assert len(shop.hands.swept) == 1


def test_reset_starts_one_that_failed_and_forgets_the_row(shop: Shop) -> None:
    shop.add(restart={"max_restarts": 0})
    shop.crash()
    assert shop.phase() == "failed"

    shop.call("reset")

    assert (shop.phase(), shop.row().lives, shop.row().restarts) == ("running", (), 0)


def test_reset_of_one_that_nobody_wants_only_forgets(shop: Shop) -> None:
    shop.add(restart={"max_restarts": 0}, enabled=False)
    shop.call("start")
    shop.crash()
    shop.call("stop")
    shop.call("reset")

    assert shop.phase() == "stopped"


def test_failed_stays_failed_when_the_scheduler_starts_again(shop: Shop) -> None:
    shop.add(restart={"max_restarts": 0})
    shop.crash()
    shop.restart_scheduler()
    assert shop.phase() == "failed"
    shop.restart_scheduler(boot_id="boot-2")

    assert shop.phase() == "running"


def test_a_passing_shortage_is_no_failure(shop: Shop) -> None:
    shop.hands.refusals += [("no more processes", True)] * 30
    shop.add(restart={"max_restarts": 0})
    assert shop.phase() == "backoff"
    shop.run_for(40)

    assert shop.phase() == "running"
    assert shop.row().lives == ()


def test_what_cannot_be_started_at_all_fails_with_the_reason(shop: Shop) -> None:
    shop.hands.refusals += [("serve: no such program", False)]
    shop.add(restart={"mode": "never"})

    assert shop.phase() == "failed"
    assert shop.view()["reason"] == "serve: no such program"
    assert shop.view()["pid"] is None


def test_an_end_that_counts_as_success_is_the_end(shop: Shop) -> None:
    shop.add(restart="on-failure")
    shop.crash(status=0)

    assert shop.phase() == "exited"
    assert shop.view()["last_exit"]["code"] == 0


def test_what_a_leader_left_behind_is_stopped_before_its_successor_starts(shop: Shop) -> None:
    shop.hands.slow.add("web")
    shop.add(restart={"delay": 0})
    shop.crash(has_left=True)
    assert shop.phase() == "cleaning"
    assert len(shop.hands.launched) == 1
    shop.hands.finish_stop(shop.key())
    shop.world.settle()

    assert shop.phase() == "running"
    assert len(shop.hands.launched) == 2


def test_what_will_not_die_is_told_and_gets_no_second_copy(shop: Shop) -> None:
    shop.add()
    shop.hands.stubborn["web"] = "serve (state D)"
    [answer] = shop.call("stop")["services"]
    assert (answer["ok"], answer["state"]) == (False, "orphaned")
    assert "serve (state D)" in answer["reason"]
    shop.hands.stubborn.clear()
    shop.call("start")

    assert shop.phase() == "running"
    assert len(shop.hands.launched) == 2


# -- readiness, health, memory, files


def test_ready_comes_when_its_check_says_so(shop: Shop) -> None:
    shop.add(ready={"tcp": 8000})
    assert shop.view()["state"] == "starting"
    assert shop.hands.attended == [(shop.key(), False)]
    assert shop.call("start", wait="started")["services"][0]["ok"]
    shop.post(InstanceReady(shop.key(), shop.world.clock.now_ms()))

    assert shop.view()["state"] == "running"
    assert shop.told()[-1] == "service.ready"


def test_start_waits_for_ready_and_answers_then(shop: Shop) -> None:
    shop.add(enabled=False, ready={"tcp": 8000})
    answers: list[Any] = []
    from pb.daemon.messages import Command

    params = {"names": ["web"], "deps": True, "wait": "ready", "timeout": 60}
    shop.post(Command("service.start", params, "test", answers.append))
    assert answers == []
    shop.post(InstanceReady(shop.key(), shop.world.clock.now_ms()))

    assert answers[0]["services"][0]["ok"]


def test_start_gives_up_in_time_and_says_how_far_it_got(shop: Shop) -> None:
    shop.add(enabled=False, ready={"tcp": 8000})
    answers: list[Any] = []
    from pb.daemon.messages import Command

    params = {"names": ["web"], "deps": True, "wait": "ready", "timeout": 5}
    shop.post(Command("service.start", params, "test", answers.append))
    shop.run_for(6)

    [answer] = answers[0]["services"]
    assert (answer["ok"], answer["state"]) == (False, "starting")
    assert answer["reason"] == "not ready within 5 s; it goes on"


def test_not_ready_in_time_is_a_failed_start(shop: Shop) -> None:
    shop.add(ready={"tcp": 8000})
    shop.post(NotReadyInTime(shop.key(), "nobody listens on port 8000", 0))

    assert shop.phase() == "backoff"
    assert shop.view()["last_exit"]["reason"] == "nobody listens on port 8000"


@pytest.mark.parametrize(
    ("action", "phase", "desired"),
    [
        ("restart", "backoff", "running"),
        ("stop", "stopped", "stopped"),
        ("none", "running", "running"),
    ],
)
def test_unhealthy_leads_to_its_action(shop: Shop, action: str, phase: str, desired: str) -> None:
    shop.add(health={"tcp": 8000, "action": action})
    shop.post(HealthChanged(shop.key(), Health.UNHEALTHY, "refused", 0))

    assert (shop.phase(), shop.view()["desired"]) == (phase, desired)
    assert "service.unhealthy" in shop.told()


def test_healthy_again_is_told(shop: Shop) -> None:
    shop.add(health={"tcp": 8000, "action": "none"})
    assert shop.view()["health"] == "starting"
    for health in (Health.HEALTHY, Health.UNHEALTHY, Health.HEALTHY):
        shop.post(HealthChanged(shop.key(), health, None, 0))

    assert shop.view()["health"] == "healthy"
    assert shop.told()[-2:] == ["service.unhealthy", "service.healthy"]


def test_too_much_memory_restarts_and_says_so(shop: Shop) -> None:
    shop.add()
    shop.post(MemoryExceeded(shop.key(), "memory limit 64 MiB exceeded (peak 71 MiB)"))
    shop.run_for(1)

    assert shop.phase() == "running"
    assert shop.view()["last_exit"]["reason"] == "memory limit 64 MiB exceeded (peak 71 MiB)"


def test_a_changed_file_restarts_and_is_no_failure(shop: Shop) -> None:
    shop.add()
    shop.post(FilesChanged(shop.key(), "app.py changed"))

    assert shop.phase() == "running"
    assert (shop.row().restarts, shop.row().lives) == (0, ())
    assert len(shop.hands.launched) == 2


# -- definitions


def test_a_changed_definition_waits_for_a_restart(shop: Shop) -> None:
    shop.add()
    definition = {"name": "web", "command": ["serve", "--fast"]}
    shop.world.call("service.add", definition=definition, replace=True)
    assert shop.view()["changed"]
    assert len(shop.hands.launched) == 1
    shop.call("restart")

    assert not shop.view()["changed"]


def test_a_name_that_is_taken_is_refused(shop: Shop) -> None:
    shop.add()
    with pytest.raises(ConflictError, match="exists already"):
        shop.add()


def test_remove_stops_and_forgets(shop: Shop) -> None:
    shop.hands.slow.add("web")
    shop.add()
    shop.world.call("service.remove", name="web")
    assert shop.phase() == "stopping"
    shop.hands.finish_stop(shop.key())
    shop.world.settle()

    assert shop.world.call("service.list")["services"] == []
    assert shop.told()[-1] == "service.removed"


def test_remove_goes_on_after_a_crash_of_the_scheduler(shop: Shop) -> None:
    shop.hands.slow.add("web")
    shop.add()
    shop.world.call("service.remove", name="web")
    shop.restart_scheduler()
    shop.hands.finish_stop(shop.key())
    shop.world.settle()

    assert shop.world.call("service.list")["services"] == []


def test_what_others_depend_on_is_not_removed(shop: Shop) -> None:
    shop.add("db")
    shop.add("web", depends_on=["db"])
    with pytest.raises(ConflictError, match="web"):
        shop.world.call("service.remove", name="db")


def test_scale_adds_and_takes_away_instances(shop: Shop) -> None:
    shop.add()
    first = shop.row().pid
    shop.world.call("service.scale", name="web", replicas=3)
    assert [shop.phase("web", n) for n in range(3)] == ["running"] * 3
    shop.restart_scheduler()
    shop.world.call("service.scale", name="web", replicas=1)
    shop.world.settle()

    assert len(shop.world.store.services.instances("web")) == 1
    assert shop.row().pid == first


def test_one_instance_can_be_restarted_alone(shop: Shop) -> None:
    shop.add(replicas=2)
    shop.hands.launched.clear()
    shop.call("restart", "web@1")

    assert [key.instance for key in shop.hands.launched] == [1]


# -- hooks, signals, reload


def test_pre_start_comes_first_and_its_failure_is_a_failed_start(shop: Shop) -> None:
    shop.hands.failing_hooks["pre_start"] = "exit code 2"
    shop.add(hooks={"pre_start": ["migrate"]}, restart={"mode": "never"})

    assert shop.hands.launched == []
    assert (shop.phase(), shop.view()["reason"]) == ("failed", "pre_start failed: exit code 2")


def test_hooks_come_in_their_order(shop: Shop) -> None:
    hooks = {name: ["true"] for name in ("pre_start", "post_start", "post_stop", "on_failed")}
    shop.add(hooks=hooks, restart={"max_restarts": 0})
    shop.crash()

    assert [hook for _, hook in shop.hands.hooks] == [
        *("pre_start", "post_start", "post_stop", "on_failed")
    ]


def test_a_stop_during_pre_start_abandons_it(shop: Shop) -> None:
    shop.hands.silent_hooks.add("pre_start")
    shop.add(hooks={"pre_start": ["migrate"]})
    assert shop.phase() == "preparing"
    shop.call("stop")

    assert shop.phase() == "stopped"
    assert ("web", "abandoned") in shop.hands.hooks


def test_a_failing_hook_is_told(shop: Shop) -> None:
    shop.hands.failing_hooks["post_start"] = "exit code 1"
    shop.add(hooks={"post_start": ["warm-up"]})

    assert shop.told()[-1] == "service.hook_failed"


def test_reload_is_a_signal_or_a_command_or_refused(shop: Shop) -> None:
    shop.add("a", reload="HUP")
    shop.add("b", reload={"command": ["b", "reload"]})
    shop.add("c")
    shop.world.call("service.reload", name="a")
    shop.world.call("service.reload", name="b")
    with pytest.raises(UnsupportedError):
        shop.world.call("service.reload", name="c")

    assert shop.hands.signals == [(shop.key("a"), 1, StopScope.MAIN)]
    assert ("b", "reload") in shop.hands.hooks


def test_signals_go_to_those_that_run(shop: Shop) -> None:
    shop.add()
    answer = shop.world.call("service.signal", name="web", signal="USR1", scope="tree")
    assert answer["sent"] == 1
    shop.call("stop")

    with pytest.raises(NeedsDaemonError, match="does not run"):
        shop.world.call("service.signal", name="web", signal="USR1")


@pytest.mark.parametrize(
    ("method", "params"),
    [("start", {}), ("stop", {}), ("restart", {}), ("reset", {}), ("wait", {})],
)
def test_an_unknown_name_is_not_found_with_the_nearest(
    shop: Shop, method: str, params: dict[str, Any]
) -> None:
    shop.add()
    with pytest.raises(NotFoundError) as caught:
        shop.call(method, "wbe", **params)
    assert "web" in (caught.value.hint or "")
