"""What notices say: one line each, and the subject and text of the message that they go into.

Pure. Names, reasons and output come from programs that nobody has checked: nothing leaves here
with a control character in it, so no line of it can become a header or steer a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pb.core.durations import duration_words
from pb.core.notice import Known, Level, Occasion

SUBJECT, LINE, BODY_LINES = 120, 400, 60
"""Characters of a subject and of one line, and lines of all output in one message."""

Json = Mapping[str, Any]


def safe(text: str, most: int = LINE) -> str:
    """One line of printable characters, cut where it is long."""
    line = "".join(char if char.isprintable() else " " for char in text).strip()
    return line if len(line) <= most else line[: most - 1] + "…"


def run_text(occasion: Occasion, job: str, state: str, reason: str | None, known: Known) -> str:
    """What has happened to a job, in one line."""
    why = f": {reason}" if reason else ""
    match occasion:
        case Occasion.START:
            return safe(f"Job {job} has started")
        case Occasion.SUCCESS:
            return safe(f"Job {job} succeeded")
        case Occasion.RECOVERY:
            return safe(f"Job {job} succeeds again, after {times(known.count)}")
        case Occasion.MISSED:
            return safe(f"Job {job} has missed its time{why}")
        case Occasion.SKIPPED:
            return safe(f"Job {job} was skipped{why}")
        case Occasion.STORM:
            return safe(reason or f"Job {job} fires too often")
    again = f" ({known.count} in a row)" if known.count > 1 else ""
    return safe(f"Job {job} {state.replace('_', ' ')}{why}{again}")


def times(count: int) -> str:
    return "a failure" if count <= 1 else f"{count} failures"


def threshold_text(job: str, facts: Json, *, is_over: bool) -> str:
    """A threshold of a job was crossed, or that is over, in one line."""
    from pb.core.alerts import OPERATORS
    from pb.core.metric_names import measured_value, shown_value

    metric = facts["metric"]
    bound = f"{facts['op']} {shown_value(metric, facts['threshold'])}"
    value = measured_value(metric, facts["value"])
    if is_over:
        said = f"{value} again, no longer {bound}"
    else:
        is_beyond = OPERATORS[facts["op"]](facts["value"], facts["threshold"])
        said = f"{value} ({bound})" if is_beyond else f"{value}, not back far enough (was {bound})"
    return safe(f"Job {job}: {metric} is {said}")


def digest_text(kind: str, digest: Json) -> str:
    """What a digest comes to, in one line."""
    total = digest["total"]
    errors = total["errors"]
    bad = "nothing failed" if errors == 0 else f"{errors} failed"
    missed = f", {total['misses']} missed" if total["misses"] else ""
    return safe(f"The {kind} digest: {total['runs']} runs, {bad}{missed}")


def service_text(occasion: Occasion, name: str, known: Known, why: str | None, now_ms: int) -> str:
    """What has happened to a service, in one line."""
    if occasion is Occasion.RECOVERY:
        lasted = max(0, now_ms - known.since_ms) / 1000
        return safe(f"Service {name} is up again, after {duration_words(round(lasted))}")
    reason = f": {why}" if why else ""
    if known.level is Level.BROKEN:
        return safe(f"Service {name} has failed{reason}")
    again = f" ({known.count} times in a row)" if known.count > 1 else ""
    return safe(f"Service {name} went down{reason}{again}")


def subject(notices: Sequence[Json], host: str) -> str:
    """The line above a message."""
    first = str(notices[0]["text"])
    if len(notices) == 1:
        return safe(f"[pb {host}] {first}", SUBJECT)
    return safe(f"[pb {host}] {len(notices)} notices: {first}; …", SUBJECT)


def body(notices: Sequence[Json], host: str) -> str:
    """The text of a message: each notice, its facts, and the end of its output."""
    return "\n\n".join(paragraph(one) for one in notices) + f"\n\n-- \npb on {safe(host)}\n"


def paragraph(notice: Json) -> str:
    lines = [safe(str(notice["text"])), *(f"  {fact}" for fact in facts(notice))]
    output = notice.get("output") or []
    if output:
        lines += ["  Its last output:", *(f"  | {safe(str(line))}" for line in output)]
    return "\n".join(lines)


def facts(notice: Json) -> list[str]:
    """What else is known, a line each."""
    found = [f"At: {clock(notice['at'])}"]
    if notice["occasion"] == str(Occasion.FAILURE) and notice.get("failures", 0) > 1:
        found.append(f"Since: {clock(notice['since_at'])}")
    if notice.get("run_id"):
        attempt = notice.get("attempt") or 1
        more = f", attempt {attempt}" if attempt > 1 else ""
        found.append(f"Run: {notice['run_id']}{more} (pb job logs {notice['run_id']})")
    elif notice.get("service"):
        found.append(f"Look: pb service status {safe(str(notice['service']))}")
    return found


def clock(at_ms: int) -> str:
    """An instant as people and programs read it, in UTC."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
