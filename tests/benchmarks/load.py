"""Loads for a web server, from one process: requests as fast as answers come, and many listeners.

Run as a program, so that it has a processor of its own: ``python -m tests.benchmarks.load requests
PORT TOKEN_FILE CONNECTIONS SECONDS PATH`` prints how fast, ``listeners PORT TOKEN_FILE COUNT
EVENTS`` how late each of so many events was heard. JSON on stdout.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from datetime import datetime
from pathlib import Path

from tests.benchmarks.measure import percentile


class Wire:
    """One connection and what has arrived on it."""

    def __init__(self, port: int, question: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.question = question
        self.buffer = b""
        self.asked_at = 0.0

    def ask(self) -> None:
        self.buffer, self.asked_at = b"", time.perf_counter()
        self.socket.sendall(self.question)

    def read(self) -> None:
        chunk = self.socket.recv(1 << 18)
        if not chunk:
            raise RuntimeError("the server has closed a connection")
        self.buffer += chunk

    def is_answered(self) -> bool:
        """Whether the whole answer is here. Raises RuntimeError unless it is 200."""
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        if b" 200 " not in head[:16]:
            raise RuntimeError(f"answered {head[:64]!r}")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return len(body) >= int(length)


def question(port: int, token: str, path: str) -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    return head.encode()


def requests(port: int, token: str, count: int, seconds: float, path: str) -> dict[str, float]:
    """So many connections, each of which asks again as soon as it has its answer."""
    watch = selectors.DefaultSelector()
    took: list[float] = []
    for _ in range(count):
        wire = Wire(port, question(port, token, path))
        watch.register(wire.socket, selectors.EVENT_READ, wire)
        wire.ask()
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        for key, _ in watch.select(1):
            wire = key.data
            wire.read()
            if wire.is_answered():
                took.append((time.perf_counter() - wire.asked_at) * 1000)
                wire.ask()
    each = time.perf_counter() - began
    return {
        "count": len(took),
        "per_second": len(took) / each,
        "p50_ms": percentile(took, 0.5),
        "p99_ms": percentile(took, 0.99),
    }


def listeners(port: int, token: str, count: int, events: int) -> dict[str, float]:
    """So many listeners, and one more that never reads; says READY once all of them hear."""
    deaf = Wire(port, question(port, token, "/events"))
    deaf.ask()
    watch, late, left = selectors.DefaultSelector(), list[float](), count * events
    for _ in range(count):
        wire = Wire(port, question(port, token, "/events?type=job"))
        watch.register(wire.socket, selectors.EVENT_READ, wire)
        wire.ask()
    waiting = count
    while left:
        for key, _ in watch.select(60):
            wire = key.data
            wire.read()
            now = time.time()
            *whole, wire.buffer = wire.buffer.split(b"\n\n")
            for event in whole:
                if b"event: state" in event:
                    waiting -= 1
                    if not waiting:
                        print("READY", flush=True)
                elif b"\ndata: {" in event and b'"type":"job.' in event:
                    at = json.loads(event.partition(b"\ndata: ")[2])["at"]
                    late.append((now - datetime.fromisoformat(at).timestamp()) * 1000)
                    left -= 1
    return {"p50_ms": percentile(late, 0.5), "p99_ms": percentile(late, 0.99), "max_ms": max(late)}


def main() -> None:
    kind, port, token_file, count, amount, *path = sys.argv[1:]
    token = Path(token_file).read_text().strip()
    if kind == "requests":
        told = requests(int(port), token, int(count), float(amount), *path)
    else:
        told = listeners(int(port), token, int(count), int(amount))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
