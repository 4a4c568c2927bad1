"""The parts of an ``http`` or ``https`` address, as far as a GET needs them. Pure."""

from __future__ import annotations

import re

from pb.core.lean import dataclass
from pb.errors import InvalidError

EXAMPLE = "Write it like http://127.0.0.1:8000/healthz."

PORTS = {"http": 80, "https": 443}

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.%]+\]|[^\s/?#:@\[\]]+)(?::(?P<port>\d{1,5}))?"
    r"(?P<target>(?:[/?][^\s#]*)?)(?:#\S*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """``host`` is without brackets; ``target`` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """What the Host header says: the port only when it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def parse_url(text: str) -> Url:
    """Take ``text`` apart. Raises InvalidError for what is no such address."""
    found = _URL.fullmatch(text)
    if found is None or not text.isascii() or not text.isprintable():
        raise InvalidError(f"{text!r} is not an http or https address", hint=EXAMPLE)
    scheme = found["scheme"].lower()
    port = int(found["port"] or PORTS[scheme])
    if not 1 <= port <= 65535:
        raise InvalidError(f"{text!r} has no possible port", hint="Ports are 1 to 65535.")
    target = found["target"]
    return Url(
        scheme=scheme,
        host=found["host"].strip("[]"),
        port=port,
        target=target if target.startswith("/") else f"/{target}",
    )
