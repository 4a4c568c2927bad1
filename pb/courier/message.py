"""One message on its way, and what its senders share: secrets, encryption, why it did not go."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pb.core.channels import Channel, Plain
from pb.core.lean import dataclass
from pb.errors import PbError

LONGEST_SECRET = 64 * 1024


class UndeliveredError(PbError):
    """A message did not reach its channel; it says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """``key`` is the same whenever these notices are sent again, so that who gets them twice can
    tell. ``page`` is the text as HTML, where there is one."""

    channel: Channel
    notices: Sequence[Mapping[str, Any]]
    host: str
    subject: str
    text: str
    key: str
    page: str | None = None

    def option(self, key: str) -> Any:
        return self.channel.options.get(key)

    def document(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        return {
            "schema": 1,
            "key": self.key,
            "host": self.host,
            "channel": self.channel.name,
            "subject": self.subject,
            "text": self.text,
            "count": len(self.notices),
            "notices": [visible(one) for one in self.notices],
        }


def visible(notice: Mapping[str, Any]) -> dict[str, Any]:
    """A notice without what is of use on this machine alone, its instants as people read them."""
    return {
        key: instant(value) if key == "at" or key.endswith("_at") else value
        for key, value in notice.items()
        if key != "log_path"
    }


def instant(at_ms: int | None) -> str | None:
    """RFC 3339 in UTC, with milliseconds."""
    if at_ms is None:
        return None
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain(what: str, value: Plain) -> str:
    """A secret, from where it stands. Raises UndeliveredError that says what is missing."""
    if isinstance(value, str):
        return value
    if "env" in value:
        text = os.environ.get(value["env"], "")
        if not text:
            raise UndeliveredError(f"{what}: {value['env']} is not in the scheduler's environment")
        return text.strip()
    return from_file(what, value["file"])


def from_file(what: str, path: str) -> str:
    try:
        with Path(path).expanduser().open(encoding="utf-8") as file:
            text = file.read(LONGEST_SECRET).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise UndeliveredError(f"{what}: cannot read {path}: {reason}") from error
    if not text:
        raise UndeliveredError(f"{what}: {path} is empty")
    return text


def tls(message: Message) -> ssl.SSLContext:
    """Certificates are always checked; ``ca_file`` is for those of one's own."""
    path = message.option("ca_file")
    try:
        return ssl.create_default_context(cafile=None if path is None else os.path.expanduser(path))
    except (OSError, ssl.SSLError) as error:
        reason = (error.strerror or str(error)).lower()
        raise UndeliveredError(f"ca_file: cannot use {path}: {reason}") from error
