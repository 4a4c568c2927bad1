"""Tables for the rules that both web faces obey."""

from __future__ import annotations

import pytest

from pb.api.http_rules import (
    SECURITY_HEADERS,
    STATUS,
    allowed_authorities,
    authority,
    is_loopback,
    problem_of,
    refusal_of,
)
from pb.errors import BY_CODE, NeedsDaemonError, NotFoundError, PbError

ALLOWED = allowed_authorities("127.0.0.1", 18789)
OWN = (b"host", b"127.0.0.1:18789")

NAVIGATION = [(b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document")]


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        ([b"127.0.0.1:18789"], None),
        ([b"localhost:18789"], None),
        ([b"[::1]:18789"], None),
        ([b"LocalHost:18789"], None),
        ([], 421),
        ([b""], 421),
        ([b"127.0.0.1"], 421),
        ([b"127.0.0.1:80"], 421),
        ([b"localhost.:18789"], 421),
        ([b"evil.example:18789"], 421),
        ([b"127.0.0.1:18789.evil.example"], 421),
        ([b"127.0.0.1:18789", b"evil.example"], 421),
        ([b"0.0.0.0:18789"], 421),
    ],
)
def test_only_the_own_names_are_answered(hosts: list[bytes], status: int | None) -> None:
    refusal = refusal_of("GET", [(b"Host", host) for host in hosts], ALLOWED)

    assert (refusal and refusal.status) == status


@pytest.mark.parametrize(
    ("header", "refused"),
    [
        ((b"origin", b"http://127.0.0.1:18789"), False),
        ((b"origin", b"http://localhost:18789"), False),
        ((b"origin", b"https://127.0.0.1:18789"), True),
        ((b"origin", b"http://127.0.0.1:18790"), True),
        ((b"origin", b"null"), True),
        ((b"origin", b""), True),
        ((b"sec-fetch-site", b"same-origin"), False),
        ((b"sec-fetch-site", b"none"), False),
        ((b"sec-fetch-site", b"same-site"), True),
        ((b"sec-fetch-site", b"cross-site"), True),
    ],
)
def test_other_sites_are_refused(header: tuple[bytes, bytes], refused: bool) -> None:
    refusal = refusal_of("GET", [OWN, header], ALLOWED)

    assert (refusal is not None) == refused


@pytest.mark.parametrize(
    ("method", "extra", "refused"),
    [
        ("GET", NAVIGATION, False),
        ("POST", NAVIGATION, True),
        ("GET", [], True),
        ("GET", [(b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"iframe")], True),
        ("GET", [(b"sec-fetch-mode", b"no-cors"), (b"sec-fetch-dest", b"image")], True),
    ],
)
def test_a_link_from_another_site_may_open_a_page_and_nothing_else(
    method: str, extra: list[tuple[bytes, bytes]], refused: bool
) -> None:
    headers = [OWN, (b"sec-fetch-site", b"cross-site"), *extra]

    assert (refusal_of(method, headers, ALLOWED, navigation=True) is not None) == refused
    assert refusal_of(method, headers, ALLOWED) is not None


def test_a_rebound_name_may_not_even_navigate() -> None:
    headers = [(b"host", b"evil.example:18789"), *NAVIGATION]

    refusal = refusal_of("GET", headers, ALLOWED, navigation=True)

    assert refusal is not None
    assert refusal.status == 421


def test_no_answer_allows_another_origin() -> None:
    assert not [name for name, _ in SECURITY_HEADERS if name.startswith(b"access-control")]


@pytest.mark.parametrize(
    ("host", "yes"),
    [
        *(("127.0.0.1", True), ("127.8.9.10", True), ("::1", True), ("[::1]", True)),
        *(("localhost", True), ("0.0.0.0", False), ("::", False), ("10.0.0.1", False)),
        *(("localhost.evil.example", False), ("", False)),
    ],
)
def test_what_is_loopback(host: str, yes: bool) -> None:
    assert is_loopback(host) is yes


def test_an_ipv6_authority_has_brackets() -> None:
    assert authority("::1", 80) == authority("[::1]", 80) == "[::1]:80"


def test_every_error_of_ours_has_a_status() -> None:
    assert BY_CODE.keys() <= STATUS.keys()
    assert problem_of(PbError("Broken"))["status"] == 500
    assert problem_of(NotFoundError("No", hint="x"))["hint"] == "x"
    assert "pb scheduler start" in str(problem_of(NeedsDaemonError("Down"))["hint"])
