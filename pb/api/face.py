"""How a web face's process begins and ends; what it serves is its own affair.

Arguments, settings, everything that can be checked, then lock, detach and PID file, then the face
serves until a signal. Imported by the two faces only.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pb.api.daemon_logs import log_choice
from pb.config.settings import Settings, load_settings
from pb.core.lean import dataclass
from pb.errors import PbError
from pb.paths import Home
from pb.process.daemon_log import log_to_stderr
from pb.process.lifecycle import DaemonSpec, Running, become, error_message, report


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """One web face. ``flags``: which of its settings are flags too, with their type.

    ``check`` runs before the process detaches and raises what would keep it from starting;
    ``serve`` binds, calls ``running.ready`` and returns after SIGTERM, SIGINT or
    SIGHUP (its terminal closed).
    """

    service: str
    flags: dict[str, type]
    check: Callable[[Home, Settings], None]
    serve: Callable[[Running, Home, Settings], None]


def run_face(face: Face, argv: Sequence[str] | None = None) -> int:
    """Run ``face`` until it is told to stop; the exit code."""
    arguments = parse(face, argv)
    home = Home(Path(arguments.home).absolute())
    try:
        settings = checked(face, arguments, home)
        running = become(spec_of(face, arguments, home, settings))
    except PbError as error:
        print(sentence(error), file=sys.stderr)  # noqa: T201 - the log is not open yet
        return int(error.exit_code)
    signal.signal(signal.SIGTERM, leave)
    with running:
        logger = log_to_stderr(face.service, debug=arguments.debug, chosen=log_choice(settings))
        try:
            face.serve(running, home, settings)
        except PbError as error:
            logger.error("%s", sentence(error))
            running.fail(error)
            return int(error.exit_code)
    return 0


def leave(number: int, frame: object) -> None:
    """SIGTERM before the face has its own way to stop: unwind, so that the PID file goes too."""
    raise SystemExit(0)


def sentence(error: PbError) -> str:
    return f"{error.message}. {error.hint}" if error.hint else error.message


def parse(face: Face, argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m pb.{face.service}")
    parser.add_argument("--home", required=True, help="the home directory")
    parser.add_argument(
        "--mode", default="foreground", choices=("foreground", "background", "daemon")
    )
    for name in ("--ready-fd", "--lock-fd", "--supervisor-pid"):
        parser.add_argument(name, type=int)
    for name, kind in face.flags.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind)
    for name in ("--db", "--socket"):
        parser.add_argument(name)
    parser.add_argument("--debug", action="store_true", help="log more")
    return parser.parse_args(argv)


def checked(face: Face, arguments: argparse.Namespace, home: Home) -> Settings:
    """The settings, with everything else in place too; a refusal is told to whoever waits."""
    given = {f"{face.service}.{name}": getattr(arguments, name) for name in face.flags}
    given |= {"scheduler.db": arguments.db, "scheduler.socket": arguments.socket}
    try:
        home.ensure()
        settings = load_settings(home, flags=given)
        face.check(home, settings)
    except PbError as error:
        if arguments.ready_fd is not None:
            report(arguments.ready_fd, error_message(error))
        raise
    return settings


def spec_of(
    face: Face, arguments: argparse.Namespace, home: Home, settings: Settings
) -> DaemonSpec:
    return DaemonSpec(
        service=face.service,
        home=home,
        mode=arguments.mode,
        db_path=settings.db_path(home),
        socket_path=settings.socket_path(home),
        log_path=home.log(face.service),
        ready_fd=arguments.ready_fd,
        lock_fd=arguments.lock_fd,
        supervisor_pid=arguments.supervisor_pid,
    )
