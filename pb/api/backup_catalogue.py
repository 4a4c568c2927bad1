"""The part of the registry that is about backups. Putting a whole one back is no method of it: that
needs the scheduler not to run (``restoring``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pb.api.registry import Method, Param

if TYPE_CHECKING:
    from pb.api.context import Context
    from pb.api.views import Json

BACKUP_PATTERN = r"pb-[0-9]{8}T[0-9]{6}Z(?:-[0-9]{1,3})?\.tar\.gz"
"""What a backup in the usual place is called. Only such files are ever rotated away."""


# Archives and compression are imported when they are asked for: a scheduler seldom needs them.


def backup_create(context: Context, **params: Any) -> Json:
    from pb.api import backups

    return backups.backup_create(context, **params)


def backup_list(context: Context) -> Json:
    from pb.api import backups

    return backups.backup_list(context)


def backup_verify(context: Context, **params: Any) -> Json:
    from pb.api import backups

    return backups.backup_verify(context, **params)


def backup_definitions(context: Context, **params: Any) -> Json:
    from pb.api import defining

    return defining.backup_definitions(context, **params)


BACKUP_METHODS: tuple[Method, ...] = (
    Method(
        name="backup.create",
        summary="Make a backup of everything, verify it, and let the oldest go",
        scope="write",
        params={"file": Param("string", None)},
        call=backup_create,
        needs_daemon=True,
        transacts=False,
        is_for_admins=True,
    ),
    Method(
        name="backup.list",
        summary="The backups that there are, the newest first",
        scope="read",
        call=backup_list,
        is_for_admins=True,
    ),
    Method(
        name="backup.verify",
        summary="Open a backup, whole, and say what is wrong with it",
        scope="read",
        params={"name": Param("string")},
        call=backup_verify,
        needs_daemon=True,
        is_for_admins=True,
    ),
    Method(
        name="backup.definitions",
        summary="Make definitions what they are in a backup; history and what runs stay",
        scope="write",
        params={"name": Param("string")},
        call=backup_definitions,
        is_for_admins=True,
    ),
)
