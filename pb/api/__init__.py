"""THE CONTRACT: the registry of methods, the codec, the client and the local transport.

Everything a face may do is a method here. This module stays cheap to import: the socket client
first, the store only where no scheduler runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from pb.errors import NeedsDaemonError, UnresponsiveError

if TYPE_CHECKING:
    from pb.api.asker import Asker
    from pb.api.registry import Method
    from pb.config.settings import Settings
    from pb.paths import Home


class Session(Protocol):
    """Somebody who can be asked: the live scheduler, or the store itself."""

    is_local: bool

    def call(
        self, method: str, params: dict[str, Any] | None = None, *, timeout: float = 5.0
    ) -> dict[str, Any]: ...

    def close(self) -> None: ...

    def __enter__(self) -> Session: ...

    def __exit__(self, *exception: object) -> None: ...


def session(
    home: Home,
    settings: Settings | None = None,
    *,
    local_ok: bool = True,
    face: str = "cli",
    asker: Asker | None = None,
) -> Session:
    """Talk to the live scheduler of ``home``; when none runs, to its store.

    ``face`` is through what is asked, as the record of a change names it: cli, gateway, grpc,
    debug or python; ``asker`` for whom, when that is not this process's own user.

    Which one it is comes from the PID file and the process behind it, not from the socket file.
    Raises UnresponsiveError when the scheduler lives and does not answer, NeedsDaemonError when
    none runs and ``local_ok`` is False.
    """
    from pathlib import Path

    from pb.api.client import Client
    from pb.process.status import look

    status = look(home, "scheduler")
    if status.state in ("running", "unknown") and status.record is not None:
        path = Path(status.record.socket_path or home.socket)
        try:
            return Client(path, face=face, asker=asker)
        except NeedsDaemonError:
            # It may have ended between the look and the call.
            if not local_ok or look(home, "scheduler").state == "running":
                raise
            return local_session(home, settings, face=face, asker=asker)
    if status.state == "unknown":
        raise UnresponsiveError(
            f"It is not clear whether a scheduler runs: {status.reason}",
            hint="See `pb scheduler status`.",
        )
    if not local_ok:
        raise NeedsDaemonError(
            "The scheduler is not running", hint="Start it with: pb scheduler start"
        )
    return local_session(home, settings, face=face, asker=asker)


def local_session(
    home: Home,
    settings: Settings | None = None,
    *,
    face: str = "cli",
    asker: Asker | None = None,
) -> Session:
    """The store's own session, whether or not a scheduler runs."""
    from pb.api.asker import NOBODY
    from pb.api.local import Local
    from pb.config.settings import load_settings

    return Local(home, settings or load_settings(home), face=face, asker=asker or NOBODY)


def events(home: Home, settings: Settings | None = None) -> Iterator[dict[str, Any]]:
    """Live events of the scheduler; ends when it goes away. Raises NeedsDaemonError."""
    from pb.api.client import Client

    with session(home, settings, local_ok=False) as talk:
        if not isinstance(talk, Client):
            raise NeedsDaemonError("The scheduler is not running")
        talk.call("events.subscribe")
        yield from talk.notifications()


def __getattr__(name: str) -> dict[str, Method]:
    """``METHODS``, the registry, imported on first use: a client does not need it."""
    if name == "METHODS":
        from pb.api.catalogue import METHODS

        return METHODS
    raise AttributeError(name)
