"""Jobs that wait for other jobs: whether they may run, why not, and whether they go in circles.

Pure: the newest outcomes are handed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pb.core.durations import format_duration
from pb.core.lean import dataclass
from pb.core.model import ERRORS, Dependency, DependencyOn, State


@dataclass(frozen=True, slots=True)
class Ended:
    """How the newest finished run of a job ended, and when (epoch milliseconds)."""

    run_id: int
    state: State
    at_ms: int


COUNTS: Mapping[DependencyOn, frozenset[State]] = {
    DependencyOn.SUCCESS: frozenset({State.SUCCEEDED}),
    DependencyOn.FAILURE: ERRORS,
    DependencyOn.COMPLETION: ERRORS | {State.SUCCEEDED},
}
"""Which outcomes satisfy a dependency; a run that somebody cancelled satisfies none."""


def unmet(dependency: Dependency, ended: Ended | None, now_ms: int) -> str | None:
    """Why ``dependency`` is not satisfied, in words; None when it is."""
    name = dependency.job
    if ended is None:
        return f"{name} has not run yet"
    if ended.state not in COUNTS[dependency.on]:
        return f"run {ended.run_id} of {name} {ended.state}, and {dependency.on} is needed"
    if dependency.within is not None and now_ms - ended.at_ms > dependency.within * 1000:
        limit = format_duration(dependency.within)
        return f"run {ended.run_id} of {name} ended more than {limit} ago"
    return None


def unknown(graph: Mapping[str, Iterable[str]], names: Iterable[str]) -> tuple[str, str] | None:
    """A job and the unknown one that it depends on, if there is such."""
    known = set(names)
    for job, needed in graph.items():
        for name in needed:
            if name not in known:
                return job, name
    return None


def cycle(graph: Mapping[str, Sequence[str]]) -> list[str] | None:
    """A path that comes back to its start, as names (the first is also the last); None for none."""
    done: set[str] = set()
    for start in graph:
        path: list[str] = []
        trail = [(start, iter(graph.get(start, ())))] if start not in done else []
        path += [start] if trail else []
        while trail:
            _, rest = trail[-1]
            following = next(rest, None)
            if following is None:
                done.add(trail.pop()[0])
                path.pop()
            elif following in path:
                return [*path[path.index(following) :], following]
            elif following not in done:
                trail.append((following, iter(graph.get(following, ()))))
                path.append(following)
    return None
