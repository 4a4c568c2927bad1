"""What is remembered of reactive triggers: what runs were started for, states, emitted events.

Part of a ``Store``, whose transactions it lives in; it decides nothing.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pb.core.lean import dataclass
from pb.store.database import queries

if TYPE_CHECKING:
    from pb.store.store import Store

SQL = queries(Path(__file__).parent / "occasions.sql")

LARGEST = 32 * 1024 * 1024
"""Bytes of JSON lines that are kept for one run; what comes on top of them is only counted."""

MOST_PARTS = 10_000
"""The same, of occasions that have joined."""

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """What a run was started for: the facts of the first of its ``occasions``, and all items as
    JSON lines. ``count``: how many there were of them, more than there are lines if too many."""

    event: Facts
    lines: bytes
    occasions: int
    count: int


@dataclass(frozen=True, slots=True)
class Emitted:
    """An event that somebody has emitted: its whole name, and its facts."""

    seq: int
    at: int
    name: str
    facts: Facts
    actor: str


def json_text(value: object) -> str:
    """In ASCII: a file's name need not be UTF-8, and what stands for its bytes is no text."""
    return json.dumps(value, separators=(",", ":"))


class OccasionStore:
    """Occasions of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _write(self, query: str, parameters: Any) -> None:
        self._store.write(SQL[query], [parameters])

    # -- what runs were started for

    def add(self, run_id: int, event: Facts, items: Sequence[Facts]) -> None:
        """Remember what a run is for, or one more occasion that joins it."""
        found = self._store.select(SQL["last_part"], (run_id,))
        part, occasions, count, size = tuple(found[0]) if found else (-1, 0, 0, 0)
        count += len(items)
        if part + 1 >= MOST_PARTS or size >= LARGEST:
            grown = {"run_id": run_id, "part": part, "occasions": occasions + 1, "count": count}
            self._write("grow", grown)
            return
        lines = "".join(json_text(item) + "\n" for item in items).encode()
        self._write(
            "add_part",
            {
                "run_id": run_id,
                "part": part + 1,
                "event": json_text(event),
                "items": zlib.compress(lines) if lines else None,
                "occasions": occasions + 1,
                "count": count,
                "size": size + len(lines),
            },
        )

    def of_run(self, run_id: int) -> RunEvent | None:
        """What a run is for; None for one that nothing but the time or a person asked for."""
        parts = self._store.select(SQL["parts"], (run_id,))
        if not parts:
            return None
        lines = b"".join(zlib.decompress(part["items"]) for part in parts if part["items"])
        last = parts[-1]
        return RunEvent(
            event=json.loads(parts[0]["event"]),
            lines=lines,
            occasions=last["occasions"],
            count=last["count"],
        )

    def hand_on(self, before: int, after: int) -> None:
        """Another attempt is for the same."""
        self._write("hand_on", {"from": before, "to": after})

    def count_skipped(self, *, job: str, trigger: str, reason: str, since: int) -> bool:
        """Count one occasion more on the skip of that reason since then; False: there is none."""
        values = {"job": job, "trigger": trigger, "reason": reason, "since": since}
        found = self._store.select(SQL["pause_record"], values)
        if found:
            self._write("count_more", (found[0]["id"],))
        return bool(found)

    # -- what triggers remember

    def states(self, job: str) -> dict[str, Facts]:
        """What the triggers of a job remember, by their canonical JSON."""
        rows = self._store.select(SQL["states"], (job,))
        return {row["trigger"]: json.loads(row["state"]) for row in rows}

    def phases(self) -> list[tuple[str, str]]:
        """The jobs with triggers that have phases, and those."""
        return [(row["job"], row["phase"]) for row in self._store.select(SQL["phases"])]

    def set_state(self, job: str, trigger: str, state: Facts) -> None:
        self._write("set_state", {"job": job, "trigger": trigger, "state": json_text(state)})

    def forget_states(self, job: str, *, but: Iterable[str] = ()) -> None:
        """Forget what triggers remember that the job has no more."""
        self._write("forget_states", {"job": job, "kept": json.dumps(list(but))})

    # -- what was emitted

    def emit(self, *, at: int, name: str, facts: Facts, actor: str) -> None:
        values = {"at": at, "name": name, "facts": json_text(facts), "actor": actor}
        self._write("emit", values)

    def emitted(self, n: int) -> list[Emitted]:
        """The oldest ``n`` that nobody has acted on."""
        rows = self._store.select(SQL["emitted"], (n,))
        return [
            Emitted(row["seq"], row["at"], row["name"], json.loads(row["facts"]), row["actor"])
            for row in rows
        ]

    def emitted_count(self) -> int:
        return int(self._store.select(SQL["emitted_count"])[0]["n"])

    def emitted_size(self) -> int:
        """Bytes of the facts of those that nobody has acted on."""
        return int(self._store.select(SQL["emitted_size"])[0]["n"])

    def take_emitted(self, last: Emitted) -> None:
        """They were acted on, up to ``last``."""
        self._write("take_emitted", (last.seq,))
