"""Tickets and sessions: who made them, for what, and for how long they are good."""

from __future__ import annotations

import pytest

from pb.api import tickets

TOKEN, LIFE, NOW = "t" * 43, tickets.life_of(7, 1000), 1_000_000.0


def test_a_ticket_is_good_for_a_minute_of_one_life() -> None:
    ticket = tickets.new_ticket(TOKEN, LIFE, NOW)

    assert tickets.is_ticket(TOKEN, LIFE, ticket, NOW + 59)
    assert not tickets.is_ticket(TOKEN, LIFE, ticket, NOW + 61)
    assert not tickets.is_ticket(TOKEN, tickets.life_of(8, 1000), ticket, NOW)
    assert not tickets.is_ticket("u" * 43, LIFE, ticket, NOW)


def test_a_session_is_no_ticket_and_a_ticket_no_session() -> None:
    session = tickets.new_session(TOKEN, NOW)

    assert tickets.is_session(TOKEN, session, NOW + 6 * 86_400)
    assert not tickets.is_session(TOKEN, session, NOW + 8 * 86_400)
    assert not tickets.is_ticket(TOKEN, LIFE, session, NOW)
    assert not tickets.is_session(TOKEN, tickets.new_ticket(TOKEN, LIFE, NOW), NOW)


def test_nothing_of_the_token_is_in_them_and_no_two_are_the_same() -> None:
    sessions = {tickets.new_session(TOKEN, NOW) for _ in range(100)}

    assert len(sessions) == 100
    assert not [session for session in sessions if TOKEN in session]
    assert max(map(len, sessions)) < tickets.LONGEST


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: "9" + text,
        lambda text: text[:-1],
        lambda text: text + "0",
        lambda text: "x" * 10_000,
        lambda text: text.replace(".", "é", 1),
        lambda text: "²" + text[1:],
    ],
)
def test_what_was_changed_is_nothing(change: object) -> None:
    assert callable(change)

    assert not tickets.is_session(TOKEN, change(tickets.new_session(TOKEN, NOW)), NOW)
