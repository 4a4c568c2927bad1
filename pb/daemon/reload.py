"""Reading configuration and definition files again, while the scheduler runs.

What a file defines is put into the store by ``files``; this is when, and who is told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from pb.api import audit
from pb.api.views import Json
from pb.config.setting_meanings import taken
from pb.config.settings import Settings
from pb.daemon.ledger import Ledger
from pb.daemon.messages import Reply
from pb.daemon.parts import Parts
from pb.daemon.retention import Past
from pb.daemon.runs import Runs
from pb.errors import PbError

log = logging.getLogger("files")

Transact = Callable[[Callable[[Ledger], None]], None]


class Reloading:
    """Applies the definition files, and tells what came of it."""

    def __init__(
        self,
        parts: Parts,
        transact: Transact,
        refresh: Callable[[list[str], Ledger], None],
        ring: Callable[[], None],
        *,
        runs: Runs,
        past: Past,
    ) -> None:
        self._parts = parts
        self._transact = transact
        self._refresh = refresh
        self._ring = ring
        self._runs = runs
        self._past = past

    def apply(self, reply: Reply | None = None) -> None:
        """As somebody asked: the settings are read too, and a bad one is refused with all."""
        try:
            told = self._take(self._parts.read_settings())
            answer: Json | PbError = {**self._apply(is_asked=True), "settings": told}
        except PbError as error:
            answer = error
            log.error("Cannot reload: %s", error)
        if reply is not None:
            reply(answer)

    def _take(self, fresh: Settings) -> Json:
        """Go on with these settings, as far as that needs no new start; which ones, by name."""
        found = taken(self._parts.context.settings, fresh)
        self._parts.context.settings = self._parts.facts.settings = found.settings
        scheduler, kept = found.settings.scheduler, found.settings.retention
        self._runs.line.resize(scheduler.max_running, scheduler.queues)
        self._past.keep(kept, counts=found.settings.maintenance.rollups)
        self._parts.on_settings(found.settings)
        if found.at_once or found.at_start:
            later = f"; at a new start: {', '.join(found.at_start)}" if found.at_start else ""
            log.info("Settings that count now: %s%s", ", ".join(found.at_once) or "none", later)
        return {"at_once": list(found.at_once), "at_start": list(found.at_start)}

    def follow(self) -> bool:
        """As the files have changed by themselves; False when it has to be tried again."""
        try:
            self._apply(is_asked=False)
        except PbError as error:
            log.error("Cannot apply the definition files: %s", error)
            return False
        return True

    def _apply(self, *, is_asked: bool) -> Json:
        """A bad file changes nothing of its jobs, and keeps no other from being applied."""
        context, facts = self._parts.context, self._parts.facts
        context.actor, context.peer = "files", None
        context.changed, context.told = [], []
        context.services_changed = []
        own = self._parts.install(context)
        problems = self._parts.apply_files(context)
        changed = list(context.changed)
        is_news = bool(is_asked or changed or problems != facts.problems)
        self._transact(lambda ledger: self._refresh(own, ledger))
        self._transact(lambda ledger: self._told(changed, problems, ledger, is_news))
        self._ring()  # a job may be due before what the engine waits for now
        for event in context.told:
            self._parts.bus.publish(event)
        for problem in problems:
            if is_asked or problem not in facts.problems:
                log.warning("%s", problem)
        facts.problems = problems
        return {"reloaded": True, "changed": changed, "problems": problems}

    def _told(self, changed: list[str], problems: list[str], ledger: Ledger, is_news: bool) -> None:
        self._refresh(changed, ledger)
        if changed:
            audit.note_files(self._parts.context, changed)
        if is_news:
            text = f"Definition files read: {len(changed)} changed, {len(problems)} problems"
            ledger.tell("scheduler.reloaded", text, at_ms=self._parts.clock.now_ms())
