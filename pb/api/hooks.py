"""Web hooks: whether somebody who posts to a job's hook may fire it, and doing so.

Whoever posts shows the hook's token, or signs the body (HMAC-SHA256, RFC 2104) with its secret. A
hook that does not exist, and one for which the proof is wrong, are answered alike.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pb.api.context import Context, job_of, require
from pb.api.emitting import check_room, size_of
from pb.api.views import Json
from pb.core.model import Job
from pb.core.reactive import Webhook
from pb.core.triggers import key_of
from pb.errors import InvalidError

HOOK_KEY = "hook_key"
"""The store's own fact: what tokens are made of."""

HOOKS = "/api/v1/hooks"

TOKENS = ("x-pb-token", "x-gitlab-token")
SIGNATURES = ("x-pb-signature", "x-hub-signature-256")
TIMESTAMP = "x-pb-timestamp"
TOLD = ("content-type", "user-agent", "x-github-event", "x-github-delivery", "x-gitlab-event")
"""Headers that the job is told; none of them proves anything."""

HEADERS = frozenset({"authorization", *TOKENS, *SIGNATURES, TIMESTAMP, *TOLD})
"""Headers that matter."""

REMEMBERED = 1_000
"""Signatures with a time stamp that are remembered, so that none is good twice."""

NOBODY = Webhook(token="-" * 32, secret="-" * 32)
"""Compared with where there is no hook, so that it takes as long to say no."""


def hook_show(context: Context, *, name: str) -> Json:
    """How a job's hook is fired: its path, and the token where pb has made it."""
    job = job_of(require(context, name))
    hooks = list(hooks_of(job))
    if not hooks:
        raise InvalidError(
            f"Job {name} has no hook", hint='Give it one: pb job edit, triggers = ["webhook"]'
        )
    usual = any(is_usual(hook) for hook in hooks)
    return {
        "name": name,
        "path": f"{HOOKS}/{name}",
        "token": own_token(context, name) if usual else None,
        "has_token": any(hook.token is not None for hook in hooks),
        "has_secret": any(hook.secret is not None for hook in hooks),
    }


def hook_fire(context: Context, *, name: str, body: str, headers: Mapping[str, Any]) -> Json:
    """Fire a hook, if the ``headers`` prove that one may. ``body`` is in base64."""
    try:
        content = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidError("hook.fire: body is not in base64") from error
    given = {key.lower(): value for key, value in headers.items() if isinstance(value, str)}
    if not is_allowed(context, name, content, given):
        return {"taken": False, "waits": False}
    facts = facts_of(context, content, given)
    check_room(context, f"hook {name}", facts)
    at = context.now()
    context.store.occasions.emit(at=at, name=f"hook.{name}", facts=facts, actor=context.actor)
    context.emitted = True
    context.tell("event.emitted", f"Hook of {name} called", job=name)
    return {"taken": True, "waits": context.facts is None}


def hooks_of(job: Job) -> Iterator[Webhook]:
    return (trigger for trigger in job.triggers if isinstance(trigger, Webhook))


def is_usual(hook: Webhook) -> bool:
    """Whether its token is the one that pb makes."""
    return hook.token is None and hook.secret is None


def own_token(context: Context, name: str) -> str:
    """The token of a job's hook that nobody has chosen: the same for a name in one store."""
    key = (context.store.meta(HOOK_KEY) or "").encode()
    made = hmac.new(key, f"webhook:{name}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


# -- proofs


def is_allowed(context: Context, name: str, body: bytes, given: Mapping[str, str]) -> bool:
    """Whether the proof is good for any hook of the job. Takes as long where there is none."""
    row = context.store.job(name)
    job = job_of(row) if row is not None and row.enabled else None
    hooks = list(hooks_of(job)) if job is not None else []
    found = [is_proven(context, name, hook, body, given) for hook in hooks or [NOBODY]]
    return bool(hooks) and any(found)


def is_proven(
    context: Context, name: str, hook: Webhook, body: bytes, given: Mapping[str, str]
) -> bool:
    stamp = given.get(TIMESTAMP)
    is_fresh = stamp is None or is_recent(stamp, context.now(), hook.tolerance)
    token = own_token(context, name) if is_usual(hook) else hook.token
    by_token = token is not None and has_token(token, given)
    by_secret = hook.secret is not None and is_signed(hook.secret, body, stamp, given)
    if not is_fresh or not (by_token or by_secret):
        return False
    return by_token or stamp is None or is_first(context, name, hook, signature_of(given))


def has_token(token: str, given: Mapping[str, str]) -> bool:
    scheme, _, bearer = given.get("authorization", "").partition(" ")
    shown = [bearer.strip() if scheme.lower() == "bearer" else ""]
    shown += [given.get(header, "").strip() for header in TOKENS]
    return any([is_same(token, one) for one in shown])  # noqa: C419 - all, however many are right


def is_signed(secret: str, body: bytes, stamp: str | None, given: Mapping[str, str]) -> bool:
    """GitHub's way, ``sha256=HEX`` over the body; with a time stamp over ``STAMP.BODY``."""
    signed = body if stamp is None else stamp.encode("utf-8", "replace") + b"." + body
    good = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return is_same(f"sha256={good}", signature_of(given))


def signature_of(given: Mapping[str, str]) -> str:
    return next((given[header].strip() for header in SIGNATURES if header in given), "")


def is_same(wanted: str, shown: str) -> bool:
    return hmac.compare_digest(wanted.encode(), shown.encode("utf-8", "replace"))


def is_recent(stamp: str, now_ms: int, tolerance: float) -> bool:
    """``stamp`` is in Unix seconds."""
    if not stamp.isascii() or not stamp.isdecimal() or len(stamp) > 12:
        return False
    return abs(now_ms / 1000 - int(stamp)) <= tolerance


def is_first(context: Context, name: str, hook: Webhook, signature: str) -> bool:
    """Whether a signature with a time stamp comes for the first time; it is remembered as long as
    its time stamp is good. The last characters tell it from others."""
    key, now = key_of(hook), context.now()
    known = context.store.occasions.states(name).get(key, {}).get("seen", {})
    seen = {one: until for one, until in known.items() if until > now}
    mark = signature[-24:]
    if mark in seen:
        return False
    seen[mark] = now + round(2000 * hook.tolerance)
    newest = dict(list(seen.items())[-REMEMBERED:])
    context.store.occasions.set_state(name, key, {"seen": newest})
    return True


# -- what the job is told


def facts_of(context: Context, body: bytes, given: Mapping[str, str]) -> Json:
    """The body as JSON where it is, else as text; the headers that tell something."""
    found: Json = {"headers": {key: given[key][:256] for key in TOLD if key in given}}
    if context.peer is not None:
        found["peer"] = context.peer
    if not body:
        return found
    text = body.decode("utf-8", "replace")
    try:
        said = {**found, "body": json.loads(text)}
    except (ValueError, RecursionError):
        return {**found, "body": text}
    return said if size_of(said) is not None else {**found, "body": text}
