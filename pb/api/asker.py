"""For whom a face asks, when that is somebody else than the user of its own process."""

from __future__ import annotations

from pb.core.lean import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """``name`` is a token's, ``peer`` an address; None: as the process itself."""

    name: str | None = None
    peer: str | None = None


NOBODY = Asker()
