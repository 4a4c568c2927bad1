"""Starting, stopping and restarting services by name: the daemons of pb and the user's own.

What one service does wrong never hides what became of the others. No typer here; the grammar is
in ``pb.cli.service``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from threading import Thread
from typing import Any

from pb.cli import daemons, facts, restarts
from pb.cli.asked import check_settings, elsewhere
from pb.cli.logs import last_lines
from pb.cli.outcomes import Outcome, report
from pb.cli.render import clean, note
from pb.cli.service_names import ALL, Chosen, chosen, is_meant, own_views, unknown
from pb.cli.service_progress import call, meant, until_down, until_up
from pb.core.lean import dataclass
from pb.errors import PbError

Json = dict[str, Any]

DAEMON_WAIT = 30.0
"""Seconds until a daemon of pb must be ready, unless told otherwise."""

PATIENCE = 60.0
"""Seconds until a service must be ready, unless told otherwise."""

SPARE = 10.0
"""Seconds on top of the time that was asked for, until an answer is overdue."""

STOP_TIME = 3600.0
"""Seconds for services to stop: each has its own, and after that it is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What is waited for after a start: ``ready``, ``started`` or ``none``; ``timeout`` seconds
    (None: the default of each kind of service)."""

    goal: str = "ready"
    timeout: float | None = None

    @property
    def patience(self) -> float:
        return PATIENCE if self.timeout is None else self.timeout

    @property
    def daemon_wait(self) -> float:
        return DAEMON_WAIT if self.timeout is None else self.timeout


# -- starting


def started(names: Sequence[str], waiting: Waiting, *, deps: bool = True) -> int:
    """Start services by name, say how each fares, and answer the exit code."""
    who = chosen(names)
    return report(start(who, waiting, deps=deps), done=all_done(who, "started"))


def stopped(
    names: Sequence[str],
    *,
    force: bool = False,
    timeout: float | None = None,
    dependents: bool = False,
) -> int:
    """Stop services by name, say how each fares, and answer the exit code."""
    who = chosen(names)
    came = stop(who, force=force, timeout=timeout, dependents=dependents)
    return report(came, done=all_done(who, "stopped"))


def all_done(who: Chosen, word: str) -> str | None:
    """What to say at the end when everything was meant."""
    return f"All services {word}" if who.is_all else None


def start(who: Chosen, waiting: Waiting, *, deps: bool) -> list[Outcome]:
    """Start the scheduler first, then everything else side by side, in layers of dependencies.

    For a service of the user's the scheduler is started too when none runs, and that is said.
    """
    check_settings()
    own, strangers = _sorted_out(who)
    came = _start_scheduler(who, own, waiting)
    if own and came and came[0].error is not None:
        why = PbError("The scheduler did not start, so nobody can start it")
        return [*came, *(Outcome(service=name, action="failed", error=why) for name in own)]
    others = [name for name in who.builtins if name != "scheduler"]
    begun: list[Outcome] = []
    thread = Thread(
        target=lambda: begun.extend(daemons.side_by_side(others, waiting.daemon_wait)), daemon=True
    )
    thread.start()
    ours = _start_own(own, waiting, deps=deps, is_new=bool(came)) if own else []
    thread.join()
    return [*came, *begun, *ours, *strangers]


def _start_scheduler(who: Chosen, own: Sequence[str], waiting: Waiting) -> list[Outcome]:
    if "scheduler" in who.builtins:
        return [daemons.start_quietly("scheduler", waiting.daemon_wait)]
    if elsewhere() is not None:
        return []
    if own and facts.look_at("scheduler").state in ("stopped", "dead"):
        note("No scheduler runs to watch over it, so that is started first.")
        return [daemons.start_quietly("scheduler", waiting.daemon_wait)]
    return []


def _start_own(
    names: Sequence[str], waiting: Waiting, *, deps: bool, is_new: bool
) -> list[Outcome]:
    params = {"names": list(names), "deps": deps, **_patience(waiting)}
    whom = cache(lambda: meant(names, "start", deps=deps))
    came = _asked("service.start", params, waiting, lambda: until_up(whom()), names)
    if not is_new:
        return came
    # What its scheduler has begun by itself was not there before this command.
    return [
        Outcome(service=one.service, action="started", view=one.view)
        if one.action == "already_running"
        else one
        for one in came
    ]


def _patience(waiting: Waiting) -> Json:
    return {"wait": waiting.goal, "timeout": waiting.patience}


def _asked(
    method: str,
    params: Json,
    waiting: Waiting,
    told: Callable[[], str],
    names: Sequence[str],
) -> list[Outcome]:
    """What the method answers of each service; its refusal is that of every one of them."""
    try:
        answer = call(method, params, timeout=waiting.patience + SPARE, told=told)
    except PbError as error:
        if len(names) == 1:
            raise
        return [Outcome(service=name, action="failed", error=error) for name in names]
    return [outcome_of(view) for view in answer["services"]]


def outcome_of(view: Json) -> Outcome:
    """One service of an answer, in the words of the summary."""
    name, action, state = str(view["name"]), str(view["action"]), view["state"]
    view = {**view, "ready_seconds": ready_seconds(view)}
    if not view["ok"]:
        return _failed(name, action, view)
    if action == "started" and state == "starting":
        return Outcome(service=name, action="starting", view=view, reason=view["reason"])
    if action == "started" and state == "exited":
        return Outcome(service=name, action="exited", view=view, reason=view["reason"])
    return Outcome(service=name, action=action, view=view)


def _failed(name: str, action: str, view: Json) -> Outcome:
    reason = str(view["reason"] or view["state"])
    survivors = view.get("survivors")
    if survivors:
        reason = f"These processes will not die: {', '.join(map(str, survivors))}"
    elif action == "late":
        reason = f"{view['state']}: {reason}"
    hint = f"See: pb service logs {name}"
    if view["state"] == "failed":
        hint += f"; once it is mended: pb service start {name}"
    error = PbError(reason, hint=hint)
    has_run = view.get("started_at") or (view.get("last_exit") or {}).get("at")
    lines = last_lines(view) if has_run else ()
    return Outcome(service=name, action="failed", view=view, error=error, lines=lines)


def ready_seconds(view: Json) -> float | None:
    """How long its present life took to be ready."""
    if not view.get("started_at") or not view.get("ready_at"):
        return None
    began, ready = (datetime.fromisoformat(view[key]) for key in ("started_at", "ready_at"))
    return (ready - began).total_seconds()


def _sorted_out(who: Chosen) -> tuple[list[str], list[Outcome]]:
    """The names that mean somebody, and an outcome for each that means nobody.

    Raises NotFoundError for a single name.
    """
    if not who.own:
        return [], []
    views = own_views()
    if who.is_all:
        return ([ALL] if views else []), []
    known = [name for name in who.own if any(is_meant(view, name) for view in views)]
    errors = {name: unknown(name, views) for name in who.own if name not in known}
    if errors and len(who.own) + len(who.builtins) == 1:
        raise errors[who.own[0]]
    strangers = [
        Outcome(service=name, action="failed", error=error) for name, error in errors.items()
    ]
    return known, strangers


# -- stopping


def stop(who: Chosen, *, force: bool, timeout: float | None, dependents: bool) -> list[Outcome]:
    """Stop the user's services, dependents first, then pb's daemons, the scheduler last."""
    own, strangers = _sorted_out_broken(who)
    ours = _stop_own(own, force=force, timeout=timeout, dependents=dependents) if own else []
    daemons_gone = daemons.stop_many(who.builtins, force=force, timeout=timeout)
    return [*ours, *daemons_gone, *strangers]


def _sorted_out_broken(who: Chosen) -> tuple[list[str], list[Outcome]]:
    """The same names; pb's own daemons can be stopped in a home that cannot be read any more."""
    try:
        return _sorted_out(who)
    except PbError as error:
        if not who.builtins:
            raise
        return [], [Outcome(service="services", action="failed", error=error)]


def _stop_own(
    names: Sequence[str], *, force: bool, timeout: float | None, dependents: bool
) -> list[Outcome]:
    params = {
        "names": list(names),
        "force": force,
        "timeout": timeout,
        "dependents": dependents,
    }
    if not force:
        note(f"Stopping {'services' if ALL in names else ', '.join(map(clean, names))}...")
    waiting = Waiting(timeout=STOP_TIME)
    whom = cache(lambda: meant(names, "stop", deps=dependents))
    return _asked("service.stop", params, waiting, lambda: until_down(whom()), names)


# -- restarting


def restart(who: Chosen, waiting: Waiting, *, force: bool) -> list[Outcome]:
    """Restart pb's daemons, then services with their present definitions.

    ``all`` are those that run or should; a service that was named is started in any case.
    """
    check_settings()
    own, strangers = _sorted_out(who)
    if who.is_all and own:
        own = [view["name"] for view in own_views() if view["pid"] or view["desired"] == "running"]
    came = [restarts.restart_one(name, waiting.daemon_wait) for name in who.builtins]
    if own and "scheduler" not in who.builtins:
        came += _start_scheduler(who, own, waiting)
    if own:
        params = {"names": own, "force": force, **_patience(waiting)}
        ours = _asked("service.restart", params, waiting, lambda: until_up(own), own)
        came += [
            Outcome(service=one.service, action="restarted", view=one.view)
            if one.action == "started"
            else one
            for one in ours
        ]
    return [*came, *strangers]
