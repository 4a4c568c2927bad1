"""``pb audit``: who has changed what, through which face, and from where."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pb.cli import options
from pb.cli.asked import ANSWER_TIME, asked, session
from pb.cli.render import clean, emit, local_second, note, out, table
from pb.cli.tree import single

app, command = single(
    "audit",
    "pb audit",
    "pb audit --since 1d --actor dashboard",
    "pb audit --method service --json",
    "pb audit --target backup -n 200",
)

When = "WHEN"


@command
def audit(
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many at most.")] = 50,
    since: Annotated[
        str | None,
        typer.Option(metavar=When, help="Only since then: 10m (ago), today, or an instant."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar=When, help="Only before then; like --since.")
    ] = None,
    actor: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only by this user or token; also FACE:NAME."),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only this method, or family: job.run, service."),
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only about this job, service or token.")
    ] = None,
) -> int:
    """Show who has changed what, the newest first.

    A row for each change that was asked for and carried out, by whomever and through whatever.
    """
    span = {
        "since": options.instant("--since", since),
        "until": options.instant("--until", until),
    }
    params = {"n": count, **span, "actor": actor, "method": method, "target": target}
    with session() as talk:
        changes = talk.call("audit.list", params, timeout=ANSWER_TIME)["changes"]
    if asked.as_json:
        emit({"changes": changes})
    elif changes:
        table(("WHEN", "WHO", "FROM", "WHAT", "ABOUT"), [row(change) for change in changes])
    else:
        out("No changes match." if any(list(params.values())[1:]) else "No changes yet.")
        note("hint: Only changes that somebody asked for are here; see also: pb job history")
    return 0


def row(change: dict[str, Any]) -> tuple[tuple[str, ...], str]:
    details = ", ".join(f"{key}={value}" for key, value in change["details"].items())
    cells = (
        local_second(change["at"]) or "-",
        clean(f"{change['face']}:{change['actor']}"),
        clean(change["peer"] or "-"),
        clean(change["method"]),
        clean(change["target"] or "-"),
    )
    return cells, clean(details)
