"""A scheduler and a gateway as processes of their own, for what has to be killed."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pb.api import session
from pb.paths import Home
from tests.gateway.house import drain, python
from tests.kit import eventually
from tests.kit.faces import Told, face


class Stand:
    """A scheduler, and a gateway that can be killed and started on the port that it had."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.home = Home(path)
        self.home.ensure()
        self._stack = stack
        drain(stack.enter_context(face("daemon", path)))
        eventually(lambda: session(self.home, local_ok=False).close() is None, timeout=30)
        self.gateway = self._begun("0")
        self.port = str(self.gateway.record["ports"]["http"])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _begun(self, port: str) -> Told:
        flags = ("--port", port, "--grpc-port", "0")
        gateway = self._stack.enter_context(face("gateway", self.home.root, *flags))
        drain(gateway)
        return gateway

    def kill(self) -> None:
        assert self.gateway.stop(signal.SIGKILL) == -signal.SIGKILL

    def revive(self) -> None:
        self.gateway = self._begun(self.port)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        with session(self.home, local_ok=False) as talk:
            return talk.call(method, params, timeout=30)

    def add(self, name: str) -> None:
        self.ask("job.add", definition={"name": name, "command": ["true"]})

    def gate(self, name: str, path: Path, count: int) -> int:
        """A run that writes a line, waits for the file ``path``, and writes the others."""
        script = (
            "import os, time\nprint(0)\n"
            f"while not os.path.exists({str(path)!r}): time.sleep(0.02)\n"
            f"for i in range(1, {count}): print(i)"
        )
        definition = {"name": name, "command": python(script)}
        self.ask("job.add", definition=definition)
        return int(self.ask("job.run", name=name)["run"]["run_id"])
