"""The gateway's certificate: the user's own, or one that is made once and kept in the home.

Making one is left to the ``openssl`` program (decision 0001 says why no library does it): it is
on nearly every machine, is needed once, and where it is missing a certificate of one's own will do.
"""

from __future__ import annotations

import os
import shutil
import ssl
import stat
import subprocess
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from pb.config.settings import GatewaySettings
from pb.core.lean import dataclass
from pb.errors import InvalidError, PbError, PermissionDeniedError, UnsupportedError, as_word
from pb.paths import Home

DAYS = 825
"""How long a certificate that is made here is good: what clients accept at most."""

TIMEOUT = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate (with its chain) and its key, as PEM files."""

    cert: Path
    key: Path

    def pair(self) -> tuple[bytes, bytes]:
        """The key and the certificate, as gRPC wants them."""
        return self.key.read_bytes(), self.cert.read_bytes()


def certificate_of(home: Home, settings: GatewaySettings) -> Certificate | None:
    """What the gateway encrypts with, checked; None when it does not encrypt.

    Raises InvalidError and PermissionDeniedError for files that cannot be used, and
    UnsupportedError when one would have to be made and cannot be.
    """
    if settings.tls_cert is None and settings.tls_key is None and not settings.tls:
        return None
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise InvalidError(
            "A certificate needs its key, and a key its certificate",
            hint="Set both gateway.tls_cert and gateway.tls_key, or only gateway.tls = true.",
        )
    if settings.tls_cert is not None and settings.tls_key is not None:
        found = Certificate(cert=Path(settings.tls_cert), key=Path(settings.tls_key))
    else:
        found = Certificate(cert=home.root / "gateway.crt", key=home.root / "gateway.key")
        if not found.cert.exists() or not found.key.exists():
            make(found, names_of(settings))
    check(found)
    return found


def names_of(settings: GatewaySettings) -> list[str]:
    """The names and addresses that a certificate is made for."""
    host = settings.host.strip("[]")
    own = [] if host in ("0.0.0.0", "::") else [host]  # noqa: S104 - compared, not bound
    return list(dict.fromkeys(["localhost", "127.0.0.1", "::1", *own, *settings.names]))


def check(found: Certificate) -> None:
    """Raises what would keep the pair from being used."""
    for path in (found.cert, found.key):
        try:
            facts = path.stat()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise InvalidError(f"Cannot read {path}: {reason}") from error
        if path == found.key and stat.S_IMODE(facts.st_mode) & 0o077:
            raise PermissionDeniedError(
                f"The key {path} is open to others (mode {stat.S_IMODE(facts.st_mode):04o})",
                hint=f"Others may know it. Make a new one, or close it: chmod 600 {as_word(path)}",
            )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(found.cert, found.key, no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise InvalidError(
            f"{found.cert} and {found.key} are no certificate with its key",
            hint="Both are PEM files, and the key has no password.",
        ) from error


def no_password() -> str:
    """Asked for a key with a password; a daemon has nobody to ask."""
    raise ValueError("the key has a password")


def make(wanted: Certificate, names: Sequence[str]) -> None:
    """Write a key and a certificate that signs itself, both private."""
    program = shutil.which("openssl")
    if program is None:
        raise UnsupportedError(
            "A certificate cannot be made here: there is no openssl program",
            hint="Install openssl, or set gateway.tls_cert and gateway.tls_key to your own.",
        )
    fresh = [path.with_name(f".{path.name}.{os.getpid()}") for path in (wanted.key, wanted.cert)]
    try:
        for path in fresh:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        run(program, fresh, names)
        for path, name in zip(fresh, (wanted.key, wanted.cert), strict=True):
            os.replace(path, name)
    except OSError as error:
        raise PbError(f"Cannot write {wanted.cert}: {error.strerror}") from error
    finally:
        for path in fresh:
            path.unlink(missing_ok=True)


def run(program: str, fresh: Sequence[Path], names: Sequence[str]) -> None:
    key, cert = fresh
    words = [
        *(program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-nodes", "-days", str(DAYS), "-subj", "/CN=pb gateway", "-keyout", str(key)),
        *("-out", str(cert), "-addext", f"subjectAltName={','.join(map(subject, names))}"),
    ]
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PbError("openssl did not make a certificate in time") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise PbError(f"openssl could not make a certificate: {said[-1] if said else 'no reason'}")


def subject(name: str) -> str:
    """A name as a subjectAltName (RFC 5280, 4.2.1.6)."""
    try:
        return f"IP:{ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def fingerprint(found: Certificate) -> str:
    """The certificate's SHA-256, by which a person can recognise it."""
    import hashlib

    der = ssl.PEM_cert_to_DER_cert(first_of(found.cert.read_text(encoding="ascii")))
    return hashlib.sha256(der).hexdigest()


def first_of(text: str) -> str:
    """The first certificate of a chain."""
    end = "-----END CERTIFICATE-----"
    begin = text.index("-----BEGIN CERTIFICATE-----")
    return text[begin : text.index(end) + len(end)] + "\n"
