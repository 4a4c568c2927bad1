"""The nouns of triggers that react to something: files, events, metrics, patterns, web hooks.

Frozen values only. How each is read, written and said is the work of a module of its own
(``file_trigger`` …); what notices that one of them fires is the daemon's. Durations in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import ClassVar

from pb.core.lean import dataclass

USUAL_SETTLE, USUAL_MAX_WAIT = 1.0, 10.0
USUAL_FOR = 60.0
USUAL_WINDOWS = 12
NO_FILTER: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """Fires when something happens to files: a burst of ``events`` is one occasion.

    ``pattern`` is what the names must match below those ``paths`` that are directories. It fires
    when nothing has happened for ``settle`` and no size has changed, ``max_wait`` after the first
    event at the latest. ``initial``: what is there when watching begins counts as created.
    ``poll``: look again and again instead of being told, as network file systems need.
    """

    WORD: ClassVar[str] = "file"
    paths: tuple[str, ...]
    pattern: str | None = None
    events: tuple[str, ...] = ("create", "write", "move")
    recursive: bool = False
    settle: float = USUAL_SETTLE
    max_wait: float = USUAL_MAX_WAIT
    initial: bool = False
    poll: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Fires when an event of that ``name``, which may have ``*``, happens; ``filter`` says what
    facts of it must be (``*`` too), by key."""

    WORD: ClassVar[str] = "event"
    name: str
    filter: Mapping[str, str] = field(default_factory=lambda: NO_FILTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Fires once when ``metric`` ``op`` ``value`` has held for ``lasting`` (the key ``for``).

    It fires again only after ``reset`` was crossed back (None: 5 % on the good side of ``value``)
    and ``cooldown`` is over; with ``repeat``, also so often while it lasts. ``interval``: how often
    the metric is looked at.
    """

    WORD: ClassVar[str] = "threshold"
    metric: str
    op: str
    value: float
    lasting: float = USUAL_FOR
    reset: float | None = None
    cooldown: float = 900.0
    repeat: float | None = None
    interval: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Fires on a pattern in time, by its ``kind``:

    ``log``: ``regex`` matched ``count`` times in ``within``, in the lines of a ``source``;
    ``count``: ``event`` happened ``count`` times in ``within``;
    ``absence``: ``event`` has not happened for ``within``;
    ``idle``: ``metric`` has stayed below ``below`` for ``within``;
    ``rate``: ``metric`` differs by ``change`` percent from its mean over the last ``windows``
    windows of ``within``;
    ``slow``: a run of ``job`` (which may have ``*``) takes ``factor`` times as long as the median
    of the last ``windows`` that went well.
    """

    WORD: ClassVar[str] = "pattern"
    kind: str
    event: str | None = None
    filter: Mapping[str, str] = field(default_factory=lambda: NO_FILTER)
    source: str | None = None
    regex: str | None = None
    metric: str | None = None
    count: int = 1
    within: float | None = None
    below: float | None = None
    change: float | None = None
    windows: int = USUAL_WINDOWS
    job: str | None = None
    factor: float = 2.0
    cooldown: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Fires when somebody posts to the job's hook at the gateway, and knows the ``token`` or signs
    the body with the ``secret``. Without either the token is one that pb makes for the job.

    ``tolerance``: how old a request with a time stamp may be.
    """

    WORD: ClassVar[str] = "webhook"
    token: str | None = None
    secret: str | None = None
    tolerance: float = 300.0


Reactive = File | Event | Threshold | Pattern | Webhook

REACTIVE = frozenset({"file", "event", "threshold", "pattern", "webhook"})
"""What the trigger of a run says when something other than the time or a person started it."""
