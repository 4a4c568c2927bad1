"""Services that depend on each other: who waits, who goes down first, who is taken along."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pb.core.service import Health
from pb.daemon.messages import HealthChanged, InstanceReady
from pb.errors import InvalidError
from tests.kit.scheduler import World
from tests.kit.shop import Shop

Make = Callable[..., World]


@pytest.fixture
def shop(world: Make) -> Shop:
    return Shop(world())


def test_who_depends_waits_until_the_other_is_ready(shop: Shop) -> None:
    shop.add("db", ready={"tcp": 5432})
    shop.add("web", depends_on=["db"])
    assert shop.phase("web") == "waiting"
    assert shop.view("web")["reason"] == "waiting for db to be ready (starting)"
    shop.post(InstanceReady(shop.key("db"), shop.world.clock.now_ms()))

    assert shop.phase("web") == "running"


@pytest.mark.parametrize(
    ("condition", "goes"),
    [("started", True), ("ready", False), ("healthy", False), ("completed", False)],
)
def test_conditions_of_one_that_is_starting(shop: Shop, condition: str, goes: bool) -> None:
    shop.add("db", ready={"tcp": 5432}, health={"tcp": 5432})
    shop.add("web", depends_on=[{"service": "db", "condition": condition}])

    assert (shop.phase("web") == "running") is goes


def test_healthy_asks_for_the_probe(shop: Shop) -> None:
    shop.add("db", health={"tcp": 5432})
    shop.add("web", depends_on=["db:healthy"])
    assert shop.phase("web") == "waiting"
    shop.post(HealthChanged(shop.key("db"), Health.HEALTHY, None, 0))

    assert shop.phase("web") == "running"


def test_completed_asks_for_a_good_end(shop: Shop) -> None:
    shop.add("migrate", restart="on-failure")
    shop.add("web", depends_on=["migrate:completed"])
    assert shop.phase("web") == "waiting"
    shop.crash("migrate", status=0)

    assert shop.phase("web") == "running"


def test_start_brings_up_what_is_needed_and_no_deps_does_not(shop: Shop) -> None:
    shop.add("db", enabled=False)
    shop.add("web", enabled=False, depends_on=["db"])
    shop.call("start", "web", deps=False)
    assert (shop.phase("db"), shop.phase("web")) == ("stopped", "waiting")
    shop.call("start", "web")

    assert (shop.phase("db"), shop.phase("web")) == ("running", "running")


def test_who_waits_for_one_that_failed_is_told_so(shop: Shop) -> None:
    shop.hands.refusals += [("no such program", False)]
    shop.add("db", enabled=False, restart="never")
    shop.add("web", enabled=False, depends_on=["db"])
    answers = {one["name"]: one for one in shop.call("start", "web")["services"]}

    assert not answers["db"]["ok"]
    assert answers["web"]["reason"] == "waiting for db to be ready (failed)"


@pytest.mark.parametrize("state", ["stopped", "exited", "scaled to 0"])
def test_who_waits_for_one_that_does_not_come_by_itself_is_told_at_once(
    shop: Shop, state: str
) -> None:
    shop.add("db", restart="never")
    shop.add("web", depends_on=["db"])
    if state == "stopped":
        shop.call("stop", "db")
    elif state == "exited":
        shop.crash("db", status=0)
    else:
        shop.world.call("service.scale", name="db", replicas=0)
    assert shop.phase("web") == "running"
    before = shop.world.clock.now_ms()
    [answer] = shop.call("restart", "web")["services"]

    assert (answer["ok"], answer["action"]) == (False, "waiting")
    assert answer["reason"] == f"waiting for db to be ready ({state})"
    assert shop.world.clock.now_ms() == before


def test_a_stop_takes_dependents_down_first(shop: Shop) -> None:
    shop.hands.slow |= {"web", "db"}
    shop.add("db")
    shop.add("web", depends_on=["db"])
    shop.call("stop", "all")
    assert [key.service for key, _ in shop.hands.stopped] == ["web"]
    shop.hands.finish_stop(shop.key("web"))
    shop.world.settle()
    assert [key.service for key, _ in shop.hands.stopped] == ["web", "db"]
    shop.hands.finish_stop(shop.key("db"))
    shop.world.settle()

    assert (shop.phase("web"), shop.phase("db")) == ("stopped", "stopped")


def test_stop_leaves_dependents_alone_unless_asked(shop: Shop) -> None:
    shop.add("db")
    shop.add("web", depends_on=["db"])
    shop.call("stop", "db")
    assert shop.phase("web") == "running"
    shop.call("start", "db")
    shop.call("stop", "db", dependents=True)

    assert shop.phase("web") == "stopped"


def test_restart_of_all_goes_down_in_reverse_and_up_in_order(shop: Shop) -> None:
    shop.add("db", ready={"tcp": 1})
    shop.post(InstanceReady(shop.key("db"), 1))
    shop.add("web", depends_on=["db"])
    shop.hands.launched.clear()
    shop.call("restart", "all")
    assert [key.service for key, _ in shop.hands.stopped] == ["web", "db"]
    assert shop.phase("web") == "waiting"
    shop.post(InstanceReady(shop.key("db"), 1))

    assert [key.service for key in shop.hands.launched] == ["db", "web"]


@pytest.mark.parametrize("along", [True, False])
def test_restart_with_takes_a_dependent_along(shop: Shop, along: bool) -> None:
    shop.add("db")
    shop.add("web", depends_on=[{"service": "db", "restart_with": along}])
    shop.hands.launched.clear()
    shop.crash("db")
    shop.run_for(1)

    expected = ["db", "web"] if along else ["db"]
    assert [key.service for key in shop.hands.launched] == expected


@pytest.mark.parametrize(
    ("needs", "words"),
    [(["nobody"], "does not exist"), (["web"], "is the service itself")],
)
def test_bad_dependencies_are_refused(shop: Shop, needs: list[str], words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        shop.add(depends_on=needs)


def test_a_circle_is_refused_with_its_path(shop: Shop) -> None:
    shop.add("a")
    shop.add("b", depends_on=["a"])
    definition = {"name": "a", "command": ["x"], "depends_on": ["b"]}

    with pytest.raises(InvalidError, match="→") as caught:
        shop.world.call("service.add", definition=definition, replace=True)
    assert set(caught.value.message.partition(": ")[2].split(" → ")) == {"a", "b"}
