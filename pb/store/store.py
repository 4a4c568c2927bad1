"""What is remembered, as verbs: jobs, runs, counters, events. One object, one connection.

It decides nothing: states and times come from the caller.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from pb.core.model import EXECUTED, State
from pb.store import history, rows
from pb.store.access import AccessStore
from pb.store.database import explained, open_database, queries, wrapped
from pb.store.occasions import OccasionStore
from pb.store.services import ServiceStore
from pb.store.sharing import REMOVALS, SharingStore

SQL = queries(Path(__file__).parent / "queries.sql")

EVENTS_KEPT = 10_000


class Store:
    """The store of one scheduler, or several that share it.
    Every write happens inside ``transaction``. Raises StoreError (or PermissionDeniedError) with
    a sentence when the file cannot be read or written.
    """

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        self._db = open_database(path, readonly=readonly)
        self._synchronous = ""
        self.store_id = self._require_id()
        self.services = ServiceStore(self)
        self.sharing = SharingStore(self)
        self.access = AccessStore(self)
        self.occasions = OccasionStore(self)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def _require_id(self) -> str:
        row = self._one("meta", ("store_id",))
        return str(row["value"]) if row else ""

    # -- plumbing

    def _execute(self, name: str, parameters: Any = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(SQL[name], parameters)
        except sqlite3.Error as error:
            raise explained(error, self.path) from error

    def _many(self, name: str, parameters: Iterable[Any]) -> None:
        self.write(SQL[name], parameters)

    def write(self, sql: str, parameters: Iterable[Any]) -> None:
        """Run one of this room's statements for each of ``parameters``."""
        try:
            self._db.executemany(sql, parameters)
        except sqlite3.Error as error:
            raise explained(error, self.path) from error

    def _one(self, name: str, parameters: Any = ()) -> Any:
        with wrapped(self.path):
            return self._execute(name, parameters).fetchone()

    def _all(self, name: str, parameters: Any = ()) -> list[Any]:
        with wrapped(self.path):
            return self._execute(name, parameters).fetchall()

    @contextlib.contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[None]:
        """All or nothing. ``durable`` survives a power cut (``synchronous=FULL``); without it a
        commit survives any crash of ours but may roll back with the machine (SQLite's NORMAL)."""
        with wrapped(self.path):
            wanted = "FULL" if durable else "NORMAL"
            if wanted != self._synchronous:
                self._db.execute(f"PRAGMA synchronous = {wanted}")
                self._synchronous = wanted
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself after some errors (full disk, I/O).
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read inside is of one moment, whatever others commit meanwhile."""
        if self._db.in_transaction:
            yield
            return
        with wrapped(self.path):
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("ROLLBACK")

    def changes_elsewhere(self) -> int:
        """A number that moves whenever another connection has committed (PRAGMA data_version)."""
        with wrapped(self.path):
            return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def meta(self, key: str) -> str | None:
        """A fact about the store itself."""
        row = self._one("meta", (key,))
        return None if row is None else str(row["value"])

    def set_meta(self, key: str, value: str) -> None:
        self._execute("set_meta", (key, value))

    # -- jobs

    def add_job(
        self,
        *,
        name: str,
        definition: str,
        source: str,
        enabled: bool,
        paused_at: int | None,
        now: int,
        next_fire_at: int | None,
    ) -> None:
        """Insert a new job whose fire times count from ``now`` (epoch ms) on."""
        cursor = self._execute(
            "insert_job",
            {
                "name": name,
                "definition": definition,
                "source": source,
                "enabled": enabled,
                "paused_at": paused_at,
                "pause_note": None,
                "now": now,
            },
        )
        self._execute(
            "insert_state",
            {"job_id": cursor.lastrowid, "planned_until": now, "next_fire_at": next_fire_at},
        )

    def replace_job(
        self, *, name: str, definition: str, source: str, enabled: bool, now: int
    ) -> None:
        """Change a job's definition; its counters, history and pause stay."""
        self._execute(
            "update_job",
            {
                "name": name,
                "definition": definition,
                "source": source,
                "enabled": enabled,
                "now": now,
            },
        )
        self._execute("touch", (name,))

    def remove_job(self, name: str) -> bool:
        self._execute("count_removal", (REMOVALS,))
        return self._execute("delete_job", (name,)).rowcount > 0

    def set_paused(
        self,
        name: str,
        *,
        paused_at: int | None,
        note: str | None,
        until: int | None = None,
        now: int,
    ) -> None:
        """Pause a job since ``paused_at`` and until ``until`` (epoch ms), or resume it (None)."""
        self._execute(
            "set_paused",
            {"name": name, "paused_at": paused_at, "note": note, "until": until, "now": now},
        )
        self._execute("touch", (name,))

    def set_plan(self, name: str, planned_until: int, next_fire_at: int | None) -> None:
        self.set_plans([(name, planned_until, next_fire_at)])

    def set_plans(self, plans: Iterable[tuple[str, int, int | None]]) -> None:
        self._many(
            "set_plan",
            ({"name": n, "planned_until": until, "next_fire_at": at} for n, until, at in plans),
        )

    def set_boot(self, name: str, boot_id: str) -> None:
        """Remember the boot for which a startup trigger has fired."""
        self._execute("set_boot", (boot_id, name))

    def job(self, name: str) -> rows.JobRow | None:
        with wrapped(self.path):
            row = self._db.execute(SQL["jobs"] + " WHERE j.name = ?", (name,)).fetchone()
        return rows.job_from_row(row) if row else None

    def jobs(self, *, after: str = "") -> Iterator[rows.JobRow]:
        """Every job by name, one at a time; those after a name only."""
        with wrapped(self.path):
            sql = SQL["jobs"] + " WHERE j.name > ? ORDER BY j.name"
            for row in self._db.execute(sql, (after,)):
                yield rows.job_from_row(row)

    def job_names(self) -> list[str]:
        return [row["name"] for row in self._all("job_names")]

    def job_sources(self) -> list[tuple[str, str]]:
        """Every job's name, and where it comes from."""
        return [(row["name"], row["source"]) for row in self._all("job_sources")]

    def plan(self, name: str) -> rows.PlanRow | None:
        with wrapped(self.path):
            row = self._db.execute(SQL["plans"] + " WHERE j.name = ?", (name,)).fetchone()
        return rows.plan_from(row) if row else None

    def plans(self) -> Iterator[rows.PlanRow]:
        """Every job's plan, one at a time: ten thousand definitions never lie in memory."""
        with wrapped(self.path):
            for row in self._db.execute(SQL["plans"] + " ORDER BY j.name"):
                yield rows.plan_from(row)

    def plans_since(self, revision: int) -> list[rows.PlanRow]:
        """The plans of jobs that have changed since ``revision``, the oldest change first."""
        sql = SQL["plans"] + " WHERE s.revision > ? ORDER BY s.revision"
        return [rows.plan_from(row) for row in self.select(sql, (revision,))]

    def definition(self, name: str) -> str | None:
        row = self._one("definition", (name,))
        return None if row is None else str(row["definition"])

    # -- runs

    def claim(self, run: rows.Run) -> bool:
        """Insert ``run`` and set its id; False when that occasion has its record already."""
        cursor = self._execute("claim", run.parameters())
        if cursor.rowcount != 1:
            return False
        run.id = int(cursor.lastrowid or 0)
        return True

    def recorded(self, job: str, first_ms: int, last_ms: int) -> set[int]:
        """The fire times of ``job`` from the first to the last that have a record of their own."""
        return {row["fire_at"] for row in self._all("recorded", (job, first_ms, last_ms))}

    def attempts(self, run: rows.Run) -> int:
        """How often the occasion of ``run`` was tried. One by hand counts for itself."""
        found = self._one("attempts", (run.job, run.fire_at))["n"]
        return max(int(found or 0), run.attempt)

    def save_runs(self, runs: Sequence[rows.Run]) -> None:
        """Write the changed fields of open runs that are still ours (``fence``); an outcome, once
        written, is final."""
        self._many("save_run", [run.parameters() for run in runs])

    def count(self, run: rows.Run) -> None:
        """Add a finished record to its job's counters; skips and misses are counted apart."""
        match run.state:
            case State.SKIPPED:
                self._execute(
                    "count_skip", {"job": run.job, "at": run.fire_at, "reason": run.reason}
                )
            case State.MISSED:
                self._execute("count_miss", {"job": run.job, "fire_count": run.fire_count})
            case state if state in EXECUTED:
                self._execute("count_run", rows.counted(run))
            case _:
                raise ValueError(f"run {run.id} has no outcome: {run.state}")

    def count_retry(self, run: rows.Run) -> None:
        """Count that ``run`` is another attempt."""
        self._execute("count_retry", (run.job,))

    def run(self, run_id: int) -> rows.Run | None:
        row = self._one("run", (run_id,))
        return rows.run_from(row) if row else None

    def runs(
        self, *, job: str | None = None, states: Sequence[str] = (), n: int = 20
    ) -> list[rows.Run]:
        """The newest ``n`` runs first, of one job or all, in any or some states."""
        return self.history(history.Wanted(job=job, states=states, n=n))

    def history(self, wanted: history.Wanted) -> list[rows.Run]:
        """The newest runs that are ``wanted``, newest first."""
        return history.page(self.select, wanted)

    def select(self, sql: str, parameters: Any = ()) -> list[Any]:
        """The rows of one of this room's queries; reads only."""
        with wrapped(self.path):
            return self._db.execute(sql, parameters).fetchall()

    def last_end(self, job: str) -> tuple[int, State, int] | None:
        """The newest executed run of ``job``: its number, outcome and end (epoch ms)."""
        row = self._one("last_end", (job,))
        return (row["id"], State(row["state"]), row["finished_at"]) if row else None

    def last_follow(self, job: str) -> int:
        """When ``job`` last fired because others had ended (epoch ms); 0 for never."""
        return int(self._one("last_follow", (job,))["at"] or 0)

    def dependents(self) -> list[tuple[str, str]]:
        """Name and definition of every job that depends on others."""
        return [(row["name"], row["definition"]) for row in self._all("dependents")]

    def open_runs(self) -> list[rows.Run]:
        return [rows.run_from(row) for row in self._all("open_runs")]

    def open_foreground(self) -> list[rows.Run]:  # those of a `pb run`, by number
        return [rows.run_from(row) for row in self._all("open_foreground")]

    def open_counts(self) -> dict[str, int]:
        return {row["state"]: row["n"] for row in self._all("open_count")}

    # -- events

    def add_event(
        self,
        *,
        at: int,
        kind: str,
        text: str,
        job: str | None = None,
        run_id: int | None = None,
        service: str | None = None,
        actor: str | None = None,
    ) -> int:
        cursor = self._execute(
            "add_event",
            {
                "at": at,
                "type": kind,
                "job": job,
                "run_id": run_id,
                "service": service,
                "actor": actor,
                "text": text,
            },
        )
        seq = int(cursor.lastrowid or 0)
        if seq % 1_000 == 0:
            self._execute("prune_events", (EVENTS_KEPT,))
        return seq

    def events(
        self,
        n: int,
        *,
        since: int | None = None,
        family: str | None = None,
        job: str | None = None,
        service: str | None = None,
    ) -> list[rows.EventRow]:
        """The newest ``n`` events, newest first; with ``since`` those after it, oldest first."""
        wanted = {"n": n, "since": since, "family": family, "job": job, "service": service}
        found = self._all("events" if since is None else "events_since", wanted)
        return [rows.event_from(row) for row in found]

    def event_bounds(self) -> tuple[int, int]:
        """The numbers of the oldest and the newest event that is kept; 0 for none."""
        row = self._one("event_bounds")
        return row["oldest"], row["newest"]

    # -- queues

    def queue_sizes(self) -> list[tuple[str, int]]:
        """How many jobs name each queue."""
        return [(row["queue"], row["n"]) for row in self._all("queue_sizes")]

    def queue_lengths(self) -> list[tuple[str, str, int]]:
        """How many open runs are in each queue, by state."""
        return [(row["queue"], row["state"], row["n"]) for row in self._all("queue_lengths")]
