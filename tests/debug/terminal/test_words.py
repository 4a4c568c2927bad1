"""Words, widths and columns of the terminal UI: plain values in, plain values out."""

from __future__ import annotations

from typing import Any

import pytest

from pb.debug.terminal import acts, lines, places, words
from pb.debug.terminal.table import Cell, Column, Thing, cut, folded, pieces, width_of, widths

NOW = words.seconds_of("2026-11-26T12:00:00.000Z")


@pytest.mark.parametrize(
    ("instant", "said"),
    [
        (None, "-"),
        ("2026-11-26T12:00:00.400Z", "now"),
        ("2026-11-26T11:59:48.000Z", "12s ago"),
        ("2026-11-26T12:05:30.000Z", "in 5m"),
        ("2026-11-26T14:15:00.000Z", "in 2h 15m"),
        ("2026-11-26T10:00:00.000Z", "2h ago"),
        ("2026-11-23T08:00:00.000Z", "3d 4h ago"),
    ],
)
def test_when_is_said_in_at_most_two_units(instant: str | None, said: str) -> None:
    assert words.when(instant, NOW) == said


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [(None, ""), (0, "0ms"), (412, "412ms"), (30_120, "30.1s"), (182_000, "3m 2s")],
)
def test_a_duration_is_said(milliseconds: int | None, said: str) -> None:
    assert words.duration(milliseconds) == said


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ({"type": "cron", "expr": "30 2 * * *"}, "30 2 * * *"),
        ({"type": "every", "every": "5m"}, "every 5m"),
        ({"type": "at", "at": "2026-12-01"}, "at 2026-12-01"),
        ({"type": "startup"}, "at start-up"),
        ({"type": "file", "paths": ["x"]}, "file"),
        ("cron: @daily", "cron: @daily"),
    ],
)
def test_a_trigger_is_said_short(trigger: object, said: str) -> None:
    assert words.schedule({"triggers": [trigger]}) == said


def test_a_job_without_triggers_and_an_unknown_clock_are_said() -> None:
    assert words.schedule({"triggers": []}) == "no trigger"
    assert words.clock(None) == "-"
    assert words.uptime(None, NOW) == "-"
    assert words.moment(None, NOW) is None


def test_bars_go_from_nothing_to_the_highest() -> None:
    assert words.bars([0, 1, 2, 4], 3) == "▃▅█"
    assert words.bars([0, 0], 5) == "▁▁"
    assert words.bars([], 5) == ""


def test_every_sign_has_a_plain_one_of_the_same_width() -> None:
    signs = {sign for _, sign in (*words.RUNS.values(), *words.SERVICES.values())}
    signs |= {*words.BARS, *(sign for _, sign in words.EVENTS.values()), words.NOTHING[1]}
    for sign in signs:
        assert len(sign.translate(words.PLAIN)) == 1
        assert sign.translate(words.PLAIN).isascii()


# -- widths


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("", 0)])
def test_a_text_is_as_wide_as_a_terminal_draws_it(text: str, columns: int) -> None:
    assert width_of(text) == columns


@pytest.mark.parametrize(
    ("text", "room", "shown"),
    [("backup", 6, "backup"), ("backup", 4, "bac…"), ("日本語", 4, "日…"), ("x", 0, "")],
)
def test_what_is_too_long_is_cut(text: str, room: int, shown: str) -> None:
    assert cut(text, room) == shown
    assert width_of(shown) <= room


def test_long_text_is_folded_between_words_and_nothing_is_lost() -> None:
    text = "the quick brown fox " + "x" * 25
    shown = folded(text, 10)
    assert all(width_of(line) <= 10 for line in shown)
    assert "".join(shown).replace(" ", "") == text.replace(" ", "")
    assert shown[0] == "the quick"
    assert folded("日" * 12, 10) == ["日" * 5, "日" * 5, "日" * 2]


COLUMNS = (
    Column(title="", width=1),
    Column(title="NAME", width=5, grows=True),
    Column(title="WHY", width=5, grows=True, drop=1),
    Column(title="N", width=3, is_right=True, drop=2),
)


@pytest.mark.parametrize(
    ("room", "longest", "sizes"),
    [
        (40, (8, 100), (1, 8, 23, 3)),
        (40, (8,), (1, 8, 23, 3)),
        (20, (8,), (1, 6, 5, 3)),
        (15, (), (1, 5, 6, 0)),
        (10, (), (1, 8, 0, 0)),
        (3, (), (1, 1, 0, 0)),
    ],
)
def test_columns_share_the_room_or_go(
    room: int, longest: tuple[int, ...], sizes: tuple[int, ...]
) -> None:
    assert widths(COLUMNS, room, longest) == sizes


def test_an_empty_cell_leaves_its_room_to_the_one_before() -> None:
    row = [Cell("!"), Cell("a long name"), Cell(""), Cell("7")]
    told = "".join(text for text, _ in pieces(row, COLUMNS, (1, 5, 5, 3)))
    assert told == "! a long name     7"


# -- lines and acts


STATE: dict[str, Any] = {
    "problem": None,
    "scheduler": {"running": True, "notice": None, "started_at": "2026-11-26T09:44:30.000Z"},
}


@pytest.mark.parametrize(
    ("room", "end"),
    [
        (80, "● up 2h 15m 30s"),
        (66, "● 2h 15m"),
        (53, "●"),
        (50, " 5           ● up 2h 15m 30s"),
    ],
)
def test_the_tabs_fit_and_the_scheduler_gets_shorter(room: int, end: str) -> None:
    told = "".join(text for text, _ in lines.tabs(0, STATE, NOW, room))
    assert told.endswith(end)
    assert width_of(told) <= room


def test_what_is_amiss_is_said_with_what_to_type() -> None:
    assert lines.amiss(None, None) is None
    assert lines.amiss(STATE, None) is None
    full = {**STATE, "scheduler": {**STATE["scheduler"], "notice": "The disk is\x07 full"}}
    assert lines.amiss(full, None) == ("! The disk is\\x07 full", "warn")
    hung = {**STATE, "problem": {"message": "It does not answer", "hint": "See its log"}}
    assert lines.tabs(0, hung | {"scheduler": None}, NOW, 80)[-1] == ("○ no answer", "bad")
    assert lines.amiss(hung, None) == ("! It does not answer. See its log", "bad")
    assert "full" not in str(lines.tabs(0, full, NOW, 80))
    assert lines.tabs(0, full, NOW, 80)[-1][1] == "warn"


def test_what_was_known_stays_when_nobody_answers() -> None:
    before = {**STATE, "jobs": {"total": 3}, "now_ms": 1, "builtins": []}
    after = {"jobs": {"total": 0}, "problem": {"message": "m"}, "now_ms": 2, "scheduler": None}
    after["builtins"] = ["looked at anew"]
    shown = places.kept(before, after)
    assert shown == {**after, "jobs": {"total": 3}}
    assert places.kept(None, after) is after
    assert places.kept(after, before) is before


def test_as_many_keys_are_named_as_there_is_room_for() -> None:
    offers = [("Enter", "open"), ("r", "run"), ("q", "quit")]
    for room in range(12, 60):
        told = "".join(text for text, _ in lines.keys(offers, room, "12 jobs"))
        assert width_of(told) <= room
        assert told.endswith("12 jobs")


def test_a_run_of_no_job_cannot_be_run_again() -> None:
    run = Thing(kind="run", name="5")
    alone = {"state": "succeeded", "finished_at": "x", "job": None}
    assert acts.keys_for(run, alone) == [("l", "log")]
    assert acts.meant(run, alone, "r") is None
    assert acts.meant(None, None, "r") is None
    assert acts.keys_for(None, None) == []


def test_a_service_that_did_not_do_as_told_is_named() -> None:
    assert acts.refusal({"changed": True}) is None
    answer = {"services": [{"name": "a", "ok": True}, {"name": "b", "ok": False, "reason": "no"}]}
    assert acts.refusal(answer) == "b: no"
