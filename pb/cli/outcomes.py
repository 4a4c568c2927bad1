"""What came of starting, stopping or restarting services, and how that is told.

Nothing is started or stopped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pb.cli.asked import asked, elsewhere, home
from pb.cli.facts import TITLES
from pb.cli.render import clean, emit, mark, note, out, paint
from pb.core.lean import dataclass
from pb.errors import Exit, PbError

if TYPE_CHECKING:
    from pb.process.pidfile import PidRecord

Json = dict[str, Any]

NOTABLE = 0.05
"""Seconds to being ready that are worth a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of starting or stopping one service; ``error`` None means it is as asked.

    ``record`` is that of a daemon of pb; ``view`` that of one of the user's own, as the methods
    ``service.*`` answer it. ``lines`` are the last ones of its log.
    """

    service: str
    action: str
    record: PidRecord | None = None
    view: Json | None = None
    error: PbError | None = None
    reason: str | None = None
    lines: tuple[str, ...] = ()


def report(outcomes: Sequence[Outcome], *, done: str | None = None) -> int:
    """The summary of several: a line each, and exit code 1 when any failed."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    code = int(Exit.FAILED if failed else Exit.DONE)
    if asked.as_json:
        emit({"ok": not failed, "services": [as_json(outcome) for outcome in outcomes]})
        return code
    for outcome in outcomes:
        out(line_of(outcome))
        show_lines(outcome)
    for outcome in failed:
        if outcome.error is not None and outcome.error.hint:
            note(f"hint: {outcome.error.hint}")
    if failed:
        note(f"{len(failed)} of {count(len(outcomes), 'service')} failed")
    elif done:
        out(f"\n{mark('ok')} {done}")
    return code


WORDS = {
    "started": "Running",
    "starting": "Starting",
    "exited": "Done",
    "restarted": "Running again",
    "already_running": "Running already",
    "stopped": "Stopped",
    "killed": "Killed",
    "not_running": "Not running",
    "enabled": "Enabled",
    "enabled_already": "Enabled already",
    "disabled": "Disabled",
    "disabled_already": "Disabled already",
    "ready": "Ready",
    "healthy": "Healthy",
    "scaled": "Scaled",
    "reset": "Its failures are forgotten",
    "reloaded": "Reloaded",
    "removed": "Removed",
}


def show_lines(outcome: Outcome) -> None:
    """The last lines of its log, below its line."""
    for line in outcome.lines:
        out(paint(f"    | {clean(line)}", "grey"))


def line_of(outcome: Outcome) -> str:
    title = TITLES.get(outcome.service, clean(outcome.service))
    if outcome.error is not None:
        return f"{mark('bad')} {title}: {clean(outcome.error.message)}"
    words = WORDS[outcome.action]
    facts = [] if outcome.action == "not_running" else _facts(outcome, words)
    remark = f" ({', '.join(facts)})" if facts else ""
    reason = f" ({clean(outcome.reason)})" if outcome.reason else ""
    return f"{mark('ok')} {title}: {words}{remark}{'' if facts else reason}"


def _facts(outcome: Outcome, words: str) -> list[str]:
    """What is said in brackets: its PID, where it listens, how long it took to be ready."""
    record, view = outcome.record, outcome.view or {}
    pid = record.pid if record is not None else view.get("pid")
    found = [f"PID {pid}"] if pid is not None else []
    if record is not None and record.address and "Running" in words:
        found.append(record.address)
    took = view.get("ready_seconds")
    if took is not None and took >= NOTABLE and outcome.action in ("started", "restarted"):
        found.append(f"ready in {took:.1f} s")
    return found


def as_json(outcome: Outcome) -> Json:
    record, error, view = outcome.record, outcome.error, outcome.view or {}
    return {
        **view,
        "name": outcome.service,
        "action": outcome.action,
        "pid": record.pid if record else view.get("pid"),
        "address": record.address if record else view.get("address"),
        "log_path": view.get("log_path") or log_path(outcome.service),
        "error": error and {"code": error.code, "message": error.message, "hint": error.hint},
    }


def log_path(service: str) -> str | None:
    """Where its log is, on this machine."""
    return None if elsewhere() is not None else str(home().log(service))


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
