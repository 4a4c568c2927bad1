"""Requests and their answers over kept connections, and streams that are gone on with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpcore

from pb.api.codec import dumped
from pb.client import wire
from pb.client.place import Place
from pb.client.problems import BROKEN, FAILURES, problem_of, trouble_of
from pb.client.sse import Message, Reader
from pb.client.trust import context_of
from pb.client.wire import Answer
from pb.errors import NeedsDaemonError, PbError, UnresponsiveError

Json = dict[str, Any]

RETRY, LONGEST_RETRY = 0.5, 15.0
"""Seconds before the first try to go on with a stream; each further one waits twice as long."""


class Connection:
    """The way to one gateway. ``timeout``: seconds for an answer, unless a call says otherwise."""

    def __init__(self, place: Place, timeout: float) -> None:
        self.place = place
        self._timeout = timeout
        self._headers = wire.headers_of(place)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context_of(place.trust) if place.url.startswith("https:") else None,
            max_connections=wire.CONNECTIONS,
            keepalive_expiry=wire.KEPT,
        )

    def close(self) -> None:
        self._pool.close()

    def get(
        self, path: str, query: Mapping[str, Any] | None = None, *, timeout: float | None = None
    ) -> Json:
        return self.ask("GET", path, query=query, timeout=timeout)

    def post(self, path: str, body: Json | None = None, *, timeout: float | None = None) -> Json:
        return self.ask("POST", path, body=body or {}, timeout=timeout)

    def ask(
        self,
        verb: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Json | None = None,
        timeout: float | None = None,
    ) -> Json:
        """The document that is answered. Raises PbError."""
        answer = self.send(verb, path, query=query, body=body, timeout=timeout)
        return wire.answer_of(self.place.url, answer)

    def send(
        self,
        verb: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Json | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """The answer as it came."""
        url = wire.url_of(self.place, path, query)
        content = None if body is None else dumped(body)
        headers = self._headers if body is None else [*self._headers, wire.JSON_BODY]
        limits = wire.limits_of(self._timeout if timeout is None else timeout)
        try:
            try:
                response = self._pool.request(
                    verb, url, headers=headers, content=content, extensions=limits
                )
            except BROKEN:
                if verb != "GET":
                    raise
                # An idle connection was closed just then; looking twice does no harm.
                response = self._pool.request(verb, url, headers=headers, extensions=limits)
        except FAILURES as error:
            raise trouble_of(self.place.url, error) from error
        return Answer.of(response.status, response.headers, response.content)

    # -- streams

    def stream(
        self,
        path: str,
        query: Mapping[str, Any],
        *,
        last: str | None,
        patience: float | None,
        again: Callable[[], object] = lambda: None,
    ) -> Iterator[Message]:
        """The messages after ``last``.

        A connection that breaks is made anew, and gone on with where it was left, for as long as
        ``patience`` seconds (None: for ever); ``again`` is told so.

        A gateway that cannot be reached at all is an error at once.
        """
        waited, delay, has_begun = 0.0, RETRY, False
        while True:
            broken: PbError = NeedsDaemonError(f"The gateway at {self.place.url} ended the stream")
            try:
                with self._opened(path, query, last) as response:
                    if has_begun:
                        again()
                    has_begun, reader = True, Reader()
                    for chunk in response.iter_stream():
                        for message in reader.feed(chunk):
                            last, waited, delay = message.id or last, 0.0, RETRY
                            yield message
            except (NeedsDaemonError, UnresponsiveError) as error:
                if not has_begun:
                    raise
                broken = error
            if patience is not None and waited >= patience:
                raise broken
            time.sleep(delay)
            waited, delay = waited + delay, min(2 * delay, LONGEST_RETRY)

    @contextmanager
    def _opened(
        self, path: str, query: Mapping[str, Any], last: str | None
    ) -> Iterator[httpcore.Response]:
        """A stream from after ``last`` on. Raises PbError, also while it is read."""
        headers = [*self._headers, ("accept", "text/event-stream")]
        if last is not None:
            headers.append(("last-event-id", last))
        limits = wire.limits_of(self._timeout, wire.SILENCE)
        url = wire.url_of(self.place, path, query)
        try:
            with self._pool.stream("GET", url, headers=headers, extensions=limits) as response:
                if response.status >= 400:
                    content = response.read()
                    raise problem_of(self.place.url, response.status, content)
                yield response
        except FAILURES as error:
            raise trouble_of(self.place.url, error) from error
