"""What each built-in job calls. The answer is the run's result; what is raised is its failure."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pb.api.told import channels_of
from pb.api.views import Json
from pb.config.settings import Settings, load_settings
from pb.core.durations import shown_size
from pb.core.lean import dataclass
from pb.core.notice import Occasion
from pb.core.notice_words import digest_text
from pb.core.rollups import DAY, DAY_MS, HOUR, MONTH, WEEK, start_of
from pb.errors import StoreError
from pb.maintenance.pace import in_steps
from pb.paths import Home, find_home, make_private_dir
from pb.process.private_file import write_private
from pb.store import rollups
from pb.store.notices import NoticeRow, NoticeStore
from pb.store.store import Store

if TYPE_CHECKING:
    from pb.api.digest_text import Words

SLICE = 50
"""Runs deleted in one step."""

DIGESTS_KEPT = 60
"""Digests of each kind that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where it is done: the scheduler has put its home and its database into the environment."""

    home: Home
    settings: Settings
    store: Store


@contextlib.contextmanager
def place() -> Iterator[Place]:
    home = find_home()
    settings = load_settings(home)
    with Store(settings.db_path(home)) as store:
        yield Place(home=home, settings=settings, store=store)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - it is the run's log


# -- rollups: each does first what the one before would do


def rollup_day() -> Json:
    """Count the runs that have ended, by hour and day."""
    with place() as here:
        return count_runs(here.store)


def rollup_week() -> Json:
    """The same, then add days up to weeks."""
    with place() as here:
        return {**count_runs(here.store), "weeks": raised(here.store, WEEK)}


def rollup_month() -> Json:
    """The same, then add days up to months."""
    with place() as here:
        done = {**count_runs(here.store), "weeks": raised(here.store, WEEK)}
        return {**done, "months": raised(here.store, MONTH)}


def count_runs(store: Store) -> Json:
    counted = in_steps(lambda most: rollups.fold_some(store, most))
    say(f"{counted} runs counted")
    return {"runs": counted}


def raised(store: Store, level: str) -> int:
    count = in_steps(lambda most: rollups.raise_some(store, level, most))
    say(f"{count} sums of {level}s renewed")
    return count


# -- keeping the store small, quick and whole


def retention() -> Json:
    """Let go of all runs that are over their limits, and of hours that are too old."""
    from pb.api.letting_go import AT_ONCE, drop_log, rule_from, search

    with place() as here:
        store, rule, gone = here.store, rule_from(here.settings.retention), 0
        while True:
            rows, _, _ = search(store.select, None, rule, now_ms(), AT_ONCE)
            if not rows:
                break
            for row in rows:
                drop_log(row)
            gone += let_go(here, [row.id for row in rows])
        before = start_of(DAY, now_ms() - here.settings.retention.hourly_days * DAY_MS)
        hours = in_steps(lambda most: rollups.forget_hours(store, before, most))
    say(f"{gone} runs let go, and {hours} hours that stay in their days")
    return {"runs": gone, "hours": hours}


def let_go(here: Place, ids: list[int]) -> int:
    def step(_: int) -> int:
        some = ids[:SLICE]
        del ids[:SLICE]
        if some:
            with here.store.transaction(durable=False):
                rollups.let_go(here.store, some, counts=here.settings.maintenance.rollups)
        return len(some)

    return in_steps(step)


def compaction() -> Json:
    """Checkpoint, optimise, give free pages back, check every page."""
    from pb.store import compaction as tidy

    with place() as here:
        before = tidy.size_of(here.store)
        tidy.optimise(here.store)
        in_steps(lambda most: tidy.shrink_some(here.store, most))
        tidy.checkpoint(here.store)
        faults = tidy.faults(here.store)
        after = tidy.size_of(here.store)
    say(f"The database has {shown_size(after.bytes)}, before {shown_size(before.bytes)}")
    if faults:
        for fault in faults:
            say(fault)
        raise StoreError(
            f"The database is damaged: {faults[0]}",
            hint="Stop the scheduler, and see: pb backup list, pb backup restore",
        )
    say("Every page of it is sound")
    return {"bytes": after.bytes, "free_bytes": after.free_bytes, "bytes_before": before.bytes}


def backup() -> Json:
    """Make a backup of everything and verify it; the oldest go."""
    from pb.api import local_session

    with local_session(find_home(), face="maintenance") as session:
        made = session.call("backup.create")
    say(f"{made['backup']['path']} ({shown_size(made['backup']['size_bytes'])})")
    return {"path": made["backup"]["path"], "removed": len(made["removed"])}


# -- digests


def digest_daily() -> Json:
    return digest("daily", DAY_MS)


def digest_weekly() -> Json:
    return digest("weekly", 7 * DAY_MS)


def digest(kind: str, span_ms: int) -> Json:
    """Write down what has happened since the last one of its kind; at most twice its time.

    It ends with the last whole hour, so that each run is in one digest.
    """
    from pb.api.digest_text import Words, terminal

    with place() as here:
        end = start_of(HOUR, now_ms())
        last = int(here.store.meta(f"digest_{kind}_until") or 0)
        start = last if end - 2 * span_ms <= last < end else end - span_ms
        found = collected(here, start, end)
        words = Words(found)
        paths = write_digest(here.home, kind, words)
        with here.store.transaction():
            here.store.set_meta(f"digest_{kind}_until", str(end))
            queue_digest(here, kind, found)
    say(terminal(words).rstrip())
    return {"files": paths, "runs": found["total"]["runs"], "errors": found["total"]["errors"]}


def collected(here: Place, start: int, end: int) -> Json:
    from pb.api.context import Context
    from pb.api.digest import collected as digest_of

    context = Context(
        store=here.store,
        home=here.home,
        settings=here.settings,
        now=now_ms,
        actor="maintenance:pb",
    )
    return digest_of(context, start, end)


def write_digest(home: Home, kind: str, words: Words) -> list[str]:
    """As text and as HTML, named by the day; the oldest of its kind go."""
    from pb.api.digest_html import html
    from pb.api.digest_text import terminal

    folder = home.digests_dir
    make_private_dir(folder)
    day = words.moment(words.digest["until"], "%Y-%m-%d")
    made = {f"{kind}-{day}.txt": terminal(words), f"{kind}-{day}.html": html(words)}
    for name, text in made.items():
        write_private(folder / name, text)
    for suffix in ("txt", "html"):
        for old in sorted(folder.glob(f"{kind}-*.{suffix}"))[:-DIGESTS_KEPT]:
            old.unlink(missing_ok=True)
    return [str(folder / name) for name in made]


def queue_digest(here: Place, kind: str, found: Json) -> None:
    """For each channel that wants it; the scheduler sends it, and tries again where it has to."""
    from pb.api.digest_text import in_short

    channels, now = channels_of(here.settings), now_ms()
    wanted = here.settings.maintenance.digests_to
    pings = [name for name in wanted if name in channels and channels[name].is_ping]
    for name in pings:
        say(f"{name} is a ping: a digest cannot be sent there")
    details = json.dumps({"digest": in_short(found)})
    NoticeStore(here.store).add(
        NoticeRow(
            thing=f"digest:{kind}:{found['until']}",
            channel=name,
            occasion=str(Occasion.DIGEST),
            at=now,
            job=f"digest_{kind}",
            text=digest_text(kind, found),
            details=details,
            due_at=now,
        )
        for name in wanted
        if name not in pings
    )
