"""What one service says of itself on its socket (sd_notify(3)), as far as it may be believed.

Who says it must belong to the service's tree. A sender that is gone by the time it is heard cannot
be looked up any more; it counts if it was this user's, or the service's own user's: nobody else
can reach the socket.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from pb.core.service import Service
from pb.daemon.outcomes import printable
from pb.process.account import account_of
from pb.process.identity import Identity
from pb.process.notify import NotifySocket, Said
from pb.process.table import MARKER_VARIABLE
from pb.process.tree import members

if TYPE_CHECKING:
    from pb.process.spawn import Spawn

log = logging.getLogger("services")

SOCKET, WATCHDOG_TIME = "NOTIFY_SOCKET", "WATCHDOG_USEC"

AT_ONCE = 64
"""Messages that are heard before the event loop gets its turn."""

STATUS_SECONDS = 1.0
"""Seconds between two texts of STATUS= that are passed on; the last one always is."""

KIN_KEPT = 256


class Notices:
    """Hears one life. ``told`` gets what counts: READY, STOPPING, WATCHDOG, TROUBLE.

    ``status`` gets what it says of itself, made safe, once a second at most.
    """

    def __init__(
        self,
        socket: NotifySocket,
        *,
        name: str,
        what: Spawn,
        told: Callable[[set[str]], None],
        status: Callable[[str], None],
    ) -> None:
        self._socket = socket
        self._name = name
        self._what = what
        self._told = told
        self._status = status
        self._leader: Identity | None = None
        self._kin: set[int] = set()
        self._grumbled: set[str] = set()
        self._text = self._passed_on = ""
        self._timer: asyncio.TimerHandle | None = None
        account = None if what.user is None else account_of(what.user)
        self._uids = {os.geteuid()} | (set() if account is None else {account.uid})
        if account is not None and not account.is_ours and os.geteuid() == 0:
            socket.give_to(account.uid)

    def environment(self, service: Service) -> dict[str, str]:
        """How the service finds the socket, and how often it has to say that it is alive."""
        found = {SOCKET: str(self._socket.path)}
        watchdog = None if service.health is None else service.health.watchdog
        if watchdog is not None:
            found[WATCHDOG_TIME] = str(round(watchdog * 1_000_000))
        return found

    def listen(self, leader: Identity) -> None:
        """Hear it from now on, and what it has said already."""
        self._leader = leader
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self.hear)

    def close(self, *, unlink: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._leader is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close(unlink=unlink)

    def hear(self) -> None:
        """Take in what waits in the socket."""
        for _ in range(AT_ONCE):
            said = self._socket.receive()
            if said is None:
                return
            if self._is_kin(said):
                self._take(said)
            else:
                self._grumble(f"a message of process {said.pid}, which is no part of it")

    def _take(self, said: Said) -> None:
        fields = said.fields
        found = {name for name in ("READY", "STOPPING") if fields.get(name) == "1"}
        match fields.get("WATCHDOG"):
            case "1":
                found.add("WATCHDOG")
            case "trigger":
                found.add("TROUBLE")
        if "MAINPID" in fields:
            self._grumble("MAINPID: the process that pb has started is the one that counts")
        if "STATUS" in fields:
            self._text = printable(fields["STATUS"])
            self._pass_on()
        if found:
            self._told(found)

    def _pass_on(self) -> None:
        if self._timer is None and self._text != self._passed_on:
            self._passed_on = self._text
            self._status(self._text)
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(STATUS_SECONDS, self._pass_on_more)

    def _pass_on_more(self) -> None:
        self._timer = None
        self._pass_on()

    def _grumble(self, what: str) -> None:
        """Say once what is ignored."""
        kind = what.partition(" ")[0]
        if kind not in self._grumbled:
            self._grumbled.add(kind)
            log.warning("Service %s: ignored %s", self._name, what)

    def _is_kin(self, said: Said) -> bool:
        leader = self._leader
        if leader is None:
            return False
        if said.pid is None or said.pid == leader.pid:
            return True
        try:
            session = os.getsid(said.pid)
        except (ProcessLookupError, OverflowError):
            return said.uid in self._uids
        if session == leader.pid or said.pid in self._kin:
            return True
        marker = self._what.env.get(MARKER_VARIABLE, "")
        if len(self._kin) > KIN_KEPT:
            self._kin.clear()
        self._kin |= {one.pid for one in members(leader, marker)}
        return said.pid in self._kin
