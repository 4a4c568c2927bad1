"""``pb doctor``: everything that could be wrong with a home and around it, looked at once.

Looks, and changes nothing unless ``--fix`` is given; then only what is safe.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from pb.cli.asked import asked, home
from pb.cli.findings import Examination, Finding, Level, Look, problem, warning
from pb.cli.render import clean, emit, mark, note, out, paint
from pb.cli.tree import single
from pb.errors import Exit, PbError

MARKS = {Level.OK: "ok", Level.WARNING: "warn", Level.PROBLEM: "bad"}

app, command = single("doctor", "pb doctor", "pb doctor --fix", "pb doctor --json")

Fix = Annotated[
    bool, typer.Option("--fix", help="Mend what is safe: stale PID files and open permissions.")
]


@command
def doctor(fix: Fix = False) -> int:
    """Look for what is wrong: files, permissions, orphans, ports, boot, the disk, the database.

    Exit 1 when something is.
    """
    findings = [mended(one) if fix else one for one in examined()]
    wrong = [one for one in findings if one.level in (Level.WARNING, Level.PROBLEM)]
    if asked.as_json:
        emit({"healthy": not wrong, "findings": [document(one) for one in findings]})
    else:
        show(findings, len(wrong), fix)
    return int(Exit.FAILED if wrong else Exit.DONE)


def examined() -> Iterator[Finding]:
    """All findings; an examination that cannot be finished is one itself."""
    from pb.cli import exam_daemons, exam_home, exam_machine
    from pb.config.settings import load_settings

    try:
        settings = load_settings(home())
    except PbError:
        settings = None  # The examination of the configuration says why.
    look = Look(home=home(), settings=settings)
    for module in (exam_home, exam_daemons, exam_machine):
        for examination in module.EXAMINATIONS:
            yield from finished(examination, look)


def finished(examination: Examination, look: Look) -> Iterator[Finding]:
    name = examination.__name__.replace("_", " ")
    try:
        yield from examination(look)
    except PbError as error:
        yield warning(name, f"cannot be looked at: {error.message}", error.hint)
    except (OSError, ValueError) as error:
        yield warning(name, f"cannot be looked at: {error}")


def mended(finding: Finding) -> Finding:
    """The finding after its mending; one that has none stays as it is."""
    if finding.mend is None:
        return finding
    try:
        done = finding.mend()
    except PbError as error:
        return problem(finding.check, f"{finding.message}; {error.message}", finding.hint)
    return Finding(check=finding.check, level=Level.OK, message=f"mended: {done}")


def show(findings: list[Finding], wrong: int, fix: bool) -> None:
    for one in findings:
        sign = mark(MARKS[one.level]) if one.level in MARKS else "-"
        out(f"{sign} {paint(one.check, 'bold')}: {clean(one.message)}")
        if one.hint:
            out(f"    {clean(one.hint)}")
    if not wrong:
        out("Nothing is wrong.")
        return
    out(f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong.")
    can = sum(one.mend is not None for one in findings)
    if can and not fix:
        note(f"{mark('warn', sys.stderr)} {can} of them can be mended: pb doctor --fix")


def document(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "level": finding.level.value,
        "message": finding.message,
        "hint": finding.hint,
        "fixable": finding.mend is not None,
    }
