"""The way in: a ticket of ``pb debug web --open`` becomes a session in a cookie.

Nothing of a session is kept here, so a restarted debug server knows its pages again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pb.api import tickets
from pb.api.http_rules import Headers, Refusal, values
from pb.api.token_file import ensure_token, is_bearer
from pb.errors import PermissionDeniedError

NO_SESSION = Refusal(
    status=401,
    code="unauthenticated",
    message="This browser has not been let in yet",
    hint="Run: pb debug web --open",
)

STALE_TICKET = PermissionDeniedError(
    "This link was used already, or is older than a minute",
    hint="Get a new one with: pb debug link",
)


class Entry:
    """``life`` names this life of the debug server; ``token`` is the file of the admin token."""

    def __init__(
        self, token: Path, life: str, port: int, now: Callable[[], float] = time.time
    ) -> None:
        self._file = token
        self._life = life
        self._now = now
        self._used: dict[str, float] = {}
        self.cookie = f"pb-debug-{port}"

    def open(self, ticket: str) -> str:
        """The Set-Cookie header that a ticket is worth. Raises PermissionDeniedError."""
        token, now = ensure_token(self._file), self._now()
        self._used = {one: until for one, until in self._used.items() if until > now}
        if ticket in self._used or not tickets.is_ticket(token, self._life, ticket, now):
            raise STALE_TICKET
        self._used[ticket] = now + tickets.TICKET_SECONDS
        session = tickets.new_session(token, now)
        return self._cookie(session, tickets.SESSION_SECONDS)

    def close(self) -> str:
        """The Set-Cookie header with which a browser forgets its session."""
        return self._cookie("", 0)

    def refusal(self, headers: Headers) -> Refusal | None:
        """Why nobody is let in with these headers, or None: a session, or the token itself.

        Raises PbError when the token's file cannot be trusted.
        """
        headers = list(headers)
        token = ensure_token(self._file)
        bearers = values(headers, b"authorization")
        if len(bearers) == 1 and is_bearer(bearers[0], token):
            return None
        sessions = cookies(headers, self.cookie)
        if any(tickets.is_session(token, one, self._now()) for one in sessions):
            return None
        return NO_SESSION

    def _cookie(self, value: str, seconds: int) -> str:
        return f"{self.cookie}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Strict"


def cookies(headers: Headers, name: str) -> list[str]:
    """Every value of one cookie (RFC 6265, 5.4)."""
    pairs = (pair.partition("=") for text in values(headers, b"cookie") for pair in text.split(";"))
    return [value.strip() for key, _, value in pairs if key.strip() == name]
