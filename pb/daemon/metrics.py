"""How each metric is measured: how to look, and where the looking is done.

``quick`` looks cost microseconds and are made on the event loop; ``slow`` ones may make us wait
(a disk, a sensor) and are made in a thread; ``async`` ones ask the network or run a command.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable
from functools import partial

from pb.api.lives import identity_of
from pb.api.surroundings import from_home, marker_of
from pb.core.lean import dataclass
from pb.core.metric_names import Metric
from pb.core.service import Http
from pb.core.urls import parse_url
from pb.daemon.errands import PROBE
from pb.daemon.watchers import Scene
from pb.process.gauges import Gauge, Moment, Speed, quick_gauge, slow_gauge
from pb.process.identity import Identity
from pb.process.kin import members
from pb.process.limits import memory_of
from pb.process.spawn import Spawn
from pb.process.table import MARKER_VARIABLE
from pb.process.usage import TICKS
from pb.store import gauges as history
from pb.store.services import InstanceRow

COMMAND_TIMEOUT, HTTP_TIMEOUT = 5.0, 10.0

NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")

MOST_MEMORY = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How to look at one metric: exactly one of the three."""

    quick: Gauge | None = None
    slow: Callable[[], float | None] | None = None
    asks: Callable[[], Awaitable[float | None]] | None = None


def look_at(metric: Metric, scene: Scene) -> Look:
    """How to look at a metric, with a memory of its own where it counts from look to look."""
    kind, subject = metric.kind, metric.subject
    quick = quick_gauge(kind) or history_gauge(kind, subject, scene)
    if quick is not None:
        return Look(quick=quick)
    if kind.startswith("service."):
        return Look(quick=service_gauge(kind.partition(".")[2], subject, scene))
    if kind == "cmd":
        return Look(asks=partial(number_of_command, scene, subject))
    if kind.startswith("http."):
        return Look(asks=partial(http_answer, subject, is_latency=kind == "http.latency"))
    return Look(slow=slow_gauge(kind, from_home(subject, os.path.expanduser("~"))))


# -- the history


def history_gauge(kind: str, subject: str, scene: Scene) -> Gauge | None:
    """Of jobs and queues; None for another metric."""
    if kind == "queue.length":
        return lambda moment: float(
            sum(
                n
                for queue, state, n in scene.context.store.queue_lengths()
                if queue == subject and state == "queued"
            )
        )
    if kind.startswith("job."):
        return JobGauge(kind.partition(".")[2], subject, scene)
    return None


class JobGauge:
    """One number of one job. What is expensive is asked anew only when a run has ended."""

    def __init__(self, word: str, job: str, scene: Scene) -> None:
        self._word, self._job = word, job
        self._scene = scene
        self._version: tuple[object, ...] = ()
        self._kept: float | None = None

    def __call__(self, moment: Moment) -> float | None:
        store, now_ms = self._scene.context.store, self._scene.clock.now_ms()
        if self._word == "queue_wait":
            since = history.waiting_since_ms(store.select, self._job)
            if since is not None:
                return max(0, now_ms - since) / 1000
        row = store.job(self._job)
        if row is None:
            return None
        if self._word == "last_duration":
            return None if row.last_duration_ms is None else row.last_duration_ms / 1000
        version = (row.run_count, row.success_count, row.error_count, row.running, row.created_at)
        if version != self._version:
            self._version, self._kept = version, self._asked(row.success_count, row.created_at)
        if self._word == "seconds_since_success":
            return None if self._kept is None else max(0.0, now_ms - self._kept) / 1000
        return self._kept

    def _asked(self, successes: int, created_at: int) -> float | None:
        select = self._scene.context.store.select
        if self._word == "consecutive_failures":
            return history.consecutive_failures(select, self._job)
        if self._word == "queue_wait":
            waited = history.last_wait_ms(select, self._job)
            return None if waited is None else waited / 1000
        return history.last_success_ms(select, self._job) if successes else created_at


# -- services


def service_gauge(word: str, name: str, scene: Scene) -> Gauge:
    """One number of all instances of one service; None for a service that there is not."""

    def rows() -> list[InstanceRow]:
        return scene.context.store.services.instances(name)

    def restarts(moment: Moment) -> float | None:
        found = rows()
        return float(sum(row.restarts for row in found)) if found else None

    def uptime(moment: Moment) -> float | None:
        now = scene.clock.now_ms()
        found = rows()
        ages = [now - row.started_at for row in found if row.pid is not None and row.started_at]
        return max(0, min(ages, default=0)) / 1000 if found else None

    def tree(moment: Moment) -> list[Identity] | None:
        found = rows()
        return tree_of(found, scene.context.store.store_id, moment) if found else None

    def rss(moment: Moment) -> float | None:
        found = tree(moment)
        return None if found is None else float(memory_of(found, MOST_MEMORY))

    if word == "cpu":
        return Speed(ProcessorTime(tree), factor=100.0)
    return {"restarts": restarts, "uptime": uptime, "rss": rss}[word]


def tree_of(rows: list[InstanceRow], store_id: str, moment: Moment) -> list[Identity]:
    """All processes of these instances."""
    found: list[Identity] = []
    for row in rows:
        leader = identity_of(row)
        if leader is not None:
            marker = marker_of(store_id, row.service, row.instance, row.life)
            found += members(leader, marker, moment.table())
    return found


class ProcessorTime:
    """Seconds of processor time that a changing set of processes has used; it never shrinks."""

    def __init__(self, tree: Callable[[Moment], list[Identity] | None]) -> None:
        self._tree = tree
        self._used: dict[Identity, float] = {}
        self._total = 0.0

    def __call__(self, moment: Moment) -> float | None:
        tree = self._tree(moment)
        if tree is None:
            return None
        used = {who: seconds for who in tree if (seconds := cpu_seconds(who.pid)) is not None}
        self._total += sum(
            max(0.0, seconds - self._used.get(who, 0.0)) for who, seconds in used.items()
        )
        self._used = used
        return self._total


def cpu_seconds(pid: int) -> float | None:
    """Of one process, without its children (proc_pid_stat(5), fields 14 and 15)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS
    except (OSError, IndexError, ValueError):
        return None


# -- the network, commands


async def http_answer(address: str, *, is_latency: bool) -> float | None:
    """The status of a GET, 0 without an answer in time; or the seconds until there was one."""
    from pb.daemon.checks import get, request_of

    url, began = parse_url(address), time.monotonic()
    try:
        async with asyncio.timeout(HTTP_TIMEOUT):
            status = await get(url, request_of(url, Http(url=address)))
    except TimeoutError:
        return HTTP_TIMEOUT if is_latency else 0.0
    except (OSError, ValueError, EOFError):
        return None if is_latency else 0.0
    return time.monotonic() - began if is_latency else float(status)


async def number_of_command(scene: Scene, command: str) -> float | None:
    """The last number in the last line that it prints; None when it prints none in time."""
    assert scene.errands is not None
    environ = dict(scene.environ)
    environ.pop(MARKER_VARIABLE, None)
    home = environ.get("HOME") or "/"
    what = Spawn(
        argv=("/bin/sh", "-c", command),
        env={**environ, PROBE: "1"},
        cwd=home if os.path.isdir(home) else "/",
        log_path=scene.context.home.log("scheduler"),
        is_guest=scene.is_guest,
    )
    outcome = await scene.errands.probe(what, COMMAND_TIMEOUT)
    if outcome.exit_code is None:
        return None
    numbers = NUMBER.findall(outcome.words)
    return float(numbers[-1]) if numbers else None
