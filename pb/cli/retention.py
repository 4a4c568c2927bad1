"""``pb retention``: which runs would be let go now, and what that frees. It deletes nothing."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pb.cli import options
from pb.cli.asked import asked, home
from pb.cli.render import clean, emit, local_minute, note, out, table
from pb.cli.tree import single

Json = dict[str, Any]

app, command = single("retention", "pb retention", "pb retention backup --json")


@command
def retention(
    job: Annotated[
        str | None,
        typer.Argument(metavar="[JOB]", help="Only this job.", autocompletion=options.job_names),
    ] = None,
) -> int:
    """Show which runs are over their limits and would be let go; nothing is deleted."""
    from pb.api import local_session

    # In this process: it looks at the log of each of these runs.
    with local_session(home()) as talk:
        answer = talk.call("retention.show", {"name": job})
    if asked.as_json:
        emit(answer)
        return 0
    if not answer["jobs"]:
        out("Nothing is over its limits.")
        return 0
    show(answer)
    return 0


def show(answer: Json) -> None:
    from pb.core.durations import shown_size

    rows = [
        (
            (
                clean(one["job"] or "pb run"),
                str(one["runs"]),
                shown_size(one["log_bytes"]),
                str(local_minute(one["until"])),
                f"{one['keep_runs']} runs, {one['keep_days']} days",
            ),
            "",
        )
        for one in answer["jobs"]
    ]
    table(("JOB", "RUNS", "LOGS", "UNTIL", "KEEPS"), rows)
    size, more = shown_size(answer["log_bytes"]), "" if answer["is_complete"] else "at least "
    out(f"\n{more}{answer['runs']} runs and {size} of logs would go; what they add up to stays.")
    note("hint: They go by themselves while a scheduler runs; now: pb job run retention")
