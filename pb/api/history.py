"""What can be asked about the past and the coming hours: history, activity, schedule.

Every answer is bounded, whatever lies in the store; what a number means is said where it is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pb.api.context import Context, require
from pb.api.methods import limited
from pb.api.views import Json, job_view, rfc3339, run_view
from pb.core.durations import parse_duration
from pb.core.model import ERRORS, State
from pb.errors import InvalidError
from pb.store import history
from pb.store.history import Wanted

ACTIVITY_OF = 50_000
"""How many runs are counted into a calendar, at most."""

LONGEST_LOOK_HOURS = 24 * 366


def job_history(
    context: Context,
    *,
    name: str | None,
    n: int,
    states: list[Any],
    failed: bool,
    trigger: str | None,
    reason: str | None,
    since: str | None,
    until: str | None,
    before: int | None,
) -> Json:
    """The newest runs that match; the next page is ``before`` the last one's number."""
    now = context.now()
    wanted = Wanted(
        job=name,
        states=states_of(states, failed=failed),
        trigger=trigger,
        reason=reason,
        since_ms=moment_ms("since", since, now),
        until_ms=moment_ms("until", until, now),
        before=before,
        n=limited(n),
    )
    runs = context.store.history(wanted)
    if not runs:
        require_known(context, name)
    return {"runs": [run_view(run) for run in runs]}


def states_of(states: Sequence[Any], *, failed: bool) -> list[str]:
    """The states asked for; ``failed`` stands for every outcome that counts as an error."""
    for state in states:
        if state not in list(State):
            raise InvalidError(
                f"There is no run state {state!r}", hint=f"States: {', '.join(State)}"
            )
    return [str(state) for state in states] + (sorted(ERRORS) if failed else [])


def moment_ms(key: str, text: str | None, now: int) -> int | None:
    """Epoch milliseconds of a duration before ``now``, or of an RFC 3339 instant."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ago_ms(key, text, now)
    if moment.tzinfo is None:
        raise InvalidError(f"{key}: {text!r} has no offset", hint="Write it with a Z for UTC.")
    return round(moment.timestamp() * 1000)


def ago_ms(key: str, text: str, now: int) -> int:
    try:
        return now - round(parse_duration(text) * 1000)
    except InvalidError:
        hint = "Write a duration such as 2h (ago), or an instant such as 2026-11-20T18:00:00Z."
        message = f"{key}: {text!r} is neither a duration nor an instant"
        raise InvalidError(message, hint=hint) from None


def require_known(context: Context, name: str | None) -> None:
    """Raises NotFoundError for a name that no job has, and no run ever had."""
    if name is not None and not history.has_runs(context.store.select, name):
        require(context, name)


# -- calendar and schedule


def job_activity(context: Context, *, name: str | None, since: str, bucket: str) -> Json:
    """How many runs began in each stretch of time, by state: what a calendar is drawn from."""
    now = context.now()
    bucket_ms = round(parse_duration(bucket) * 1000)
    if bucket_ms < 60_000:
        raise InvalidError("bucket: should be at least a minute", hint='Write it like "15m".')
    since_ms = moment_ms("since", since, now)
    found = history.activity(
        context.store.select,
        name,
        since_ms=since_ms or 0,
        bucket_ms=bucket_ms,
        most=ACTIVITY_OF,
    )
    if not found:
        require_known(context, name)
    stretches: dict[int, Json] = {}
    for at, state, count in found:
        stretches.setdefault(at, {})[state] = count
    return {
        "name": name,
        "since": rfc3339(since_ms),
        "until": rfc3339(now),
        "bucket_seconds": bucket_ms // 1000,
        "is_complete": sum(count for _, _, count in found) < ACTIVITY_OF,
        "buckets": [{"at": rfc3339(at), "runs": runs} for at, runs in stretches.items()],
    }


def job_schedule(context: Context, *, name: str | None, hours: float, n: int) -> Json:
    """The jobs that fire within the coming hours, the soonest first, ``n`` of ``total``."""
    if not 0 < hours <= LONGEST_LOOK_HOURS:
        raise InvalidError(f"hours: should be above 0 and at most {LONGEST_LOOK_HOURS}")
    if name is not None:
        require(context, name)
    now = context.now()
    until = now + round(hours * 3_600_000)
    rows, total = history.coming(context.store.select, name, until_ms=until, most=limited(n))
    return {
        "from": rfc3339(now),
        "until": rfc3339(until),
        "total": total,
        "jobs": [job_view(row) for row in rows],
    }
