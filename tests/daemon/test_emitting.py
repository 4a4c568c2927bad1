"""Events that are emitted: bounded, and in the store before anybody is answered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pb.api import emitting
from pb.errors import ConflictError, InvalidError
from tests.kit.scheduler import World


def test_an_event_is_acted_on_once_and_is_gone(world: Callable[..., World]) -> None:
    w = world()
    w.add(triggers=["event: user.import"])
    answer = w.call("event.emit", name="user.import", facts={"event": "x", "by": "y", "rows": 3})
    assert (answer["event"], answer["waits"]) == ("user.import", False)
    about = w.store.occasions.of_run(w.runs()[0].id)
    assert about is not None
    assert about.event == {"event": "user.import", "at": answer["at"], "by": "test", "rows": 3}
    assert w.store.occasions.emitted_count() == 0


def test_an_event_that_nobody_waits_for_is_told_and_gone(world: Callable[..., World]) -> None:
    w = world()
    w.call("event.emit", name="import")
    assert w.store.occasions.emitted_count() == 0
    (event,) = w.call("events.recent", type="event")["events"]
    assert (event["text"], event["by"]) == ("Event user.import", "test")


def test_data_that_is_too_large_is_refused(world: Callable[..., World]) -> None:
    with pytest.raises(InvalidError, match="larger than 64 KiB"):
        world().call("event.emit", name="a", facts={"x": "y" * emitting.LARGEST})


def test_so_many_events_wait_and_no_more(world: Callable[..., World]) -> None:
    w = world()
    context = w.engine._context
    with w.store.transaction():
        for _ in range(emitting.MOST):
            emitting.event_emit(context, name="a", facts=None)
        with pytest.raises(ConflictError, match="Too many events wait"):
            emitting.event_emit(context, name="a", facts=None)
    w.add(triggers=["event: user.a"])
    w.run_for(1)
    about = w.store.occasions.of_run(w.runs()[0].id)
    assert about is not None
    assert about.count == emitting.MOST
