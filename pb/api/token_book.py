"""Which tokens are good at this moment: the local one, and those of the store.

The store is looked at again whenever it has changed, which one cheap question tells, so a revoked
token is refused at the next look. When the store cannot be read, only the local token is good.
In an event loop all who come in the same turn share a look: it is made after they have come.
"""

from __future__ import annotations

import hmac
import logging
import os
from collections.abc import Callable
from pathlib import Path

from pb.api.local import wall_ms
from pb.api.tokens import LOCAL, SCOPES, digest_of
from pb.core.lean import dataclass
from pb.errors import PbError
from pb.store.store import Store

logger = logging.getLogger("pb.gateway")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a token gives: a name for the record, and a scope. ``digest`` is the token's.

    ``expires_at`` is epoch milliseconds, None for never.
    """

    name: str
    scope: str
    digest: str
    expires_at: int | None = None

    def may(self, access: str) -> bool:
        """Whether it reaches as far as ``access``: "read", "write" or "admin"."""
        return SCOPES.index(self.scope) >= SCOPES.index(access)


class TokenBook:
    """Knows tokens by their hashes. ``path`` is the store's, ``now`` answers epoch ms.

    ``soon`` has a function called before anything that begins from now on, and after what was
    begun before (an event loop's ``call_soon``); without it everybody has a look of his own.
    """

    def __init__(
        self,
        local: str,
        path: Path,
        now: Callable[[], int] = wall_ms,
        soon: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        self._local = Grant(name=LOCAL, scope="admin", digest=digest_of(local))
        self._path = path
        self._now = now
        self._soon = soon
        self._has_looked = False
        self._store: Store | None = None
        self._mark: tuple[int, ...] = ()
        self._grants: list[Grant] = []
        self._complaint = ""

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def find(self, token: str) -> Grant | None:
        """What ``token`` gives now, or None. Compares with every hash, in constant time each."""
        digest = digest_of(token)
        found = None
        for grant in (self._local, *self._fresh()):
            if hmac.compare_digest(grant.digest, digest):
                found = grant
        return found if found is not None and self._is_in_time(found) else None

    def holds(self, grant: Grant) -> bool:
        """Whether what was given is still good."""
        return self._is_in_time(grant) and (grant == self._local or grant in self._fresh())

    def _is_in_time(self, grant: Grant) -> bool:
        return grant.expires_at is None or self._now() < grant.expires_at

    def _fresh(self) -> list[Grant]:
        if self._has_looked:
            return self._grants
        if self._soon is not None:
            self._soon(self._look_again)
            self._has_looked = True
        try:
            self._look()
            self._complaint = ""
        except (PbError, OSError) as error:
            self._forget(str(error))
        return self._grants

    def _look_again(self) -> None:
        self._has_looked = False

    def _look(self) -> None:
        """Read the tokens again if the store is another one, or has changed."""
        facts = os.stat(self._path)
        if self._store is not None and self._mark[:2] != (facts.st_dev, facts.st_ino):
            self.close()
        if self._store is None:
            self._store, self._mark = Store(self._path, readonly=True), ()
        mark = (facts.st_dev, facts.st_ino, self._store.changes_elsewhere())
        if mark != self._mark:
            self._grants = [
                Grant(name=row.name, scope=row.scope, digest=row.digest, expires_at=row.expires_at)
                for row in self._store.access.tokens()
                if row.revoked_at is None
            ]
            self._mark = mark

    def _forget(self, why: str) -> None:
        """Nothing but the local token is good; say so once. No store yet is no trouble."""
        self.close()
        self._grants, self._mark = [], ()
        if why != self._complaint and self._path.exists():
            logger.warning("cannot read the tokens, so only the local one is good: %s", why)
        self._complaint = why
