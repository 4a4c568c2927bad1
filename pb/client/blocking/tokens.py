"""Tokens: making, listing and taking back. All of it needs the scope admin."""

from __future__ import annotations

from typing import cast

from pb.client.answers import TokenList, TokenMade, TokenRevoked
from pb.client.blocking.connection import Connection
from pb.client.wire import given, path_of


class Tokens:
    """``client.tokens``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> TokenList:
        """The tokens that there are and were, without the tokens themselves."""
        answer = self._connection.get(path_of("tokens"))
        return cast(TokenList, answer["tokens"])

    def create(
        self, name: str | None = None, *, scope: str = "read", expires: str | None = None
    ) -> TokenMade:
        """Make one; the answer is the only place where it ever stands. ``expires`` is an instant,
        or in how long: ``7d``."""
        values = given(name=name, scope=scope, expires=expires)
        return cast(TokenMade, self._connection.post(path_of("tokens"), values))

    def revoke(self, name: str) -> TokenRevoked:
        """Make one good for nothing, by its name or number; it is refused at once."""
        path = path_of("tokens", name)
        return cast(TokenRevoked, self._connection.ask("DELETE", path))
