"""What the engine is given: its context, its seams, and what it asks of the outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

from pb.api.context import Context
from pb.config.settings import Settings
from pb.core.lean import dataclass
from pb.daemon.bus import Bus
from pb.daemon.clock import Clock
from pb.daemon.courier import Courier
from pb.daemon.executor import Executor
from pb.daemon.facts import Facts
from pb.daemon.retention import Background
from pb.daemon.service_hands import Hands
from pb.daemon.watchers import Watchers
from pb.store.sharing import SchedulerRow


@dataclass(slots=True, kw_only=True)
class Parts:
    """What the engine is given; ``main`` and tests put it together.

    ``me`` is this scheduler as others see it, its ``id`` the mark on its runs; ``booted_ms`` when
    the machine was started.
    ``install`` puts pb's own jobs into the store, and answers which it has changed.
    ``apply_files`` answers the problems it found; ``read_settings`` reads them anew, and raises
    for a bad one; ``on_settings`` is called with those that count from now on.
    ``in_background`` does work in another thread, and posts what it answers.
    """

    context: Context
    clock: Clock
    executor: Executor
    hands: Hands
    watchers: Watchers
    courier: Courier
    bus: Bus
    facts: Facts
    me: SchedulerRow
    boot_id: str
    booted_ms: int
    apply_files: Callable[[Context], list[str]]
    install: Callable[[Context], list[str]] = field(default=lambda context: [])
    read_settings: Callable[[], Settings]
    on_settings: Callable[[Settings], None]
    in_background: Background
