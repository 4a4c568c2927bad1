"""Changes to services one by one: remove, enable, disable, scale, reset, reload.

What one of them refuses is told beside what became of the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pb.api import Session
from pb.cli.asked import (
    ANSWER_TIME,
    check_settings,
    elsewhere,
    home,
    refuse_elsewhere,
    session,
)
from pb.cli.outcomes import Outcome
from pb.cli.service_names import ALL, own_views, unknown
from pb.cli.service_progress import EACH, FIRST, Progress
from pb.errors import NotFoundError, PbError, UnsupportedError, UsageError
from pb.paths import BUILTINS

Json = dict[str, Any]

GONE_TIME = 3600.0
"""Seconds for a service to be gone: it has its own time to stop, and after that it is killed."""

SCHEDULER_TIME = 30.0


def each(names: Sequence[str], act: Callable[[Session, str], Outcome]) -> list[Outcome]:
    """Do it to one after the other. Raises the error itself where only one was named."""
    came = []
    with session() as talk:
        for name in names:
            try:
                came.append(act(talk, name))
            except PbError as error:
                if len(names) == 1:
                    raise
                came.append(Outcome(service=name, action="failed", error=error))
    return came


def own_only(name: str, doing: str) -> None:
    """Refuse one of pb's own daemons."""
    if name in BUILTINS:
        raise UnsupportedError(f"{name} is part of pb and cannot be {doing}")


def named_only(name: str, doing: str) -> None:
    """Refuse one of pb's own daemons, and ``all``: this is done to services by their names."""
    own_only(name, doing)
    if name == ALL:
        raise UsageError(
            f"Say which services are to be {doing}: there is no {ALL} for that",
            hint="Their names: pb service status",
        )


def switch(names: Sequence[str], *, enabled: bool) -> list[Outcome]:
    """``pb service enable`` and ``disable``."""
    word = "enabled" if enabled else "disabled"

    def act(talk: Session, name: str) -> Outcome:
        named_only(name, word)
        method = "service.enable" if enabled else "service.disable"
        answer = talk.call(method, {"name": name}, timeout=ANSWER_TIME)
        action = word if answer["changed"] else f"{word}_already"
        return Outcome(service=name, action=action, view={"enabled": enabled})

    return each(names, act)


def scale(wanted: Sequence[str]) -> list[Outcome]:
    """``pb service scale``: each word is ``NAME=N``."""
    numbers = dict(map(number_of, wanted))

    def act(talk: Session, name: str) -> Outcome:
        named_only(name, "scaled")
        params = {"name": name, "replicas": numbers[name]}
        answer = talk.call("service.scale", params, timeout=ANSWER_TIME)
        reason = f"{answer['before']} → {answer['replicas']}"
        return Outcome(service=name, action="scaled", view=answer, reason=reason)

    return each(list(numbers), act)


def number_of(word: str) -> tuple[str, int]:
    name, equals, count = word.partition("=")
    if not equals or not name or not count.isdecimal() or len(count) > 6:
        raise UsageError(f"Say NAME=N, not {word!r}", hint="Such as: pb service scale worker=4")
    return name, int(count)


def reset(names: Sequence[str]) -> list[Outcome]:
    """``pb service reset``: failures are forgotten; what had failed is started again."""

    def act(talk: Session, name: str) -> Outcome:
        own_only(name, "reset")
        answer = talk.call("service.reset", {"names": [name]}, timeout=ANSWER_TIME)
        views = answer["services"]
        view = views[0] if views else {}
        return Outcome(service=name, action="reset", view=view, reason=view.get("state"))

    return each(names, act)


def reload(names: Sequence[str]) -> list[Outcome]:
    """``pb service reload``: the scheduler reads its files again, a service does what it says."""
    check_settings()

    def act(talk: Session, name: str) -> Outcome:
        if name == "scheduler":
            return _reload_scheduler(talk)
        if name in BUILTINS:
            hint = f"Restart it: pb service restart {name}"
            raise UnsupportedError(f"{name} cannot read its settings again", hint=hint)
        talk.call("service.reload", {"name": name}, timeout=ANSWER_TIME)
        return Outcome(service=name, action="reloaded")

    return each(names, act)


def _reload_scheduler(talk: Session) -> Outcome:
    answer = talk.call("scheduler.reload", timeout=SCHEDULER_TIME)
    if answer.get("problems"):
        error = PbError("; ".join(answer["problems"]), hint="See: pb scheduler reload")
        return Outcome(service="scheduler", action="failed", error=error)
    return Outcome(service="scheduler", action="reloaded")


# -- removing


def remove(names: Sequence[str], *, purge_logs: bool) -> list[Outcome]:
    """``pb service remove``: those that depend on others first; returns when nothing is left."""

    if purge_logs:
        refuse_elsewhere("Logs are purged on the machine itself, not through a gateway")

    def act(talk: Session, name: str) -> Outcome:
        named_only(name, "removed")
        try:
            logs = [view["log_path"] for view in own_views([name]) if view["service"] == name]
            answer = talk.call("service.remove", {"name": name}, timeout=ANSWER_TIME)
        except NotFoundError:
            raise unknown(name, own_views()) from None
        if not answer["is_gone"]:
            _wait_until_gone(talk, name)
        stay = elsewhere() is None and any(map(_exists, logs))
        reason = f"its logs stay: {home().log(name)}" if stay else None
        if purge_logs:
            reason = _purge(logs)
        return Outcome(service=name, action="removed", reason=reason)

    return each(_dependents_first(names), act)


def _dependents_first(names: Sequence[str]) -> list[str]:
    """The names in an order in which each can be removed; as they are where one is unknown."""
    once = list(dict.fromkeys(names))
    if len(once) == 1:
        return once
    params = {"names": once, "action": "stop", "deps": False}
    try:
        with session() as talk:
            layers = talk.call("service.plan", params, timeout=ANSWER_TIME)["layers"]
    except NotFoundError:
        return once  # Removing that one says so, and the others are removed all the same.
    rank = {name: number for number, layer in enumerate(layers) for name in layer}
    return sorted(once, key=lambda name: rank.get(name, len(layers)))


def _exists(path: str) -> bool:
    return Path(path).exists()


def _wait_until_gone(talk: Session, name: str) -> None:
    began, progress = time.monotonic(), Progress()
    try:
        while time.monotonic() - began < GONE_TIME:
            views = talk.call("service.list", timeout=ANSWER_TIME)["services"]
            ours = [view for view in views if view["service"] == name]
            if not ours:
                return
            if stuck := next((view for view in ours if view["state"] == "orphaned"), None):
                raise PbError(f"{name} will be removed once it is gone: {stuck['reason']}")
            if time.monotonic() - began > FIRST:
                progress.say(f"Waiting for {name} to stop")
            time.sleep(EACH / 10)
    finally:
        progress.wipe()
    raise PbError(f"{name} is not gone after {GONE_TIME:g} s", hint="See: pb service status")


def _purge(logs: Sequence[str]) -> str:
    from pb.process.logfile import remove_log

    for path in logs:
        remove_log(Path(path))
    return "and its logs"
