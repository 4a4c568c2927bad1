"""What notices say: one safe line each, and the message that they go into."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pb.core.notice import NOTHING, Known, Level, Occasion
from pb.core.notice_words import LINE, SUBJECT, body, run_text, safe, service_text, subject

AT = 1_795_000_000_000
THRICE = Known(count=3, level=Level.DOWN, since_ms=AT)

RUNS = [
    (Occasion.FAILURE, "timed_out", "timeout of 5 s", NOTHING, "Job x timed out: timeout of 5 s"),
    (Occasion.FAILURE, "failed", None, THRICE, "Job x failed (3 in a row)"),
    (Occasion.RECOVERY, "succeeded", None, THRICE, "Job x succeeds again, after 3 failures"),
    (Occasion.RECOVERY, "succeeded", None, Known(count=1), "Job x succeeds again, after a failure"),
    (Occasion.MISSED, "missed", "off", NOTHING, "Job x has missed its time: off"),
    (Occasion.SKIPPED, "skipped", "overlap", NOTHING, "Job x was skipped: overlap"),
    (Occasion.STORM, "", "Job x was started too often", NOTHING, "Job x was started too often"),
    (Occasion.STORM, "", None, NOTHING, "Job x fires too often"),
    (Occasion.START, "running", None, NOTHING, "Job x has started"),
    (Occasion.SUCCESS, "succeeded", None, NOTHING, "Job x succeeded"),
]


@pytest.mark.parametrize(("occasion", "state", "reason", "known", "text"), RUNS)
def test_of_a_run(
    occasion: Occasion, state: str, reason: str | None, known: Known, text: str
) -> None:
    assert run_text(occasion, "x", state, reason, known) == text


@pytest.mark.parametrize(
    ("occasion", "known", "why", "text"),
    [
        (Occasion.FAILURE, Known(level=Level.DOWN), "oom", "Service w went down: oom"),
        (Occasion.FAILURE, THRICE, None, "Service w went down (3 times in a row)"),
        (Occasion.FAILURE, Known(level=Level.BROKEN), "exit", "Service w has failed: exit"),
        (Occasion.RECOVERY, THRICE, None, "Service w is up again, after 2 minutes"),
    ],
)
def test_of_a_service(occasion: Occasion, known: Known, why: str | None, text: str) -> None:
    assert service_text(occasion, "w", known, why, AT + 120_000) == text


@given(st.text())
def test_nothing_that_is_said_has_a_control_character_in_it(text: str) -> None:
    line = safe(text)

    assert line.isprintable()
    assert len(line) <= LINE
    assert run_text(Occasion.FAILURE, text, "failed", text, NOTHING).isprintable()
    assert subject([{"text": text}], text).isprintable()


def notice(**more: Any) -> dict[str, Any]:
    return {"text": "Job x failed", "occasion": "failure", "at": AT, "run_id": 5, **more}


def test_a_message_of_one_and_of_many() -> None:
    assert subject([notice()], "here") == "[pb here] Job x failed"
    assert subject([notice()] * 3, "here") == "[pb here] 3 notices: Job x failed; …"
    assert len(subject([notice(text="y" * 500)], "here")) == SUBJECT
    assert body([notice(), notice()], "here").count("Job x failed") == 2


def test_the_facts_of_a_run_and_of_a_service() -> None:
    run = body([notice(attempt=2, failures=3, since_at=AT, output=["a\x1b", "b"])], "here")
    service = body([notice(run_id=None, service="web", occasion="recovery")], "here")

    assert run.splitlines() == [
        "Job x failed",
        "  At: 2026-11-18 11:06:40 UTC",
        "  Since: 2026-11-18 11:06:40 UTC",
        "  Run: 5, attempt 2 (pb job logs 5)",
        "  Its last output:",
        "  | a",
        "  | b",
        "",
        "-- ",
        "pb on here",
    ]
    assert "  Look: pb service status web" in service
    assert body([notice(run_id=None)], "here").splitlines()[2] == ""
