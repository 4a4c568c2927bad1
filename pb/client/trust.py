"""Whose certificate is good: the system's authorities, a file's, or one by its SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import re
import ssl
from pathlib import Path
from typing import Any

from pb.errors import InvalidError

FINGERPRINT = re.compile("[0-9a-f]{64}")


def context_of(trust: str | None) -> ssl.SSLContext:
    """What connections are made with. ``trust`` None: the system's authorities; else a PEM file, or
    the SHA-256 of the gateway's own certificate in hexadecimal digits.

    Raises InvalidError for a file that holds no certificate.
    """
    if trust is None:
        return ssl.create_default_context()
    digits = trust.replace(":", "").strip().lower()
    if FINGERPRINT.fullmatch(digits):
        return pinned(digits)
    path = Path(trust).expanduser()
    try:
        return ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        reason = str(error.strerror or error).lower()
        raise InvalidError(
            f"{path} cannot be trusted: {reason}",
            hint="Name a file of certificates (PEM), or a certificate's SHA-256.",
        ) from error


def pinned(digits: str) -> ssl.SSLContext:
    """A context that takes one certificate, whoever has signed it, and no other.

    It is looked at when hands are shaken, before anything of ours is sent.
    """

    def check(der: bytes | None) -> None:
        found = hashlib.sha256(der or b"").hexdigest()
        if not hmac.compare_digest(found, digits):
            raise ssl.SSLCertVerificationError(f"its certificate has the SHA-256 {found}")

    class Socket(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:
            super().do_handshake(block)
            check(self.getpeercert(binary_form=True))

    class Memory(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            check(self.getpeercert(binary_form=True))

    context: Any = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the SHA-256 says more than any authority could
    context.sslsocket_class, context.sslobject_class = Socket, Memory
    made: ssl.SSLContext = context
    return made
