"""Apprise's targets, some hundred and fifty services: where the extra of that name is installed."""

from __future__ import annotations

import logging
from typing import Any

from pb.core.notice import Occasion
from pb.courier.message import Message, UndeliveredError, plain

MISSING = "the package apprise is not installed; install it: pip install 'ponybunny[apprise]'"


def send(message: Message) -> str:
    """Raises UndeliveredError when one of the targets was not reached."""
    try:
        from apprise import Apprise, NotifyFormat, NotifyType
    except ImportError:
        raise UndeliveredError(MISSING) from None
    heard = Heard()
    apprise: Any = Apprise()
    for number, url in enumerate(message.option("urls")):
        if not apprise.add(plain("urls", url)):
            raise UndeliveredError(f"urls[{number}]: is no address that apprise knows")
    bad = any(one["occasion"] == Occasion.FAILURE for one in message.notices)
    kind = NotifyType.FAILURE if bad else NotifyType.INFO
    with heard:
        is_sent = apprise.notify(
            title=message.subject, body=message.text, notify_type=kind,
            body_format=NotifyFormat.TEXT,
        )  # fmt: skip
    if not is_sent:
        raise UndeliveredError(heard.words or "was not sent")
    return "sent"


class Heard(logging.Handler):
    """What apprise says about a failure: it goes to its log, and no address is in it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.words = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.words = record.getMessage()

    def __enter__(self) -> Heard:
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *exception: object) -> None:
        logging.getLogger("apprise").removeHandler(self)
