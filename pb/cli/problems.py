"""What is wrong in files that people wrote, shown alike by every command that reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pb.cli.render import clean

if TYPE_CHECKING:
    from pb.config.located import FileProblem


def problem_views(problems: Iterable[FileProblem]) -> list[dict[str, Any]]:
    return [
        {
            "file": problem.file,
            "line": problem.line,
            "key": problem.key,
            "message": problem.message,
            "hint": problem.hint,
        }
        for problem in problems
    ]


def say_problems(problems: Iterable[FileProblem], say: Callable[[str], None]) -> None:
    """``file:line: key: message``, and the hint below it."""
    for problem in problems:
        say(clean(problem))
        if problem.hint:
            say(f"  hint: {clean(problem.hint)}")


def count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
