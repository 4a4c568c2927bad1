"""Host, Origin and headers: what holds for every route before anything is looked at."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from tests.gateway.serving import BEARER, FakeScheduler, Gateway, a_job

PATHS = ["/healthz", "/readyz", "/api/v1/jobs", "/nowhere"]


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway(FakeScheduler(a_job("a")).connect) as running:
        yield running


def ask(
    gateway: Gateway, path: str, *headers: tuple[str, str], method: str = "GET"
) -> tuple[int, dict[str, str]]:
    """A request with exactly these headers and the token, nothing added; status and headers."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in (*headers, ("Authorization", BEARER["authorization"])):
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1", "localhost:1", "127.0.0.1.evil:{p}"])
def test_a_foreign_host_is_misdirected_on_every_route(
    gateway: Gateway, path: str, name: str
) -> None:
    status, _ = ask(gateway, path, ("Host", name.format(p=gateway.port)))

    assert status == 421


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "LOCALHOST"])
def test_the_own_names_are_answered(gateway: Gateway, name: str) -> None:
    assert ask(gateway, "/api/v1/jobs", ("Host", f"{name}:{gateway.port}"))[0] == 200


def test_two_hosts_are_refused(gateway: Gateway) -> None:
    own = ("Host", f"127.0.0.1:{gateway.port}")

    assert ask(gateway, "/healthz", own, ("Host", "evil.example"))[0] in (400, 421)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "header",
    [
        *(("Origin", "http://evil.example"), ("Origin", "null"), ("Origin", "http://127.0.0.1:1")),
        *(("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site")),
    ],
)
def test_pages_of_other_sites_are_refused_on_every_route(
    gateway: Gateway, path: str, header: tuple[str, str]
) -> None:
    own = ("Host", f"127.0.0.1:{gateway.port}")

    status, headers = ask(gateway, path, own, header)

    assert status == 403
    assert not [name for name in headers if name.startswith("access-control")]


def test_a_page_of_our_own_origin_may_ask(gateway: Gateway) -> None:
    own = f"localhost:{gateway.port}"

    assert ask(gateway, "/api/v1/jobs", ("Host", own), ("Origin", f"http://{own}"))[0] == 200


@pytest.mark.parametrize("path", PATHS)
def test_a_preflight_is_never_answered(gateway: Gateway, path: str) -> None:
    own = ("Host", f"127.0.0.1:{gateway.port}")
    wish = ("Access-Control-Request-Method", "POST")

    status, headers = ask(gateway, path, own, wish, method="OPTIONS")

    assert status in (404, 405)
    assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_carries_the_security_headers(gateway: Gateway, path: str) -> None:
    for host in (f"127.0.0.1:{gateway.port}", "evil.example"):
        _, headers = ask(gateway, path, ("Host", host))

        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "server" not in headers
        assert "date" in headers
