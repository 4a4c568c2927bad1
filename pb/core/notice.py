"""The nouns of telling people: occasions, who is told of them, and what is remembered meanwhile.

Frozen values only; reading them from what a user wrote is ``core.notify``'s work, deciding what is
told ``core.telling``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from pb.core.lean import dataclass


class Occasion(StrEnum):
    """What somebody may be told of. ``failure`` of a service is that it is down."""

    FAILURE = "failure"
    RECOVERY = "recovery"
    MISSED = "missed"
    SKIPPED = "skipped"
    STORM = "storm"
    START = "start"
    SUCCESS = "success"
    THRESHOLD = "threshold"
    DIGEST = "digest"
    TEST = "test"


UNASKED = (Occasion.DIGEST, Occasion.TEST)
"""What comes of no definition's wish, in a message of its own."""


USUAL = (Occasion.FAILURE, Occasion.RECOVERY, Occasion.MISSED)
"""What is told of where nothing else is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Who is told of what. Durations in seconds.

    ``to`` names channels; None are those of the settings, and an empty one is nobody. Within
    ``cooldown`` nothing is told of the same occasion again; what goes on failing is told of again
    after ``repeat`` (None: never). What comes within ``group`` for one channel is one message.
    """

    to: tuple[str, ...] | None = None
    on: tuple[Occasion, ...] = USUAL
    cooldown: float = 0.0
    repeat: float | None = None
    group: float = 5.0


NOBODY = Telling(to=())


class Level(StrEnum):
    """How bad it is. ``down``: pb tries again by itself; ``broken``: somebody has to do something.
    ``off``: it is not wanted to be well just now."""

    WELL = "well"
    DOWN = "down"
    BROKEN = "broken"
    OFF = "off"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is remembered of one job, or of one instance of a service. Instants are epoch ms.

    ``level`` is well, down or broken; ``since_ms`` when that began; ``count`` failures in a row.
    ``is_told``: whether it was time to tell of that. ``told`` is when each occasion was last told.
    ``has_missed``: nothing has run since a miss was told. ``restarts`` is the count of them that
    was seen last.
    """

    level: Level = Level.WELL
    since_ms: int = 0
    count: int = 0
    is_told: bool = False
    told: Mapping[str, int] = field(default_factory=dict)
    has_missed: bool = False
    restarts: int = 0


NOTHING = Known()
