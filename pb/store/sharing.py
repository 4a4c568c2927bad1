"""What schedulers on one store must know of each other: who lives, who owns what, what is new.

Part of a ``Store``, whose transactions it lives in; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pb.core.lean import dataclass
from pb.core.model import State
from pb.store import rows
from pb.store.database import queries

if TYPE_CHECKING:
    from pb.store.store import Store

SQL = queries(Path(__file__).parent / "sharing.sql")

REMOVALS = "jobs_removed"
"""The store's own fact: how many jobs were ever removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerRow:
    """One scheduler that has joined. Instants are epoch milliseconds.

    ``place`` is the device and inode of its ``home``; the columns from ``pid`` to ``host`` are
    its process. ``lease_until_at``: until then nobody may take over its runs while it may live.
    """

    id: str
    home: str
    place: str
    mode: str
    pid: int
    start_ticks: int
    boot_id: str
    pid_namespace: int
    host: str
    started_at: int
    lease_until_at: int


@dataclass(frozen=True, slots=True)
class OpenRun:
    """What others need to know of a run without an outcome."""

    id: int
    job: str
    state: State
    attempt: int
    owner: str | None
    stop_reason: str | None


class SharingStore:
    """Every write happens inside the store's ``transaction``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def join(self, row: SchedulerRow) -> None:
        self._store.write(SQL["join"], [{name: getattr(row, name) for name in row.__slots__}])

    def renew(self, scheduler_id: str, lease_until_at: int) -> None:
        self._store.write(SQL["renew"], [(lease_until_at, scheduler_id)])

    def leave(self, scheduler_id: str) -> None:
        """Forget a scheduler; whatever open runs it owns are anybody's to take over."""
        self._store.write(SQL["leave"], [(scheduler_id,)])

    def schedulers(self) -> list[SchedulerRow]:
        """All that have joined, the oldest first."""
        found = self._store.select(SQL["schedulers"])
        return [SchedulerRow(**{n: row[n] for n in SchedulerRow.__slots__}) for row in found]

    def take_over(self, run: rows.Run, owner: str) -> None:
        """Make an open run ``owner``'s: whatever its last owner still writes is fenced off."""
        self._store.write(SQL["take_over"], [{"id": run.id, "owner": owner, "fence": run.fence}])
        run.owner, run.fence = owner, run.fence + 1

    def open_runs(self) -> list[OpenRun]:
        """Every open run that schedulers look after, by number."""
        return [
            OpenRun(
                row["id"],
                row["job"] or "",
                State(row["state"]),
                row["attempt"],
                row["owner"],
                row["stop_reason"],
            )
            for row in self._store.select(SQL["open_runs"])
        ]

    def ask_to_stop(self, run_ids: Iterable[int], reason: str) -> None:
        """Ask the runs' owners to cancel them; ``reason`` becomes theirs."""
        self._store.write(SQL["ask_to_stop"], ((reason, run_id) for run_id in run_ids))

    # -- what has changed

    def revision(self) -> int:
        """The newest change of a job or its plan."""
        return int(self._store.select(SQL["revision"])[0]["n"])

    def removals(self) -> int:
        """How many jobs were ever removed."""
        return int(self._store.meta(REMOVALS) or 0)
