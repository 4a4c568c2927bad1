"""What is measured: one function a case, each answers rows for the report."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks import measure
from tests.benchmarks.measure import median, percentile
from tests.benchmarks.peers import Peer, Pm2
from tests.benchmarks.report import Row
from tests.benchmarks.subject import Subject, idle_jobs, seconds_between
from tests.kit.command import command


def starts(subject: Subject, peers: list[Peer], rounds: int) -> list[Row]:
    """How long `start` takes to return, and until status says running; turn by turn."""
    everyone: list[Subject | Peer] = [subject, *peers]
    returned: dict[str, list[float]] = {e.name: [] for e in everyone}
    running: dict[str, list[float]] = {e.name: [] for e in everyone}
    for _ in range(rounds):
        for each in everyone:
            first, second = each.start()
            returned[each.name].append(first)
            running[each.name].append(second)
            each.stop()
    return [
        Row("start returns, ms", {n: median(v) for n, v in returned.items()}),
        Row("start until status says running, ms", {n: median(v) for n, v in running.items()}),
        Row(
            "pb start returns : peer says running",
            {n: median(v) for n, v in running.items() if n != "pb"}
            | {"pb": median(returned["pb"])},
            goal="<= 0.3 of supervisor",
        ),
    ]


def answers(subject: Subject, peers: list[Peer], rounds: int) -> list[Row]:
    """How long a status command takes, all managers up, taking turns."""
    everyone: list[Subject | Peer] = [subject, *peers]
    took: dict[str, list[float]] = {e.name: [] for e in everyone}
    for each in everyone:
        each.start()
    for _ in range(rounds):
        for each in everyone:
            took[each.name].append(measure.timed(each.status, each.environment))
    rows = [
        Row("status, ms", {n: median(v) for n, v in took.items()}, goal="<= 0.85 of supervisor"),
        Row("status, fastest, ms", {n: min(v) for n, v in took.items()}),
    ]
    for each in everyone:
        each.stop()
    return rows


def footprint(subject: Subject, peers: list[Peer], many: int, seconds: float) -> list[Row]:
    """Memory with 0, 100 and many jobs after a fresh start; idle CPU with 100 and many."""
    for peer in peers:
        peer.start()
    beside = {p.name: measure.memory(p.pid()) for p in peers}
    rows, have = [], 0
    for count in (0, 100, many):
        if count > have:
            subject.add(idle_jobs(have, count - have))
            have = count
        subject.start()
        measure.pause(min(3.0, seconds))
        now = {"pb": measure.memory(subject.pid())} | (beside if count == 0 else {})
        goal = {100: "<= 30", 10_000: "<= 45"}.get(count)
        rows.append(
            Row(f"RSS with {count} jobs, MB", {n: m.rss for n, m in now.items()}, goal=goal)
        )
        rows.append(Row(f"PSS with {count} jobs, MB", {n: m.pss for n, m in now.items()}))
        if count:
            rows += idle(subject, peers if count == 100 else [], count, seconds)
        subject.stop()
    for peer in peers:
        peer.stop()
    return rows


def idle(subject: Subject, peers: list[Peer], count: int, seconds: float) -> list[Row]:
    """CPU and wake-ups per minute of daemons that have nothing to do."""
    pids = {e.name: e.pid() for e in [subject, *peers]}
    before = {n: (measure.cpu_ms(p), measure.wakeups(p)) for n, p in pids.items()}
    measure.pause(seconds)
    scale = 60 / seconds
    cpu = {n: (measure.cpu_ms(p) - before[n][0]) * scale for n, p in pids.items()}
    woken = {n: (measure.wakeups(p) - before[n][1]) * scale for n, p in pids.items()}
    return [
        Row(f"idle CPU with {count} jobs, ms a minute", cpu, goal="<= 5"),
        Row(f"wake-ups with {count} jobs, a minute", woken),
    ]


def lateness(subject: Subject, peers: list[Peer], seconds: int) -> list[Row]:
    """How late a job of each second says its first word: /bin/date's own time, less the second."""
    ticking = [p for p in peers if isinstance(p, Pm2)]
    logs = {p.name: p.home / "tick.log" for p in ticking}
    for peer in ticking:
        peer.start()
        peer.tick(logs[peer.name])
    tick = {
        "name": "tick",
        "command": ["/bin/date", "+%s.%N"],
        "triggers": [{"type": "cron", "expr": "* * * * * *"}],
    }
    subject.start()
    subject.add([tick])
    measure.pause(seconds + 1.5)
    subject.stop()
    runs = [
        r for r in subject.runs(seconds + 10) if r["job"] == "tick" and r["state"] == "succeeded"
    ]
    late = {"pb": [own_lateness(r) for r in runs]}
    for name, log in logs.items():
        words = log.read_text().split()[1:] if log.exists() else []
        late[name] = [float(w) % 1 * 1000 for w in words[-seconds:]]
    for peer in ticking:
        peer.stop()
    measure.output([*command(), "job", "remove", "tick"], subject.environment)
    late = {n: v for n, v in late.items() if v}
    return [
        Row(
            "lateness each second, median, ms", {n: median(v) for n, v in late.items()}, goal="<= 4"
        ),
        Row(
            "lateness each second, p95, ms",
            {n: percentile(v, 0.95) for n, v in late.items()},
            goal="<= 15",
        ),
        Row(
            "runs seen",
            {n: float(len(v)) for n, v in late.items()},
            goal=f"{seconds} to {seconds + 2}",
        ),
    ]


def own_lateness(run: dict[str, Any]) -> float:
    said = float(Path(run["log_path"]).read_text())
    return (said - datetime.fromisoformat(run["fire_time"]).timestamp()) * 1000


def burst(subject: Subject, n: int) -> list[Row]:
    """n jobs of /bin/true due at the same second: from due until the last is done and recorded."""
    subject.start()
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=6 + n / 250)
    at = due.isoformat().replace("+00:00", "Z")
    added = subject.add(
        {"name": f"burst{k}", "command": ["/bin/true"], "triggers": [{"type": "at", "at": at}]}
        for k in range(n)
    )
    spare = due.timestamp() - time.time()
    if spare < 0.5:
        raise RuntimeError(f"importing {n} jobs took too long: {spare:.1f} s before they were due")
    measure.pause(spare + 0.5)
    done: list[dict[str, Any]] = []

    def all_done() -> bool:
        done[:] = [
            r for r in subject.runs(2 * n) if r["finished_at"] and str(r["job"]).startswith("burst")
        ]
        return len(done) >= n

    measure.until(all_done, timeout=120, interval=0.5)
    spent = max(seconds_between(at, r["finished_at"]) for r in done)
    first = min(seconds_between(at, r["started_at"]) for r in done)
    subject.stop()
    twice = len(done) - len({r["job"] for r in done})
    good = sum(r["state"] == "succeeded" for r in done)
    return [
        Row(f"{n} at once: jobs a second, due to last", {"pb": n / spent}, goal=">= 600"),
        Row(f"{n} at once: first started after, ms", {"pb": first * 1000}),
        Row(
            f"{n} at once: added, succeeded, doubled",
            {"pb": json.dumps([added, good, twice])},
            goal=f"[{n}, {n}, 0]",
        ),
    ]
