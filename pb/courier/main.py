"""The courier's main: read a batch, find its channel, send it, and say in one line how that went.

The last line of standard output is the answer. Exit code 0: it was sent; 1: it was not. The whole
may take ``timeout`` seconds, which a timer of the system sees to, however a server dawdles.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any

from pb.config.settings import load_settings
from pb.core.channels import Channel, channel_from
from pb.core.notice import Occasion
from pb.core.notice_words import body, safe, subject
from pb.courier.message import Message, UndeliveredError
from pb.courier.output import with_output
from pb.errors import PbError
from pb.paths import find_home

ANSWER = 300
"""Characters of an answer."""


def main() -> int:
    """Send what standard input holds."""
    try:
        batch = json.load(sys.stdin)
        answer, code = delivered(batch), 0
    except (UndeliveredError, PbError) as error:
        answer, code = error.message, 1
    except OSError as error:
        answer, code = told(error), 1
    sys.stdout.write(safe(answer or "sent", ANSWER) + "\n")
    return code


def told(error: OSError) -> str:
    """What the system says, without the numbers."""
    return (error.strerror or str(error)).lower()


def delivered(batch: dict[str, object]) -> str:
    """What the other end has answered. Raises UndeliveredError, OSError and PbError."""
    channel = channel_of(str(batch["channel"]))
    notices = batch["notices"]
    if not isinstance(notices, list):
        raise UndeliveredError("nothing to send")
    notices = [with_output(one, channel.options["lines"]) for one in notices]
    host = socket.gethostname()
    text, page = written(notices, host)
    message = Message(
        channel=channel,
        notices=notices,
        host=host,
        subject=subject(notices, host),
        text=text,
        key=f"{batch['store']}-{notices[0]['id']}",
        page=page,
    )
    within(channel.options["timeout"])
    try:
        return sender(channel.type)(message)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def written(notices: Sequence[Mapping[str, Any]], host: str) -> tuple[str, str | None]:
    """The text of a message, and the same as HTML: a digest has both, and goes alone."""
    if notices[0]["occasion"] != Occasion.DIGEST:
        return body(notices, host), None
    from pb.api.digest_html import html
    from pb.api.digest_text import Words, terminal

    words = Words(notices[0]["digest"])
    return f"{terminal(words)}\n-- \npb on {safe(host)}\n", html(words)


def channel_of(name: str) -> Channel:
    """The channel as the settings have it now. Raises PbError."""
    settings = load_settings(find_home(os.environ.get("PB_HOME")))
    table = settings.notify.channels.get(name)
    if table is None:
        raise UndeliveredError(f"there is no channel {name!r} in the settings")
    return channel_from(name, table)


def within(seconds: float) -> None:
    """Give up wherever the process is by then. Not with an OSError: libraries take those for the
    network's, and go on."""

    def over(number: int, frame: FrameType | None) -> None:
        raise UndeliveredError(f"did not come to an end within {seconds:g} s")

    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def sender(kind: str) -> Callable[[Message], str]:
    """Who sends to channels of that type. Each has what it needs imported only then."""
    match kind:
        case "mail":
            from pb.courier.mail import send
        case "webhook":
            from pb.courier.webhook import send
        case "ping":
            from pb.courier.ping import send
        case "desktop":
            from pb.courier.desktop import send
        case "apprise":
            from pb.courier.apprise import send
        case _:
            from pb.courier.command import send
    return send
