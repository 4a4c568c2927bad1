"""``pb service wait``, ``signal`` and ``exec``: what is done with services that run.

No typer here; the grammar is in ``pb.cli.service``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn

from pb.cli import facts
from pb.cli.asked import ANSWER_TIME, asked, home, refuse_elsewhere, session
from pb.cli.outcomes import Outcome, count
from pb.cli.render import clean, emit, mark, out
from pb.cli.service_acts import SPARE
from pb.cli.service_names import Chosen, chosen, own_views
from pb.cli.service_progress import EACH, call, until_down, until_up
from pb.errors import (
    InvalidError,
    NeedsDaemonError,
    PbError,
    UnsupportedError,
    UsageError,
    did_you_mean,
)
from pb.paths import BUILTINS

Json = dict[str, Any]

GOALS = ("ready", "healthy", "stopped")

LOOK = 0.05
"""Seconds between two looks where nobody tells when something changes."""


# -- waiting


def wait(who: Chosen, goal: str, timeout: float) -> list[Outcome]:
    """Wait until all are as wanted; one that is not in time is a failure."""
    if goal not in GOALS:
        hint = did_you_mean(goal, GOALS) or f"One of: {', '.join(GOALS)}."
        raise UsageError(f"--for takes ready, healthy or stopped, not {goal!r}", hint=hint)
    deadline = time.monotonic() + timeout
    own = _wait_own(who, goal, timeout) if who.own and own_views(who.own) else []
    return [*(_wait_daemon(name, goal, deadline, timeout) for name in who.builtins), *own]


def _wait_own(who: Chosen, goal: str, timeout: float) -> list[Outcome]:
    names = list(who.own)
    params = {"names": names, "for": goal, "timeout": timeout}
    try:
        told = until_down if goal == "stopped" else until_up
        answer = call("service.wait", params, timeout=timeout + SPARE, told=lambda: told(names))
        views = answer["services"]
    except NeedsDaemonError:
        if goal != "stopped":
            raise
        views = _wait_alone(who, time.monotonic() + timeout)
    return [_reached(view, goal, timeout) for view in views]


def _wait_alone(who: Chosen, deadline: float) -> list[Json]:
    """Without a scheduler: until their processes are gone."""
    while True:
        views = own_views(who.own)
        if not any(view["pid"] for view in views) or time.monotonic() >= deadline:
            return [{**view, "ok": view["pid"] is None} for view in views]
        time.sleep(EACH)


def _reached(view: Json, goal: str, timeout: float) -> Outcome:
    if view["ok"]:
        return Outcome(service=view["name"], action=goal, view=view)
    return _late(view["name"], goal, timeout, view["state"], view)


def _late(name: str, goal: str, timeout: float, state: str, view: Json | None = None) -> Outcome:
    how = "in backoff" if state == "backoff" else state
    error = PbError(
        f"Not {goal} within {timeout:g} s: it is {how}",
        hint=f"See: pb service status {name}",
    )
    return Outcome(service=name, action="failed", view=view, error=error)


def _wait_daemon(name: str, goal: str, deadline: float, timeout: float) -> Outcome:
    """One of pb's own daemons: ready and healthy mean that it answers."""
    while True:
        status = facts.look_at(name)
        if goal == "stopped":
            is_there = status.state in ("stopped", "dead")
        else:
            is_there = status.state == "running" and facts.is_healthy(name, status.record)
        if is_there:
            return Outcome(service=name, action=goal, record=status.record)
        if time.monotonic() >= deadline:
            return _late(name, goal, timeout, facts.state_of(status))
        time.sleep(LOOK)


# -- signals


def signal(name: str, word: str, scope: str) -> int:
    """Send a signal to a service's main process, its group or its whole tree."""
    from pb.process.signals import signal_name, signal_number

    number = signal_number(word)
    if chosen([name]).builtins:
        sent = _signal_daemon(name, number, scope)
    else:
        own_views([name])
        params = {"name": name, "signal": signal_name(number), "scope": scope}
        with session() as talk:
            sent = int(talk.call("service.signal", params, timeout=ANSWER_TIME)["sent"])
    if asked.as_json:
        emit({"name": name, "signal": signal_name(number), "scope": scope, "sent": sent})
    else:
        whom = count(sent, "process").replace("processs", "processes")
        out(f"{mark('ok')} {signal_name(number)} was sent to {whom} of {clean(name)}")
    return 0


def _signal_daemon(name: str, number: int, scope: str) -> int:
    from pb.process.identity import send_signal

    if scope != "main":
        raise UnsupportedError(
            f"{name} is part of pb: only its main process can be signalled",
            hint="Leave --group and --tree out.",
        )
    record = facts.look_at(name).record
    if record is None or record.identity is None:
        raise NeedsDaemonError(f"{name} does not run", hint=f"Start it: pb service start {name}")
    return int(send_signal(record.identity, number))


# -- a command beside it


def execute(name: str, words: Sequence[str]) -> NoReturn:
    """Become the command, in the service's environment and directory, with its umask.

    Its input, output, signals and exit code are then its own. It is no part of the service: it is
    not stopped with it.
    """
    from pb.core.service import split_instance
    from pb.core.service_definition import service_from
    from pb.process.account import account_of, becoming, check_account
    from pb.process.program import check_directory, find_from
    from pb.process.table import MARKER_VARIABLE

    refuse_elsewhere()
    if name in BUILTINS:
        raise UnsupportedError(f"{name} is part of pb and has no environment of its own")
    (view, *_) = own_views([name])
    service, instance = split_instance(str(view["name"]))
    with session() as talk:
        shown = talk.call("service.show", {"name": service}, timeout=ANSWER_TIME)
    wanted = service_from(shown["running_definition"] or shown["definition"])
    from pb.api.surroundings import spawn_of

    spawn = spawn_of(wanted, instance, home=home(), environ=os.environ, marker="", more={})
    env = {key: text for key, text in spawn.env.items() if key != MARKER_VARIABLE}
    check_directory(spawn.cwd)
    program = find_from(spawn.cwd, words[0], env)
    argv = list(words)
    if spawn.user is not None and not (account := account_of(spawn.user)).is_ours:
        check_account(account)
        argv = becoming(account, program, argv)
        program = argv[0]
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os.umask(0o077 if spawn.umask is None else spawn.umask)
    try:
        os.chdir(spawn.cwd)
        os.execve(program, argv, env)  # noqa: S606 - that no shell is involved is the point
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InvalidError(f"{words[0]!r} cannot be run: {reason}") from error
