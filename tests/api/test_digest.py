"""What a digest says, and what it looks like: as text, as Markdown, as a mail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pb.api.builtin import install
from pb.api.digest_html import html
from pb.api.digest_text import WIDTH, Words, markdown, terminal
from pb.core.model import State
from pb.core.rollups import DAY_MS, HOUR_MS
from pb.core.sparkline import PLAIN, sparkline
from pb.core.supervision import Phase
from pb.errors import InvalidError
from pb.store import rollups
from pb.store.rows import Run
from pb.store.services import InstanceRow
from tests.kit.scheduler import World

NASTY = 'no <b>space</b> | left on "*device*" \x1b[31m\r\n& `x` [a](b)'


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path / "home")
    yield one
    one.close()


def record(world: World, job: str, state: str = "succeeded", *, ago: int, **facts: Any) -> int:
    """One record. The fake clock stands at 2026-03-01 12:00 UTC."""
    at = world.clock.now_ms() - ago
    lasts = facts.pop("lasts", 1_000)
    ran = state not in {"skipped", "missed"}
    run = Run(
        **{"job": job, "trigger": "cron", "fire_at": at, **facts},
        state=State(state),
        queued_at=at,
        started_at=at if ran else None,
        finished_at=at + lasts,
    )
    with world.store.transaction(durable=False):
        assert world.store.claim(run)
        world.store.count(run)
    return run.id


@pytest.fixture
def busy(world: World) -> World:
    """A week of three jobs, one of which has trouble today."""
    for name in ("backup", "mail", "quiet"):
        world.add(name, triggers=["every: 1h"])
    world.add("young", triggers=["every: 1h"], paused=True)
    with world.store.transaction():
        old = "UPDATE job SET created_at = created_at - ? WHERE name <> 'young'"
        world.store.write(old, [(30 * DAY_MS,)])
    for hour in range(1, 24 * 7):
        record(world, "mail", ago=hour * HOUR_MS)
        if hour > 24:
            record(world, "quiet", ago=hour * HOUR_MS + 1)
            record(world, "backup", ago=hour * HOUR_MS + 2)
    for hour in (2, 3, 4):
        record(world, "backup", "failed", ago=hour * HOUR_MS, reason=NASTY)
    record(world, "backup", ago=HOUR_MS, lasts=60_000)
    record(world, "mail", "skipped", ago=5 * HOUR_MS, trigger="manual", reason="overlap")
    record(world, "mail", "missed", ago=6 * HOUR_MS, attempt=5, fire_count=4)
    record(world, "gone", ago=HOUR_MS)
    return world


def digest(world: World, **params: Any) -> Any:
    return world.call("digest.show", **params)


def words(found: Any) -> Words:
    return Words(found, clock=UTC)


def test_it_counts_compares_and_names_what_needs_attention(busy: World) -> None:
    found = digest(busy)

    assert (found["since"], found["until"]) == (
        "2026-02-28T12:00:00.000Z",
        "2026-03-01T12:00:00.000Z",
    )
    now, before = found["total"], found["before"]
    assert (now["runs"], now["errors"], now["skips"], now["misses"]) == (29, 3, 1, 4)
    assert (before["runs"], before["errors"]) == (70, 0)
    assert len(now["spark"]) == 24
    assert sum(now["spark"]) == 29
    assert [job["job"] for job in found["jobs"]] == ["backup", "mail", "gone"]
    assert found["jobs"][0]["runs_before"] == 23
    assert [run["job"] for run in found["failures"]] == ["backup"] * 3
    assert [(one["job"], one["took_ms"], one["usual_ms"]) for one in found["slow"]] == [
        ("backup", 60_000, 1_000)
    ]
    assert found["changes"] == {
        "new": ["young"],
        "gone": ["gone"],
        "failing": ["backup"],
        "well_again": [],
        "silent": ["quiet"],
        "paused": ["young"],
    }


def test_it_says_the_same_when_the_runs_are_gone(busy: World) -> None:
    before = digest(busy)
    ids = [run.id for run in busy.store.runs(n=10_000) if run.state is not State.FAILED]
    with busy.store.transaction():
        rollups.let_go(busy.store, ids, counts=True)
    after = digest(busy)

    for key in ("runs", "errors", "skips", "misses", "spark", "busy_ms"):
        assert after["total"][key] == before["total"][key], key
    assert [job["runs"] for job in after["jobs"]] == [job["runs"] for job in before["jobs"]]
    assert after["changes"] == before["changes"]


def test_a_job_that_is_well_again_is_told(busy: World) -> None:
    record(busy, "mail", "failed", ago=30 * HOUR_MS, attempt=2)

    assert digest(busy)["changes"]["well_again"] == ["mail"]
    assert digest(busy, since="7d")["by"] == "day"
    assert digest(busy, since="100d")["by"] == "week"


def test_services_that_are_not_well_are_told(busy: World) -> None:
    busy.call("service.add", definition={"name": "web", "command": ["true"], "enabled": False})
    row = InstanceRow(service="web", instance=0, phase=Phase.FAILED, reason="exit code 3")
    with busy.store.transaction():
        busy.store.services.save([row])
        at = busy.clock.now_ms() - HOUR_MS
        for kind in ("service.exited", "service.exited", "service.failed"):
            busy.store.add_event(at=at, kind=kind, text="it ended", service="web")

    (one,) = digest(busy)["services"]
    assert (one["service"], one["state"], one["exits"]) == ("web", "failed", 2)
    assert "web is failed, ended by itself 2 times: exit code 3" in terminal(words(digest(busy)))


def test_a_job_of_pbs_own_is_told_only_when_it_fails(busy: World) -> None:
    install(busy.engine._context)
    record(busy, "backup_weekly", ago=HOUR_MS)
    assert "backup_weekly" not in terminal(words(digest(busy)))
    record(busy, "backup_weekly", "failed", ago=2, reason="the disk is full")

    found = digest(busy)
    assert "backup_weekly" not in [job["job"] for job in found["jobs"]]
    assert "backup_weekly failed: the disk is full" in terminal(words(found))


def test_the_text_fits_eighty_columns_and_has_no_control_characters(busy: World) -> None:
    busy.add("x" * 64, triggers=["every: 1h"])
    record(busy, "x" * 64, "failed", ago=HOUR_MS, reason="very " * 60)
    for since in ("24h", "48h", "7d", "60d"):
        text = terminal(words(digest(busy, since=since)))
        assert max(map(len, text.splitlines())) <= WIDTH < 80, text
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)


def test_the_text_says_everything_in_words(busy: World) -> None:
    text = terminal(Words(digest(busy), clock=UTC, steps=PLAIN))

    assert text.startswith("2026-02-28 12:00 to 2026-03-01 12:00 (UTC)\n")
    assert re.search(r"Errors +3 +0", text)
    assert "backup failed 3 times, last (run" in text
    assert "took 1m 0s, usually 1.0s" in text
    assert "Failing now, and not before: backup" in text
    assert "Nothing happened" not in text
    assert text.isascii() or "\ufffd" in text


def test_of_many_jobs_those_in_trouble_have_lines(world: World) -> None:
    for number in range(40):
        record(world, f"job{number:02}", "failed" if number == 39 else "succeeded", ago=HOUR_MS)
    text = terminal(words(digest(world)))

    assert text.index("job39") < text.index("job00")
    assert "and 10 more" in text
    assert "and 10 more" in markdown(words(digest(world)))
    assert "and 10 more" in html(words(digest(world)))


def test_a_quiet_day_is_said_to_be_one(world: World) -> None:
    assert "Nothing happened." in terminal(words(digest(world)))
    with pytest.raises(InvalidError, match="before until"):
        digest(world, since="1h", until="2h")


def test_markdown_has_tables_and_nothing_that_others_wrote_means_anything(busy: World) -> None:
    text = markdown(words(digest(busy)))
    rows = [line for line in text.splitlines() if line.startswith("| backup")]

    assert len(rows) == 1
    assert len(re.findall(r"(?<!\\)\|", rows[0])) == 9
    assert r"no \<b\>space\</b\> \| left on" in text
    assert "<b>" not in text
    assert r"\[a\](b)" in text


class Page(HTMLParser):
    """What a browser would see of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_mail_fetches_nothing_runs_nothing_and_escapes_everything(busy: World) -> None:
    page = Page()
    text = html(words(digest(busy)))
    page.feed(text)

    assert page.open == []
    assert page.seen <= {
        "html",
        "head",
        "meta",
        "title",
        "body",
        "div",
        "h1",
        "h2",
        "p",
        "span",
        "table",
        "tr",
        "th",
        "td",
        "ul",
        "li",
    }
    assert page.attributes <= {"lang", "charset", "name", "content", "style"}
    assert "url(" not in text
    assert 'no <b>space</b> | left on "*device*"' in "".join(page.words)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)


def test_times_are_those_of_the_clock_on_the_wall(busy: World) -> None:
    assert words(digest(busy)).moment("2026-03-01T11:30:00.000Z") == "Sun 11:30"
    assert Words(digest(busy)).title.endswith(")")


def test_a_line_of_numbers_tells_little_from_nothing() -> None:
    assert sparkline([0, 1, 50, 100]) == "·▁▅█"
    assert sparkline([0, 1, 50, 100], PLAIN) == "._*@"
    assert (sparkline([]), sparkline([0, 0])) == ("", "··")
