"""The part of the registry that is about the past: what it adds up to, and what of it would go.

Who answers is imported when somebody asks: a scheduler of which nobody does need not carry it.
"""

from __future__ import annotations

from typing import Any

from pb.api.context import Context
from pb.api.registry import Method, Param
from pb.api.views import Json


def job_stats(context: Context, **params: Any) -> Json:
    from pb.api import statistics

    return statistics.job_stats(context, **params)


def stats_periods(context: Context, **params: Any) -> Json:
    from pb.api import statistics

    return statistics.stats_periods(context, **params)


def digest_show(context: Context, **params: Any) -> Json:
    from pb.api import digest

    return digest.digest_show(context, **params)


def retention_show(context: Context, **params: Any) -> Json:
    from pb.api import letting_go

    return letting_go.retention_show(context, **params)


TEXT = Param("string", None)

PAST_METHODS: tuple[Method, ...] = (
    Method(
        name="job.stats",
        summary="How runs went: rates, durations, lateness",
        scope="read",
        params={"name": TEXT},
        call=job_stats,
    ),
    Method(
        name="stats.periods",
        summary="How runs went by hour, day, week or month (UTC), however long ago",
        scope="read",
        params={"name": TEXT, "since": TEXT, "until": TEXT, "by": Param("string", "day")},
        call=stats_periods,
    ),
    Method(
        name="digest.show",
        summary="What ran, failed, was skipped or took long, and what is different from before",
        scope="read",
        params={"since": TEXT, "until": TEXT},
        call=digest_show,
    ),
    Method(
        name="retention.show",
        summary="Which runs would be let go now, and the size of their logs; nothing is",
        scope="read",
        params={"name": TEXT},
        call=retention_show,
    ),
)
