"""The report: plain text, one row a figure, ratios beside the peers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PEERS = ("supervisor", "circus", "pm2", "runit")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of each that was measured, and what pb wants to reach."""

    what: str
    figures: Mapping[str, float | str]
    goal: str | None = None


def show(value: float | str | None) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:,.1f}"


def ratio(row: Row, peer: str) -> str:
    """pb's figure over the peer's."""
    ours, theirs = row.figures.get("pb"), row.figures.get(peer)
    if not isinstance(ours, float) or not isinstance(theirs, float) or not theirs:
        return ""
    return f"{ours / theirs:.2f} x"


def lines(rows: Iterable[Row]) -> Iterable[str]:
    """The table; only who was measured gets a column."""
    listed = list(rows)
    peers = [name for name in PEERS if any(name in row.figures for row in listed)]
    head = "".join(f"{name:>12}" for name in peers)
    shares = "".join(f"{'pb:' + name[:3]:>9}" for name in peers)
    yield f"{'':50}{'pb':>14}{head}{shares}  goal"
    for row in listed:
        cells = "".join(f"{show(row.figures.get(name)):>12}" for name in peers)
        ratios = "".join(f"{ratio(row, name):>9}" for name in peers)
        yield (
            f"{row.what:50}{show(row.figures.get('pb')):>14}{cells}{ratios}  {row.goal or ''}"
        ).rstrip()
