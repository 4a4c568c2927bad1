"""One HTTP request: no redirects are followed, and an answer that is no success is a failure."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message as Headers
from http.client import HTTPException
from typing import IO, Any

from pb import __version__
from pb.core.urls import parse_url
from pb.courier.message import UndeliveredError
from pb.errors import InvalidError

READ = 500
"""Bytes of an answer that are read, and told."""

HERE = ("localhost", "127.0.0.1", "::1")


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Answers that lead elsewhere stay answers: what is sent may be for nobody else's eyes."""

    def redirect_request(
        self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Headers, newurl: str
    ) -> None:
        return None


def ask(
    url: str,
    *,
    method: str,
    context: ssl.SSLContext,
    timeout: float,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> str:
    """The answer's status and its first words. Raises UndeliveredError and OSError."""
    try:
        where = parse_url(url)
    except InvalidError:
        # Not its message: an address that comes from a secret place is a secret.
        raise UndeliveredError("the address is not an http or https address") from None
    given = {"User-Agent": f"pb/{__version__}", **(headers or {})}
    request = urllib.request.Request(url, data=body, headers=given, method=method)  # noqa: S310
    kinds = [urllib.request.HTTPSHandler(context=context), NoRedirects()]
    if where.host in HERE:
        kinds.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*kinds)
    try:
        with opener.open(request, timeout=timeout) as answer:
            return said(answer.status, answer.read(READ))
    except urllib.error.HTTPError as error:
        with error:
            raise UndeliveredError(f"answered {said(error.code, error.read(READ))}") from None
    except urllib.error.URLError as error:
        raise UndeliveredError(reason_of(error.reason)) from None
    except (HTTPException, ValueError) as error:
        raise UndeliveredError(f"did not answer in HTTP: {type(error).__name__}") from None


def said(status: int, content: bytes) -> str:
    text = content.decode("utf-8", "replace").strip()
    return f"{status} {text}".strip()


def reason_of(reason: object) -> str:
    """Why there was no answer."""
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {reason.verify_message}"
    if isinstance(reason, TimeoutError):
        return "did not answer in time"
    if isinstance(reason, OSError):
        return (reason.strerror or str(reason)).lower()
    return str(reason)
