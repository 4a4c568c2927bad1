"""``pb digest``: what happened in a day, a week or since some moment, for people and for mail."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pb.api.views import rfc3339
from pb.cli import options
from pb.cli.asked import asked, home
from pb.cli.render import emit, mark, out, speaks_utf8
from pb.cli.tree import single
from pb.core.sparkline import PLAIN, RICH
from pb.errors import PbError, UsageError

Json = dict[str, Any]

SPANS = {"daily": "24h", "weekly": "7d"}

FORMATS = ("terminal", "markdown", "html", "json")

app, command = single(
    "digest",
    "pb digest",
    "pb digest weekly --format html -o week.html",
    "pb digest --since 2026-11-20T00:00:00Z --format markdown",
)


@command
def digest(
    span: Annotated[
        str, typer.Argument(metavar="[daily|weekly]", help="The last 24 hours, or 7 days.")
    ] = "daily",
    since: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN", help="Since then instead: 36h (ago), yesterday, or an instant."
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Until then; like --since (default: now).")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="terminal, markdown, html or json.")
    ] = "terminal",
    file: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="Write it to this file.")
    ] = None,
) -> int:
    """Show what ran, failed, was skipped or took long, and what is different from before."""
    if span not in SPANS:
        raise UsageError(f"There is no {span!r} digest", hint="Choose daily or weekly.")
    if form not in FORMATS:
        raise UsageError(f"There is no format {form!r}", hint=f"One of: {', '.join(FORMATS)}.")
    found = collected(span, since, until)
    if file is None and (asked.as_json or form == "json"):
        emit(found)
        return 0
    as_json = form == "json" or (asked.as_json and form == "terminal")
    text = json_text(found) if as_json else written(found, form, is_file=file is not None)
    if file is None:
        out(text.rstrip("\n"))
        return 0
    write(Path(file), text)
    if asked.as_json:
        emit({"file": str(Path(file).absolute())})
    else:
        out(f"{mark('ok')} Digest written to {file}")
    return 0


def collected(span: str, since: str | None, until: str | None) -> Json:
    from pb.api import local_session
    from pb.core.durations import parse_duration

    end = options.instant_ms("--until", until or "0s")
    start = end - round(parse_duration(SPANS[span]) * 1000)
    if since is not None:
        start = options.instant_ms("--since", since)
    # In this process: a scheduler has better to do than to look for what took long.
    with local_session(home()) as talk:
        return talk.call("digest.show", {"since": rfc3339(start), "until": rfc3339(end)})


def json_text(found: Json) -> str:
    import json

    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def written(found: Json, form: str, *, is_file: bool) -> str:
    from pb.api.digest_html import html
    from pb.api.digest_text import FORMS, Words

    steps = RICH if is_file or form != "terminal" or speaks_utf8(sys.stdout) else PLAIN
    return {**FORMS, "html": html}[form](Words(found, steps=steps))


def write(path: Path, text: str) -> None:
    """For this user alone, and whole or not at all."""
    from pb.process.private_file import write_private

    try:
        write_private(path, text)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PbError(f"Cannot write {path}: {reason}", hint="Give another file with -o.") from None
