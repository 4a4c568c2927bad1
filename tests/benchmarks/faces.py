"""The gateway and the debug server: how soon they answer, how fast, with how much memory, how live.

Beside it in the same run: a bare uvicorn that answers as many bytes and looks at nothing, which is
what there is to be had from this server on this machine at this moment.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.benchmarks import measure
from tests.benchmarks.measure import median
from tests.benchmarks.report import Row
from tests.benchmarks.subject import Subject, idle_jobs
from tests.kit.command import command

JOBS, CONNECTIONS = 20, 50
FACES = {"gateway": "start", "debug": "web"}
STATUS = "/api/v1/status"

BARE = """
import asyncio, socket, uvicorn
BODY = b"x" * {size}
HEAD = [(b"content-type", b"application/json"), (b"content-length", b"{size}")]
async def app(scope, receive, send):
    await send({{"type": "http.response.start", "status": 200, "headers": HEAD}})
    await send({{"type": "http.response.body", "body": BODY}})
listener = socket.create_server(("127.0.0.1", 0), backlog=512)
print(listener.getsockname()[1], flush=True)
config = uvicorn.Config(app, http="h11", ws="none", loop="asyncio", lifespan="off", log_config=None,
                        access_log=False)
uvicorn.Server(config).run(sockets=[listener])
"""


def faces(subject: Subject, seconds: float, listeners: int, events: int) -> list[Row]:
    """Everything about both faces, in one home."""
    subject.add(idle_jobs(0, JOBS))
    subject.start()
    try:
        started = {name: first_answer(subject, name, verb) for name, verb in FACES.items()}
        rows = [
            Row(f"{name}, start to first answer, ms", {"pb": took}, goal="<= 1,000")
            for name, took in started.items()
        ]
        rows += speed(subject, seconds)
        rows += liveness(subject, listeners, events)
        rows += [ends(subject, events)]
        memory = {name: measure.memory(subject.pb.pid(name)).rss for name in started}
        rows += [
            Row("gateway, RSS after all that, MB", {"pb": memory["gateway"]}, goal="<= 80"),
            Row("debug, RSS, MB", {"pb": memory["debug"]}, goal="<= 70"),
        ]
        return rows
    finally:
        for name in ("gateway", "debug", "scheduler"):
            measure.timed([*command(), name, "stop"], subject.environment, fails=True)


def port_of(subject: Subject, name: str) -> int:
    return int(subject.pb.record(name)["ports"]["http"])


def first_answer(subject: Subject, name: str, verb: str) -> float:
    """Milliseconds from the command until /healthz answers."""
    began = time.perf_counter()
    measure.timed([*command(), name, verb], subject.environment)
    url = f"http://127.0.0.1:{port_of(subject, name)}/healthz"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as answer:
        answer.read()
    return (time.perf_counter() - began) * 1000


def load(subject: Subject, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.load", *words],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def told(process: subprocess.Popen[str]) -> Any:
    out, _ = process.communicate(timeout=300)
    if process.returncode:
        raise RuntimeError("the load broke off")
    return json.loads(out.splitlines()[-1])


def token_file(subject: Subject) -> str:
    return str(subject.pb.home / "gateway.token")


def answered(subject: Subject, pid: int, port: int, seconds: float) -> dict[str, Any]:
    """What the load says, and the CPU time that each request has cost the server."""
    before = measure.cpu_ms(pid)
    words = ("requests", str(port), token_file(subject), str(CONNECTIONS), str(seconds), STATUS)
    found: dict[str, Any] = told(load(subject, *words))
    return {**found, "cpu_ms": (measure.cpu_ms(pid) - before) / found["count"]}


def speed(subject: Subject, seconds: float) -> list[Row]:
    """Status requests of 50 connections, taking turns with a bare server."""
    pid, port = subject.pb.pid("gateway"), port_of(subject, "gateway")
    ours, bare = list[dict[str, Any]](), list[dict[str, Any]]()
    with bare_server(size_of_status(subject)) as (other_pid, other):
        answered(subject, pid, port, 0.5)
        for _ in range(3):
            ours.append(answered(subject, pid, port, seconds / 3))
            bare.append(answered(subject, other_pid, other, seconds / 3))
    pairs = list(zip(ours, bare, strict=True))
    ratio = median([a["per_second"] / b["per_second"] for a, b in pairs])
    dearer = median([a["cpu_ms"] / b["cpu_ms"] for a, b in pairs])
    best = max(one["per_second"] for one in ours)
    return [
        Row("gateway, status requests a second", {"pb": best}, goal=">= 1,500"),
        Row("gateway : bare uvicorn, requests a second", {"pb": f"{ratio:.2f} x"}),
        Row(
            "gateway, status at 50 connections, p99, ms",
            {"pb": min(one["p99_ms"] for one in ours)},
            goal="<= 50",
        ),
        Row("gateway, CPU of one request, ms", {"pb": f"{min(a['cpu_ms'] for a in ours):.3f}"}),
        Row("gateway : bare uvicorn, CPU of one request", {"pb": f"{dearer:.2f} x"}),
    ]


def size_of_status(subject: Subject) -> int:
    port, token = port_of(subject, "gateway"), (subject.pb.home / "gateway.token").read_text()
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{STATUS}")
    asked.add_header("authorization", f"Bearer {token.strip()}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(asked, timeout=30) as answer:
        return len(answer.read())


@contextmanager
def bare_server(size: int) -> Iterator[tuple[int, int]]:
    """A uvicorn that answers so many bytes: its PID and port."""
    process = subprocess.Popen(
        [sys.executable, "-c", BARE.format(size=size)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        yield process.pid, int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(30)


def liveness(subject: Subject, listeners: int, events: int) -> list[Row]:
    """How late events are heard by many, one of whom never reads."""
    from pb.api import session
    from pb.paths import Home

    pid, port = subject.pb.pid("gateway"), port_of(subject, "gateway")
    before, spent = measure.memory(pid).rss, measure.cpu_ms(pid)
    words = ("listeners", str(port), token_file(subject), str(listeners), str(2 * events))
    process = load(subject, *words)
    assert process.stdout
    process.stdout.readline()  # READY
    with session(Home(subject.pb.home), local_ok=False) as talk:
        for _ in range(events):
            for method in ("job.pause", "job.resume"):
                talk.call(method, {"name": "idle0"}, timeout=30)
                measure.pause(0.05)
    late = told(process)
    each = (measure.cpu_ms(pid) - spent) / (2 * events)
    grown = measure.memory(pid).rss - before
    return [
        Row(f"event at {listeners} listeners, median, ms", {"pb": late["p50_ms"]}),
        Row(f"event at {listeners} listeners, p99, ms", {"pb": late["p99_ms"]}, goal="<= 100"),
        Row(f"gateway, CPU of one event at {listeners} listeners, ms", {"pb": each}),
        Row(f"gateway, {listeners} listeners more, MB", {"pb": grown}),
    ]


def ends(subject: Subject, rounds: int) -> Row:
    """From a run's end, as it is recorded, until a subscriber has it."""
    from pb.api import session
    from pb.paths import Home
    from tests.benchmarks.load import Wire, question

    port, token = port_of(subject, "gateway"), (subject.pb.home / "gateway.token").read_text()
    wire = Wire(port, question(port, token.strip(), "/events?type=run.succeeded&job=idle0"))
    wire.ask()
    while b'"scheduler":"up"' not in wire.buffer:
        wire.read()
    late = []
    with session(Home(subject.pb.home), local_ok=False) as talk:
        for _ in range(rounds):
            wire.buffer = b""
            run = talk.call("job.run", {"name": "idle0"}, timeout=30)["run"]["run_id"]
            while b"run.succeeded" not in wire.buffer:
                wire.read()
            heard = time.time() * 1000
            shown = talk.call("run.show", {"run_id": run}, timeout=30)["run"]["finished_at"]
            late.append(heard - epoch_ms(shown))
    return Row("run's end until a subscriber has it, median, ms", {"pb": median(late)}, "<= 150")


def epoch_ms(instant: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(instant).timestamp() * 1000
