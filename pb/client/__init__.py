"""The Python client of a gateway: ``Client``, and ``AsyncClient`` for asyncio.

It speaks HTTP to a gateway here or elsewhere and knows nothing of how that does its work. What is
refused is raised as the same errors that the command shows (``pb.errors``).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pb.client.parts import LogLine, LogPart, LostEventsError, Notice

if TYPE_CHECKING:
    from pb.client.aio.client import AsyncClient
    from pb.client.blocking.client import Client

__all__ = ["AsyncClient", "Client", "LogLine", "LogPart", "LostEventsError", "Notice"]

HOMES = {"AsyncClient": "pb.client.aio.client", "Client": "pb.client.blocking.client"}


def __getattr__(name: str) -> object:
    """Either client on its first use (PEP 562): who blocks needs no asyncio."""
    if name in HOMES:
        return getattr(import_module(HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
