"""Pings as healthchecks programs take them: URL/start, URL, and URL/fail or URL/EXIT-CODE.

Each notice is a request of its own, in the order of its happening.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pb.core.channels import NAME_IN_URL
from pb.core.notice import Occasion
from pb.core.notice_words import paragraph
from pb.courier.http import ask
from pb.courier.message import Message, plain, tls


def send(message: Message) -> str:
    """The last answer. Raises UndeliveredError with the first ping that fails."""
    url, context, answer = plain("url", message.option("url")), tls(message), ""
    method = message.option("method")
    for notice in message.notices:
        body = paragraph(notice).encode() if method == "POST" else None
        answer = ask(
            address(url, notice, message),
            method=method,
            body=body,
            headers={"Content-Type": "text/plain; charset=utf-8"} if body else {},
            context=context,
            timeout=message.option("timeout"),
        )
    return answer


def address(url: str, notice: Mapping[str, Any], message: Message) -> str:
    """Where this one goes. What is appended stands before a query of the address itself."""
    name = str(notice.get("job") or notice.get("service") or "test")
    url = url.replace(NAME_IN_URL, quote(name, safe=""))
    more = suffix(notice, message)
    if not more or more.startswith(("?", "&")):
        return url + more
    path, mark, query = url.partition("?")
    return path.rstrip("/") + more + mark + query


def suffix(notice: Mapping[str, Any], message: Message) -> str:
    match notice["occasion"]:
        case Occasion.START:
            return str(message.option("start"))
        case Occasion.FAILURE:
            code = notice.get("exit_code")
            if message.option("exit_codes") and code:
                return f"/{code}"
            return str(message.option("fail"))
    return ""
