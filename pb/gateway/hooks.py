"""The one route that asks for no token of the gateway: a job's web hook, which has its own proof.

What proves it is judged by ``hook.fire``; here it is only carried there. A wrong proof and an
unknown hook get the same answer, as late as a wrong token would.
"""

from __future__ import annotations

import base64
import re

from starlette.requests import Request

from pb.api.asker import Asker
from pb.api.hooks import HEADERS
from pb.api.http_rules import problem
from pb.core.model import NAME_PATTERN
from pb.gateway.bridge import Bridge, Json
from pb.gateway.doorman import Doorman

LARGEST = 256 * 1024
"""Bytes of a body; what is larger belongs into a file that the body names."""

REFUSED = problem(
    401,
    "unauthenticated",
    "There is no such hook, or this does not prove that you may call it",
    "See `pb job hook NAME`.",
)
TOO_LARGE = problem(413, "too_large", f"The body of a hook may have {LARGEST} bytes")
TOO_MANY = problem(429, "too_many_failures", "Too many failed authentications", "Wait a second.")
RETRY = {"retry-after": "1"}


async def fired(
    request: Request, bridge: Bridge, doorman: Doorman, peer: str | None
) -> tuple[Json, dict[str, str] | None]:
    """The answer, and None; or the problem, and its headers. Raises PbError."""
    name, body = request.path_params["name"], await request.body()
    if len(body) > LARGEST:
        return TOO_LARGE, {}
    if doorman.is_full:
        return TOO_MANY, RETRY  # the scheduler is not bothered with guesses
    if re.fullmatch(NAME_PATTERN, name):
        given = {key: value for key, value in request.headers.items() if key in HEADERS}
        params = {"name": name, "body": base64.b64encode(body).decode(), "headers": given}
        asker = Asker(name=f"hook {name}", peer=peer)
        found = await bridge.write("hook.fire", params, asker)
        if found["taken"]:
            return found, None
    if await doorman.turned_away(peer or "nobody"):
        return REFUSED, {"www-authenticate": 'Bearer realm="pb hook"'}
    return TOO_MANY, RETRY
