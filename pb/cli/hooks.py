"""``pb job hook``: how a job's web hook is called. The grammar is in ``pb.cli.job``."""

from __future__ import annotations

from typing import Any

from pb.api.http_rules import authority
from pb.cli import facts
from pb.cli.asked import ANSWER_TIME, asked, elsewhere, session, settings
from pb.cli.render import clean, emit, fields, note, out

Json = dict[str, Any]


def show(name: str) -> int:
    with session() as talk:
        hook = talk.call("hook.show", {"name": name}, timeout=ANSWER_TIME)
    is_up, address = gateway()
    url = f"{address}{hook['path']}"
    if asked.as_json:
        emit({**hook, "url": url})
        return 0
    out(f"Hook of {clean(name)}:")
    fields((("Address", f"POST {url}"), ("Token", hook["token"]), ("Proof", proof(hook))))
    if hook["token"]:
        out(f"\n  curl -X POST -H 'Authorization: Bearer {hook['token']}' {url}")
    if not is_up:
        note("hint: The gateway is not running: pb gateway start")
    return 0


def gateway() -> tuple[bool, str]:
    """Whether the gateway runs, and where it is or would be."""
    far = elsewhere()
    if far is not None:
        return True, far.rstrip("/")
    status = facts.look_at("gateway")
    if status.state == "running" and status.record is not None and status.record.address:
        return True, status.record.address
    chosen = settings().gateway
    scheme = "https" if chosen.tls else "http"
    where = authority(chosen.host, chosen.port or "PORT")
    return status.state == "running", f"{scheme}://{where}"


def proof(hook: Json) -> str | None:
    """What it is to be called with, where pb has not made that."""
    words = []
    if hook["has_token"]:
        words.append("its token, as Authorization: Bearer TOKEN")
    if hook["has_secret"]:
        words.append("X-Hub-Signature-256: sha256=HMAC of the body with its secret")
    return "; or ".join(words) or None
