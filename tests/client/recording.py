"""An HTTP server that answers everything alike and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

ITEM = {"run_id": 1, "name": "x", "at": "2026-01-01T00:00:00Z"}
ANSWER = {
    "schema": 1,
    "ready": True,
    "sent": 1,
    "next": None,
    "newest_seq": 0,
    "run": ITEM,
    "job": ITEM,
    "backup": ITEM,
    **{name: [ITEM] for name in ("jobs", "runs", "services", "tokens", "changes", "backups")},
    **{name: [ITEM] for name in ("notices", "channels")},
}
LINE = b'data: {"time": null, "text": ""}\n\n'
LOG = {f"x-log-{word}": "0" for word in ("offset", "next", "first", "size")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: ``given`` are the names of its parameters, wherever they stand."""

    verb: str
    path: str
    given: frozenset[str]
    token: str | None


@dataclass(slots=True)
class Recorder:
    """``seen`` is what was asked, in order."""

    url: str = ""
    seen: list[Asked] = field(default_factory=list)


@contextmanager
def recorder() -> Iterator[Recorder]:
    found = Recorder()

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body: dict[str, Any] = json.loads(self.rfile.read(size) or b"{}")
            parts = urlsplit(self.path)
            found.seen.append(
                Asked(
                    verb=self.command,
                    path=unquote(parts.path),
                    given=frozenset([*parse_qs(parts.query), *body]),
                    token=self.headers.get("authorization"),
                )
            )
            is_stream = "event-stream" in self.headers.get("accept", "")
            content = (
                b'data: {"time": null, "text": ""}\n\n'
                if is_stream
                else json.dumps(ANSWER).encode()
            )
            self.send_response(200)
            for name, value in {**LOG, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words: object) -> None:
            """Nobody reads it."""

    for verb in ("GET", "POST", "PUT", "DELETE"):
        setattr(Answering, f"do_{verb}", Answering.answer)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        found.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join(10)
