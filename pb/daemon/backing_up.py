"""Backups that somebody asks the scheduler for: made and verified beside the engine's work.

What a backup is, ``pb.api.backups`` knows. The engine only has it done in another thread, records
it, and answers whoever has asked.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable

from pb.api.views import Json
from pb.daemon.ledger import Ledger
from pb.daemon.messages import Command, DoneAside
from pb.daemon.parts import Parts
from pb.errors import PbError

log = logging.getLogger("backup")

GIVEN_UP = PbError("The backup was given up, because the scheduler stops")


class Aside:
    """Has slow work done that touches nothing of the engine's, one piece after the other."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._halt = threading.Event()

    def close(self) -> None:
        """Give up what is under way: a stopping scheduler does not wait for it."""
        self._halt.set()

    def bodies(self) -> dict[str, Callable[[Command, Ledger], None]]:
        return {"backup.create": self._create, "backup.verify": self._verify}

    def _create(self, command: Command, ledger: Ledger) -> None:
        context, at = self._parts.context, self._parts.clock.now_ms()

        def work() -> DoneAside:
            from pb.api import backups

            answer = self._attempted(
                lambda: backups.create(
                    context.home,
                    context.settings,
                    context.store.path,
                    at,
                    command.params["file"],
                    self._halt.is_set,
                )
            )
            if isinstance(answer, PbError):
                return DoneAside(command.reply, answer)
            text = backups.created_text(answer)
            return DoneAside(command.reply, answer, "backup.created", text)

        ledger.order(lambda: self._parts.in_background(work))

    def _verify(self, command: Command, ledger: Ledger) -> None:
        context, name = self._parts.context, command.params["name"]

        def work() -> DoneAside:
            from pb.api import backups

            halted = self._halt.is_set
            answer = self._attempted(
                lambda: backups.verify(context.home, context.settings, name, halted)
            )
            return DoneAside(command.reply, answer)

        ledger.order(lambda: self._parts.in_background(work))

    def done(self, message: DoneAside, ledger: Ledger) -> None:
        """Record it, and answer after the commit."""
        if message.kind is not None:
            ledger.tell(message.kind, message.text, at_ms=self._parts.clock.now_ms())
        ledger.order(lambda: message.reply(message.answer))

    def _attempted(self, work: Callable[[], Json]) -> Json | PbError:
        """What came of it; whatever goes wrong is an answer, since somebody waits for one."""
        try:
            return work()
        except PbError as error:
            return GIVEN_UP if self._halt.is_set() else error
        except Exception:
            log.error("A backup failed:\n%s", traceback.format_exc())
            return PbError("The backup failed", hint="See `pb scheduler logs`.")
