"""What can be done to a job, a run or a service from the terminal UI, on which key. Pure.

What it means is the registry's to say; here is which method, what is asked first and what is
said when it is done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pb.core.lean import dataclass
from pb.debug.terminal.table import Thing
from pb.debug.terminal.words import harmless

Json = dict[str, Any]

UP = ("running", "starting", "backoff", "orphaned")
OPEN = ("queued", "starting", "running")


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """``ask`` and ``doing`` are sentences with the thing's name in them; ``may`` says of the
    thing's document whether it goes."""

    key: str
    word: str
    method: str
    params: Callable[[Thing], Json]
    ask: str
    doing: str
    done: str
    text: str = ""
    may: Callable[[Json], bool] = lambda one: True


def by_name(thing: Thing) -> Json:
    return {"name": thing.name}


def by_names(thing: Thing) -> Json:
    return {"names": [thing.name]}


def starting(thing: Thing) -> Json:
    return {"names": [thing.name], "wait": "started", "timeout": 30}


def by_number(thing: Thing) -> Json:
    return {"run_id": int(thing.name)}


RUN = Act(
    key="r", word="run", method="job.run", params=by_name,
    ask="Run {} now?", doing="Starting {}…", done="Started {}",
)  # fmt: skip
ACTS: dict[str, tuple[Act, ...]] = {
    "job": (
        RUN,
        Act(
            key="p", word="pause", method="job.pause", params=by_name,
            may=lambda job: not job["paused"],
            ask="Pause {}?", text="It runs at no time until somebody resumes it.",
            doing="Pausing {}…", done="Paused {}",
        ),
        Act(
            key="p", word="resume", method="job.resume", params=by_name,
            may=lambda job: bool(job["paused"]),
            ask="Resume {}?", text="What it missed meanwhile is not made up for.",
            doing="Resuming {}…", done="Resumed {}",
        ),
        Act(
            key="c", word="cancel", method="job.cancel", params=by_name,
            may=lambda job: bool(job["running"]),
            ask="Cancel {}?", text="Its processes are asked to end, and killed if they do not.",
            doing="Cancelling {}…", done="Cancelled {}",
        ),
    ),
    "run": (
        Act(
            key="c", word="cancel", method="run.cancel", params=by_number,
            may=lambda run: run["state"] in OPEN and not run["finished_at"],
            ask="Cancel run {}?", text="Its processes are asked to end, and killed if they do not.",
            doing="Cancelling run {}…", done="Cancelled run {}",
        ),
    ),
    "service": (
        Act(
            key="s", word="start", method="service.start", params=starting,
            may=lambda one: one["state"] not in (*UP, "stopping"),
            ask="Start {}?", doing="Starting {}…", done="Started {}",
        ),
        Act(
            key="x", word="stop", method="service.stop", params=by_names,
            may=lambda one: one["state"] in UP,
            ask="Stop {}?", text="It stays stopped until somebody starts it again.",
            doing="Stopping {}…", done="Stopped {}",
        ),
        Act(
            key="r", word="restart", method="service.restart", params=starting,
            may=lambda one: one["state"] in UP,
            ask="Restart {}?", text="It comes back with its present definition.",
            doing="Restarting {}…", done="Restarted {}",
        ),
        Act(
            key="z", word="reset", method="service.reset", params=by_names,
            may=lambda one: one["state"] in ("failed", "backoff"),
            ask="Reset {}?", text="Its failures are forgotten, and it is started if it had failed.",
            doing="Resetting {}…", done="Forgot the failures of {}",
        ),
    ),
}  # fmt: skip
"""By kind of thing: what there is to do."""

KEYS = tuple(dict.fromkeys(act.key for acts in ACTS.values() for act in acts))


def offered(kind: str, document: Json | None) -> list[Act]:
    """What can be done to it as it is now."""
    return [act for act in ACTS.get(kind, ()) if document is not None and act.may(document)]


def keys_for(thing: Thing | None, document: Json | None) -> list[tuple[str, str]]:
    """Keys and words of what can be done to it."""
    if thing is None:
        return []
    found = [(act.key, act.word) for act in offered(thing.kind, document)]
    again = [(RUN.key, "run again")] if job_of(thing, document) else []
    return [*found, *again, ("l", "log")]


def meant(thing: Thing | None, document: Json | None, key: str) -> tuple[Act, Thing] | None:
    """What a key does, and to what: running a run again is running its job."""
    if thing is None:
        return None
    job = job_of(thing, document)
    if job is not None and key == RUN.key:
        return RUN, job
    found = (act for act in offered(thing.kind, document) if act.key == key)
    act = next(found, None)
    return None if act is None else (act, thing)


def job_of(thing: Thing, document: Json | None) -> Thing | None:
    """The job of a run."""
    name = document.get("job") if document is not None and thing.kind == "run" else None
    return Thing(kind="job", name=str(name)) if name else None


def refusal(answer: Json) -> str | None:
    """What an answer about several services says of one that did not do as it was told."""
    for one in answer.get("services", ()):
        if one.get("ok") is False:
            return harmless(f"{one['name']}: {one.get('reason') or one.get('state')}")
    return None
