"""Carrying out what people ask: each command in a transaction of its own, then its answer.

What a command does is in ``commands``, ``service_commands`` and ``api``.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from typing import Protocol

from pb.api import audit
from pb.api.catalogue import find
from pb.api.context import Context
from pb.api.local import carry_out
from pb.api.views import Json
from pb.daemon.bus import Bus
from pb.daemon.commands import Body
from pb.daemon.ledger import Ledger
from pb.daemon.messages import Command
from pb.errors import PbError, StoreError

log = logging.getLogger("engine")


class Bodied(Protocol):
    """Knows how to carry out some of the commands."""

    def bodies(self) -> Mapping[str, Body]: ...


def merged(*those: Bodied) -> Mapping[str, Body]:
    """All of their bodies, by method."""
    return {method: body for one in those for method, body in one.bodies().items()}


class Desk:
    """Takes the commands. ``refresh`` reads jobs and services again that a command has changed;
    ``settle`` lets services that wait for others go on."""

    def __init__(
        self,
        *,
        bodies: Mapping[str, Body],
        context: Context,
        bus: Bus,
        transact: Callable[[Callable[[Ledger], None]], None],
        refresh: Callable[[list[str], Ledger], None],
        settle: Callable[[Ledger], None],
    ) -> None:
        self._bodies = bodies
        self._context = context
        self._bus = bus
        self._transact = transact
        self._refresh = refresh
        self._settle = settle

    def carry_out(self, command: Command) -> None:
        """Carry out one command; answer when it has taken effect. Raises StoreError."""
        try:
            ours = self._bodies.get(command.method)
            if ours is not None:
                self._transact(lambda ledger: self._by_engine(ours, command, ledger))
            else:
                command.reply(self._on_store(command))
        except StoreError as error:
            command.reply(error)
            raise
        except PbError as error:
            command.reply(error)
        except Exception:
            log.error("Cannot carry out %s:\n%s", command.method, traceback.format_exc())
            command.reply(PbError(f"{command.method} failed", hint="See `pb scheduler logs`."))

    def _by_engine(self, body: Body, command: Command, ledger: Ledger) -> None:
        try:
            body(command, ledger)
        except StoreError:
            raise
        except PbError as refusal:
            # It comes first and undoes nothing: what was learnt of other schedulers in this very
            # transaction (``sharing``) must stay.
            answer = refusal
            ledger.order(lambda: command.reply(answer))
        else:
            self._context.actor, self._context.peer = command.actor, command.peer
            audit.note(self._context, find(command.method), command.params)
        self._settle(ledger)

    def _on_store(self, command: Command) -> Json:
        context = self._context
        context.actor, context.peer = command.actor, command.peer
        context.changed, context.services_changed, context.told = [], [], []
        result = carry_out(context, find(command.method), command.params)
        names = context.changed
        self._transact(lambda ledger: self._refresh(names, ledger))
        for event in context.told:
            self._bus.publish(event)
        return result
