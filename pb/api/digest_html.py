"""A digest as an HTML mail: one file with nothing to fetch, styles in place, everything escaped.

Mail programs know tables and inline styles; more is not used, and no script.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from pb.api.digest_text import COLUMNS, Words, plain

PAGE = "font:15px/1.45 -apple-system,'Segoe UI',Roboto,sans-serif;color:#1b1f24;margin:0"
BOX = "max-width:44em;margin:0 auto;padding:20px"
TABLE = "border-collapse:collapse;width:100%;margin:4px 0 16px"
HEAD = "text-align:{side};padding:3px 8px;border-bottom:2px solid #d0d7de;font-weight:600"
CELL = "text-align:{side};padding:3px 8px;border-bottom:1px solid #eaeef2;white-space:nowrap"
SPARK = "font-family:ui-monospace,Menlo,Consolas,monospace;letter-spacing:1px;white-space:nowrap"
TITLE = "font-size:{size}px;margin:{space}px 0 6px"
ITEM = "margin:3px 0;overflow-wrap:anywhere"
BAD = ";color:#b42318;font-weight:600"


def html(words: Words) -> str:
    """The whole page."""
    return "\n".join(lines(words)) + "\n"


def lines(words: Words) -> Iterator[str]:
    title = safe(words.title)
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width">'
    yield f"<title>pb: {title}</title>\n</head>"
    yield f'<body style="{PAGE}">\n<div style="{BOX}">'
    yield f'<h1 style="{TITLE.format(size=20, space=0)}">{title}</h1>'
    yield from table(("", "now", "before"), words.numbers(), bad="Errors")
    by = safe(words.digest["by"])
    yield f'<p>Runs by {by}: <span style="{SPARK}">'
    yield f"{safe(words.spark(words.digest['total']['spark']))}</span></p>"
    yield from jobs(words)
    for heading, found in words.parts():
        yield f'<h2 style="{TITLE.format(size=16, space=18)}">{safe(heading)}</h2>'
        yield '<ul style="margin:0;padding-left:20px">'
        for one in found:
            yield f'<li style="{ITEM}">{safe(one)}</li>'
        yield "</ul>"
    yield f'<p style="color:#57606a;font-size:13px">{safe(words.digest["home"])}</p>'
    yield "</div>\n</body>\n</html>"


def jobs(words: Words) -> Iterator[str]:
    rows = [(name, *cells, spark) for name, cells, spark in words.jobs()]
    if rows:
        heads = ("job", *(one.lower() for one in COLUMNS), "runs")
        yield from table(heads, rows, bad_at=2, spark_at=len(heads) - 1)
    if words.more_jobs() is not None:
        yield f"<p>{safe(str(words.more_jobs()))}</p>"


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    bad: str | None = None,
    bad_at: int | None = None,
    spark_at: int | None = None,
) -> Iterator[str]:
    """Numbers to the right; red where something is bad: the row ``bad``, or the column."""
    yield f'<table style="{TABLE}">'
    sides = ["left"] + ["right"] * (len(heads) - 1)
    cells = (
        f'<th style="{HEAD.format(side=side)}">{safe(head)}</th>'
        for head, side in zip(heads, sides, strict=True)
    )
    yield f"<tr>{''.join(cells)}</tr>"
    for row in rows:
        yield "<tr>"
        for at, (cell, side) in enumerate(zip(row, sides, strict=True)):
            style = CELL.format(side=side)
            is_bad = at == bad_at or (at == 1 and row[0] == bad)
            style += BAD if is_bad and cell not in ("-", "0") else ""
            style += f";{SPARK}" if at == spark_at else ""
            yield f'<td style="{style}">{safe(cell)}</td>'
        yield "</tr>"
    yield "</table>"


def safe(text: str) -> str:
    return escape(plain(text))
