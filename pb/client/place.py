"""Where a gateway is, and with what it is asked: an address, a token, and what is trusted.

Nothing is sent from here. A token stands in no address, no message and no ``repr``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from urllib.parse import urlsplit

from pb.core.lean import dataclass
from pb.errors import (
    InvalidError,
    NeedsDaemonError,
    NotFoundError,
    PermissionDeniedError,
    UsageError,
)

URL, TOKEN, TOKEN_FILE, TRUST = "PB_URL", "PB_TOKEN", "PB_TOKEN_FILE", "PB_TRUST"
"""The environment variables that say where, with what, and whom to trust."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A gateway and the way into it. ``url`` is its scheme, host and port, and no more.

    ``trust``: a file of certificates, or the SHA-256 of one; None: the system's authorities.
    """

    url: str
    token: str = field(repr=False)
    trust: str | None = None


def place_of(url: str, token: str, trust: str | None = None) -> Place:
    """The place, checked. Raises UsageError and InvalidError for what cannot be used safely."""
    return Place(url=checked_url(url), token=checked_token(token), trust=trust)


def checked_url(url: str) -> str:
    """The URL as scheme, host and port. What else may stand in one has no meaning here."""
    from pb.api.http_rules import is_loopback

    example = "Such as: https://pb.example:18789"
    try:
        parts = urlsplit(url if "://" in url else f"//{url}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError("The gateway's URL cannot be read", hint=example) from error
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError("A gateway's URL begins with http:// or https://", hint=example)
    if parts.username is not None or parts.query or parts.fragment or parts.path.strip("/"):
        hint = f"{example}. A token goes into {TOKEN}, or a file that {TOKEN_FILE} names."
        raise UsageError("A gateway's URL has a host and a port, and nothing else", hint=hint)
    if parts.scheme == "http" and not is_loopback(host):
        raise UsageError(
            f"A token is not sent to {host} without encryption",
            hint="Use https:// (gateway.tls = true there), or a tunnel such as ssh -L.",
        )
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}" + (f":{port}" if port else "")


def checked_token(token: str) -> str:
    text = token.strip()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise InvalidError(
            "That is no token", hint="Make one where the gateway is: pb gateway pair"
        )
    return text


def place_here(home: str | Path | None = None) -> Place:
    """The gateway of a home of this user (None: ``PB_HOME``, else the default home), with its own
    token and certificate. Raises NeedsDaemonError when it does not run."""
    from pb.api.token_file import read_token
    from pb.paths import find_home
    from pb.process.status import look

    found = find_home(None if home is None else str(home))
    record = look(found, "gateway").record
    if record is None or record.address is None or look(found, "gateway").state != "running":
        raise NeedsDaemonError("The gateway is not running", hint="Start it: pb gateway start")
    trust = own_certificate(found.root) if record.address.startswith("https:") else None
    return place_of(record.address, read_token(found.token), trust)


def own_certificate(root: Path) -> str:
    """The SHA-256 of the certificate that the home's gateway shows."""
    from pb.api.certificate import Certificate, fingerprint
    from pb.config.settings import load_settings
    from pb.paths import Home

    settings = load_settings(Home(root)).gateway
    cert = Path(settings.tls_cert) if settings.tls_cert else root / "gateway.crt"
    return fingerprint(Certificate(cert=cert, key=cert))


def token_from(environ: Mapping[str, str], file: str | None = None) -> str:
    """The token that a file or the environment holds; a file that was named comes first.

    Raises UsageError when there is none. It is never an argument: those everybody can read.
    """
    named = file or (None if environ.get(TOKEN) else environ.get(TOKEN_FILE))
    if named:
        return token_in(Path(named).expanduser())
    if not environ.get(TOKEN):
        hint = f"Make one there with pb gateway pair; put it into {TOKEN}, or name its --token-file"
        raise UsageError("A token is needed for another gateway", hint=f"{hint}.")
    return environ[TOKEN]


def token_in(path: Path) -> str:
    """The token in a file of the user's own, which nobody else may read."""
    from pb.api.token_file import read_token

    try:
        return read_token(path)
    except NotFoundError as error:
        raise NotFoundError(
            error.message, hint="Write a token into it, and nothing else."
        ) from None
    except PermissionDeniedError as error:
        hint = f"Only you may have access to it: chmod 600 {path}"
        raise PermissionDeniedError(error.message, hint=hint) from None
    except InvalidError as error:
        raise InvalidError(error.message, hint="Make one there: pb gateway pair") from None


def place_elsewhere(
    url: str | None = None, *, token_file: str | None = None, trust: str | None = None
) -> Place:
    """The place that ``PB_URL``, ``PB_TOKEN`` (or ``PB_TOKEN_FILE``) and ``PB_TRUST`` name, as far
    as no argument does. Raises UsageError where none does."""
    found = url or os.environ.get(URL)
    if not found:
        raise UsageError("There is no gateway's URL", hint=f"Set {URL}, or give it.")
    token = token_from(os.environ, token_file)
    return place_of(found, token, trust or os.environ.get(TRUST) or None)
