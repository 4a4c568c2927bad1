"""A courier that goes nowhere: what it was given is kept, and a test says how it went."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pb.daemon.messages import Delivered, Message


@dataclass
class FakeCourier:
    """Delivers at once, unless it ``fails`` for a channel or is ``slow`` with it."""

    post: Callable[[Message], None] = lambda message: None
    sent: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)
    fails: dict[str, str] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)

    def send(self, channel: str, notices: Sequence[Mapping[str, Any]], *, timeout: float) -> None:
        self.sent.append((channel, [dict(one) for one in notices]))
        if channel not in self.slow:
            self.arrive()

    def arrive(self, number: int = -1) -> None:
        """The message that was taken as that number comes to its end."""
        channel, notices = self.sent[number]
        ids = tuple(int(one["id"]) for one in notices)
        reason = self.fails.get(channel)
        self.post(Delivered(channel, ids, reason is None, reason or "250 accepted"))

    def texts(self, channel: str = "ops") -> list[str]:
        """What this channel was told, notice by notice."""
        return [one["text"] for name, notices in self.sent if name == channel for one in notices]

    def messages(self, channel: str = "ops") -> list[list[str]]:
        return [[one["text"] for one in notices] for name, notices in self.sent if name == channel]
