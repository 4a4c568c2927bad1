"""The local transport: the same operations on the store, in the caller's own process.

Used when no scheduler runs. It starts nothing and knows no socket.
"""

from __future__ import annotations

import os
import time
from typing import Any

from pb.api import audit
from pb.api.asker import NOBODY, Asker
from pb.api.catalogue import find
from pb.api.codec import materialised
from pb.api.context import Context
from pb.api.registry import Method, checked
from pb.config.settings import Settings
from pb.errors import NeedsDaemonError
from pb.paths import Home
from pb.process.peer import user_name
from pb.store.store import Store


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Local:
    """A session without a scheduler."""

    is_local = True

    def __init__(self, home: Home, settings: Settings, *, face: str, asker: Asker = NOBODY) -> None:
        home.ensure()
        self._context = Context(
            store=Store(settings.db_path(home)),
            home=home,
            settings=settings,
            now=wall_ms,
            actor=f"{face}:{asker.name or user_name(os.geteuid())}",
            peer=asker.peer or f"pid {os.getpid()}",
        )

    def __enter__(self) -> Local:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._context.store.close()

    def call(
        self, method: str, params: dict[str, Any] | None = None, *, timeout: float = 5.0
    ) -> dict[str, Any]:
        """The method's result. Raises NeedsDaemonError for what only a scheduler can do."""
        wanted = find(method)
        if wanted.call is None:
            raise NeedsDaemonError(
                "The scheduler is not running, and this needs it",
                hint="Start it with: pb scheduler start",
            )
        return materialised(carry_out(self._context, wanted, checked(wanted, params or {})))


def carry_out(context: Context, method: Method, params: dict[str, Any]) -> dict[str, Any]:
    """Run one method on the store: a write is one durable transaction, a read needs none.

    A read's long lists may be iterators (``codec`` knows), to be taken before the next call.
    """
    if method.call is None:
        raise NeedsDaemonError(f"{method.name} needs a running scheduler")
    if method.scope == "read":
        return {"schema": 1, **method.call(context, **params)}
    if not method.transacts:
        answer = method.call(context, **params)
        with context.store.transaction(durable=True):
            audit.note(context, method, params)
        return {"schema": 1, **answer}
    with context.store.transaction(durable=True):
        answer = method.call(context, **params)
        audit.note(context, method, params)
        return {"schema": 1, **answer}
