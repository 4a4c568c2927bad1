"""Tickets: how a person's browser is let into the dashboard without typing a secret.

A ticket is good for a minute and once, for one life of one debug server; it travels in a URL's
fragment, which no browser sends. The page trades it for a session, which lives in a cookie. Both
are signed with the local admin token and hold nothing of it; a new token ends them all.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

TICKET_SECONDS = 60
"""How long a ticket is good for."""

SESSION_SECONDS = 7 * 86_400
"""How long a session is good for: a week, then a new ticket is wanted."""

LONGEST = 200
"""Characters of a ticket or a session at most; ours have fewer."""


def new_ticket(token: str, life: str, now: float) -> str:
    """A ticket for the debug server's ``life`` (``life_of``). ``now`` is epoch seconds."""
    return signed(token, f"ticket/{life}", int(now) + TICKET_SECONDS)


def new_session(token: str, now: float) -> str:
    return signed(token, "session", int(now) + SESSION_SECONDS)


def is_ticket(token: str, life: str, ticket: str, now: float) -> bool:
    """Whether it is one of ours and still good; whether it was used is the server's to know."""
    return is_signed(token, f"ticket/{life}", ticket, now)


def is_session(token: str, session: str, now: float) -> bool:
    return is_signed(token, "session", session, now)


def life_of(pid: int, started_at_ms: int | None) -> str:
    """One life of a debug server, as its PID file tells it."""
    return f"{pid}-{started_at_ms}"


def signed(token: str, purpose: str, until: int) -> str:
    head = f"{until}.{secrets.token_urlsafe(16)}"
    return f"{head}.{signature(token, purpose, head)}"


def is_signed(token: str, purpose: str, text: str, now: float) -> bool:
    """Whether ``text`` was signed for ``purpose`` and its time has not come. Constant time."""
    head, _, given = text.rpartition(".")
    until = head.partition(".")[0]
    if len(text) > LONGEST or not text.isascii() or not until.isdigit():
        return False
    return hmac.compare_digest(given, signature(token, purpose, head)) and now < int(until)


def signature(token: str, purpose: str, head: str) -> str:
    message = f"pb.debug/{purpose}/{head}".encode()
    return hmac.new(token.encode(), message, hashlib.sha256).hexdigest()
