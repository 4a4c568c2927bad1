"""Starting, stopping and restarting the three built-in daemons, and saying so.

Both ``pb scheduler``, ``pb gateway``, ``pb debug`` and ``pb service`` end here. How a process is
detached, awaited and killed is ``pb.process``'s business; what is shown is decided here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pb.cli import facts
from pb.cli.asked import asked, home, session, settings
from pb.cli.facts import TITLES
from pb.cli.outcomes import Outcome, as_json, count
from pb.cli.render import clean, emit, fields, mark, note, out, show_error
from pb.core.lean import dataclass
from pb.errors import Exit, PbError

if TYPE_CHECKING:
    from pb.process.daemons import StopResult
    from pb.process.pidfile import PidRecord

LONG_TITLES = {"scheduler": "Scheduler Daemon", "gateway": "Gateway", "debug": "Debug Server"}
STOPPERS = {
    "scheduler": "pb scheduler stop",
    "gateway": "pb gateway stop",
    "debug": "pb debug stop",
}

KILL_GRACE = 10.0
"""Seconds that a tree of a run's has between TERM and KILL, by default (SPEC section 4)."""

SHUTDOWN_TIMEOUT = 30.0
"""The documented default, for when the configuration itself cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How to start one daemon. ``wait``: seconds until it must be ready."""

    service: str
    arguments: tuple[str, ...] = ()
    mode: str = "background"
    wait: float = 10.0
    force: bool = False


# -- starting


def start(what: Start) -> int:
    """Start one daemon and show it; running already is a failure (SPEC section 2)."""
    settings()  # A bad configuration is refused before anything is stopped or detached.
    if what.force:
        _stop_for_restart(what.service)
    if facts.look_at(what.service).state == "running":
        return already_running(what.service, None)
    if what.service == "scheduler" and (lost := lost_database(what.arguments)):
        note(f"{mark('warn')} {clean(lost)}")
    if what.mode == "foreground":
        _become(what)
    from pb.process.daemons import AlreadyRunningError

    note(f"Starting {LONG_TITLES[what.service]} {_manner(what.mode)}...")
    try:
        record = launch_one(what)
    except AlreadyRunningError as error:
        return already_running(what.service, error)
    _show_started(what, record)
    return int(Exit.DONE)


def lost_database(arguments: Sequence[str]) -> str | None:
    """What to say where a scheduler begins with an empty database although there are backups."""
    found = settings()
    backups = found.backup_dir(home())
    path = found.db_path(home())
    if "--db" in arguments:
        path = Path(arguments[arguments.index("--db") + 1])
    if (path.exists() and path.stat().st_size > 0) or not os.access(backups, os.R_OK):
        return None
    if not any(backups.glob("pb-*.tar.gz")):
        return None
    back = "pb scheduler stop; pb backup restore latest"
    return f"There is no database at {path}; a new one is made. To have the last backup: {back}"


def _manner(mode: str) -> str:
    return "with a guardian" if mode == "daemon" else "in background"


def launch_one(what: Start) -> PidRecord:
    from pb.process.daemons import launch

    debug = ("--debug",) if asked.debug else ()
    arguments = (*what.arguments, *debug)
    return launch(home(), what.service, arguments, mode=what.mode, wait=what.wait)


def _become(what: Start) -> NoReturn:
    """Turn this process into the daemon: Ctrl-C and the exit code are then its own."""
    from pb.process.launch import MODULES, OF_A_COMMAND

    for name in OF_A_COMMAND:
        os.environ.pop(name, None)
    words = [
        sys.executable,
        "-m",
        MODULES[what.service],
        "--home",
        str(home().root),
        "--mode",
        "foreground",
    ]
    words += [*what.arguments, *(["--debug"] if asked.debug else [])]
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os.execv(sys.executable, words)  # noqa: S606 - that no shell is involved is the point


def already_running(service: str, error: PbError | None) -> int:
    """The fixed words for a daemon that runs already, and exit code 1."""
    record = getattr(error, "record", None) or facts.look_at(service).record
    pid = record.pid if record else None
    hint = f"Use --force to start anyway, or run `{STOPPERS[service]}` first"
    if asked.as_json:
        show_error("conflict", f"{TITLES[service]} is already running (PID {pid})", hint)
        return int(Exit.FAILED)
    out(f"{mark('warn')} {TITLES[service]} is already running")
    started = facts.rfc3339(record.started_at_ms) if record else None
    fields((("PID", pid), ("Address", record.address if record else None), ("Started", started)))
    out()
    note(hint)
    return int(Exit.FAILED)


def _show_started(what: Start, record: PidRecord) -> None:
    if asked.as_json:
        emit(as_json(Outcome(service=what.service, action="started", record=record)))
        return
    how = "with a guardian" if what.mode == "daemon" else "in background"
    out(f"{mark('ok')} {TITLES[what.service]} started {how}")
    fields(
        (
            ("PID", record.pid),
            ("Guardian PID", record.supervisor_pid),
            ("Address", record.address),
            ("Database", record.db_path if what.service == "scheduler" else None),
            ("Socket", record.socket_path if what.service == "scheduler" else None),
            ("Log", record.log_path),
        )
    )
    note(f"\nUse `{STOPPERS[what.service]}` to stop it")


def start_many(names: Sequence[str], wait: float) -> list[Outcome]:
    """The scheduler first, then the others side by side: they are its clients."""
    settings()
    outcomes = [start_quietly(name, wait) for name in names if name == "scheduler"]
    others = [name for name in names if name != "scheduler"]
    return outcomes + side_by_side(others, wait)


def side_by_side(names: Sequence[str], wait: float) -> list[Outcome]:
    from threading import Thread

    found: dict[str, Outcome] = {}

    def begin(name: str) -> None:
        found[name] = start_quietly(name, wait)

    threads = [Thread(target=begin, args=(name,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[name] for name in names]


def start_quietly(service: str, wait: float) -> Outcome:
    """Start one of several. Running already is success; no other error leaves the rest behind."""
    from pb.process.daemons import AlreadyRunningError

    note(f"Starting {TITLES[service]}...")
    try:
        record = launch_one(Start(service=service, wait=wait))
    except AlreadyRunningError:
        status = facts.look_at(service)
        return Outcome(service=service, action="already_running", record=status.record)
    except PbError as error:
        return Outcome(service=service, action="failed", error=error)
    except OSError as error:
        trouble = PbError(f"Cannot start it: {(error.strerror or str(error)).lower()}")
        return Outcome(service=service, action="failed", error=trouble)
    return Outcome(service=service, action="started", record=record)


# -- stopping


def default_timeout() -> float:
    """Seconds for a graceful stop: the scheduler's own patience, 5 s, and one kill grace."""
    try:
        patience = settings().scheduler.shutdown_timeout
    except PbError:
        patience = SHUTDOWN_TIMEOUT  # Stopping must work with a broken configuration too.
    return patience + 5.0 + KILL_GRACE


def stop(service: str, *, force: bool, timeout: float | None) -> int:
    """Stop one daemon; not running is said and is success."""
    outcome = stop_one(service, force=force, timeout=timeout)
    if outcome.error is not None:
        raise outcome.error
    if asked.as_json:
        emit(as_json(outcome))
    elif outcome.action == "not_running":
        out(f"{TITLES[service]} is not running")
        if outcome.reason:
            note(f"note: {clean(outcome.reason)}")
    else:
        killed = " (killed)" if outcome.action == "killed" else ""
        out(f"{mark('ok')} {TITLES[service]} stopped{killed}")
    return int(Exit.DONE)


def stop_one(service: str, *, force: bool, timeout: float | None) -> Outcome:
    from pb.process.daemons import stop as stop_daemon

    status = facts.look_at(service)
    if status.state == "running" and status.record is not None:
        note(f"Stopping {TITLES[service]} (PID: {status.record.pid})...")
        if service == "scheduler" and not force:
            _say_what_is_waited_for()
    limit = default_timeout() if timeout is None else timeout
    try:
        result = stop_daemon(home(), service, force=force, timeout=limit, progress=note)
    except PbError as error:
        return Outcome(service=service, action="failed", record=status.record, error=error)
    if not result.stopped:
        is_guest = status.record is not None and status.record.mode == "embedded"
        hint = None
        if result.pid is not None and status.record is None:
            hint = f"If its PID file was removed, end it with: kill {result.pid}"
        elif not force and not is_guest:
            hint = f"Kill it at once with: {STOPPERS[service]} --force"
        trouble = PbError(result.message, hint=hint)
        return Outcome(service=service, action="failed", record=status.record, error=trouble)
    action, reason = _stop_action(result), status.reason
    return Outcome(service=service, action=action, record=status.record, reason=reason)


def _stop_action(result: StopResult) -> str:
    if not result.was_running:
        return "not_running"
    return "killed" if result.forced else "stopped"


def _say_what_is_waited_for() -> None:
    try:
        with session(local_ok=False) as talk:
            answer = talk.call("scheduler.status", {"jobs": True}, timeout=facts.PING_TIME)
    except PbError:
        return  # It is being stopped either way; what it runs is only a courtesy to know.
    names = [str(job["name"]) for job in answer["jobs"] if job["running"]]
    if names:
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        note(f"Waiting for {count(len(names), 'running job')}: {shown} (--force kills at once)")


def stop_many(names: Sequence[str], *, force: bool, timeout: float | None) -> list[Outcome]:
    """In the reverse of the order of starting: the scheduler's clients first."""
    return [stop_one(name, force=force, timeout=timeout) for name in reversed(list(names))]


def _stop_for_restart(service: str) -> None:
    """Stop a running daemon and wait until it is gone, so that no two ever live side by side."""
    if facts.look_at(service).state != "running":
        return
    note(f"{mark('warn', sys.stderr)} Stopping the running {TITLES[service]}...")
    outcome = stop_one(service, force=False, timeout=None)
    if outcome.error is not None:
        raise outcome.error
