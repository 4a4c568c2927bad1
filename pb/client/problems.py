"""What goes wrong between a client and its gateway, as the errors of ``pb.errors``."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from typing import Any

import httpcore

from pb.api.codec import ProtocolError
from pb.errors import (
    BY_CODE,
    ConflictError,
    InvalidError,
    NeedsDaemonError,
    NotFoundError,
    PbError,
    PermissionDeniedError,
    UnresponsiveError,
    UsageError,
)

BY_WORD: dict[str, type[PbError]] = {"unknown_method": UsageError, "protocol": ProtocolError}
"""Codes of ours that more than one kind of error could stand for."""

BY_STATUS: dict[int, type[PbError]] = {
    400: UsageError,
    401: PermissionDeniedError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: InvalidError,
    421: UsageError,
    429: UnresponsiveError,
    503: UnresponsiveError,
}
"""What a status means where the code is not one of ours."""

BROKEN = (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError)
"""A connection that ended before its answer did."""

FAILURES = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)
"""All that can go wrong with one."""

HINTS = {
    "unauthenticated": "See which are good with pb gateway tokens, where the gateway is; "
    "make one with pb gateway pair.",
    "too_large": "A request may have 1 MiB: send less at a time.",
}
"""Better next steps than the gateway's own words, which are for those who send headers."""


def problem_of(url: str, status: int, content: bytes) -> PbError:
    """The error that an answer of 400 or more stands for."""
    document = object_of(content)
    if document is None or "code" not in document:
        return stranger(url)
    code = str(document["code"])
    kind = BY_CODE.get(code) or BY_WORD.get(code) or BY_STATUS.get(status, PbError)
    error = kind(str(document.get("title")), hint=HINTS.get(code) or document.get("hint"))
    error.code = code
    return error


def object_of(content: bytes) -> dict[str, Any] | None:
    """The JSON object in a body; None when it holds anything else."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def stranger(url: str) -> ProtocolError:
    return ProtocolError(
        f"What answers at {url} is not a gateway of pb", hint="Check the URL and its port."
    )


def trouble_of(url: str, error: Exception) -> PbError:
    """The error that a failure of the connection stands for."""
    untrusted = cause_of(error, lambda one: isinstance(one, ssl.SSLError))
    if untrusted is not None:
        return tls_trouble(url, untrusted)
    if isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout):
        reason = cause_of(error, lambda one: isinstance(one, OSError) and bool(one.strerror))
        said = f": {str(reason.strerror).lower()}" if isinstance(reason, OSError) else ""
        return NeedsDaemonError(
            f"No gateway can be reached at {url}{said}",
            hint="Start it there with: pb gateway start",
        )
    if isinstance(error, httpcore.TimeoutException):
        return UnresponsiveError(
            f"The gateway at {url} does not answer in time",
            hint="See pb gateway logs, where it runs.",
        )
    return NeedsDaemonError(
        f"The gateway at {url} went away in the middle",
        hint="What was asked may have been done: look before you ask again.",
    )


def tls_trouble(url: str, error: BaseException) -> PbError:
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = getattr(error, "verify_message", "") or str(error.args[-1])
        return PermissionDeniedError(
            f"The gateway at {url} is not trusted: {reason}",
            hint="Name what to trust, its certificate's file or SHA-256, as its log tells it, with "
            "--trust or PB_TRUST.",
        )
    return NeedsDaemonError(
        f"No gateway speaks TLS at {url}",
        hint="Write http:// for one on this machine that does not encrypt.",
    )


def cause_of(
    error: BaseException, is_wanted: Callable[[BaseException], bool]
) -> BaseException | None:
    """The first of an error's causes that is wanted."""
    seen: BaseException | None = error
    while seen is not None:
        if is_wanted(seen):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
