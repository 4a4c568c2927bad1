"""What is remembered of services: definitions, what was asked for, and each instance's state.

Part of a ``Store``, whose transactions it lives in; it decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pb.core.lean import dataclass
from pb.core.service import Desired, Health
from pb.core.supervision import Phase
from pb.store.database import queries

if TYPE_CHECKING:
    from pb.store.store import Store

SQL = queries(Path(__file__).parent / "services.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRow:
    """A service. ``definition`` is its canonical JSON text; instants are epoch milliseconds.

    ``scale``: instances instead of the definition's replicas. ``removing``: to be forgotten once
    nothing of it runs. ``boot_id``: the boot in which a scheduler last had it.
    """

    name: str
    definition: str
    source: str
    enabled: bool
    desired: Desired
    scale: int | None
    removing: bool
    boot_id: str | None
    created_at: int
    updated_at: int


@dataclass(slots=True, kw_only=True)
class InstanceRow:
    """One instance's row. The identity columns (``pid`` … ``host``) name the process of its present
    life, None while it has none; ``definition`` is what that life was started with."""

    service: str
    instance: int
    phase: Phase = Phase.STOPPED
    reason: str | None = None
    health: Health = Health.NONE
    health_reason: str | None = None
    status_text: str | None = None
    life: int = 0
    definition: str | None = None
    since_at: int = 0
    started_at: int | None = None
    ready_at: int | None = None
    pid: int | None = None
    start_ticks: int | None = None
    boot_id: str | None = None
    pid_namespace: int | None = None
    host: str | None = None
    restarts: int = 0
    lives: tuple[float, ...] = ()
    next_start_at: int | None = None
    exit_code: int | None = None
    exit_signal: str | None = None
    exit_at: int | None = None
    exit_reason: str | None = None
    exit_lived: float | None = None


COLUMNS = InstanceRow.__slots__
_KEY = ("service", "instance")
_SAVE = (
    f"INSERT INTO service_instance ({', '.join(COLUMNS)})"  # noqa: S608 - our own names
    f" VALUES ({', '.join(':' + name for name in COLUMNS)})"
    " ON CONFLICT (service, instance) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in _KEY)
)


class ServiceStore:
    """The services of one store. Writes happen inside the store's ``transaction``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _write(self, query: str, parameters: Any) -> None:
        self._store.write(SQL[query], [parameters])

    # -- services

    def add(
        self,
        *,
        name: str,
        definition: str,
        source: str,
        enabled: bool,
        desired: Desired,
        now: int,
    ) -> None:
        self._write(
            "insert_service",
            {
                "name": name,
                "definition": definition,
                "source": source,
                "enabled": enabled,
                "desired": desired,
                "now": now,
            },
        )

    def replace(self, *, name: str, definition: str, source: str, enabled: bool, now: int) -> None:
        """Change a definition; what was asked for stays, and so does what runs."""
        self._write(
            "update_service",
            {
                "name": name,
                "definition": definition,
                "source": source,
                "enabled": enabled,
                "now": now,
            },
        )

    def set_enabled(self, name: str, *, enabled: bool, now: int) -> None:
        self._write("set_enabled", {"name": name, "enabled": enabled, "now": now})

    def set_desired(self, name: str, desired: Desired, *, now: int) -> None:
        self._write("set_desired", {"name": name, "desired": desired, "now": now})

    def set_scale(self, name: str, scale: int | None, *, now: int) -> None:
        self._write("set_scale", {"name": name, "scale": scale, "now": now})

    def set_removing(self, name: str, *, now: int) -> None:
        """Have it stopped and then forgotten."""
        self._write("set_removing", {"name": name, "now": now})

    def set_boot(self, name: str, boot_id: str) -> None:
        self._write("set_boot", {"name": name, "boot_id": boot_id})

    def delete(self, name: str) -> None:
        """Forget a service with its instances. Nothing of it may run any more."""
        self._write("delete_service", (name,))

    def row(self, name: str) -> ServiceRow | None:
        rows = self._store.select(SQL["service"], (name,))
        return service_from_row(rows[0]) if rows else None

    def rows(self) -> Iterator[ServiceRow]:
        """Every service, by name."""
        return map(service_from_row, self._store.select(SQL["services"]))

    def sources(self) -> list[tuple[str, str]]:
        """Every service's name, and where it comes from."""
        return [(row["name"], row["source"]) for row in self._store.select(SQL["service_sources"])]

    # -- instances

    def save(self, rows: Iterable[InstanceRow]) -> None:
        self._store.write(_SAVE, map(parameters, rows))

    def instances(self, service: str | None = None) -> list[InstanceRow]:
        """The instances of one service or of all, in order."""
        if service is None:
            found = self._store.select(SQL["instances"])
        else:
            found = self._store.select(SQL["instances_of"], (service,))
        return [instance_from_row(row) for row in found]

    def delete_instance(self, service: str, instance: int) -> None:
        self._write("delete_instance", (service, instance))


def parameters(row: InstanceRow) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in COLUMNS}
    values["lives"] = json.dumps(row.lives)
    return values


def service_from_row(row: Any) -> ServiceRow:
    values = {name: row[name] for name in ServiceRow.__slots__}
    values["enabled"], values["removing"] = bool(values["enabled"]), bool(values["removing"])
    values["desired"] = Desired(values["desired"])
    return ServiceRow(**values)


def instance_from_row(row: Any) -> InstanceRow:
    values = {name: row[name] for name in COLUMNS}
    values["phase"], values["health"] = Phase(values["phase"]), Health(values["health"])
    lives = values["lives"]
    values["lives"] = () if lives == "[]" else tuple(json.loads(lives))
    return InstanceRow(**values)
