"""What is remembered of who may come in, and of who has changed what: tokens and the audit trail.

Part of a ``Store``, whose transactions it lives in; it decides nothing. No token is in here, only
what one can be recognised by.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pb.core.lean import dataclass
from pb.store.database import queries

if TYPE_CHECKING:
    from pb.store.store import Store

SQL = queries(Path(__file__).parent / "access.sql")

AUDIT_KEPT = 100_000
"""Rows of the audit trail that are kept; the oldest go first."""

PRUNE_EVERY = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A token by its SHA-256 (hex). Instants are epoch milliseconds, None for never."""

    id: int
    name: str
    digest: str
    scope: str
    created_at: int
    created_by: str
    expires_at: int | None
    revoked_at: int | None
    revoked_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One change. ``peer`` is where it came from, ``target`` the names it is about, if any;
    ``details`` is a JSON object of what else was asked for."""

    seq: int
    at: int
    actor: str
    face: str
    peer: str | None
    method: str
    target: str | None
    details: str


class AccessStore:
    """Tokens and the audit trail of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _write(self, query: str, parameters: Any) -> None:
        self._store.write(SQL[query], [parameters])

    # -- tokens

    def add_token(
        self, *, name: str, digest: str, scope: str, now: int, by: str, expires_at: int | None
    ) -> None:
        """Remember a token; its name must not be in use."""
        self._write(
            "insert_token",
            {
                "name": name,
                "digest": digest,
                "scope": scope,
                "now": now,
                "by": by,
                "expires_at": expires_at,
            },
        )

    def revoke_token(self, token_id: int, *, now: int, by: str) -> None:
        self._write("revoke_token", {"id": token_id, "now": now, "by": by})

    def tokens(self) -> list[TokenRow]:
        """Every token there ever was, the oldest first."""
        return [
            TokenRow(**{name: row[name] for name in TokenRow.__slots__})
            for row in self._store.select(SQL["tokens"])
        ]

    # -- the audit trail

    def add_audit(
        self,
        *,
        at: int,
        actor: str,
        face: str,
        peer: str | None,
        method: str,
        target: str | None,
        details: str,
    ) -> None:
        self._write(
            "add_audit",
            {
                "at": at,
                "actor": actor,
                "face": face,
                "peer": peer,
                "method": method,
                "target": target,
                "details": details,
            },
        )
        if self._store.select(SQL["last_audit"])[0]["seq"] % PRUNE_EVERY == 0:
            self._write("prune_audit", {"kept": AUDIT_KEPT})

    def audit(self, wanted: dict[str, Any]) -> list[AuditRow]:
        """The newest rows that match, newest first; the keys are those of the query ``audit``."""
        return [
            AuditRow(**{name: row[name] for name in AuditRow.__slots__})
            for row in self._store.select(SQL["audit"], wanted)
        ]
