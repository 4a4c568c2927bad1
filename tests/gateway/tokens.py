"""A store with a token of every kind, for tests of who may do what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pb.api.local import Local
from pb.config.settings import load_settings
from pb.paths import Home

PAST = "2020-01-01T00:00:00Z"

REFUSED = ("none", "wrong", "expired", "revoked")
"""The kinds that open no door."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """A home whose store knows tokens; ``ask`` calls a method on it."""

    home: Home

    def ask(self, method: str, /, **params: Any) -> dict[str, Any]:
        with Local(self.home, load_settings(self.home, environ={}), face="cli") as talk:
            return talk.call(method, params)

    def token(self, scope: str = "read", **params: Any) -> str:
        return str(self.ask("token.create", scope=scope, **params)["token"])

    def expire(self, name: str, at_ms: int = 1) -> None:
        """Make the token's time be over, as if it had been made long ago."""
        from pb.store.store import Store

        with Store(self.home.db) as store, store.transaction():
            store.write("UPDATE token SET expires_at = ? WHERE name = ?", [(at_ms, name)])

    def every_kind(self) -> dict[str, str]:
        """A token of every kind; the empty one stands for none."""
        found = {scope: self.token(scope) for scope in ("read", "write", "admin")}
        found |= {"expired": self.token("admin", name="old"), "none": "", "wrong": "pb_" + "x" * 43}
        found["revoked"] = self.token("admin", name="gone")
        self.expire("old")
        self.ask("token.revoke", name="gone")
        return found


def keys(path: Path) -> Keys:
    home = Home(path)
    home.ensure()
    made = Keys(home=home)
    made.ask("token.list")
    return made


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"} if token else {}


Ask = Callable[..., dict[str, Any]]
