"""Every error a user can do something about: a message, a hint, an exit code.

Nothing here imports anything of ours. A foreign exception is wrapped once, in the room that owns
the library, into one of these; the CLI's edge and the server's edge turn them into words or JSON.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command but ``status`` (SPEC section 2)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNSUPPORTED = 3
    PERMISSION = 4
    NOT_FOUND = 5
    INVALID = 6
    NEEDS_DAEMON = 7
    INTERRUPTED = 130


class StatusExit(IntEnum):
    """Exit codes of the ``status`` commands: the LSB table, and 150 for alive but not ready."""

    RUNNING = 0
    DEAD_WITH_PID_FILE = 1
    NOT_RUNNING = 3
    UNKNOWN = 4
    NOT_READY = 150


class PbError(Exception):
    """An error with one clear sentence and, where there is one, the next step to take.

    ``message`` is one sentence without a final full stop; ``hint`` says what to do next.
    ``code`` is the stable word that ``--json`` and the socket carry.
    """

    exit_code: Exit = Exit.FAILED
    code: str = "failed"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PbError):
    """The command line asks for something that cannot be meant."""

    exit_code = Exit.USAGE
    code = "usage"


class UnsupportedError(PbError):
    """This service, platform or build does not do that."""

    exit_code = Exit.UNSUPPORTED
    code = "unsupported"


class PermissionDeniedError(PbError):
    """The operating system, a token or an owner says no."""

    exit_code = Exit.PERMISSION
    code = "permission"


class NotFoundError(PbError):
    """No job, run or service of that name."""

    exit_code = Exit.NOT_FOUND
    code = "not_found"


class InvalidError(PbError):
    """A definition, setting or expression is wrong."""

    exit_code = Exit.INVALID
    code = "invalid"


class ConflictError(PbError):
    """It exists already, or something else holds it."""

    code = "conflict"


class NeedsDaemonError(PbError):
    """Only a running daemon can do that."""

    exit_code = Exit.NEEDS_DAEMON
    code = "needs_daemon"


class UnresponsiveError(PbError):
    """The daemon is alive and does not answer in time."""

    code = "unresponsive"


class StoreError(PbError):
    """The database cannot be read or written; its bytes are left as they are."""

    code = "store"


BY_CODE: dict[str, type[PbError]] = {
    kind.code: kind
    for kind in (
        PbError,
        UsageError,
        UnsupportedError,
        PermissionDeniedError,
        NotFoundError,
        InvalidError,
        ConflictError,
        NeedsDaemonError,
        UnresponsiveError,
        StoreError,
    )
}
"""Which class a code that came over the wire stands for."""


def as_word(path: object) -> str:
    """A path as it stands in a command to be copied: quoted where a shell would split it."""
    from shlex import quote

    return quote(str(path))


def did_you_mean(word: str, known: list[str] | tuple[str, ...]) -> str | None:
    """The hint that names the nearest known words, or None when none is near."""
    from difflib import get_close_matches

    begun = [one for one in known if len(word) > 2 and one.startswith(word)]
    near = begun[:2] or get_close_matches(word, known, n=2, cutoff=0.6)
    return f"Did you mean {' or '.join(near)}?" if near else None
