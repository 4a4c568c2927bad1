"""Who is told of services: down, up again, and what is no news."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pb.config.settings import NotifySettings
from pb.core.service import Health
from pb.daemon.messages import HealthChanged, InstanceKey
from tests.kit.scheduler import World

CHANNELS = NotifySettings(
    channels={
        "ops": {"type": "webhook", "url": "https://example.org/hook"},
        "watch": {"type": "ping", "url": "https://example.org/ping"},
    }
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, notify=CHANNELS)
    yield world
    world.close()


def add(world: World, name: str = "web", **more: Any) -> None:
    definition = {"name": name, "command": ["serve"], "notify": ["ops"], **more}
    world.call("service.add", definition=definition)
    world.run_for(120)


def crash(world: World, code: int = 1) -> None:
    """The newest life of the newest service ends by itself."""
    world.hands.end_life(world.hands.launched[-1], code << 8)
    world.settle()


def told(world: World, channel: str = "ops") -> list[str]:
    world.run_for(10)
    return world.courier.texts(channel)


def test_a_crash_is_told_and_so_is_that_it_is_up_for_good(world: World) -> None:
    add(world)

    crash(world)
    assert told(world) == ["Service web went down: exit code 1"]
    world.run_for(40)
    assert len(told(world)) == 1
    world.run_for(30)

    [_, up] = told(world)
    assert up.startswith("Service web is up again, after")


def test_a_loop_of_crashes_is_two_messages_the_last_of_which_says_that_it_is_over(
    world: World,
) -> None:
    add(world, restart={"max_restarts": 3, "delay": "1s", "jitter": 0})

    for _ in range(6):
        crash(world)
        world.run_for(10)

    assert [text.partition(":")[0] for text in told(world)] == [
        "Service web went down",
        "Service web has failed",
    ]


def test_a_start_a_stop_and_a_restart_on_request_are_no_news(world: World) -> None:
    add(world)

    for verb in ("restart", "stop", "start"):
        world.ask(f"service.{verb}", names=["web"])
        world.run_for(90)

    assert told(world) == []


def test_what_failed_and_was_started_by_somebody_has_recovered(world: World) -> None:
    add(world, restart="never")
    crash(world, 3)
    assert told(world) == ["Service web has failed: exit code 3"]

    world.ask("service.start", names=["web"])
    world.run_for(90)

    assert len(told(world)) == 2


def test_what_failed_and_was_stopped_is_no_news_any_more(world: World) -> None:
    add(world, restart="never")
    crash(world)

    world.ask("service.stop", names=["web"])
    world.ask("service.start", names=["web"])
    world.run_for(90)

    assert [text.partition(":")[0] for text in told(world)] == ["Service web has failed"]


def test_an_unhealthy_one_that_is_left_alone_is_told_once_and_so_is_its_recovery(
    world: World,
) -> None:
    add(world, health={"tcp": 80, "action": "none"})
    key = world.hands.launched[-1]

    for health in (Health.UNHEALTHY, Health.UNHEALTHY, Health.HEALTHY):
        world.engine.post(HealthChanged(key, health, "no answer", world.clock.now_ms()))
        world.run_for(30)

    assert [text.partition(",")[0] for text in told(world)] == [
        "Service web went down: unhealthy: no answer",
        "Service web is up again",
    ]


def test_each_instance_is_told_of_by_its_name(world: World) -> None:
    add(world, replicas=2)
    second = InstanceKey("web", 1, 1)

    world.hands.end_life(second, 9)
    world.settle()

    assert told(world) == ["Service web@1 went down: ended by SIGKILL"]


def test_a_ping_hears_of_down_and_up_alone(world: World) -> None:
    add(world, notify=["watch"])

    crash(world)
    world.run_for(90)

    assert len(told(world, "watch")) == 2
    rows = world.call("notify.history", service="web")["notices"]
    assert [row["occasion"] for row in rows] == ["recovery", "failure"]


def test_what_happened_before_somebody_was_to_be_told_is_no_news(world: World) -> None:
    add(world, notify=[])
    crash(world)
    world.run_for(90)

    definition = {"name": "web", "command": ["serve"], "notify": ["ops"]}
    world.call("service.add", definition=definition, replace=True)
    world.run_for(90)
    assert told(world) == []
    crash(world)

    assert len(told(world)) == 1


def test_a_scheduler_that_dies_tells_of_a_crash_once_and_of_its_end(world: World) -> None:
    add(world)
    crash(world)
    assert len(told(world)) == 1

    again = world.crash()
    again.run_for(120)

    assert [text.partition(":")[0].partition(",")[0] for text in told(again)] == [
        "Service web went down",
        "Service web is up again",
    ]
    again.close()


def test_what_ended_while_no_scheduler_watched_is_told_by_the_next(world: World) -> None:
    add(world)
    world.hands.alive.clear()

    again = world.crash()

    assert [text.partition(":")[0] for text in told(again)] == ["Service web went down"]
    again.close()


def test_the_channels_of_new_settings_count_at_once(world: World, tmp_path: Path) -> None:
    from dataclasses import replace

    add(world, notify=None)
    usual = NotifySettings(channels=CHANNELS.channels, default=["ops"])
    world.settings = replace(world.settings, notify=usual)

    world.engine.apply_files()
    world.settle()
    crash(world)

    assert len(told(world)) == 1


def test_who_is_told_is_shown_with_the_service(world: World) -> None:
    add(world, notify={"on": "down", "to": ["ops", "gone"], "cooldown": "1h"})

    shown = world.call("service.show", name="web")["told"]

    assert (shown["to"], shown["on"], shown["unknown"]) == (["ops", "gone"], ["failure"], ["gone"])
    listed = world.call("notify.list")
    assert {one["name"]: one["used_by"] for one in listed["channels"]} == {
        "ops": ["service web"],
        "watch": [],
    }
    assert listed["unknown"] == {"gone": ["service web"]}
