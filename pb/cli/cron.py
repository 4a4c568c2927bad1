"""``pb cron``: what an expression means, whether it is one, and when it fires next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from pb.cli import options
from pb.cli.asked import asked
from pb.cli.render import both_clocks, clean, emit, mark, out
from pb.cli.tree import Verb, Verbs
from pb.errors import UsageError

if TYPE_CHECKING:
    from pb.core.cron import CronExpr

app = Verbs("Check and explain cron expressions: 5, 6 or 7 fields, seconds first.")

Expr = Annotated[
    str, typer.Argument(metavar="EXPR", help='The expression, in quotes: "30 2 * * *".')
]
Zone = Annotated[
    str, typer.Option("--tz", metavar="ZONE", help="An IANA time zone (default: the machine's).")
]
Name = Annotated[
    str | None, typer.Option("--name", metavar="JOB", help="The job's name, which H hashes.")
]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="INSTANT", help="Strictly after this (default: now)."),
]
Before = Annotated[
    str | None,
    typer.Option("--before", metavar="INSTANT", help="Strictly before this (default: now)."),
]


class OneExpression(Verb):
    """A verb whose one argument is an expression; one that the shell has split is told so."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        _, beyond, _ = self.make_parser(ctx).parse_args(args=list(args))
        if beyond:
            raise UsageError(
                f"An expression is one argument, and there are {len(beyond) + 1}",
                hint=f'Put it in quotes: {ctx.command_path} "30 2 * * *"',
            )
        return super().parse_args(ctx, args)


@app.verb(
    "validate",
    'pb cron validate "*/5 9-17 * * MON-FRI"',
    'pb cron validate "61 * * * *"',
    cls=OneExpression,
)
def validate(expr: Expr, tz: Zone = "local", name: Name = None) -> int:
    """Check an expression: its meaning and next times, or the fault and its place."""
    from pb.core.second_opinion import disagreement

    boot = _at_boot(expr, tz)
    if boot is not None:
        emit({**boot, "valid": True}) if asked.as_json else out(f"@reboot: {boot['explain']}")
        return 0
    cron, zone, zone_name = _parsed(expr, tz, name)
    document = _meaning(cron, zone, zone_name, 3)
    # Another library's reading: what people move from may have meant something else by it.
    doubt = disagreement(cron, datetime.now(zone).replace(tzinfo=None))
    if asked.as_json:
        emit({**document, "valid": True, "second_opinion": doubt})
        return 0
    out(f"{mark('ok')} {clean(expr)} is valid")
    _show(document)
    if doubt is not None:
        out(f"  {mark('warn')} Other cron libraries may read it otherwise: {clean(doubt)}")
    return 0


@app.verb("explain", 'pb cron explain "0 0 1 * * SUN"', cls=OneExpression)
def explain(expr: Expr, tz: Zone = "local", name: Name = None) -> int:
    """Say in words what an expression means, and what clock changes do to it."""
    boot = _at_boot(expr, tz)
    document = boot or _meaning(*_parsed(expr, tz, name), 3)
    if asked.as_json:
        emit(document)
    elif boot is not None:
        out(clean(expr))
        out(f"  {boot['explain']}; at no time of the clock")
    else:
        out(clean(expr))
        _show(document)
    return 0


@app.verb(
    "next",
    'pb cron next "30 2 * * *" --tz Europe/Berlin -n 10',
    'pb cron next "@hourly" --from 2026-11-20T18:00:00Z --json',
    cls=OneExpression,
)
def show_next(
    expr: Expr,
    tz: Zone = "local",
    start: From = None,
    count: options.Count = 5,
    name: Name = None,
) -> int:
    """Show the next times an expression fires."""
    if _at_boot(expr, tz) is not None:
        emit({"expr": expr, "tz": tz, "fire_times": []}) if asked.as_json else out("At boot only.")
        return 0
    cron, zone, zone_name = _parsed(expr, tz, name)
    after = datetime.now(UTC) if start is None else _instant("--from", start, zone)
    times = fire_times(cron, zone, after, count)
    _list(expr, zone_name, times)
    if len(times) < count and not asked.as_json:
        out("It never fires again." if not times else "It never fires after that.")
    return 0


@app.verb(
    "prev",
    'pb cron prev "30 2 * * *" --tz Europe/Berlin -n 10',
    'pb cron prev "0 0 29 2 *" --before 2026-11-20T18:00:00Z --json',
    cls=OneExpression,
)
def show_prev(
    expr: Expr,
    tz: Zone = "local",
    end: Before = None,
    count: options.Count = 5,
    name: Name = None,
) -> int:
    """Show the last times an expression has fired, newest first."""
    if _at_boot(expr, tz) is not None:
        emit({"expr": expr, "tz": tz, "fire_times": []}) if asked.as_json else out("At boot only.")
        return 0
    cron, zone, zone_name = _parsed(expr, tz, name)
    before = datetime.now(UTC) if end is None else _instant("--before", end, zone)
    times = fire_times(cron, zone, before, count, back=True)
    _list(expr, zone_name, times)
    if len(times) < count and not asked.as_json:
        out("It has never fired." if not times else "It never fired before that.")
    return 0


def _list(expr: str, zone_name: str, times: list[str]) -> None:
    if asked.as_json:
        emit({"expr": expr, "tz": zone_name, "fire_times": times})
        return
    for time in times:
        out(both_clocks(time, zone_name))


def _at_boot(expr: str, tz: str) -> dict[str, Any] | None:
    """What `@reboot` means: crontab(5) has it, but no clock does."""
    if expr.strip().lower() != "@reboot":
        return None
    from pb.core.model import Startup
    from pb.core.triggers import describe

    words = describe(Startup())
    return {"expr": "@reboot", "tz": tz, "explain": words, "fire_times": [], "notes": []}


def _parsed(expr: str, tz: str, name: str | None) -> tuple[CronExpr, ZoneInfo, str]:
    from pb.config.zones import local_zone_name
    from pb.config.zones import zone as zone_of
    from pb.core.cron import parse_cron
    from pb.core.phrases import cron_of_phrase

    zone_name = local_zone_name() if tz == "local" else tz
    return parse_cron(cron_of_phrase(expr) or expr, name=name), zone_of(tz), zone_name


def _instant(flag: str, text: str, zone: ZoneInfo) -> datetime:
    """An RFC 3339 instant; one without an offset is a wall-clock time of ``zone``."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        hint = "Write it like 2026-11-20T18:00:00Z."
        raise UsageError(f"{flag}: {text!r} is not an instant", hint=hint) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def fire_times(
    cron: CronExpr, zone: ZoneInfo, start: datetime, count: int, *, back: bool = False
) -> list[str]:
    """The next instants as RFC 3339 UTC, strictly after ``start``, or ``back`` from it; fewer when
    there are no more.

    Whole seconds, because a cron expression knows no others.
    """
    step = cron.prev if back else cron.next
    times: list[str] = []
    moment = step(start, zone)
    while moment is not None and len(times) < count:
        times.append(f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
        moment = step(moment, zone)
    return times


def _meaning(cron: CronExpr, zone: ZoneInfo, zone_name: str, count: int) -> dict[str, Any]:
    from pb.core.cron import clock_change_notes

    now = datetime.now(UTC)
    return {
        "expr": cron.text,
        "tz": zone_name,
        "explain": cron.explain(),
        "wildcard": cron.is_wildcard,
        "fire_times": fire_times(cron, zone, now, count),
        "notes": clock_change_notes(cron, zone, now),
    }


def _show(document: dict[str, Any]) -> None:
    out(f"  {clean(document['explain'])}")
    show_times(document["fire_times"], document["tz"])
    show_notes(document["notes"])


def show_times(times: list[str], zone_name: str) -> None:
    """The next fire times, with zone and UTC."""
    if not times:
        out("  It never fires.")
        return
    out(f"  Next ({clean(zone_name)}):")
    for time in times:
        out(f"    {both_clocks(time, zone_name)}")


def show_notes(notes: list[str]) -> None:
    """What the clock changes of the coming year do."""
    for note in notes:
        out(f"  {mark('warn')} {clean(note)}")
