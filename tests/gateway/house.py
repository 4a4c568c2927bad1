"""A whole house: a real scheduler in a home of its own, and the gateway in front of it."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pb.api import session
from pb.errors import NeedsDaemonError
from pb.paths import Home
from tests.gateway.serving import BEARER, Gateway
from tests.gateway.tokens import Keys, bearer
from tests.kit import eventually
from tests.kit.faces import Told, face


def python(script: str) -> list[str]:
    return [sys.executable, "-u", "-c", script]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """``ask`` calls a method of the scheduler itself; ``client`` is an admin's over HTTP."""

    home: Home
    gateway: Gateway
    scheduler: Told
    client: httpx.Client

    def ask(self, method: str, /, **params: Any) -> dict[str, Any]:
        with session(self.home, local_ok=False) as talk:
            return talk.call(method, params, timeout=30)

    @property
    def keys(self) -> Keys:
        return Keys(home=self.home)

    def add(self, name: str, command: list[str], **more: Any) -> dict[str, Any]:
        return self.ask("job.add", definition={"name": name, "command": command, **more})

    def token(self, scope: str = "read", **params: Any) -> str:
        return str(self.ask("token.create", scope=scope, **params)["token"])

    def visitor(self, scope: str, **params: Any) -> httpx.Client:
        """A client with a fresh token of that scope; close it."""
        headers = bearer(self.token(scope, **params))
        return httpx.Client(base_url=self.gateway.url, headers=headers, trust_env=False, timeout=30)

    def empty(self) -> None:
        """Stop what would outlive the scheduler, and what its end would wait for."""
        with suppress(NeedsDaemonError):
            self.ask("service.stop", names=["all"], force=True)
            for job in self.ask("job.list", state="running")["jobs"]:
                self.ask("job.cancel", name=job["name"])

    def run(self, name: str) -> int:
        """Run a job to its end; the run's number."""
        number = int(self.ask("job.run", name=name)["run"]["run_id"])
        eventually(lambda: self.ask("run.show", run_id=number)["run"]["finished_at"], timeout=30)
        return number


def drain(told: Told) -> None:
    """Read what it logs, so that a full pipe never holds it up."""
    assert told.process.stderr
    threading.Thread(target=told.process.stderr.read, daemon=True).start()


@contextmanager
def house(path: Path) -> Iterator[House]:
    home = Home(path)
    home.ensure()
    with face("daemon", path) as scheduler:
        drain(scheduler)
        eventually(lambda: session(home, local_ok=False).close() is None)
        connect = functools.partial(session, home, face="gateway")
        with (
            Gateway(connect, home.db, home) as gateway,
            httpx.Client(
                base_url=gateway.url, headers=BEARER, trust_env=False, timeout=30
            ) as client,
        ):
            whole = House(home=home, gateway=gateway, scheduler=scheduler, client=client)
            try:
                yield whole
            finally:
                whole.empty()
