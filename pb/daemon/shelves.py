"""Where the store keeps what definition files define: a shelf of jobs, and one of services.

What ``filing`` does is the same for both; here is what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pb.api import service_graph, services
from pb.api.context import Context
from pb.api.graph import dependencies, names_of
from pb.api.methods import drop, put
from pb.config.files import Definitions
from pb.core.lean import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shelf:
    """One kind of definitions. ``needs`` names what one depends on, ``stored_needs`` that of all
    that are stored; ``put`` adds or changes one, ``drop`` removes it without asking who needs it.
    """

    word: str
    found: Callable[[Definitions], tuple[Any, ...]]
    lines: Callable[[Definitions], Mapping[str, int]]
    sources: Callable[[Context], Iterable[tuple[str, str]]]
    needs: Callable[[Any], list[str]]
    stored_needs: Callable[[Context], dict[str, list[str]]]
    put: Callable[[Context, Any, str], object]
    drop: Callable[[Context, str], None]


JOBS = Shelf(
    word="job",
    found=lambda found: found.jobs,
    lines=lambda found: found.lines,
    sources=lambda context: context.store.job_sources(),
    needs=lambda job: [one.job for one in job.depends_on],
    stored_needs=lambda context: names_of(dependencies(context)),
    put=lambda context, job, source: put(
        context, job, replace=True, source=source, keep_switch=True
    ),
    drop=drop,
)

SERVICES = Shelf(
    word="service",
    found=lambda found: found.services,
    lines=lambda found: found.service_lines,
    sources=lambda context: context.store.services.sources(),
    needs=lambda service: [one.service for one in service.depends_on],
    stored_needs=service_graph.graph,
    put=lambda context, service, source: services.put(
        context, service, replace=True, source=source, keep_switch=True
    ),
    drop=services.drop,
)

SHELVES = (JOBS, SERVICES)
