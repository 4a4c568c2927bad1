"""Everything at once: wishes, crashes, a store that refuses, a scheduler that is killed.

Whatever comes in whatever order: no instance has two copies, everybody is answered, memory and
store say the same, and in the end what is wanted runs and nothing else does.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pb.core.service import Health
from pb.core.supervision import ENDING, RESTING, Phase
from pb.daemon.messages import CommandEnded, HealthChanged, InstanceKey, InstanceReady
from pb.daemon.units import Instance
from tests.kit.refusing import Refusing
from tests.kit.scheduler import World
from tests.kit.shop import Shop

SERVICES: dict[str, dict[str, Any]] = {
    "db": {"ready": {"tcp": 1}},
    "web": {
        "depends_on": [{"service": "db", "restart_with": True}],
        "hooks": {"pre_start": ["prepare"]},
    },
    "pair": {"replicas": 2, "health": {"tcp": 1}, "depends_on": ["db:started"]},
    "once": {"restart": "on-failure"},
}

STEPS = 60


class Storm:
    """A shop in which things happen by chance."""

    def __init__(self, world: World, seed: int) -> None:
        self.rng = random.Random(seed)
        random.seed(seed)  # the jitter of restarts
        self.shop = Shop(world)
        self.answers: list[tuple[str, list[Any]]] = []
        self.risk = 0.0
        self.spoil()
        for name in SERVICES:
            self.add(name)

    def spoil(self) -> None:
        Refusing(self.shop.world, lambda: self.rng.random() < self.risk)

    def ask(self, method: str, **params: Any) -> None:
        self.answers.append((method, self.shop.world.ask(f"service.{method}", **params)))

    def add(self, name: str) -> None:
        definition = {"name": name, "command": ["serve"], **SERVICES[name]}
        self.ask("add", definition=definition, replace=True)

    def alive(self) -> list[InstanceKey]:
        return sorted(self.shop.hands.alive)

    def instances(self) -> list[Instance]:
        units = self.shop.world.engine._services.supervisor.units
        return [one for unit in units for one in unit.members()]

    # -- what happens

    def happen(self) -> None:
        self.risk = self.rng.choice([0, 0, 0, 0.2, 0.6])
        name = self.rng.choice(list(SERVICES))
        self.rng.choice([self.wish, self.wish, self.change, self.strike, self.go_on])(name)
        places = [key[:2] for key in self.alive()]
        assert len(places) == len(set(places)), "two copies"

    def wish(self, name: str) -> None:
        names = self.rng.choice([[name], [name], [f"{name}@1"], ["db", "web"], list(SERVICES)])
        chance = self.rng.random() < 0.5
        match self.rng.choice(["start", "stop", "restart", "reset"]):
            case "start":
                self.ask("start", names=names, deps=chance, timeout=30)
            case "stop":
                self.ask("stop", names=names, force=chance, dependents=self.rng.random() < 0.5)
            case "restart":
                self.ask("restart", names=names, timeout=10)
            case _:
                self.ask("reset", names=names)

    def change(self, name: str) -> None:
        match self.rng.choice(["add", "remove", "scale", "enable", "disable", "slow"]):
            case "add":
                self.add(name)
            case "scale":
                self.ask("scale", name=name, replicas=self.rng.randrange(4))
            case "slow":
                self.shop.hands.slow ^= {name}
            case method:
                self.ask(method, name=name)

    def strike(self, name: str) -> None:
        match self.rng.choice(["crash", "kill scheduler", "unhealthy", "hang"]):
            case "crash" if self.alive():
                status, has_left = self.rng.choice([0, 256, 9]), self.rng.random() < 0.3
                key = self.rng.choice(self.alive())
                self.shop.hands.end_life(key, status, has_left=has_left)
            case "kill scheduler":
                self.risk = 0
                self.answers.clear()
                self.shop.restart_scheduler()
                self.spoil()
            case "unhealthy" if self.alive():
                key = self.rng.choice(self.alive())
                self.shop.world.engine.post(HealthChanged(key, Health.UNHEALTHY, "refused", 1))
            case "hang":
                self.shop.hands.silent_hooks ^= {"pre_start"}
        self.shop.world.settle()

    def go_on(self, name: str) -> None:
        match self.rng.choice(["time", "finish", "ready"]):
            case "time":
                self.shop.run_for(self.rng.choice([0.1, 1, 5, 100]))
            case "finish":
                for key in sorted({key for key, _ in self.shop.hands.stopped}):
                    if self.rng.random() < 0.5:
                        self.shop.hands.finish_stop(key)
            case _:
                self.be_ready()
        self.shop.world.settle()

    def be_ready(self) -> None:
        post = self.shop.world.engine.post
        for key in self.alive():
            post(InstanceReady(key, 1))
        for one in self.instances():
            if one.phase is Phase.PREPARING:
                post(CommandEnded(one.key, "pre_start", 0, None))

    # -- and in the end

    def calm(self) -> None:
        """Let everything that is under way come to its end."""
        self.risk = 0
        self.shop.hands.slow.clear()
        self.shop.hands.silent_hooks.clear()
        for seconds in (5, 5, 5, 100, 5, 5, 5):
            self.shop.run_for(seconds)
            for one in self.instances():
                if one.phase in ENDING:
                    self.shop.hands.finish_stop(one.key)
            self.be_ready()
            self.shop.world.settle()

    def compare(self) -> None:
        """What is remembered, what is stored and what lives are the same."""
        units = self.shop.world.engine._services.supervisor.units
        known = {one.key: one for one in self.instances()}
        for key in self.alive():
            assert key in known, f"{key} is forgotten"
            assert known[key].phase not in RESTING, f"{key} lives on"
        for unit in units:
            stored = self.shop.world.store.services.row(unit.row.name)
            assert stored is not None
            assert not stored.removing
            assert replace(stored, boot_id=None) == replace(unit.row, boot_id=None)
            assert len(unit.instances) == unit.size
        for one in self.instances():
            assert self.shop.row(one.row.service, one.row.instance) == one.row


@pytest.mark.parametrize("seed", range(24))
def test_a_storm_leaves_what_was_wished(world: Callable[..., World], seed: int) -> None:
    storm = Storm(world(), seed)
    for _ in range(STEPS):
        storm.happen()
    storm.calm()
    storm.compare()
    waits = storm.shop.world.engine._services.supervisor.waits
    assert [method for method, answers in storm.answers if not answers] == []
    assert (waits._waiters, waits._descents) == ({}, [])

    for name in SERVICES:
        storm.add(name)
        storm.ask("scale", name=name, replicas=2)
    storm.ask("start", names=list(SERVICES), timeout=60)
    storm.calm()
    assert {str(one.phase) for one in storm.instances()} == {"running"}
    assert len(storm.alive()) == 8
    storm.ask("stop", names=list(SERVICES))
    storm.calm()
    assert all(one["ok"] for one in storm.answers[-1][1][0]["services"])
    assert storm.alive() == []
