"""What an exporter makes: a file's name and text, and what it could not say.

Also the words that several of them need: whole seconds, commands of a shell, what only pb does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from pb.core.lean import dataclass
from pb.core.service import Notify, RestartMode, Service, StopScope

Find = Callable[[str], str | None]
"""The absolute path of a program by its name, as the user's PATH has it now; None: nowhere."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something of a service that the peer has nothing like."""

    service: str
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.service}: {self.key}: {self.message}"


@dataclass(frozen=True, slots=True)
class Written:
    """One file for a peer."""

    file: str
    text: str
    notes: tuple[Note, ...] = ()


def argv_of(service: Service) -> tuple[str, ...]:
    return ("/bin/sh", "-c", service.command[0]) if service.shell else service.command


def whole_seconds(seconds: float) -> int:
    """Rounded up: a peer that counts in seconds shall not be shorter than asked."""
    return math.ceil(seconds)


def only_ours(service: Service, *, without: str) -> Iterator[Note]:
    """A note for each key that pb alone honours. ``without`` names keys that this peer has."""
    has = without.split()
    for key, is_used, message in OURS:
        if key not in has and is_used(service):
            yield Note(service.name, key, message(service))


def awaits(service: Service, *, notify: bool) -> bool:
    return service.ready is not None and isinstance(service.ready.check, Notify) is notify


def needs(service: Service) -> str:
    return ", ".join(one.service for one in service.depends_on)


OURS: tuple[tuple[str, Callable[[Service], object], Callable[[Service], str]], ...] = (
    ("ready", lambda s: awaits(s, notify=False), lambda _: "nobody waits until it is ready"),
    ("ready.notify", lambda s: awaits(s, notify=True), lambda _: "nobody hears its READY=1"),
    ("health", lambda s: s.health and s.health.probe, lambda _: "nobody asks whether it is well"),
    ("health.watchdog", lambda s: s.health and s.health.watchdog, lambda _: "nobody watches it"),
    (
        "hooks",
        lambda s: s.hooks.pre_start or s.hooks.post_start or s.hooks.post_stop,
        lambda _: "its hooks are not run",
    ),
    ("hooks.on_failed", lambda s: s.hooks.on_failed, lambda _: "nobody is told when it fails"),
    ("watch", lambda s: s.watch, lambda _: "it is not restarted when files change"),
    ("reload", lambda s: s.reload, lambda _: "no command makes it read its files again"),
    ("stop.command", lambda s: s.stop.command, lambda _: "it is stopped by its signal alone"),
    ("max_memory", lambda s: s.max_memory, lambda _: "its memory is not limited"),
    ("env_file", lambda s: s.env_file, lambda s: f"nobody reads {', '.join(s.env_file)}"),
    ("depends_on", lambda s: s.depends_on, lambda s: f"it does not wait for {needs(s)}"),
    (
        "log.split_stderr",
        lambda s: s.log.split_stderr,
        lambda _: "standard output and errors are in one log",
    ),
    ("groups", lambda s: s.groups, lambda _: "it is in no group"),
    (
        "restart.factor",
        lambda s: s.restart.factor != 1 and s.restart.mode is not RestartMode.NEVER,
        lambda _: "the delay between restarts does not grow",
    ),
    (
        "stop.scope",
        lambda s: s.stop.scope is StopScope.TREE,
        lambda _: "children that left its process group stay alive",
    ),
)
"""What pb has and not every peer: the key, whether a service uses it, and what is lost."""
