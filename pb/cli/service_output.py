"""The output of services that run in the foreground: their logs as they grow, a prefix each."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

from pb.cli import logs
from pb.cli.render import ReaderGone, flush, note
from pb.errors import PbError
from pb.process.logfile import LogTail, log_end

POLL = 0.1
"""Seconds between two looks at a log that does not grow."""

LAST_TIME = 5.0
"""Seconds for the last lines to be shown."""


class Output:
    """Follows logs in a thread of its own; tells ``inbox`` when nobody reads any more."""

    def __init__(
        self, inbox: SimpleQueue[tuple[str, Any]], folder: Path, *, timestamps: bool
    ) -> None:
        """``folder`` is where the logs are: what is in them now is not shown."""
        self._ends = {path: log_end(path) for path in folder.glob("*.log")}
        self._inbox = inbox
        self._view = logs.View(lines=None, follow=True, timestamps=timestamps)
        self._tails: dict[str, LogTail] = {}
        self._prefixes: dict[str, str] = {}
        self._over = Event()
        self._thread = Thread(target=self._show_all, daemon=True)
        self._thread.start()

    def follow(self, name: str, path: str) -> None:
        """Show what is written to the log of ``name`` from now on; once is enough."""
        if name not in self._tails:
            place = Path(path)
            names = [*self._tails, name]
            self._prefixes = logs.prefixes_of([(one, place) for one in names], always=True)
            self._tails = {**self._tails, name: LogTail(place, self._ends.get(place, 0))}

    def _show_all(self) -> None:
        try:
            while True:
                is_last = self._over.is_set()
                has_moved = [self._show(name, tail) for name, tail in self._tails.items()]
                if not any(has_moved):
                    if is_last:
                        break
                    self._over.wait(POLL)
            for name, tail in self._tails.items():
                self._print(name, tail.rest())
        except ReaderGone:
            self._inbox.put(("reader gone", None))
        except (PbError, OSError) as error:
            note(f"warning: A log cannot be read, so nothing more is shown: {error}")

    def _show(self, name: str, tail: LogTail) -> bool:
        """Print what is new; whether there was anything."""
        found = tail.read()
        self._print(name, found or ())
        return found is not None

    def _print(self, name: str, lines: Iterable[str]) -> None:
        now_ms = time.time_ns() // 1_000_000
        for text in lines:
            logs.show_text(text, now_ms, name, self._view, self._prefixes)
        flush()

    def finish(self) -> None:
        """Show what has been written until now, and end."""
        self._over.set()
        self._thread.join(LAST_TIME)
        for tail in self._tails.values():
            tail.close()
