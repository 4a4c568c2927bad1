"""The part of the registry that is about events. What a method does is in ``listing`` and
``emitting`` and ``hooks``, or in the scheduler's server."""

from __future__ import annotations

from types import MappingProxyType

from pb.api import emitting, hooks, listing
from pb.api.registry import Method, Param

WORD = Param("string", None)

EVENT_METHODS: tuple[Method, ...] = (
    Method(
        name="events.recent",
        summary="The newest events that match, or those after a number",
        scope="read",
        params={
            "n": Param("integer", 50),
            "since": Param("integer", None),
            "type": WORD,
            "job": WORD,
            "service": WORD,
        },
        call=listing.events_recent,
    ),
    Method(
        name="events.subscribe",
        summary="Events as they happen, as notifications on this connection",
        scope="read",
        needs_daemon=True,
    ),
    Method(
        name="event.emit",
        summary="Tell the jobs that wait for user.NAME that it has happened",
        scope="write",
        params={"name": Param("string"), "facts": Param("object", None)},
        call=emitting.event_emit,
        audited=False,
    ),
    Method(
        name="hook.show",
        summary="How a job's web hook is fired: its path and its token",
        scope="read",
        params={"name": Param("string")},
        call=hooks.hook_show,
        is_for_admins=True,
    ),
    Method(
        name="hook.fire",
        summary="Fire a job's web hook; the headers have to prove that one may",
        scope="write",
        params={
            "name": Param("string"),
            "body": Param("string", ""),
            "headers": Param("object", MappingProxyType({})),
        },
        call=hooks.hook_fire,
        audited=False,
    ),
)
