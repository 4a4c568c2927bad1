"""What `pb doctor` finds: one sentence, how bad it is, and the command that mends it.

The examinations (``exam_home``, ``exam_daemons``, ``exam_machine``) look and yield findings; none
of them changes anything. What is safe to mend by itself carries its own mending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING

from pb.core.lean import dataclass
from pb.paths import Home

if TYPE_CHECKING:
    from pb.config.settings import Settings


class Level(StrEnum):
    """``note`` is worth knowing; ``warning`` will hurt some day; ``problem`` hurts now."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. ``mend`` is there for what `--fix` may do: it answers what it
    did, and raises PbError when it could not."""

    check: str
    level: Level
    message: str
    hint: str | None = None
    mend: Callable[[], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the examinations look at. ``settings`` are None where they cannot be read."""

    home: Home
    settings: Settings | None


Examination = Callable[[Look], Iterator[Finding]]


def well(check: str, message: str) -> Finding:
    return Finding(check=check, level=Level.OK, message=message)


def noted(check: str, message: str, hint: str | None = None) -> Finding:
    return Finding(check=check, level=Level.NOTE, message=message, hint=hint)


def warning(
    check: str, message: str, hint: str | None = None, mend: Callable[[], str] | None = None
) -> Finding:
    return Finding(check=check, level=Level.WARNING, message=message, hint=hint, mend=mend)


def problem(
    check: str, message: str, hint: str | None = None, mend: Callable[[], str] | None = None
) -> Finding:
    return Finding(check=check, level=Level.PROBLEM, message=message, hint=hint, mend=mend)
