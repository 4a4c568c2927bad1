"""Hands for services that touch no process: lives go on until a test ends them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pb.core.service import Service, StopScope
from pb.daemon.clock import Clock
from pb.daemon.messages import (
    CommandEnded,
    InstanceExited,
    InstanceGone,
    InstanceKey,
    InstanceRefused,
    InstanceStarted,
    Message,
)
from pb.process.identity import Identity


def identity(pid: int) -> Identity:
    return Identity(pid=pid, start_ticks=pid * 10, boot_id="boot", pid_namespace=1, host="host")


@dataclass
class FakeHands:
    """``refusals`` are given to the next launches; ``stubborn`` instances survive their stop."""

    clock: Clock
    post: Callable[[Message], None] = lambda message: None
    refusals: list[tuple[str, bool]] = field(default_factory=list)
    launched: list[InstanceKey] = field(default_factory=list)
    stopped: list[tuple[InstanceKey, bool]] = field(default_factory=list)
    alive: dict[InstanceKey, Identity] = field(default_factory=dict)
    watched: set[InstanceKey] = field(default_factory=set)
    attended: list[tuple[InstanceKey, bool]] = field(default_factory=list)
    swept: list[InstanceKey] = field(default_factory=list)
    hooks: list[tuple[str, str]] = field(default_factory=list)
    failing_hooks: dict[str, str] = field(default_factory=dict)
    silent_hooks: set[str] = field(default_factory=set)
    signals: list[tuple[InstanceKey, int, StopScope]] = field(default_factory=list)
    stubborn: dict[str, str] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)
    words: str | None = None
    _pid: int = 500

    def launch(self, key: InstanceKey, service: Service) -> None:
        self.launched.append(key)
        if self.refusals:
            reason, is_transient = self.refusals.pop(0)
            self.post(InstanceRefused(key, reason, is_transient, self.clock.now_ms()))
            return
        self._pid += 1
        self.alive[key] = identity(self._pid)
        self.watched.add(key)
        self.post(InstanceStarted(key, self.alive[key], self.clock.now_ms()))

    def end_life(self, key: InstanceKey, status: int | None = 0, *, has_left: bool = False) -> None:
        """The leader exits with a raw wait status."""
        self.alive.pop(key, None)
        self.post(InstanceExited(key, status, self.clock.now_ms(), has_left))

    def adopt(self, key: InstanceKey, service: Service, who: Identity) -> bool:
        if key in self.alive:
            self.watched.add(key)
        return key in self.alive

    def search(self, key: InstanceKey) -> Identity | None:
        return self.alive.get(key)

    def is_watching(self, key: InstanceKey) -> Identity | None:
        return self.alive.get(key) if key in self.watched else None

    def attend(self, key: InstanceKey, service: Service, *, is_ready: bool) -> None:
        self.attended.append((key, is_ready))

    def stop(self, key: InstanceKey, service: Service, *, force: bool) -> None:
        self.stopped.append((key, force))
        if key.service not in self.slow or force:
            self.finish_stop(key, killed=force)

    def finish_stop(self, key: InstanceKey, *, killed: bool = False) -> None:
        """The stop that is under way comes to its end."""
        if key.service in self.stubborn:
            self.post(InstanceGone(key, [(7, self.stubborn[key.service])], True))
            return
        if self.alive.pop(key, None) is not None:
            self.post(InstanceExited(key, 15, self.clock.now_ms(), False))
        self.post(InstanceGone(key, [], killed))

    def run_hook(
        self, key: InstanceKey, service: Service, hook: str, facts: Mapping[str, object]
    ) -> None:
        self.hooks.append((key.service, hook))
        if hook not in self.silent_hooks:
            fault = self.failing_hooks.get(hook)
            self.post(CommandEnded(key, hook, 1 if fault else 0, fault))

    def abandon_hook(self, key: InstanceKey) -> None:
        self.hooks.append((key.service, "abandoned"))

    def sweep(self, key: InstanceKey, service: Service) -> None:
        self.swept.append(key)

    def last_words(self, key: InstanceKey) -> str | None:
        return self.words

    def signal(self, key: InstanceKey, signum: int, scope: StopScope) -> int:
        self.signals.append((key, signum, scope))
        return 1

    def end(self, key: InstanceKey) -> None:
        self.watched.discard(key)
