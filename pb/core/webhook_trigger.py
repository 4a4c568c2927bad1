"""Webhook triggers: how they are read, written and said. Pure; who may fire one is the gateway's
to ask and ``api.hooks``' to judge."""

from __future__ import annotations

from collections.abc import Mapping

from pb.core.fields import (
    Field,
    mismatch,
    read_positive_duration,
    read_text,
    refusal,
    shown_text,
    write_duration,
)
from pb.core.reactive import Webhook
from pb.core.reactive_kinds import Kind

SHORTEST, LONGEST = 16, 256


def read_key(value: object) -> str:
    """A token or secret: nobody shall guess it."""
    if not isinstance(value, str):
        raise mismatch("text", value)
    text = read_text(value)
    if not SHORTEST <= len(text) <= LONGEST or not text.isascii() or not text.isprintable():
        raise refusal(
            f"should have {SHORTEST} to {LONGEST} printable ASCII characters",
            "Leave token and secret out, and pb makes a token: pb job hook NAME",
        )
    return text


def read_short(rest: str) -> Mapping[str, object]:
    if rest:
        raise refusal(
            f"'webhook: {shown_text(rest)[1:-1]}' is not a trigger",
            'Write "webhook", or a table with a token or a secret.',
        )
    return {}


def describe(trigger: Webhook) -> str:
    return "When somebody posts to its hook" + (" with a signed body" if trigger.secret else "")


KIND = Kind(
    model=Webhook,
    keys={
        "token": Field(read_key),
        "secret": Field(read_key),
        "tolerance": Field(read_positive_duration, write_duration),
    },
    required=(),
    example="webhook",
    read_short=read_short,
    short=lambda trigger: "webhook",
    describe=describe,
)
