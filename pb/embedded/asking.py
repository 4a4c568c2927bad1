"""What can be asked of a scheduler, as one method with its parameters: the same for both faces.

Nothing here waits; ``scheduler`` and ``aio`` do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pb.core.lean import dataclass
from pb.embedded.declaring import Triggers, definition, plain, triggers_of
from pb.errors import InvalidError, UnresponsiveError

Json = dict[str, Any]

SOURCE = "python"
"""What a job's ``source`` says of those that were added here."""

WAIT = 3600.0
"""Seconds for which one question waits for the end of a run; then it is asked again."""


@dataclass(frozen=True, slots=True)
class Question:
    """``part`` is what of the answer is wanted; None is all of it."""

    method: str
    params: Json
    part: str | None = None

    def answered(self, text: bytes) -> Any:
        answer = json.loads(text)
        return answer if self.part is None else answer[self.part]


def added(whole: Json, *, replace: bool) -> Question:
    params = {"definition": whole, "replace": replace, "source": SOURCE}
    return Question("job.add", params, "job")


def add_job(
    name: str,
    command: str | Sequence[str] | None,
    *,
    python: str | Callable[..., Any] | None,
    triggers: Triggers,
    cron: str | None,
    every: str | float | timedelta | None,
    at: str | datetime | None,
    replace: bool,
    keys: Mapping[str, object],
) -> Question:
    found = triggers_of(triggers, cron=cron, every=every, at=at)
    whole = definition(name, command=command, python=python, triggers=found, keys=keys)
    return added(whole, replace=replace)


def of_job(method: str, name: str, part: str | None = "job") -> Question:
    return Question(method, {"name": name}, part)


def pause_job(name: str, note: str | None, until: datetime | None) -> Question:
    if until is not None and until.tzinfo is None:
        raise InvalidError("until has no time zone", hint="Use datetime.now(UTC) and its like.")
    end = None if until is None else round(until.timestamp() * 1000)
    return Question("job.pause", {"name": name, "note": note, "until": end}, "job")


def resume_job(name: str, catch_up: bool) -> Question:
    return Question("job.resume", {"name": name, "catch_up": catch_up}, "job")


def history(name: str | None, n: int, filters: Mapping[str, object]) -> Question:
    return Question("job.history", {"name": name, "n": n, **plain(filters)}, "runs")


def wait(run_id: int, seconds: float) -> Question:
    return Question("run.wait", {"run_id": run_id, "timeout": seconds})


def still_running(run: Json, seconds: float) -> UnresponsiveError:
    return UnresponsiveError(
        f"Run {run['run_id']} of {run['job']} has not ended within {seconds:g} s",
        hint="It goes on; wait for it again, or cancel the job.",
    )
