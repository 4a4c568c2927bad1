"""The command's entry point. Nothing is imported before Ctrl-C is looked after; see ``edge``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``pb`` with ``argv`` (default: the process's) and answer the exit code. Never raises."""
    try:
        from pb.cli.edge import run

        return run(argv)
    except KeyboardInterrupt:
        return 130  # pb.errors.Exit.INTERRUPTED, which may be what was being imported.
