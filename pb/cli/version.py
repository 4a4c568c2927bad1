"""``pb version``."""

from __future__ import annotations

from pb.cli import overview
from pb.cli.tree import single

app, command = single("version", "pb version", "pb version --json")


@command
def version() -> int:
    """Print the version of pb; with --json also Python's and the platform."""
    return overview.version()
