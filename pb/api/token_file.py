"""The local admin token: where it comes from, when its file is refused, how it is compared.

It never appears in a URL, an argument, an environment or a log line. There is no way to an empty
token: a file that cannot be trusted stops the server that wants it.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from pb.errors import InvalidError, NotFoundError, PbError, PermissionDeniedError

SHORTEST = 32
"""Characters a token must have at least; ours have 43, which carry 256 bits."""

LONGEST = 4096


def ensure_token(path: Path) -> str:
    """The token in ``path``, made first when there is no such file. Errors as ``read_token``."""
    try:
        return read_token(path)
    except NotFoundError:
        create_token(path)
    return read_token(path)


def create_token(path: Path) -> None:
    """Write a fresh token, 0600; somebody who was faster wins."""
    import secrets

    try:
        fd = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
    except FileExistsError:
        return
    except OSError as error:
        raise PbError(f"Cannot create {path}: {error.strerror}") from error
    try:
        os.fchmod(fd, 0o600)  # an umask may have taken more away
        os.write(fd, secrets.token_urlsafe(32).encode() + b"\n")
        os.fsync(fd)
    except OSError as error:
        os.unlink(path)
        raise PbError(f"Cannot write {path}: {error.strerror}") from error
    finally:
        os.close(fd)


def read_token(path: Path) -> str:
    """The token in ``path``.

    Raises NotFoundError without a file, PermissionDeniedError for one that others can read or
    write or that is not ours, InvalidError for an empty, short or unreadable token.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        hint = "Start the gateway once: pb gateway start"
        raise NotFoundError(f"There is no token file {path}", hint=hint) from error
    except OSError as error:
        why = "it is a symbolic link" if error.errno == errno.ELOOP else str(error.strerror).lower()
        raise PermissionDeniedError(f"Cannot use the token file {path}: {why}") from error
    try:
        check_token_file(path, os.fstat(fd))
        return checked_token(path, os.read(fd, LONGEST))
    finally:
        os.close(fd)


def check_token_file(path: Path, facts: os.stat_result) -> None:
    """Refuse a file whose content others could have chosen or read."""
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
        raise PermissionDeniedError(f"The token file {path} is not a plain file of its own")
    if facts.st_uid != os.geteuid():
        raise PermissionDeniedError(
            f"The token file {path} belongs to another user (uid {facts.st_uid})",
            hint="Remove it; the next start writes a new one.",
        )
    if facts.st_mode & 0o077:
        raise PermissionDeniedError(
            f"The token file {path} is open to others (mode {stat.S_IMODE(facts.st_mode):04o})",
            hint=f"Others may know this token. Remove {path}; the next start writes a new one.",
        )


def checked_token(path: Path, content: bytes) -> str:
    token = content.decode("ascii", "replace").strip()
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidError(
            f"The token file {path} holds no usable token ({SHORTEST} characters at least)",
            hint=f"Remove {path}; the next start writes a new one.",
        )
    return token


def is_bearer(authorization: str | None, token: str) -> bool:
    """Whether an ``Authorization`` value is ``Bearer`` and the token; takes constant time."""
    import hmac

    scheme, _, given = (authorization or "").partition(" ")
    same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())
    return same and scheme.lower() == "bearer"
