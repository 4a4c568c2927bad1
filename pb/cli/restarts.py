"""Restarting daemons: the scheduler in place where it answers, the others by stop and start.

What the scheduler runs stays alive either way (SPEC section 2).
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from pb.cli import facts
from pb.cli.asked import ANSWER_TIME, home, session, settings
from pb.cli.daemons import Start, launch_one, stop_one
from pb.cli.facts import TITLES
from pb.cli.outcomes import Outcome
from pb.cli.render import note
from pb.errors import NeedsDaemonError, PbError, UnresponsiveError

if TYPE_CHECKING:
    from pb.process.pidfile import PidRecord


def restart_one(service: str, wait: float) -> Outcome:
    """Stop and start as it was started before: same mode, database and socket, ports.

    A scheduler that answers replaces itself in place, so that its runs stay its children; one
    that does not is stopped and started, and its runs are adopted (SPEC section 2).
    """
    settings()
    looked = facts.look_at(service)
    record = looked.record
    if service == "scheduler" and looked.state == "running" and record is not None:
        outcome = _restart_in_place(record, wait)
        if outcome is not None:
            return outcome
    if service == "scheduler" and record is not None:
        _ask_to_leave_runs_alive()
    stopped = stop_one(service, force=False, timeout=None)
    if stopped.error is not None:
        return stopped
    what = Start(service=service, wait=wait, mode=_mode_of(record), arguments=_as_before(record))
    note(f"Starting {TITLES[service]}...")
    try:
        return Outcome(service=service, action="restarted", record=launch_one(what))
    except PbError as error:
        return Outcome(service=service, action="failed", error=error)


def _restart_in_place(record: PidRecord, wait: float) -> Outcome | None:
    """Ask the scheduler to replace itself; None when it does not take the request."""
    try:
        with session(local_ok=False) as talk:
            talk.call("scheduler.restart", timeout=ANSWER_TIME)
    except (NeedsDaemonError, UnresponsiveError) as error:
        note(f"The scheduler did not take the request ({error.message}); it is stopped instead.")
        return None
    deadline = time.monotonic() + wait
    while time.monotonic() < deadline:
        looked = facts.look_at("scheduler")
        if looked.state == "dead":
            break
        if looked.record is not None and looked.record.instance_id != record.instance_id:
            with contextlib.suppress(NeedsDaemonError), session(local_ok=False) as talk:
                talk.call("system.ping", timeout=max(0.1, deadline - time.monotonic()))
                return Outcome(service="scheduler", action="restarted", record=looked.record)
        time.sleep(0.02)
    late = PbError(
        f"The scheduler did not come back within {wait:g} s", hint="See: pb scheduler logs"
    )
    return Outcome(service="scheduler", action="failed", error=late)


def _ask_to_leave_runs_alive() -> None:
    try:
        with session(local_ok=False) as talk:
            talk.call("scheduler.shutdown", {"keep_runs": True}, timeout=ANSWER_TIME)
    except PbError as error:
        note(f"The scheduler did not take the request ({error.message}); it is stopped by signal.")


def _mode_of(record: PidRecord | None) -> str:
    return "daemon" if record is not None and record.mode == "daemon" else "background"


def _as_before(record: PidRecord | None) -> tuple[str, ...]:
    if record is None or record.service != "scheduler":
        return ()
    words: tuple[str, ...] = ()
    if record.db_path and record.db_path != str(home().db):
        words += ("--db", record.db_path)
    if record.socket_path and record.socket_path != str(home().socket):
        words += ("--socket", record.socket_path)
    return words
