"""What a gateway answers about the past as a whole: digests, and what would be let go."""

from __future__ import annotations

from typing import Any, TypedDict


class Digest(TypedDict):
    """What ran, failed, was skipped or took long, and what is different from before."""

    since: str
    until: str
    home: str
    by: str
    total: dict[str, Any]
    before: dict[str, Any]
    jobs: list[dict[str, Any]]
    failures: list[dict[str, Any]]
    slow: list[dict[str, Any]]
    services: list[dict[str, Any]]
    changes: dict[str, list[str]]
    own_failures: list[dict[str, Any]]


class Expiring(TypedDict):
    """The runs that would be let go now, by job; nothing is."""

    jobs: list[dict[str, Any]]
    runs: int
    log_bytes: int
    is_complete: bool
