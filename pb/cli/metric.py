"""``pb metric``: what thresholds and patterns can look at."""

from __future__ import annotations

from pb.cli.asked import asked
from pb.cli.render import emit, out, table
from pb.cli.tree import Verbs

app = Verbs("Show what a job can wait for with --when.")


@app.verb("list", "pb metric list", 'pb job add tidy --when "disk.percent:/ > 90 for 5m" -- ./tidy')
def list_metrics() -> int:
    """Show the metrics that there are, with their units.

    How a trigger stands, and what was measured last, is in: pb job show NAME
    """
    from pb.core.metric_names import METRICS

    if asked.as_json:
        found = [
            {"metric": known.example, "unit": known.unit or None, "meaning": known.words}
            for known in METRICS.values()
        ]
        emit({"metrics": found})
        return 0
    table(
        ("METRIC", "UNIT"),
        [((known.example, known.unit or "-"), known.words) for known in METRICS.values()],
    )
    out('\nWrite one as "METRIC > VALUE for TIME": pb job add NAME --when "load1 > 4 for 5m" -- …')
    return 0
