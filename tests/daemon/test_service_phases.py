"""Every two actions in every phase of a service: what was wished is what is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pb.core.supervision import STATES, UP, Phase
from pb.daemon.messages import InstanceKey, InstanceReady
from pb.errors import NeedsDaemonError
from tests.kit.scheduler import World
from tests.kit.shop import Shop

Make = Callable[..., World]


@pytest.fixture
def shop(world: Make) -> Shop:
    return Shop(world())


def reach(shop: Shop, phase: Phase) -> None:
    """Bring a service that can be in any phase into this one."""
    hands = shop.hands
    hands.slow.add("web")
    shop.add("db", enabled=False)
    more: dict[str, Any] = {"restart": {"delay": "1h", "max_delay": "1h", "max_restarts": 1}}
    if phase is Phase.WAITING:
        more["depends_on"] = ["db"]
    if phase is Phase.PREPARING:
        more["hooks"] = {"pre_start": ["true"]}
        hands.silent_hooks.add("pre_start")
    if phase is Phase.SETTLING:
        more["ready"] = {"tcp": 1}
    if phase is Phase.EXITED:
        more["restart"] = "on-failure"
    if phase is Phase.FAILED:
        more["restart"] = "never"
    shop.add("web", enabled=phase is not Phase.STOPPED, reload="HUP", **more)
    match phase:
        case Phase.CLEANING:
            shop.crash(has_left=True)
        case Phase.STOPPING:
            shop.call("stop")
        case Phase.RESTARTING:
            shop.call("restart")
        case Phase.BACKOFF | Phase.FAILED:
            shop.crash()
        case Phase.EXITED:
            shop.crash(status=0)
        case Phase.ORPHANED:
            shop.call("stop")
            hands.stubborn["web"] = "serve"
            hands.finish_stop(shop.key())
            shop.world.settle()
            hands.stubborn.clear()


ACTIONS = ("stop", "restart", "reload", "crash", "kill scheduler", "force")


def act(shop: Shop, action: str) -> None:
    match action:
        case "stop" | "restart":
            shop.call(action)
        case "force":
            shop.call("stop", force=True)
        case "reload":
            try:
                shop.world.call("service.reload", name="web")
            except NeedsDaemonError:
                assert shop.row().phase not in UP
        case "crash":
            if shop.key() in shop.hands.alive:
                shop.crash()
        case _:
            shop.restart_scheduler()


REACHABLE = [phase for phase in Phase if phase is not Phase.LAUNCHING]


@pytest.mark.parametrize("second", ACTIONS)
@pytest.mark.parametrize("first", ACTIONS)
@pytest.mark.parametrize("phase", REACHABLE)
def test_every_two_actions_in_every_phase_leave_what_was_wished(
    shop: Shop, phase: Phase, first: str, second: str
) -> None:
    reach(shop, phase)
    assert shop.row().phase is phase
    for action in (first, second):
        act(shop, action)
        assert len(alive_of(shop)) <= 1, "two copies"
    # Whatever happened: a stop ends it, and a start after that brings up exactly one.
    shop.hands.slow.clear()
    shop.hands.silent_hooks.clear()
    shop.call("stop", "web")
    finish(shop)
    assert shop.view()["state"] == "stopped"
    assert alive_of(shop) == []
    shop.call("start", "web")
    finish(shop)
    if phase is Phase.SETTLING:
        shop.post(InstanceReady(shop.key(), 1))

    assert shop.view()["state"] == "running"
    assert alive_of(shop) == [shop.key()]


def finish(shop: Shop) -> None:
    """Let every stop that is under way come to its end."""
    shop.world.settle()
    if STATES[shop.row().phase] == "stopping":
        shop.hands.finish_stop(shop.key())
        shop.world.settle()


def alive_of(shop: Shop) -> list[InstanceKey]:
    return [key for key in shop.hands.alive if key.service == "web"]
