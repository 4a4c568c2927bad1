"""Tokens of the gateway: made, listed, revoked. What is remembered of one is its SHA-256.

That is enough of a hash: a token has 256 random bits, so there is nothing to guess. The local
admin token is a file (``token_file``) and none of these.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime

from pb.api.context import Context
from pb.api.views import LATEST_MS, Json, rfc3339
from pb.core.durations import parse_duration
from pb.core.model import NAME_PATTERN
from pb.errors import ConflictError, InvalidError, NotFoundError, did_you_mean
from pb.store.access import TokenRow

SCOPES = ("read", "write", "admin")
"""What a token may do; each includes the ones before it."""

LOCAL = "local"
"""How the record names whoever came with the token of the home's own file."""

PREFIX = "pb_"
"""What each token begins with, so that a search for leaked secrets can find it."""


def digest_of(token: str) -> str:
    """What is remembered of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def token_create(context: Context, *, name: str | None, scope: str, expires: str | None) -> Json:
    """Make a token. The answer is the only place where it ever stands."""
    if scope not in SCOPES:
        hint = did_you_mean(scope, SCOPES) or f"One of: {', '.join(SCOPES)}."
        raise InvalidError(f"There is no scope {scope!r}", hint=hint)
    rows = context.store.access.tokens()
    in_use = {row.name for row in rows if row.revoked_at is None}
    name = checked_name(name, in_use) if name is not None else free_name(scope, in_use)
    token = PREFIX + secrets.token_urlsafe(32)
    context.store.access.add_token(
        name=name,
        digest=digest_of(token),
        scope=scope,
        now=context.now(),
        by=context.actor,
        expires_at=None if expires is None else expiry_ms(expires, context.now()),
    )
    context.tell("token.created", f"Token {name} created with the scope {scope}")
    row = context.store.access.tokens()[-1]
    return {"token": token, **token_view(row, context.now())}


def checked_name(name: str, in_use: set[str]) -> str:
    if not re.fullmatch(NAME_PATTERN, name) or name == LOCAL or name.isdigit():
        raise InvalidError(
            f"{name!r} cannot be a token's name",
            hint=f"Letters, digits, '.', '_' and '-'; not a number, and not {LOCAL!r}.",
        )
    if name in in_use:
        raise ConflictError(
            f"A token named {name!r} exists already",
            hint=f"Choose another name, or run: pb gateway revoke {name}",
        )
    return name


def free_name(scope: str, in_use: set[str]) -> str:
    number = 1
    while f"{scope}-{number}" in in_use:
        number += 1
    return f"{scope}-{number}"


def expiry_ms(text: str, now: int) -> int:
    """Epoch milliseconds: in so long, or at an instant to come."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        at = now + round(duration("expires", text) * 1000)
    else:
        if moment.tzinfo is None:
            raise InvalidError(
                f"expires: {text!r} has no offset", hint="Write it with a Z for UTC."
            )
        at = round(moment.timestamp() * 1000)
    if not now < at <= LATEST_MS:
        raise InvalidError(f"expires: {text!r} is not in the time to come, up to the year 9999")
    return at


def duration(key: str, text: str) -> float:
    try:
        return parse_duration(text)
    except InvalidError:
        hint = "Write a duration such as 90d, or an instant such as 2026-11-20T18:00:00Z."
        message = f"{key}: {text!r} is neither a duration nor an instant"
        raise InvalidError(message, hint=hint) from None


def token_list(context: Context) -> Json:
    """Every token that there is or was, the oldest first; never a token itself."""
    now = context.now()
    return {"tokens": [token_view(row, now) for row in context.store.access.tokens()]}


def token_revoke(context: Context, *, name: str) -> Json:
    """Make a token good for nothing, by its name or its number."""
    row = require_token(context, name)
    if row.revoked_at is None:
        context.store.access.revoke_token(row.id, now=context.now(), by=context.actor)
        context.tell("token.revoked", f"Token {row.name} revoked")
    after = next(one for one in context.store.access.tokens() if one.id == row.id)
    return {**token_view(after, context.now()), "changed": row.revoked_at is None}


def require_token(context: Context, name: str) -> TokenRow:
    """The token of that number, or the newest of that name. Raises NotFoundError."""
    rows = context.store.access.tokens()
    for row in reversed(rows):
        if name in (str(row.id), row.name):
            return row
    known = sorted({row.name for row in rows if row.revoked_at is None})
    hint = did_you_mean(name, known) or "Run `pb gateway tokens` to see the tokens there are."
    raise NotFoundError(f"There is no token {name!r}", hint=hint)


def token_view(row: TokenRow, now: int) -> Json:
    return {
        "id": row.id,
        "name": row.name,
        "scope": row.scope,
        "state": state_of(row, now),
        "created_at": rfc3339(row.created_at),
        "created_by": row.created_by,
        "expires_at": rfc3339(row.expires_at),
        "revoked_at": rfc3339(row.revoked_at),
        "revoked_by": row.revoked_by,
    }


def state_of(row: TokenRow, now: int) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "active"
