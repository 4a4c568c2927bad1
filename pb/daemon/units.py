"""What the supervisor remembers: each service, its instances, and who waits for what.

Memory only: nothing here decides, writes or touches a process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import field

from pb.core.lean import dataclass
from pb.core.service import Desired, Service, instance_name
from pb.core.service_definition import service_from
from pb.core.supervision import RESTING, End, Phase
from pb.daemon.messages import InstanceKey
from pb.store.services import InstanceRow, ServiceRow


@dataclass(slots=True)
class Instance:
    """One instance. ``service`` is the definition of its present life, or of the next one.

    ``end``: how its leader ended, while its tree is being cleaned up. ``cause``: why we ended it
    ourselves. ``started``: monotonic seconds of its start, None for one that was adopted.
    """

    row: InstanceRow
    service: Service
    end: End | None = None
    cause: str | None = None
    started: float | None = None
    delay: float = 0.0
    is_forced: bool = False
    is_surplus: bool = False

    @property
    def name(self) -> str:
        return instance_name(self.row.service, self.row.instance)

    @property
    def key(self) -> InstanceKey:
        """Its present life."""
        return InstanceKey(self.row.service, self.row.instance, self.row.life)

    @property
    def phase(self) -> Phase:
        return self.row.phase

    @property
    def is_at_rest(self) -> bool:
        return self.row.phase in RESTING


@dataclass(slots=True)
class Unit:
    """A service: its row, its present definition, its instances by number.

    ``is_back``: it is starting again after it was up, so who is to restart with it will be.
    """

    row: ServiceRow
    service: Service
    instances: dict[int, Instance] = field(default_factory=dict)
    is_back: bool = False

    @property
    def size(self) -> int:
        """How many instances there should be."""
        if self.row.removing:
            return 0
        return self.service.replicas if self.row.scale is None else self.row.scale

    @property
    def is_wanted(self) -> bool:
        return self.row.desired is Desired.RUNNING and not self.row.removing

    @property
    def is_shrinking(self) -> bool:
        """Whether some of its instances are to be let go."""
        return self.row.removing or any(one.is_surplus for one in self.instances.values())

    def members(self) -> list[Instance]:
        return list(self.instances.values())


class Units:
    """All services by name."""

    def __init__(self) -> None:
        self._units: dict[str, Unit] = {}
        self._dependents: dict[str, set[str]] = {}
        self._last_lives: dict[tuple[str, int], int] = {}

    def __iter__(self) -> Iterator[Unit]:
        return iter(self._units.values())

    def __len__(self) -> int:
        return len(self._units)

    def get(self, name: str) -> Unit | None:
        return self._units.get(name)

    def put(self, unit: Unit) -> None:
        self._forget_dependencies(unit.row.name)
        self._units[unit.row.name] = unit
        for one in unit.service.depends_on:
            self._dependents.setdefault(one.service, set()).add(unit.row.name)

    def remove(self, name: str) -> None:
        self._forget_dependencies(name)
        self._units.pop(name, None)

    def clear(self) -> None:
        self._units.clear()
        self._dependents.clear()

    def take_out(self, instance: Instance) -> None:
        """Forget an instance, but not how often it was started: words about its last life may yet
        come, and must not be taken for a namesake's."""
        row = instance.row
        self._last_lives[row.service, row.instance] = row.life
        unit = self._units.get(row.service)
        if unit is not None:
            del unit.instances[row.instance]

    def last_life(self, name: str, number: int) -> int:
        """The number of the last life of an instance that was taken out; 0 when there was none."""
        return self._last_lives.pop((name, number), 0)

    def dependents(self, name: str) -> list[Unit]:
        """The services that depend on ``name``, by name."""
        return [self._units[one] for one in sorted(self._dependents.get(name, ()))]

    def instance(self, key: InstanceKey) -> Instance | None:
        """The instance whose present life that is; None when it is over."""
        unit = self._units.get(key.service)
        found = unit.instances.get(key.instance) if unit is not None else None
        return found if found is not None and found.row.life == key.life else None

    def _forget_dependencies(self, name: str) -> None:
        before = self._units.get(name)
        for one in before.service.depends_on if before is not None else ():
            self._dependents[one.service].discard(name)


def definition_of(text: str) -> Service:
    """A stored definition. Raises InvalidError when this version cannot use it."""
    return service_from(json.loads(text))
