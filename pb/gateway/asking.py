"""Asking the registry for whoever has shown a token: what HTTP, WebSocket and streams share.

The token's scope is checked here, for every method, and definitions are shown without the secrets
in them to anybody but an admin, who could read them anyhow.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pb.api.asker import Asker
from pb.api.catalogue import find
from pb.api.http_server import as_json
from pb.api.token_book import Grant
from pb.core.lean import dataclass
from pb.core.secrets import hidden
from pb.errors import UsageError
from pb.gateway.bridge import Bridge, Json, is_slow
from pb.gateway.doorman import allow
from pb.gateway.endpoints import LONGEST_WAIT
from pb.gateway.together import Together

DISCREET = frozenset({"definition", "running_definition", "command"})
"""Keys of answers under which a definition stands, or a part of one."""

WHOLE = frozenset({"job.export", "service.export"})
"""Methods whose answers are definitions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who asks: what his token gives, where he sits, and the face that he has come to."""

    grant: Grant
    peer: str | None
    face: str = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """An answer as JSON, and the tag by which it is recognised."""

    content: bytes
    tag: str


class Desk:
    """Where encoded answers are had: equal questions at the same time are asked once.

    Whether somebody may ask is looked at for each of them.
    """

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._together: Together[Encoded] = Together()

    async def read(self, visitor: Visitor, name: str, params: Json) -> Encoded:
        """The answer to a question that changes nothing. Raises PbError."""
        method = find(name)
        if method.scope != "read" or is_slow(name, params):
            return encoded(await ask(self._bridge, visitor, name, params))
        allow(visitor.grant, method)
        shape = functools.partial(encoded_for, visitor.grant, name)
        work = functools.partial(self._bridge.read_as, shape, name, params)
        key = (name, json.dumps(params, sort_keys=True), visitor.grant.scope)
        return await self._together.ask(key, work)


def encoded_for(grant: Grant, name: str, answer: Json) -> Encoded:
    return encoded(seen_by(grant, name, answer))


def encoded(answer: Json) -> Encoded:
    content = as_json(answer)
    return Encoded(content=content, tag=f'"{hashlib.sha256(content).hexdigest()[:32]}"')


async def ask(bridge: Bridge, visitor: Visitor, name: str, params: Json) -> Json:
    """The method's answer, as far as the visitor's token reaches. Raises PbError."""
    method = find(name)
    allow(visitor.grant, method)
    seconds = params.get("timeout")
    if isinstance(seconds, int | float) and not 0 <= seconds <= LONGEST_WAIT:
        raise UsageError(f"timeout is a number from 0 to {LONGEST_WAIT}")
    if method.scope == "read":
        answer = await bridge.read(name, params)
    else:
        asker = Asker(name=visitor.grant.name, peer=visitor.peer)
        answer = await bridge.write(name, params, asker, face=visitor.face)
    return seen_by(visitor.grant, name, answer)


def seen_by(grant: Grant, name: str, answer: Json) -> Json:
    """The answer as the token's scope may see it."""
    return answer if grant.may("admin") else discreet(answer, whole=name in WHOLE)


def discreet(answer: Json, *, whole: bool = False) -> Json:
    """The answer without the secrets of the definitions in it."""
    return {key: shown(key, value, whole=whole) for key, value in answer.items()}


def shown(key: str, value: Any, *, whole: bool = False) -> Any:
    match value:
        case _ if key in DISCREET or (whole and key != "schema"):
            return hidden(value)
        case Mapping():
            return discreet(dict(value))
        case list() if key == "changes":
            return [change_shown(one) for one in value]
        case list():
            return [discreet(one) if isinstance(one, dict) else one for one in value]
        case _:
            return value


def change_shown(change: Any) -> Any:
    """A difference between definitions: its key says whether it is a secret."""
    if not isinstance(change, Mapping) or "key" not in change:
        return change
    name = str(change["key"]).rpartition(".")[2]
    sides = {side: hidden(change[side], name) for side in ("before", "after") if side in change}
    return {**change, **sides}
