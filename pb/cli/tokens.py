"""Tokens of the gateway, for its verbs ``tokens``, ``pair`` and ``revoke``. No grammar here.

A token is printed once, alone on stdout, so that it can go straight into a file; it is never an
argument, and is written to no log.
"""

from __future__ import annotations

from typing import Any

from pb.cli.asked import ANSWER_TIME, asked, session
from pb.cli.render import clean, emit, local_second, mark, note, out, table

Json = dict[str, Any]


def pair(name: str | None, scope: str, expires: str | None) -> int:
    with session() as talk:
        params = {"name": name, "scope": scope, "expires": expires}
        made = talk.call("token.create", params, timeout=ANSWER_TIME)
    if asked.as_json:
        emit(made)
        return 0
    out(made["token"])
    until = local_second(made["expires_at"]) or f"revoked (pb gateway revoke {made['name']})"
    note(f"{mark('ok')} Token {made['name']}: scope {made['scope']}, good until {until}")
    note("hint: It is shown only this once. Send it as the header Authorization: Bearer TOKEN.")
    return 0


def show() -> int:
    with session() as talk:
        tokens = talk.call("token.list", timeout=ANSWER_TIME)["tokens"]
    if asked.as_json:
        emit({"tokens": tokens})
    elif tokens:
        table(("ID", "NAME", "SCOPE", "STATE", "CREATED", "EXPIRES"), [row(one) for one in tokens])
    else:
        out("No tokens but the local one (gateway.token in the home).")
        note("hint: Make one with: pb gateway pair --name NAME --scope read")
    return 0


def row(token: Json) -> tuple[tuple[str, ...], str]:
    cells = (
        str(token["id"]),
        token["name"],
        token["scope"],
        token["state"],
        local_second(token["created_at"]) or "-",
        local_second(token["expires_at"]) or "never",
    )
    by = token["revoked_by"]
    return cells, clean(f"revoked {local_second(token['revoked_at'])} by {by}") if by else ""


def revoke(name: str) -> int:
    with session() as talk:
        token = talk.call("token.revoke", {"name": name}, timeout=ANSWER_TIME)
    if asked.as_json:
        emit(token)
    elif token["changed"]:
        out(f"{mark('ok')} Token {token['name']} is good for nothing any more")
    else:
        out(f"Token {token['name']} was revoked already")
    return 0
