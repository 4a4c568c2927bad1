"""Telling people: the channels, what was told, and a test of whether it arrives."""

from __future__ import annotations

from typing import cast

from pb.client.answers import ChannelList, NoticeList
from pb.client.blocking.connection import Connection
from pb.client.wire import LONG_TIME, given, path_of


class Notices:
    """``client.notices``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def channels(self) -> ChannelList:
        """Where people are told, who tells them, and how the last message fared."""
        answer = self._connection.get(path_of("notify", "channels"))
        return cast(ChannelList, answer["channels"])

    def history(
        self,
        *,
        n: int = 50,
        channel: str | None = None,
        state: str | None = None,
        job: str | None = None,
        service: str | None = None,
        before: int | None = None,
    ) -> NoticeList:
        """What was told, whom, and what became of it; the newest first. ``state`` is waiting, sent
        or failed; the next page is ``before`` the last one's number."""
        values = given(n=n, channel=channel, state=state, job=job, service=service, before=before)
        answer = self._connection.get(path_of("notify", "history"), values)
        return cast(NoticeList, answer["notices"])

    def test(self, channel: str | None = None) -> NoticeList:
        """Send a test to a channel or all; needs the scope admin. Each says what came of it."""
        values = given(channel=channel)
        answer = self._connection.post(path_of("notify", "test"), values, timeout=LONG_TIME)
        return cast(NoticeList, answer["notices"])
