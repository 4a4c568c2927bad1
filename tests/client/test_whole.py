"""Nothing of the HTTP interface is missing in the client, and both clients are one."""

from __future__ import annotations

import asyncio
import inspect
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from pb.client import AsyncClient, Client, answers
from pb.gateway.answers import THINGS
from pb.gateway.app import routes_of
from pb.gateway.endpoints import ENDPOINTS
from tests.client.generate import MADE, made_from, sources
from tests.client.recording import Asked, Recorder, recorder
from tests.gateway.serving import TOKEN

GROUPS = ("jobs", "runs", "services", "tokens", "backups", "notices")

VALUES: dict[str, Any] = {
    "name": "{name}",
    "run_id": 7,
    "definition": {"command": ["true"]},
    "names": ["{name}"],
    "method": "job.run",
    "signal": "HUP",
    "scope": "tree",
    "goal": "ready",
    "params": {},
    "facts": {"a": 1},
}
"""What is given to a parameter where its type does not say."""

NOT_OURS = {"/api/v1/docs", "/api/v1/docs.css", "/api/v1/hooks/{name}"}
"""Pages that people read, and what others call with a proof of their own."""


def sample(name: str, parameter: inspect.Parameter) -> Any:
    kind = str(parameter.annotation)
    if name in VALUES:
        return VALUES[name]
    if "int" in kind or "float" in kind:
        return 1
    return True if "bool" in kind else ["x"] if "Sequence" in kind else "x"


def methods_of(client: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Everything that asks, with its name."""
    for owner in (client, *(getattr(client, group) for group in GROUPS)):
        for name, method in inspect.getmembers(owner, inspect.ismethod):
            if not name.startswith("_") and name not in ("close", "from_environment"):
                yield name, method


def whole_call(method: Callable[..., Any]) -> Any:
    """Call it with every parameter that can be given as a value; drain what it yields."""
    given = {
        name: sample(name, parameter)
        for name, parameter in inspect.signature(method).parameters.items()
        if name not in ("told", "patience")
    }
    return method(**given)


def template(asked: Asked) -> str:
    path = asked.path.replace("/runs/7", "/runs/{run_id}")
    return path.replace("/call/job.run", "/call/{method}")


@pytest.fixture(scope="module")
def asked() -> Iterator[Recorder]:
    with recorder() as server:
        with Client(server.url, TOKEN) as client:
            for _, method in methods_of(client):
                answer = whole_call(method)
                if inspect.isgenerator(answer):
                    list(islice(answer, 1))
                    answer.close()
        yield server


def test_every_endpoint_can_be_asked_with_each_of_its_parameters(asked: Recorder) -> None:
    known: dict[tuple[str, str], set[str]] = {}
    for one in asked.seen:
        known.setdefault((one.verb, template(one)), set()).update(one.given)

    missing = {
        (endpoint.verb, endpoint.path): set(endpoint.takes)
        - known.get((endpoint.verb, endpoint.path), set())
        for endpoint in ENDPOINTS
        if (endpoint.verb, endpoint.path) not in known
        or set(endpoint.takes) - known[endpoint.verb, endpoint.path]
    }
    assert missing == {}


def test_what_is_no_endpoint_of_the_table_can_be_asked_too(asked: Recorder) -> None:
    paths = {template(one) for one in asked.seen}

    assert {getattr(route, "path", "") for route in routes_of()} - paths == NOT_OURS


def test_the_token_goes_into_its_header_and_nowhere_else(asked: Recorder) -> None:
    assert {one.token for one in asked.seen} == {f"Bearer {TOKEN}"}
    assert not [one for one in asked.seen if TOKEN in one.path]


def test_both_clients_ask_the_same(asked: Recorder) -> None:
    async def ask_all(url: str) -> None:
        async with AsyncClient(url, TOKEN) as client:
            for _, method in methods_of(client):
                answer = whole_call(method)
                if isinstance(answer, AsyncIterator):
                    async for _ in answer:
                        break
                    await answer.aclose()  # type: ignore[attr-defined]
                else:
                    await answer

    with recorder() as server:
        asyncio.run(ask_all(server.url))

    assert server.seen == asked.seen


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.name)
def test_the_blocking_client_is_made_from_the_other(path: Path) -> None:
    """When this fails: `python -m tests.client.generate`."""
    assert (MADE / path.name).read_text() == made_from(path)


def test_there_is_nothing_in_the_one_that_is_not_in_the_other() -> None:
    assert sorted(one.name for one in MADE.glob("*.py")) == sorted(
        ["__init__.py", *(one.name for one in sources())]
    )


@pytest.mark.parametrize("thing", THINGS)
def test_the_types_say_what_the_document_promises(thing: str) -> None:
    promised = {word.partition(":")[0]: word.endswith("?") for word in THINGS[thing].split()}
    hints = get_type_hints(getattr(answers, thing))

    assert {name: "None" in str(hints.get(name)) for name in promised} == promised


def test_every_method_says_what_it_does() -> None:
    with Client("http://127.0.0.1:1", TOKEN) as client:
        silent = [name for name, method in methods_of(client) if not inspect.getdoc(method)]

    assert silent == []
    assert not re.search("Async|await", inspect.getdoc(Client) or "")


def test_a_client_is_imported_without_what_it_does_not_need() -> None:
    words = "import sys; from pb.client import Client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())

    assert not loaded & {"pb.gateway", "pb.store", "starlette", "uvicorn", "grpc", "httpx", "typer"}
    assert not loaded & {"asyncio", "pb.client.aio"}
