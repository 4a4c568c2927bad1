"""Backups: making, listing, verifying. All of it needs the scope admin.

Putting one back is done where the home is, by the command: no scheduler may run then.
"""

from __future__ import annotations

from typing import cast

from pb.client.backup_answers import Backup, BackupList, BackupMade
from pb.client.blocking.connection import Connection
from pb.client.wire import LONG_TIME, path_of


class Backups:
    """``client.backups``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> BackupList:
        """The backups that there are, the newest first."""
        answer = self._connection.get(path_of("backups"))
        return cast(BackupList, answer["backups"])

    def create(self) -> BackupMade:
        """Make a backup of everything, verify it, and let the oldest go."""
        answer = self._connection.post(path_of("backups"), timeout=LONG_TIME)
        return cast(BackupMade, answer)

    def verify(self, name: str) -> Backup:
        """Open it whole; what is wrong with it is raised."""
        path = path_of("backups", name, "verify")
        answer = self._connection.get(path, timeout=LONG_TIME)
        return cast(Backup, answer["backup"])
