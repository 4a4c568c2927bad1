"""Who waits for which event: the event triggers of all jobs, found by an event's name."""

from __future__ import annotations

from collections.abc import Iterator

from pb.core.event_names import is_meant, names_itself, passes
from pb.core.reactive import Event
from pb.daemon.ledger import Happened
from pb.daemon.timetable import Entry


class Listeners:
    """Event triggers by the last part of their names, where most differ."""

    def __init__(self) -> None:
        self._by_word: dict[str, dict[str, list[Event]]] = {}
        self._words: dict[str, set[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._words)

    def put(self, name: str, entry: Entry | None) -> None:
        """The job waits for this from now on; None or a disabled one for nothing."""
        for word in self._words.pop(name, ()):
            del self._by_word[word][name]
        if entry is None or not entry.is_enabled:
            return
        for trigger in entry.reactions:
            if isinstance(trigger, Event):
                word = word_of(trigger.name)
                self._by_word.setdefault(word, {}).setdefault(name, []).append(trigger)
                self._words.setdefault(name, set()).add(word)

    def waiting_for(self, happened: Happened) -> Iterator[str]:
        """The jobs that wait for it, each once, by name."""
        own, any_ = self._by_word.get(word_of(happened.name), {}), self._by_word.get("*", {})
        for job in sorted({*own, *any_}):
            triggers = [*own.get(job, ()), *any_.get(job, ())]
            if any(concerns(trigger, happened, job) for trigger in triggers):
                yield job


def word_of(name: str) -> str:
    """The last part of a name; ``*`` where it may be any."""
    word = name.rpartition(".")[2]
    return "*" if "*" in word else word


def concerns(trigger: Event, happened: Happened, job: str) -> bool:
    """Whether a trigger of ``job`` fires. What a job itself does is its business only if it says
    so by its name."""
    if not is_meant(trigger.name, happened.name):
        return False
    if happened.run is not None and happened.job == job and not names_itself(trigger.name, job):
        return False
    return not trigger.filter or passes(trigger.filter, happened.event())
