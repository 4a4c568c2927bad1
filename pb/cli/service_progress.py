"""Waiting for services, and saying meanwhile what is waited for.

On a terminal that is one line on stderr, which is wiped away in the end; elsewhere nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from threading import Thread
from typing import Any

from pb.cli.asked import ANSWER_TIME, asked, session
from pb.cli.render import clean, is_terminal, note
from pb.errors import PbError

Json = dict[str, Any]

SETTLED = ("running", "exited", "failed", "stopped")

FIRST = 0.4
"""Seconds of waiting that need no word."""

EACH = 0.25
"""Seconds between two looks."""


class Progress:
    """The one line that says what is waited for; nothing where nobody looks."""

    def __init__(self) -> None:
        self._is_shown = not asked.as_json and is_terminal(sys.stderr)
        self._is_dirty = False
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """Put ``text`` and the seconds so far in place of what was said before."""
        if self._is_shown and text:
            seconds = f" ({time.monotonic() - self._began:.0f} s)"
            sys.stderr.write(f"\r\x1b[K{fitted(clean(text), seconds)}")
            sys.stderr.flush()
            self._is_dirty = True

    def wipe(self) -> None:
        if self._is_dirty:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._is_dirty = False


def fitted(text: str, seconds: str) -> str:
    """One line of the terminal; a longer one could not be wiped away."""
    import shutil

    room = shutil.get_terminal_size().columns - len(seconds) - 1
    return (text if len(text) <= room else text[: max(0, room - 1)] + "…") + seconds


def call(method: str, params: Json, *, timeout: float, told: Callable[[], str]) -> Json:
    """Ask the scheduler, or the store; ``told`` says meanwhile what is waited for.

    ``timeout`` in seconds. Raises what the method raises; Ctrl-C leaves what was asked for going.
    """
    found: list[Json | Exception] = []

    def ask() -> None:
        try:
            with session() as talk:
                found.append(talk.call(method, params, timeout=timeout))
        except Exception as error:  # Handed to the waiting thread, which raises it there.
            found.append(error)

    worker = Thread(target=ask, daemon=True)
    worker.start()
    progress = Progress()
    try:
        worker.join(FIRST)
        while worker.is_alive():
            progress.say(told())
            worker.join(EACH)
    except KeyboardInterrupt:
        progress.wipe()
        note("It goes on: pb service status")
        raise
    finally:
        progress.wipe()
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def views(names: Sequence[str]) -> list[Json]:
    """How the services fare just now; nothing when nobody can say."""
    try:
        with session(local_ok=False) as talk:
            listed = talk.call("service.list", {"names": list(names)}, timeout=ANSWER_TIME)
    except PbError:
        return []  # Only for the line of progress: the call that is waited for says what is wrong.
    return list(listed["services"])


def until_up(names: Sequence[str]) -> str:
    """What is waited for when services start: first those that make others wait."""
    waiting = [view for view in views(names) if view["state"] not in SETTLED]
    ready = [f"{view['name']} to be ready" for view in waiting if not view["reason"]]
    others = [f"{view['name']} ({view['reason']})" for view in waiting if view["reason"]]
    return f"Waiting for {', '.join([*ready, *others])}" if waiting else ""


def meant(names: Sequence[str], action: str, *, deps: bool) -> list[str]:
    """All the services that a start or stop of ``names`` concerns; just ``names`` when nobody can
    say. Asked for the line of progress only."""
    params = {"names": list(names), "action": action, "deps": deps}
    try:
        with session() as talk:
            layers = talk.call("service.plan", params, timeout=ANSWER_TIME)["layers"]
    except PbError:
        return list(names)  # What is wrong, the call that is waited for will say.
    return [name for layer in layers for name in layer]


def until_down(names: Sequence[str]) -> str:
    """What is waited for when services stop."""
    left = [view["name"] for view in views(names) if view["pid"] is not None]
    return f"Waiting for {', '.join(left)} to stop" if left else ""
