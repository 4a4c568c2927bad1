"""The one place that knows lines, colours, tables, clocks on the wall and JSON on stdout.

Results go to stdout, progress and hints to stderr. Text that came from a job or a file is made
harmless here, and is never read as markup. Nothing is asked of anybody here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from pb.cli.asked import asked

if TYPE_CHECKING:
    from datetime import datetime

COLOURS = {
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
    "grey": "90",
    "bright green": "92",
    "bright cyan": "96",
    "bold": "1",
}
MARKS = {
    "ok": ("✓", "+", "green"),
    "bad": ("✗", "x", "red"),
    "off": ("✗", "x", "grey"),
    "warn": ("⚠", "!", "yellow"),
    "turn": ("●", "o", "yellow"),
}
PIPED_WIDTHS = (20, 12, 20, 20, 10, 10)
HEADINGS = ("JOB", "STATUS", "LAST RUN", "NEXT RUN", "RUNS", "ERRORS")
NARROW = 72
"""Columns below which a table's row would be torn; such a terminal gets a short block each."""

Record = Mapping[str, object]


class ReaderGone(Exception):  # noqa: N818 - not an error: whoever read our output has enough
    """The other end of stdout was closed. No OSError, which typer would take for its own."""


def out(text: str = "") -> None:
    """One line (or more) of the result."""
    try:
        if sys.stdout is not None:
            sys.stdout.write(text + "\n")
    except BrokenPipeError as error:
        raise ReaderGone from error


def out_bytes(lines: Iterable[bytes]) -> None:
    """Exact bytes of the result."""
    if sys.stdout is not None:
        flush()
        try:
            sys.stdout.buffer.writelines(lines)
        except BrokenPipeError as error:
            raise ReaderGone from error


def flush() -> None:
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError as error:
        raise ReaderGone from error


def note(text: str) -> None:
    """Progress or a hint, for people; silent under ``--json``."""
    if not asked.as_json and sys.stderr is not None:
        flush()
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def emit(document: Record, *, indent: int | None = 2) -> None:
    """The one JSON document of this command (``indent`` None: one line of many)."""
    import json

    whole = {"schema": 1, **document}
    out(json.dumps(whole, indent=indent))  # ASCII: no control character gets through as it is.


def show_error(code: str, message: str, hint: str | None, *, block: str | None = None) -> None:
    """One sentence and one hint on stderr; under ``--json`` the error document on stdout."""
    if asked.as_json:
        error = {"code": code, "message": message, "hint": hint}
        emit({"error": {**error, "caret": block} if block else error})
        return
    lines = [f"{paint('error:', 'red', sys.stderr)} {clean(message, keep_lines=True)}"]
    lines += ["  " + clean(part, keep_lines=True) for part in (block or "").splitlines()]
    lines += [f"hint: {clean(hint, keep_lines=True)}"] if hint else []
    note("\n".join(lines))


def clean(text: object, *, keep_lines: bool = False) -> str:
    """``text`` with whatever could move a cursor or change a colour made visible instead."""
    plain = str(text)
    if plain.isprintable():
        return plain
    from pb.process.logfile import sanitise

    harmless = "\n".join(sanitise(line) for line in plain.split("\n"))
    return harmless if keep_lines else harmless.replace("\n", " ").replace("\t", " ")


def speaks_utf8(stream: TextIO | None) -> bool:
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "") == "utf8"


def is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def has_colour(stream: TextIO | None) -> bool:
    """NO_COLOR wins, then FORCE_COLOR, then whether a terminal that is not dumb is there."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in {"", "0"}:
        return True
    return os.environ.get("TERM") != "dumb" and is_terminal(stream)


def paint(text: str, colour: str, stream: TextIO | None = None) -> str:
    if not has_colour(stream or sys.stdout):
        return text
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m"


def mark(kind: str, stream: TextIO | None = None) -> str:
    """✓, ✗, ⚠ or ● in its colour; a plain letter where the stream cannot say it."""
    symbol, plain, colour = MARKS[kind]
    target = stream or sys.stdout
    return paint(symbol if speaks_utf8(target) else plain, colour, target)


def width() -> int | None:
    """Columns of the terminal behind stdout; None when there is none (nothing is cut then)."""
    if not is_terminal(sys.stdout):
        return None
    chosen = os.environ.get("COLUMNS", "")
    if chosen.isdigit() and int(chosen) > 0:
        return int(chosen)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except OSError:
        return 80


def title_box(title: str) -> list[str]:
    """The framed heading of the service screens; a plain line where a frame would not fit."""
    columns = width()
    if not speaks_utf8(sys.stdout) or (columns is not None and columns < 67):
        return ["", title, ""]
    return ["", f"╔{'═' * 63}╗", f"║           {title:<52}║", f"╚{'═' * 63}╝", ""]


def fields(pairs: Iterable[tuple[str, object]], *, indent: int = 2) -> None:
    """``Label: value`` lines; a value of None is left out."""
    for line in field_lines(pairs, indent=indent):
        out(line)


def field_lines(pairs: Iterable[tuple[str, object]], *, indent: int = 2) -> list[str]:
    space = " " * indent
    return [f"{space}{label}: {clean(value)}" for label, value in pairs if value is not None]


def local_minute(instant: object) -> str | None:
    """An RFC 3339 instant as this machine's wall clock says it: ``YYYY-MM-DD HH:MM``."""
    moment = _moment(instant)
    return moment.isoformat(" ", "minutes")[:16] if moment else None


def local_second(instant: object) -> str | None:
    moment = _moment(instant)
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else None


def both_clocks(instant: str, zone: str | None = None) -> str:
    """A fire time with its zone and in UTC: ``Fri 2026-11-20 02:30:00 CET (01:30:00Z)``.

    ``zone`` is an IANA name; None or ``local`` is this machine's.
    """
    moment = _moment(instant)
    if moment is None:
        return "-"
    utc = moment
    if zone not in (None, "local"):
        from zoneinfo import ZoneInfo

        moment = moment.astimezone(ZoneInfo(zone or "UTC"))
    from datetime import UTC

    utc = moment.astimezone(UTC)
    return f"{moment:%a %Y-%m-%d %H:%M:%S %Z} ({utc:%Y-%m-%dT%H:%M:%S}Z)"


def _moment(instant: object) -> datetime | None:
    from datetime import datetime

    if not isinstance(instant, str) or not instant:
        return None
    return datetime.fromisoformat(instant).astimezone()


def seconds(milliseconds: object) -> str:
    """A duration for a table: ``12ms``, ``4.20s``, ``42.1s``, ``3m 2s``."""
    if not isinstance(milliseconds, int | float):
        return "-"
    if milliseconds < 1000:
        return f"{milliseconds:.0f}ms"
    value = milliseconds / 1000
    if value < 60:
        return f"{value:.2f}s" if value < 10 else f"{value:.1f}s"
    from pb.core.durations import format_uptime

    return format_uptime(value)


def table(headings: Sequence[str], rows: Sequence[tuple[Sequence[str], str]]) -> None:
    """Columns as wide as their longest cell, and a remark after each row.

    Where a terminal is too narrow for the remarks they go below their rows; where it is too
    narrow for the rows, each becomes a short block. Nothing is cut.
    """
    cells = [headings, *(row for row, _ in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(headings))]
    columns, whole = width(), sum(widths) + 2 * len(widths)
    widest = max(len(remark) for _, remark in rows)
    if columns is not None and columns < whole:
        for row, remark in rows:
            rest = "\n  " + ", ".join(row[3:]) if row[3:] else ""
            out("  ".join(row[:3]) + rest + _below(remark))
        return
    is_wide = columns is None or columns >= whole + widest
    out(paint(_spaced(headings, widths).rstrip(), "bold"))
    for row, remark in rows:
        text = _spaced(row, widths)
        out((text + remark).rstrip() if is_wide else text.rstrip() + _below(remark))


def _spaced(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "".join(f"{cell.ljust(size)}  " for cell, size in zip(cells, widths, strict=True))


def _below(remark: str) -> str:
    return f"\n  {paint(remark, 'grey')}" if remark else ""


def job_status(job: Record) -> str:
    """``PAUSED`` before ``RUNNING`` before ``IDLE`` (SPEC section 2)."""
    if job.get("paused"):
        return "PAUSED"
    return "RUNNING" if job.get("running") else "IDLE"


def waits_for(triggers: Any) -> str | None:
    """What a job without a time to come waits for, in a word or two; its time is not known."""
    from pb.core.reactive import REACTIVE

    kinds = dict.fromkeys(str(one.get("type")) for one in triggers)
    words = [kind for kind in kinds if kind in REACTIVE]
    return f"on {words[0]}" if len(words) == 1 else "on events" if words else None


NOTHING: Mapping[str, Any] = {}


def stands(reaction: Any) -> str | None:
    """``firing (93.1 %)``: the state of what a job waits for, and what was measured last."""
    if not reaction:
        return None
    return f"{reaction['state']} ({reaction['shown']})" if reaction["shown"] else reaction["state"]


def job_cells(job: Record, standing: Any = None) -> tuple[str, ...]:
    status = job_status(job)
    coming = local_minute(job.get("next_run")) or stands(standing)
    coming = coming or waits_for(job.get("triggers", ()))
    next_run = None if status == "PAUSED" else coming
    return (
        clean(job["name"]),
        status,
        local_minute(job.get("last_run")) or "Never",
        next_run or "-",
        str(job.get("run_count", 0)),
        str(job.get("error_count", 0)),
    )


def job_table(jobs: Sequence[Record], standings: Mapping[str, Any] = NOTHING) -> None:
    """The job table: fixed columns when piped, fitted to a terminal, blocks on a narrow one."""
    if not jobs:
        out("No jobs yet.")
        return
    columns = width()
    rows = [job_cells(job, standings.get(str(job["name"]))) for job in jobs]
    if columns is not None and columns < NARROW:
        _job_blocks(jobs, rows)
        return
    widths = PIPED_WIDTHS if columns is None else _fitted(rows, columns)
    out(paint(_row(HEADINGS, widths), "bold"))
    out("-" * sum(widths))
    for job, row in zip(jobs, rows, strict=True):
        out(_coloured(_row(row, widths), row[1]))
        _last_error(job)


def _cut(name: str, size: int) -> str:
    """A name in a terminal's column; a table of broken rows would be worse than a cut name."""
    return name if len(name) <= size or width() is None else name[: size - 1] + "…"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    cells = (_cut(cells[0], widths[0]), *cells[1:])
    return " ".join(cell.ljust(size) for cell, size in zip(cells, widths, strict=True)).rstrip()


def _fitted(rows: Sequence[tuple[str, ...]], columns: int) -> tuple[int, ...]:
    """The promised widths where they fit; else each column just as wide as its content."""
    longest = max(len(row[0]) for row in rows)
    spare = columns - sum(PIPED_WIDTHS) - len(PIPED_WIDTHS) + 1
    if spare >= 0:
        return (min(max(20, longest), 20 + spare), *PIPED_WIDTHS[1:])
    rest = [max(len(row[at]) for row in [HEADINGS, *rows]) for at in range(1, 6)]
    return (min(longest, max(10, columns - sum(rest) - 5)), *rest)


def _coloured(text: str, status: str) -> str:
    colour = {"PAUSED": "yellow", "RUNNING": "green"}.get(status)
    return text.replace(status, paint(status, colour), 1) if colour else text


def _last_error(job: Record) -> None:
    error = job.get("last_error")
    if error and job.get("last_result") not in (None, "succeeded", "skipped"):
        out("  " + paint(f"Last error: {clean(error)}", "red"))


def _job_blocks(jobs: Sequence[Record], rows: Sequence[tuple[str, ...]]) -> None:
    for job, (name, status, last, following, runs, errors) in zip(jobs, rows, strict=True):
        out(_coloured(f"{name}  {status}", status))
        out(f"  last {last}\n  next {following}\n  runs {runs}, errors {errors}")
        _last_error(job)
