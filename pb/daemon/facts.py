"""What the live scheduler says of itself (SPEC section 2, ``scheduler status``)."""

from __future__ import annotations

import os
from dataclasses import field

from pb import __version__
from pb.api.views import Json, rfc3339
from pb.config.settings import Settings
from pb.core.lean import dataclass
from pb.daemon.clock import Clock
from pb.paths import Home


@dataclass(slots=True)
class Facts:
    """Called, it answers the facts. ``notice`` is what people should know first, if anything;
    ``problems`` are those of the definition files."""

    home: Home
    settings: Settings
    mode: str
    clock: Clock
    started_ms: int
    started: float
    notice: str | None = None
    problems: list[str] = field(default_factory=list)

    def __call__(self) -> Json:
        return {
            "running": True,
            "pid": os.getpid(),
            "mode": self.mode,
            "version": __version__,
            "started_at": rfc3339(self.started_ms),
            "uptime_seconds": round(self.clock.monotonic() - self.started, 3),
            "log_path": str(self.home.log("scheduler")),
            "socket_path": str(self.settings.socket_path(self.home)),
            "notice": self.notice or self._of_files(),
        }

    def _of_files(self) -> str | None:
        if not self.problems:
            return None
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        return f"{self.problems[0]}{more}; see `pb job validate`"
