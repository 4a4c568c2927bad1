"""Wishes that cross each other: changes of mind, removals under way, lives that are over."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pb.api.offline import service_stop
from pb.core.service import Health
from pb.daemon.messages import (
    CommandEnded,
    HealthChanged,
    InstanceExited,
    InstanceKey,
    InstanceReady,
    Shutdown,
)
from pb.errors import ConflictError, NotFoundError, PbError, StoreError
from tests.kit.refusing import Refusing
from tests.kit.scheduler import World
from tests.kit.shop import Shop

Make = Callable[..., World]


@pytest.fixture
def shop(world: Make) -> Shop:
    return Shop(world())


def scale(shop: Shop, replicas: int) -> Any:
    return shop.world.call("service.scale", name="web", replicas=replicas)


def finish(shop: Shop, name: str = "web", number: int = 0) -> None:
    shop.hands.finish_stop(shop.key(name, number))
    shop.world.settle()


# -- scaling and removing


def test_an_instance_that_is_wanted_again_while_it_stops_comes_back(shop: Shop) -> None:
    shop.add(replicas=2)
    shop.hands.slow.add("web")
    scale(shop, 1)
    scale(shop, 2)
    finish(shop, number=1)

    assert shop.phase(number=1) == "running"


@pytest.mark.parametrize("wish", ["start", "restart"])
def test_an_instance_that_is_not_wanted_any_more_is_not_brought_back(shop: Shop, wish: str) -> None:
    shop.add(replicas=2)
    shop.hands.slow.add("web")
    scale(shop, 1)
    shop.world.ask(f"service.{wish}", names=["web"], timeout=5)
    finish(shop, number=1)

    assert [row.instance for row in shop.world.store.services.instances()] == [0]
    assert not [key for key in shop.hands.alive if key.instance == 1]
    assert shop.told().count("service.stopped") == 1


def test_who_is_being_removed_is_not_started_again(shop: Shop) -> None:
    shop.add()
    shop.hands.slow.add("web")
    shop.world.call("service.remove", name="web")
    answers = shop.world.ask("service.start", names=["web"])
    finish(shop)

    assert shop.world.store.services.row("web") is None
    assert shop.hands.alive == {}
    assert len(answers) == 1


def test_enabling_who_is_being_removed_does_not_keep_it(shop: Shop) -> None:
    shop.add(enabled=False)
    shop.call("start")
    shop.hands.slow.add("web")
    shop.world.call("service.remove", name="web")
    shop.world.call("service.enable", name="web")
    finish(shop)

    assert shop.world.store.services.row("web") is None


def test_who_is_added_again_while_it_goes_is_a_new_service(shop: Shop) -> None:
    shop.add()
    scale(shop, 2)
    shop.hands.slow.add("web")
    shop.world.call("service.remove", name="web")
    shop.add()
    finish(shop)
    finish(shop, number=1)

    assert shop.view()["state"] == "running"
    assert len(shop.hands.alive) == 1


def test_scaled_to_none_it_says_so(shop: Shop) -> None:
    shop.add(replicas=2)
    scale(shop, 0)

    assert shop.view()["reason"] == "scaled to 0"
    assert scale(shop, 1)["before"] == 0


@pytest.mark.parametrize("wish", ["start", "restart"])
def test_what_is_scaled_to_none_is_not_silently_not_started(shop: Shop, wish: str) -> None:
    shop.add()
    shop.add("other", groups=["backend"])
    scale(shop, 0)

    with pytest.raises(ConflictError, match="web is scaled to 0") as caught:
        shop.call(wish, "other", "web")
    assert caught.value.hint == "Let it run again: pb service scale web=1"
    # Who means all, or a group, means those that there are.
    assert [one["name"] for one in shop.call(wish, "all")["services"]] == ["other"]


# -- lives that are over


def test_a_late_word_of_a_removed_service_is_not_taken_for_its_namesake(shop: Shop) -> None:
    shop.add()
    old = shop.key()
    shop.world.call("service.remove", name="web")
    shop.add()
    shop.post(InstanceExited(old, 0, shop.world.clock.now_ms(), False))

    assert shop.key() != old
    assert shop.hands.launched == [old, shop.key()]
    assert shop.phase() == "running"


def test_numbers_of_lives_go_on_where_an_instance_was_taken_away(shop: Shop) -> None:
    shop.add(replicas=2)
    old = shop.key(number=1)
    scale(shop, 1)
    scale(shop, 2)

    assert shop.key(number=1) == InstanceKey("web", 1, old.life + 1)


def test_a_row_that_somebody_else_has_deleted_ends_its_life(shop: Shop) -> None:
    shop.add()
    shop.hands.slow.add("web")
    key = shop.key()
    answers = shop.world.ask("service.stop", names=["web"])
    services = shop.world.engine._services
    with shop.world.store.transaction(durable=False):
        shop.world.store.services.delete("web")
    shop.world.engine._transact(services.reread)
    shop.world.settle()

    assert [one["ok"] for one in answers[0]["services"]] == [True]
    assert shop.hands.stopped[-1][0] == key
    assert key not in shop.hands.watched


# -- everybody is answered


def test_who_stops_is_answered_when_others_start_it_again(shop: Shop) -> None:
    shop.add("db")
    shop.add("web", depends_on=["db"])
    shop.hands.slow.add("web")
    answers = shop.world.ask("service.stop", names=["web"])
    shop.call("stop", "db")
    shop.world.ask("service.start", names=["web"], deps=False)
    finish(shop)

    assert shop.phase() == "waiting"
    [answer] = answers[0]["services"]
    assert (answer["ok"], answer["reason"]) == (False, "it was started meanwhile")


def test_a_restart_during_pre_start_is_answered(shop: Shop) -> None:
    shop.hands.silent_hooks.add("pre_start")
    shop.add(hooks={"pre_start": ["prepare"]}, ready={"tcp": 1})
    answers = shop.world.ask("service.restart", names=["web"])
    shop.hands.silent_hooks.clear()
    shop.post(CommandEnded(shop.key(), "pre_start", 0, None))
    shop.post(InstanceReady(shop.key(), 1))

    assert answers[0]["services"][0]["ok"] is True


def test_who_still_waits_when_the_scheduler_ends_is_told(shop: Shop) -> None:
    shop.add(ready={"tcp": 1})
    answers = shop.world.ask("service.start", names=["web"])
    assert answers == []
    shop.world.engine.post(Shutdown())
    shop.world.settle()

    assert isinstance(answers[0], PbError)


def test_a_start_of_something_unknown_starts_nothing(shop: Shop) -> None:
    shop.add("api")
    shop.add("web", enabled=False)
    with pytest.raises(NotFoundError):
        shop.call("start", "web", "api@7")

    assert shop.view("web")["desired"] == "stopped"


# -- orders


def test_who_was_removed_is_not_restarted_in_its_turn(shop: Shop) -> None:
    shop.add("db", restart="never")
    shop.add("web", depends_on=["db"])
    shop.hands.slow.add("web")
    shop.post(InstanceExited(shop.key("db"), 0, 0, False))
    shop.world.ask("service.restart", names=["web", "db"])
    shop.world.call("service.remove", name="web")
    shop.world.call("service.remove", name="db")
    before = len(shop.hands.launched)
    finish(shop)

    assert len(shop.hands.launched) == before
    assert shop.world.engine._refused is None
    assert list(shop.world.store.services.rows()) == []


def test_unhealthy_with_stop_takes_all_instances_down(shop: Shop) -> None:
    shop.add(replicas=2, health={"tcp": 1, "action": "stop"})
    shop.post(HealthChanged(shop.key(), Health.UNHEALTHY, "refused", 0))

    assert shop.hands.alive == {}
    assert {shop.phase(number=number) for number in (0, 1)} == {"stopped"}


# -- recovery


def test_a_pre_start_that_runs_is_ended_before_the_next_one(shop: Shop) -> None:
    shop.hands.silent_hooks.add("pre_start")
    shop.add(hooks={"pre_start": ["prepare"]})
    old = shop.key()
    shop.hands.slow.add("web")
    shop.restart_scheduler()
    assert shop.hands.stopped == [(old, False)]
    assert shop.hands.hooks == [("web", "pre_start")]
    shop.hands.finish_stop(old)
    shop.world.settle()

    assert shop.hands.hooks == [("web", "pre_start")] * 2


def test_what_would_not_die_is_looked_at_again_when_it_ends(shop: Shop) -> None:
    shop.add()
    shop.hands.stubborn["web"] = "stuck in the kernel"
    shop.world.ask("service.restart", names=["web"], timeout=5)
    assert shop.phase() == "orphaned"
    shop.hands.stubborn.clear()
    shop.crash(status=9)

    assert shop.phase() == "running"
    assert len(shop.hands.alive) == 1


def spoil(shop: Shop) -> None:
    """Have a definition that this version cannot read, and a scheduler that finds it."""
    text = json.dumps({"name": "web", "command": ["serve"], "from_the_future": 1})
    with shop.world.store.transaction(durable=False):
        shop.world.store.write("UPDATE service SET definition = ?", [(text,)])
    shop.restart_scheduler()


def test_a_definition_that_cannot_be_read_is_told_once(shop: Shop) -> None:
    shop.add()
    spoil(shop)
    services = shop.world.engine._services
    for _ in range(3):
        shop.world.engine._transact(services.reread)

    assert shop.told().count("service.invalid") == 1


def test_stopping_one_instance_says_nothing_of_its_service(shop: Shop) -> None:
    shop.add(replicas=2)
    shop.add("proxy", depends_on=["web"])
    context = replace(shop.world.engine._context, facts=None)
    answer = service_stop(context, names=["web@1"], force=True, timeout=0.0, dependents=True)

    assert [one["name"] for one in answer["services"]] == ["web@1"]
    assert {row.name: row.desired for row in shop.world.store.services.rows()} == {
        "proxy": "running",
        "web": "running",
    }


def test_who_was_started_with_a_definition_that_cannot_be_read_is_found_when_it_is_mended(
    shop: Shop,
) -> None:
    shop.add()
    spoil(shop)
    with pytest.raises(ConflictError, match="cannot be used"):
        shop.call("stop")
    shop.world.call("service.add", definition={"name": "web", "command": ["serve"]}, replace=True)
    shop.crash()
    shop.run_for(1)

    assert len(shop.hands.launched) == 2
    assert shop.phase() == "running"


def test_one_whose_definition_cannot_be_read_can_be_removed(shop: Shop) -> None:
    shop.add()
    spoil(shop)
    shop.world.call("service.remove", name="web")

    assert shop.hands.alive == {}
    assert list(shop.world.store.services.rows()) == []


def test_a_disabled_one_in_backoff_is_not_started_after_a_reboot(shop: Shop) -> None:
    shop.add(restart={"delay": 10})
    shop.crash()
    assert shop.phase() == "backoff"
    shop.world.call("service.disable", name="web")
    shop.restart_scheduler(boot_id="boot-2")
    shop.run_for(60)

    assert shop.view()["state"] == "stopped"
    assert len(shop.hands.launched) == 1


def test_a_clock_that_was_set_back_does_not_lengthen_a_delay(shop: Shop) -> None:
    shop.add(restart={"delay": 10})
    shop.crash()
    shop.world.clock.jump(-86_400)
    shop.restart_scheduler()
    shop.run_for(61)

    assert shop.phase() == "running"


def test_an_answer_that_the_store_takes_back_is_followed_by_another(shop: Shop) -> None:
    store = Refusing(shop.world)
    shop.add()
    shop.hands.slow.add("web")
    answers = shop.world.ask("service.stop", names=["web"])
    assert answers == []
    store.left = 1
    finish(shop)
    shop.run_for(2)

    assert len(answers) == 1
    assert isinstance(answers[0], StoreError)
    assert shop.phase() == "stopped"


def test_who_waits_for_a_run_is_told_that_the_store_has_refused(world: Make) -> None:
    w = world()
    store = Refusing(w)
    w.add()
    w.call("job.run", name="job")
    run_id = w.runs()[0].id
    answers = w.ask("run.wait", run_id=run_id, timeout=60)
    store.left = 1
    w.executor.end(run_id)
    w.settle()
    w.run_for(2)

    assert len(answers) == 1
    assert w.states() == ["succeeded"]


def test_one_instance_is_started_with_what_it_depends_on(shop: Shop) -> None:
    shop.add("db", enabled=False)
    shop.add("web", replicas=2, enabled=False, depends_on=["db"])
    shop.call("start", "web@1")

    assert sorted(key[:2] for key in shop.hands.alive) == [("db", 0), ("web", 1)]


def test_a_store_that_goes_on_refusing_is_tried_once_a_second(shop: Shop) -> None:
    store = Refusing(shop.world)
    shop.add(restart={"delay": 10})
    shop.crash()
    shop.run_for(9.9)
    store.left = 5
    shop.run_for(1.1)
    assert shop.world.engine._refused is not None

    assert shop.world.engine.idle_seconds() > 0.5
    shop.run_for(10)
    assert shop.phase() == "running"
