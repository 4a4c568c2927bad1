"""The part of the registry that is about telling people: channels, notices, a test."""

from __future__ import annotations

from pb.api import notifying
from pb.api.registry import Method, Param

SOME = Param("string", None)

NOTIFY_METHODS: tuple[Method, ...] = (
    Method(
        name="notify.list",
        summary="The channels: where they lead, who tells them, how the last message fared",
        scope="read",
        call=notifying.notify_list,
    ),
    Method(
        name="notify.history",
        summary="What was told, whom, and what became of it: the newest notices that match",
        scope="read",
        params={
            "n": Param("integer", 50),
            "channel": SOME,
            "state": SOME,
            "job": SOME,
            "service": SOME,
            "before": Param("integer", None),
        },
        call=notifying.notify_history,
    ),
    Method(
        name="notify.test",
        summary="Send a test to a channel or all; answers with what the other end has said",
        scope="write",
        params={"channel": SOME},
        needs_daemon=True,
        call=notifying.notify_test,
        transacts=False,
        is_for_admins=True,
    ),
)
