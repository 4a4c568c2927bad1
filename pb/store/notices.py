"""What people are told: notices on their way, what came of them, and what is known meanwhile.

Part of a ``Store``, whose transactions it lives in; it decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pb.core.lean import dataclass
from pb.core.notice import Known, Level
from pb.store.database import queries

if TYPE_CHECKING:
    from pb.store.store import Store

SQL = queries(Path(__file__).parent / "notices.sql")

KEPT = 5_000
"""Notices that are kept once they have been sent or given up."""

PRUNED_EACH = 100
"""So many new ones between two looks at what may go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRow:
    """One notice for one channel. Instants are epoch milliseconds; ``id`` 0 is not stored yet.

    ``thing`` is what makes two notices the same one; ``details`` are facts as JSON text.
    """

    id: int = 0
    thing: str
    channel: str
    occasion: str
    at: int
    job: str | None = None
    run_id: int | None = None
    service: str | None = None
    text: str
    details: str = "{}"
    state: str = "waiting"
    due_at: int
    attempts: int = 0
    finished_at: int | None = None
    answer: str | None = None
    message: int | None = None


COLUMNS = NoticeRow.__slots__


class NoticeStore:
    """The notices of one store. Writes happen inside the store's ``transaction``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- on their way

    def add(self, rows: Iterable[NoticeRow]) -> None:
        """Put notices into the queue; one that is there already stays as it is."""
        self._store.write(SQL["insert"], [parameters(row) for row in rows])

    def dues(self) -> dict[str, int]:
        """When the first notice for each channel may be sent, where one waits."""
        return {row["channel"]: row["at"] for row in self._store.select(SQL["dues"])}

    def due(self, channel: str, now: int, most: int) -> list[NoticeRow]:
        """What goes to a channel now, in the order of its happening: what is due, and what is new
        and would be soon."""
        wanted = {"channel": channel, "now": now, "most": most}
        return [notice_from(row) for row in self._store.select(SQL["due"], wanted)]

    def finish(self, ids: Iterable[int], *, state: str, at: int, answer: str) -> None:
        """They were sent together, or given up together."""
        numbers = list(ids)
        self._store.write(
            SQL["finish"],
            [
                {"id": one, "state": state, "at": at, "answer": answer, "message": numbers[0]}
                for one in numbers
            ],
        )
        if any(one % PRUNED_EACH == 0 for one in numbers):
            self._store.write(SQL["prune"], [{"kept": KEPT}])
            self._store.write(SQL["forget"], [()])

    def postpone(self, ids: Iterable[int], *, due_at: int, answer: str) -> None:
        """Sending them has failed; they are tried again."""
        self._store.write(
            SQL["postpone"], [{"id": one, "due_at": due_at, "answer": answer} for one in ids]
        )

    # -- looking back

    def history(
        self,
        *,
        n: int,
        channel: str | None = None,
        state: str | None = None,
        job: str | None = None,
        service: str | None = None,
        before: int | None = None,
    ) -> list[NoticeRow]:
        """The newest ``n`` that match, newest first."""
        wanted = {
            "n": n,
            "channel": channel,
            "state": state,
            "job": job,
            "service": service,
            "before": before,
        }
        return [notice_from(row) for row in self._store.select(SQL["history"], wanted)]

    def row(self, number: int) -> NoticeRow | None:
        rows = self._store.select(SQL["row"], (number,))
        return notice_from(rows[0]) if rows else None

    def one(self, thing: str, channel: str) -> NoticeRow | None:
        """The notice of that name for that channel."""
        rows = self._store.select(SQL["by_thing"], (thing, channel))
        return notice_from(rows[0]) if rows else None

    def last(self, channel: str) -> NoticeRow | None:
        """What was sent there last, or given up."""
        rows = self._store.select(SQL["last"], (channel,))
        return notice_from(rows[0]) if rows else None

    def waiting(self) -> dict[str, int]:
        """How many wait for each channel."""
        return {row["channel"]: row["n"] for row in self._store.select(SQL["waiting"])}

    # -- what is known

    def known(self, kind: str, name: str) -> Known | None:
        """What is remembered of a job, or of an instance of a service (``kind``)."""
        rows = self._store.select(SQL["known"], (kind, name))
        if not rows:
            return None
        values = json.loads(rows[0]["state"])
        return Known(**{**values, "level": Level(values["level"])})

    def save_known(self, kind: str, name: str, known: Known) -> None:
        values = {key: getattr(known, key) for key in Known.__slots__}
        text = json.dumps({**values, "told": dict(known.told)})
        self._store.write(SQL["save_known"], [{"kind": kind, "name": name, "state": text}])


def parameters(row: NoticeRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in COLUMNS}


def notice_from(row: Any) -> NoticeRow:
    return NoticeRow(**{name: row[name] for name in COLUMNS})
