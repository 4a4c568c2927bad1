"""The process that a row of the store names: a run's, or that of an instance of a service."""

from __future__ import annotations

from typing import Protocol

from pb.process.identity import Identity


class HasIdentity(Protocol):
    """A row with the five columns of an identity, None while no process was started."""

    pid: int | None
    start_ticks: int | None
    boot_id: str | None
    pid_namespace: int | None
    host: str | None


def set_identity(row: HasIdentity, identity: Identity | None) -> None:
    """Note the process, or that there is none."""
    row.pid = identity.pid if identity else None
    row.start_ticks = identity.start_ticks if identity else None
    row.boot_id = identity.boot_id if identity else None
    row.pid_namespace = identity.pid_namespace if identity else None
    row.host = identity.host if identity else None


def identity_of(row: HasIdentity) -> Identity | None:
    """The process that a row names, None when it names none."""
    if (
        row.pid is None
        or row.start_ticks is None
        or row.boot_id is None
        or row.pid_namespace is None
        or row.host is None
    ):
        return None
    return Identity(
        pid=row.pid,
        start_ticks=row.start_ticks,
        boot_id=row.boot_id,
        pid_namespace=row.pid_namespace,
        host=row.host,
    )
