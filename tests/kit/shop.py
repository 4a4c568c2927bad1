"""A world with services: asking, crashing and looking at them in one word each."""

from __future__ import annotations

from typing import Any

from pb.daemon.messages import InstanceKey
from pb.store.services import InstanceRow
from tests.kit.scheduler import World


class Shop:
    """A world with services."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def hands(self) -> Any:
        return self.world.hands

    def add(self, name: str = "web", **definition: Any) -> Any:
        definition = {"name": name, "command": ["serve"], **definition}
        return self.world.call("service.add", definition=definition)

    def call(self, method: str, *names: str, **params: Any) -> Any:
        return self.world.call(f"service.{method}", names=list(names or ("web",)), **params)

    def row(self, name: str = "web", number: int = 0) -> InstanceRow:
        rows = self.world.store.services.instances(name)
        return next(row for row in rows if row.instance == number)

    def view(self, name: str = "web") -> Any:
        [view] = self.world.call("service.list", names=[name])["services"]
        return view

    def phase(self, name: str = "web", number: int = 0) -> str:
        return str(self.row(name, number).phase)

    def key(self, name: str = "web", number: int = 0) -> InstanceKey:
        return InstanceKey(name, number, self.row(name, number).life)

    def crash(self, name: str = "web", status: int = 256, **how: Any) -> None:
        self.hands.end_life(self.key(name), status, **how)
        self.world.settle()

    def post(self, message: Any) -> None:
        self.world.engine.post(message)
        self.world.settle()

    def run_for(self, seconds: float) -> None:
        self.world.run_for(seconds)

    def restart_scheduler(self, **options: Any) -> None:
        self.world = self.world.crash(**options)

    def told(self) -> list[str]:
        return [event.type for event in reversed(self.world.store.events(1000)) if event.service]
