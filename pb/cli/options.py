"""Options that several verbs share, declared once: one spelling, one default, one sentence.

Only declarations and the reading of their values; no verb lives here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pb.cli.asked import session
from pb.errors import PbError, UsageError

if TYPE_CHECKING:
    from datetime import datetime


def job_names(incomplete: str) -> list[str]:
    """Names for the shell to complete with; none when nobody can be asked quickly."""
    try:
        with session() as talk:
            jobs = talk.call("job.list", timeout=1.0)["jobs"]
    except (PbError, OSError):
        return []  # A completion has nowhere to say what went wrong; the command itself will.
    return [job["name"] for job in jobs if job["name"].startswith(incomplete)]


def service_names(incomplete: str) -> list[str]:
    known = ["all", "scheduler", "gateway", "debug", *own_service_names()]
    return [name for name in known if name.startswith(incomplete)]


def own_service_names(incomplete: str = "") -> list[str]:
    """The user's own services and their groups, for the shell to complete with."""
    try:
        with session() as talk:
            views = talk.call("service.list", timeout=1.0)["services"]
    except (PbError, OSError):
        return []  # A completion has nowhere to say what went wrong; the command itself will.
    known = dict.fromkeys(word for view in views for word in (view["name"], *view["groups"]))
    return [name for name in known if name.startswith(incomplete)]


JobName = Annotated[
    str, typer.Argument(metavar="JOB", help="The job's name.", autocompletion=job_names)
]
GoneJob = Annotated[str, typer.Argument(metavar="JOB", help="The name that it had.")]
MaybeJob = Annotated[
    str | None, typer.Argument(metavar="[JOB]", help="Only this job.", autocompletion=job_names)
]
JobOrRun = Annotated[
    str,
    typer.Argument(metavar="JOB|RUN", help="A job, or a run's number.", autocompletion=job_names),
]
ServiceNames = Annotated[
    list[str],
    typer.Argument(metavar="NAME...", help="Services, or all.", autocompletion=service_names),
]
MaybeServices = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME]...", help="Services (default: all).", autocompletion=service_names
    ),
]
OwnService = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The service's name.", autocompletion=own_service_names),
]
AnyService = Annotated[
    str, typer.Argument(metavar="NAME", help="The service's name.", autocompletion=service_names)
]
MaybeOwnService = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="Only this service.", autocompletion=own_service_names),
]
OwnServices = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME...", help="Services of your own.", autocompletion=own_service_names
    ),
]
Lines = Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with lines as they come.")]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="WHEN", help="Only lines since then: 10m (ago), today, 18:00, or an instant."
    ),
]
Until = Annotated[
    str | None, typer.Option(metavar="WHEN", help="Only lines before then; like --since.")
]
RunsSince = Annotated[
    str | None,
    typer.Option(
        metavar="WHEN", help="Only runs since then: 2h (ago), today, 18:00, or an instant."
    ),
]
RunsUntil = Annotated[
    str | None, typer.Option(metavar="WHEN", help="Only runs until then; like --since.")
]
Grep = Annotated[str | None, typer.Option(metavar="TEXT", help="Only lines that contain this.")]
Timestamps = Annotated[
    bool, typer.Option("--timestamps", "-t", help="Put the time before each line.")
]
Raw = Annotated[
    bool, typer.Option("--raw", help="The exact bytes, control characters and all (no filters).")
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Kill at once instead of asking.")]
Replace = Annotated[
    bool, typer.Option("--force", "-f", help="Stop a running one first, wait for it, then start.")
]
StopTimeout = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        metavar="DURATION",
        help="How long to wait (default: shutdown_timeout, and a little to spare).",
    ),
]
Wait = Annotated[
    str, typer.Option("--wait", metavar="SECONDS", help="How long to wait until it is ready.")
]
WaitFor = Annotated[
    str,
    typer.Option("--wait", metavar="WHAT", help="Until they are ready, started, or no waiting."),
]
WaitTime = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        metavar="DURATION",
        help="How long to wait (default: 60s, for pb's own daemons 10s).",
    ),
]
NoDeps = Annotated[bool, typer.Option("--no-deps", help="Only these, without what they depend on.")]
Stopping = Annotated[
    bool, typer.Option("--stop", help="The order of stopping, with what depends on them.")
]
Dependents = Annotated[
    bool, typer.Option("--dependents", help="And first whatever depends on them.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the order; change nothing.")]
Foreground = Annotated[
    bool, typer.Option("--foreground", help="Stay in the foreground; Ctrl-C stops it.")
]
Daemon = Annotated[
    bool, typer.Option("--daemon", help="With a tiny guardian that restarts it when it dies.")
]
Db = Annotated[
    str | None, typer.Option("--db", metavar="PATH", help="The database (default: pony.db).")
]
Count = Annotated[int, typer.Option("--count", "-n", min=1, max=10_000, help="How many.")]


def duration(flag: str, text: str) -> float:
    """Seconds; raises UsageError naming the flag."""
    from pb.core.durations import parse_duration

    try:
        return parse_duration(text)
    except PbError as error:
        raise UsageError(f"{flag}: {error.message}", hint=error.hint) from error


def instant_ms(flag: str, text: str) -> int:
    """Epoch milliseconds of ``10m`` (also ``10m ago``), ``today``, ``yesterday``, a time of day
    that was last (``18:00``), or an RFC 3339 instant; what names no zone is local time."""
    import time
    from datetime import datetime

    try:
        moment = _past(text) or datetime.fromisoformat(text)
        return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        pass  # Not an instant; the other spelling is a duration.
    try:
        return int((time.time() - duration(flag, text.strip().removesuffix(" ago"))) * 1000)
    except UsageError as error:
        hint = (
            "Write a duration such as 10m, today, yesterday, a time such as 18:00, or an instant "
            "such as 2026-11-20T18:00:00Z."
        )
        raise UsageError(f"{flag}: {text!r} is neither a duration nor an instant", hint=hint) from (
            error
        )


def _past(text: str) -> datetime | None:
    """What words for a day or a time of day mean, of those that have been; None for other text."""
    import re
    from datetime import datetime, time, timedelta

    word, now = text.strip().lower(), datetime.now().astimezone().replace(tzinfo=None)
    day = timedelta(days=1)
    if word in ("today", "yesterday"):
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight if word == "today" else midnight - day
    if not re.fullmatch(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?", word):
        return None
    moment = datetime.combine(now, time.fromisoformat(word.zfill(5 if len(word) < 6 else 8)))
    return moment if moment <= now else moment - day


def later_ms(flag: str, text: str | None) -> int | None:
    """Epoch milliseconds of ``2h`` (from now), ``tomorrow 9:00``, ``18:00``, or an RFC 3339
    instant; what names no zone is local time."""
    if text is None:
        return None
    import time
    from datetime import datetime

    from pb.core.moments import moment_of_words

    if moment := moment_of_words(text, datetime.now().astimezone()):
        return int(moment.timestamp() * 1000)
    at_ms, now_ms = instant_ms(flag, text), int(time.time() * 1000)
    # A duration was read as that long ago; here it means from now on.
    return 2 * now_ms - at_ms if text[:1].isdigit() and "-" not in text else at_ms


def instant(flag: str, text: str | None) -> str | None:
    """What ``instant_ms`` reads, as RFC 3339 in UTC."""
    if text is None:
        return None
    from datetime import UTC, datetime

    at = datetime.fromtimestamp(instant_ms(flag, text) / 1000, UTC)
    return at.isoformat(timespec="milliseconds")


def start_mode(foreground: bool, daemon: bool) -> str:
    if foreground and daemon:
        raise UsageError(
            "--foreground and --daemon exclude each other",
            hint="The guardian detaches; choose one.",
        )
    return "foreground" if foreground else "daemon" if daemon else "background"


def whole_path(path: str) -> str:
    from os.path import abspath, expanduser

    return abspath(expanduser(path))


def which(name: str | None, tag: str | None, every: bool) -> str | None:
    """The job's name, or None for those with a tag or for all; exactly one must be given."""
    if (name is not None) + (tag is not None) + every != 1:
        raise UsageError(
            "Say which: a job's name, --tag TAG, or --all", hint="See the jobs: pb job list"
        )
    return name
