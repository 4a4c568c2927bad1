"""The rules that both web faces obey: which Host, which Origin, which headers, which status.

Pure functions over bytes and text. Nothing here imports a web framework, opens a socket or reads a
file; each server carries these rules out in a thin middleware of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from pb.core.lean import dataclass
from pb.errors import PbError

Headers = Iterable[tuple[bytes, bytes]]

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
"""On every answer, errors included. There is no Access-Control header among them, ever."""

STATUS = {
    "usage": 400,
    "invalid": 400,
    "permission": 403,
    "not_found": 404,
    "unknown_method": 404,
    "conflict": 409,
    "failed": 500,
    "store": 500,
    "unsupported": 501,
    "needs_daemon": 503,
    "unresponsive": 503,
    "too_many": 503,
    "too_many_requests": 429,
    "protocol": 503,
}
"""The HTTP status of each error code (pb.errors)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request is turned away before anybody looks at what it asks."""

    status: int
    code: str
    message: str
    hint: str | None = None

    def problem(self) -> dict[str, object]:
        return problem(self.status, self.code, self.message, self.hint)


def problem(status: int, code: str, message: str, hint: str | None = None) -> dict[str, object]:
    """A problem document (RFC 9457) with our two members, ``code`` and ``hint``."""
    document: dict[str, object] = {"title": message, "status": status, "code": code}
    if hint:
        document["hint"] = hint
    return document


def problem_of(error: PbError) -> dict[str, object]:
    """The problem document that an error of ours becomes."""
    hint = error.hint
    if error.code in ("needs_daemon", "unresponsive"):
        hint = hint or "Start it with: pb scheduler start"
    return problem(STATUS.get(error.code, 500), error.code, error.message, hint)


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine only: ``localhost`` or a loopback address, no other name."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def authority(host: str, port: int | str) -> str:
    """``host:port`` as a URL writes it, with brackets around an IPv6 address."""
    bare = host.strip("[]")
    return f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"


def allowed_authorities(host: str, port: int, names: Iterable[str] = ()) -> frozenset[str]:
    """What a Host header may say: exactly these; anything else is a rebound DNS name."""
    known = ("127.0.0.1", "localhost", "::1", host.lower(), *names)
    return frozenset(authority(name, port) for name in known)


def values(headers: Headers, name: bytes) -> list[str]:
    """Every value of one header, in order."""
    return [value.decode("latin-1").strip() for key, value in headers if key.lower() == name]


def refusal_of(
    method: str,
    headers: Headers,
    allowed: frozenset[str],
    *,
    navigation: bool = False,
    scheme: str = "http",
) -> Refusal | None:
    """Why a request is refused for where it comes from, or None.

    ``navigation`` lets a person follow a link from another site to a page (a top-level GET that
    reads nothing back to that site); everything else must come from our own pages or no page, and
    those have ``scheme``.
    """
    headers = list(headers)
    hosts = values(headers, b"host")
    if len(hosts) != 1 or hosts[0].lower() not in allowed:
        return Refusal(
            status=421,
            code="misdirected",
            message="This server does not answer to that host name",
            hint=f"Use one of: {', '.join(sorted(allowed))}",
        )
    if navigation and method == "GET" and is_navigation(headers):
        return None
    if is_foreign_origin(headers, allowed, scheme) or is_cross_site(headers):
        return Refusal(
            status=403,
            code="foreign_origin",
            message="Pages of another site may not talk to this server",
        )
    return None


def is_navigation(headers: Headers) -> bool:
    """Whether a browser says that it opens this as a page of its own (Fetch Metadata)."""
    headers = list(headers)
    mode, dest = values(headers, b"sec-fetch-mode"), values(headers, b"sec-fetch-dest")
    return mode == ["navigate"] and dest == ["document"]


def is_foreign_origin(headers: Headers, allowed: frozenset[str], scheme: str = "http") -> bool:
    """Whether an Origin is given that is not one of ours; ``null`` is foreign."""
    own = {f"{scheme}://{name}" for name in allowed}
    return any(origin.lower() not in own for origin in values(headers, b"origin"))


def is_cross_site(headers: Headers) -> bool:
    """Whether the browser says that another site, or another port of this host, asks."""
    return any(site not in ("same-origin", "none") for site in values(headers, b"sec-fetch-site"))
