"""What the page may ask of the scheduler: these methods of the registry, and nothing else.

What they mean is the registry's to say; here is only which, and how long an answer may take.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pb.core.secrets import hidden
from pb.debug.snapshot import Session
from pb.errors import PermissionDeniedError, UsageError

Json = dict[str, Any]

USUAL = 10.0
"""Seconds that an answer may take."""

PATIENT = 90.0
"""Seconds for what answers only when trees of processes are gone, or services are ready."""

READS = frozenset(
    {
        *("audit.list", "config.show", "events.recent", "queue.list"),
        *("job.activity", "job.deps", "job.export", "job.history", "job.list"),
        *("job.next", "job.schedule", "job.show", "job.stats", "run.show"),
        *("service.export", "service.list", "service.plan", "service.show", "stats.periods"),
        "system.info",
    }
)
ACTIONS = frozenset(
    {
        *("job.add", "job.apply", "job.disable", "job.enable", "job.pause", "job.remove"),
        *("job.restore", "job.resume", "job.run"),
        *("scheduler.reload", "service.disable", "service.enable"),
        *("service.reload", "service.reset"),
    }
)
SLOW = frozenset({"job.cancel", "run.cancel", "service.restart", "service.start", "service.stop"})
OPEN = READS | ACTIONS | SLOW
"""The methods of the page. None that only a terminal should have: no shutdown, no import."""

DEFINITIONS = ("definition", "running_definition", "changes")
"""Keys of answers under which a definition, or a part of one, is told."""


def call(connect: Callable[[], Session], document: object) -> Json:
    """The answer to ``{"method": …, "params": {…}}``. Raises the PbError that was answered."""
    match document:
        case {"method": str(method), "params": dict(params)}:
            pass
        case _:
            raise UsageError("A call is a method and its params")
    if method not in OPEN:
        raise PermissionDeniedError(f"The dashboard does not offer {method}")
    session = connect()
    try:
        answer = session.call(method, params, timeout=PATIENT if method in SLOW else USUAL)
    finally:
        session.close()
    return shown(method, answer)


def shown(method: str, answer: Json) -> Json:
    """The answer without the secrets that definitions hold."""
    keys = answer if method.endswith(".export") else DEFINITIONS
    return {key: hidden(part) if key in keys else part for key, part in answer.items()}
