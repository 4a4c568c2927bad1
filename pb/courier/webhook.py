"""Webhooks: an HTTP POST of JSON, signed where there is a secret, or what chat programs take."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

from pb.courier.http import ask
from pb.courier.message import Message, UndeliveredError, plain, tls

CONTENT_TYPES = {"text": "text/plain; charset=utf-8"}
JSON_TYPE = "application/json"

LONGEST_CHAT = 1900
"""Characters that all of them take in one message."""

FENCE = "```"

REFUSED = ("\r", "\n", "\0")


def send(message: Message) -> str:
    """The server's answer. Raises UndeliveredError."""
    content = content_of(message)
    kind = CONTENT_TYPES.get(message.option("format"), JSON_TYPE)
    headers = {"Content-Type": kind, "X-PB-Delivery": message.key, **own_headers(message)}
    if message.option("secret") is not None:
        headers |= signed(plain("secret", message.option("secret")), content)
    return ask(
        plain("url", message.option("url")),
        method=message.option("method"),
        body=content,
        headers=headers,
        context=tls(message),
        timeout=message.option("timeout"),
    )


def content_of(message: Message) -> bytes:
    match message.option("format"):
        case "slack":
            return json.dumps({"text": chat(message)}).encode()
        case "discord":
            content = {"content": chat(message), "allowed_mentions": {"parse": []}}
            return json.dumps(content).encode()
        case "text":
            return message.text.encode()
    return json.dumps(message.document()).encode()


def chat(message: Message) -> str:
    """Short, and with nothing in it that calls people or makes links."""
    text = f"{message.subject}\n{message.text}"
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = safe if message.option("format") == "slack" else text
    text = text if len(text) <= LONGEST_CHAT else text[: LONGEST_CHAT - 1] + "…"
    return text if message.page is None else aligned(text)


def aligned(text: str) -> str:
    """With all below the first line in a block whose characters are of one width: its columns
    stand below each other, and nothing in it ends the block."""
    first, _, rest = text.replace(FENCE, "``").partition("\n")
    return f"{first}\n{FENCE}\n{rest}\n{FENCE}"


def own_headers(message: Message) -> dict[str, str]:
    headers = {}
    for name, value in message.option("headers").items():
        text = plain(f"headers.{name}", value)
        if any(mark in text for mark in REFUSED):
            raise UndeliveredError(f"headers.{name}: is more than one line")
        headers[name] = text
    return headers


def signed(secret: str, content: bytes) -> dict[str, str]:
    """HMAC-SHA256 over ``TIMESTAMP.BODY``, so that an old message cannot be sent once more."""
    moment = str(int(time.time()))
    mark = hmac.new(secret.encode(), moment.encode() + b"." + content, hashlib.sha256)
    return {"X-PB-Timestamp": moment, "X-PB-Signature": f"sha256={mark.hexdigest()}"}
