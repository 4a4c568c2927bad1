"""Scheduler and dashboard as real processes, driven with a real browser as a person would.

One scheduler, one debug server and one browser for all; each test has jobs and services of its own.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pb.api import session
from pb.api.tickets import life_of, new_ticket
from pb.api.token_file import ensure_token
from pb.paths import Home
from tests.debug.chromium import Browser, chromium
from tests.kit import eventually
from tests.kit.faces import Told, face

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="Chromium is not installed"),
    pytest.mark.xdist_group("chromium"),
    pytest.mark.timeout(300),
]

PAGES = (
    *("overview", "jobs", "jobs/good", "jobs/bad", "add-job", "runs", "runs/1", "timeline"),
    *("services", "services/db", "services/scheduler", "queues", "events", "graph"),
    *("statistics", "system"),
)

AXE = Path(os.environ.get("PB_AXE", "node_modules/axe-core/axe.min.js"))
"""axe-core's one file; `.ci/run` fetches it from npm."""

YEARLY: dict[str, Any] = {"triggers": [{"type": "cron", "expr": "0 0 1 1 *"}]}
ZONED = YEARLY | {
    "triggers": [{"type": "cron", "expr": "30 2 * * *"}],
    "timezone": "Europe/Berlin",
}
PLAYED = (
    {"name": "good", "command": ["sh", "-c", "echo all is well"], **ZONED},
    {"name": "bad", "command": ["sh", "-c", "echo no luck >&2; exit 3"], **YEARLY},
    {"name": "after", "command": ["true"], "depends_on": [{"job": "good"}]},
)
SERVED = (
    {"name": "db", "command": ["sh", "-c", "echo db is up; exec sleep 600"]},
    {"name": "web", "command": ["sleep", "600"], "depends_on": ["db"]},
)


@dataclass(frozen=True, slots=True)
class House:
    home: Path
    debug: Told
    browser: Browser

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        with session(Home(self.home)) as talk:
            return talk.call(method, params)

    @property
    def link(self) -> str:
        record = self.debug.record
        life = life_of(record["pid"], record["startedAt"])
        ticket = new_ticket(ensure_token(self.home / "gateway.token"), life, time.time())
        return f"{record['address']}/#ticket={ticket}"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    place = tmp_path_factory.mktemp("house")
    home = place / "home"
    with (
        face("daemon", home),
        face("debug", home) as debug,
        Browser(place / "profile") as browser,
    ):
        whole = House(home, debug, browser)
        for definition in PLAYED:
            whole.call("job.add", definition=definition)
        for definition in SERVED:
            whole.call("service.add", definition=definition)
        for name in ("good", "bad"):
            run = whole.call("job.run", name=name)["run"]
            whole.call("run.wait", run_id=run["run_id"])
        browser.enter(whole.link)
        yield whole
        for name in ("web", "db"):
            whole.call("service.stop", names=[name])


@pytest.fixture
def page(house: House) -> Iterator[Browser]:
    browser, address = house.browser, house.debug.record["address"]
    browser.shape(1280, 900)
    if not browser.ask("location.href").startswith(address):
        browser.open(address)
        eventually(lambda: browser.text("#link") == "Live", timeout=60)
    browser.complaints.clear()
    yield browser
    assert not [c for c in browser.complaints if not c.startswith("Failed to load resource")]


def button(word: str, inside: str = "#view") -> str:
    """A script that clicks the visible button of that word."""
    return (
        f"[...document.querySelectorAll({inside + ' button'!r})]"
        f".find((one) => one.innerText.trim() === {word!r} && one.offsetParent).click()"
    )


def press(page: Browser, word: str, inside: str = "#view") -> None:
    eventually(lambda: [page.ask(button(word, inside))])


def test_a_job_is_added_watched_read_paused_and_resumed(
    house: House, page: Browser, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    waits = f"echo begun; while ! test -e {go_on}; do sleep 0.05; done; echo ended"
    page.go("add-job")
    eventually(lambda: page.text("#view h1") == "Add a job")
    page.fill("#name", "my-first")
    page.fill("#command", f'sh -c "{waits}"')
    page.ask("document.getElementById('kind').value = 'cron'")
    page.fill("#kind", "cron")
    page.fill("#rule", "99 2 * * *")
    press(page, "Add the job")
    eventually(lambda: "99" in page.text("#view .wrong"))
    page.fill("#rule", "30 2 * * *")
    press(page, "Check it")
    eventually(lambda: "Nothing is wrong" in page.text("#view form"))
    press(page, "Add the job")
    eventually(lambda: page.text("#view h1") == "my-first")
    assert house.call("job.show", name="my-first")["definition"]["command"] == ["sh", "-c", waits]

    press(page, "Run now")
    eventually(lambda: page.text("#view .heading .badge") == "running")
    eventually(lambda: "begun" in page.text("#view .log"))
    assert "ended" not in page.text("#view .log")
    go_on.touch()
    eventually(lambda: "ended" in page.text("#view .log"))
    eventually(lambda: "1 of the last 1 succeeded" in page.text("#view figure"))

    press(page, "Pause")
    eventually(lambda: page.text("#view .heading .badge") == "paused")
    press(page, "Undo", "#toasts")
    eventually(lambda: page.text("#view .heading .badge") == "idle")
    press(page, "Pause")
    eventually(lambda: page.text("#view .heading .badge") == "paused")
    press(page, "Resume")
    eventually(lambda: house.call("job.show", name="my-first")["job"]["paused"] is False)
    changes = house.call("audit.list", target="my-first")["changes"]
    assert {change["face"] for change in changes} == {"debug"}


def test_a_run_is_cancelled_when_one_says_yes(house: House, page: Browser) -> None:
    house.call("job.add", definition={"name": "long", "command": ["sleep", "600"], **YEARLY})
    run = house.call("job.run", name="long")["run"]["run_id"]
    page.go(f"runs/{run}")
    eventually(lambda: page.text("#view .heading .badge") == "running")
    press(page, "Cancel")
    press(page, "Cancel", "dialog")
    assert house.call("run.show", run_id=run)["run"]["state"] == "running"

    press(page, "Cancel")
    press(page, "Cancel the run", "dialog")

    eventually(lambda: page.text("#view .heading .badge") == "cancelled", timeout=30)
    assert house.call("run.show", run_id=run)["run"]["state"] == "cancelled"


def test_a_job_that_was_removed_is_brought_back(house: House, page: Browser) -> None:
    house.call("job.add", definition={"name": "gone", "command": ["true"], **YEARLY})
    page.go("jobs/gone")
    eventually(lambda: page.text("#view h1") == "gone")
    press(page, "Remove")
    press(page, "Remove", "dialog")
    eventually(lambda: "Removed gone" in page.text("#toasts"))
    assert "gone" not in [job["name"] for job in house.call("job.list")["jobs"]]

    press(page, "Undo", "#toasts")

    eventually(lambda: "Brought gone back" in page.text("#toasts"))
    assert house.call("job.show", name="gone")["job"]["state"] == "idle"


def test_a_service_is_stopped_and_started_again(house: House, page: Browser) -> None:
    house.call("service.add", definition={"name": "shop", "command": ["sleep", "600"]})
    page.go("services/shop")
    state = "#view .heading .badge"
    eventually(lambda: "running" in page.text(state), timeout=30)

    press(page, "Stop")
    press(page, "Stop", "dialog")
    eventually(lambda: "stopped" in page.text(state), timeout=30)
    assert house.call("service.show", name="shop")["service"]["pid"] is None

    press(page, "Start again", "#toasts")
    eventually(lambda: "running" in page.text(state), timeout=30)
    eventually(lambda: "MiB" in page.text("#view .curve-box"), timeout=30)
    house.call("service.remove", name="shop")


def test_a_service_is_seen_to_fail_and_to_recover(
    house: House, page: Browser, tmp_path: Path
) -> None:
    mended = tmp_path / "mended"
    script = f"test -e {mended} && exec sleep 600; echo no configuration; exit 4"
    restart = {"mode": "on-failure", "max_restarts": 1, "delay": "10ms"}
    definition = {"name": "frail", "command": ["sh", "-c", script], "restart": restart}
    page.go("overview")
    house.call("service.add", definition=definition)
    eventually(lambda: "Service frail has failed" in page.text("#needs"), timeout=30)
    assert "exit code 4" in page.text("#needs")
    eventually(lambda: "no configuration" in page.text("#needs .tail"), timeout=30)

    mended.touch()
    press(page, "Reset and start")

    eventually(lambda: "frail" not in page.text("#needs"), timeout=30)
    page.go("services")
    query = "#view tr[data-key=frail] .badge"
    eventually(lambda: "running" in page.text(query), timeout=30)
    house.call("service.remove", name="frail")


def test_a_job_page_tells_of_clock_changes(house: House, page: Browser) -> None:
    page.go("jobs/good")

    eventually(lambda: "Europe/Berlin" in page.text("#view"))
    assert page.text("#view .note")


def test_events_are_seen_live_and_found(house: House, page: Browser) -> None:
    page.go("events")
    eventually(lambda: "db" in page.text("#events"))
    house.call("job.add", definition={"name": "noted", "command": ["true"], **YEARLY})
    eventually(lambda: "Job noted added" in page.texts("#events li")[0])

    page.fill("#view input[type=search]", "noted")
    eventually(lambda: len(page.texts("#events li")) == 1)
    page.click("#view [data-kind=service]")
    eventually(lambda: not page.texts("#events li"))


@pytest.mark.parametrize("odd", ["jobs/no-such", "runs/77777", "services/none", "jobs/%E0%A4%A"])
def test_what_is_not_there_is_said(house: House, page: Browser, odd: str) -> None:
    page.go(odd)

    eventually(lambda: "There is no" in page.text("#view"), timeout=30)


def test_settings_and_changes_are_seen_with_where_they_come_from(
    house: House, page: Browser
) -> None:
    house.call("job.add", definition={"name": "told", "command": ["true"], **YEARLY})
    page.go("overview")
    page.go("system")

    eventually(lambda: "job.add told" in page.text("#view"), timeout=30)
    row = page.texts('#view tr[data-name="debug.port"] td')
    assert row == ["debug.port", "18790", "default"]


def test_what_waits_in_a_queue_is_seen(house: House, page: Browser) -> None:
    definition = {"name": "queued", "command": ["sleep", "600"], "queue": "narrow"}
    house.call("job.add", definition={**definition, "overlap": "queue", **YEARLY})
    first = house.call("job.run", name="queued")["run"]["run_id"]
    page.go("queues")

    eventually(lambda: "1 of 1 running, 0 waiting · 1 job" in page.text("#view"), timeout=30)
    assert f"queued #{first}" in page.text("#view")
    house.call("job.cancel", name="queued")


def test_the_long_run_is_told_by_day_and_by_month(house: House, page: Browser) -> None:
    page.go("statistics")
    long = ".long-run th[scope=row]"
    today = f"{datetime.now(UTC):%Y-%m-%d}"

    eventually(lambda: page.texts(long) == [today], timeout=30)
    page.fill("#view select", "month")

    eventually(lambda: page.texts(long) == [today[:7]], timeout=30)
    assert "runs that are gone count, too" in page.text("#view")
    assert len(page.texts(".periods > span")) == 1


@pytest.mark.parametrize("dark", [False, True])
def test_every_page_fits_every_width_and_can_be_read(
    house: House, page: Browser, dark: bool
) -> None:
    wrong = []
    for name in PAGES:
        page.go(name)
        settled(page, name)
        for width in (390, 760, 1280):
            page.shape(width, 844, dark=dark)
            if page.ask("document.documentElement.scrollWidth") > width:
                wrong.append(f"{name} is wider than {width}")
            if (worst := page.ask(CONTRAST))[0] < 4.5:
                wrong.append(f"{name}: {worst}")
    assert not wrong


def settled(page: Browser, name: str) -> None:
    """Wait until a page is open and shows what it asked for."""
    view = f"""#view [data-route="#/{name}"] .card"""
    eventually(lambda: page.ask(f"document.querySelectorAll({view!r}).length") > 0, timeout=30)


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not there (npm install axe-core)")
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious(house: House, page: Browser, dark: bool) -> None:
    page.shape(1280, 900, dark=dark)
    page.ask(AXE.read_text() + "; undefined")
    serious = []
    for name in PAGES:
        page.go(name)
        settled(page, name)
        found = page.ask("axe.run(document, { resultTypes: ['violations'] })")["violations"]
        serious += [
            f"{name}: {one['id']}: {node['html']}"
            for one in found
            for node in one["nodes"]
            if one["impact"] in ("serious", "critical")
        ]
    assert not serious


CONTRAST = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const parse = (c) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c;
    canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((v) => { v /= 255;
    return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; })
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => { for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; }
    return [255, 255, 255, 255]; };
  let worst = [21, ''];
  for (const e of document.querySelectorAll('main *, header *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.offsetParent || e.closest('.flash, .unseen, svg, nav, :disabled')) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst[0]) worst = [ratio, e.outerHTML.slice(0, 200)];
  }
  return worst;
})()"""
"""The lowest contrast of any visible text on its background (WCAG 2.2, 1.4.3), and where."""


def test_it_is_small_on_the_wire(house: House, page: Browser) -> None:
    """All that a first look transfers; the figure to reach is 300 kB."""
    page.open("about:blank")
    page.open(f"{house.debug.record['address']}/#/jobs")
    eventually(lambda: "good" in page.text("#job-table"), timeout=30)
    sizes = page.ask(
        "performance.getEntriesByType('resource').map((one) => one.transferSize)"
        ".concat(performance.getEntriesByType('navigation').map((one) => one.transferSize))"
    )

    assert sum(sizes) < 300_000


def test_a_scheduler_that_hangs_or_restarts_is_said_and_found_again(
    house: House, tmp_path: Path
) -> None:
    home, page = tmp_path / "home", house.browser
    with face("daemon", home) as scheduler, face("debug", home) as debug:
        other = House(home, debug, page)
        other.call("job.add", definition={"name": "yearly", "command": ["true"], **YEARLY})
        page.enter(other.link)
        page.go("jobs")
        runs = "#job-table tr[data-key=yearly] td:nth-child(5)"
        eventually(lambda: page.text(runs) == "0", timeout=20)
        scheduler.process.send_signal(signal.SIGSTOP)
        try:
            eventually(lambda: "does not answer since" in page.text("#notice"), timeout=60)
            assert "what runs goes on" in page.text("#notice")
            assert page.text(runs) == "0"
        finally:
            scheduler.process.send_signal(signal.SIGCONT)
        eventually(lambda: page.text("#link") == "Live", timeout=60)
        scheduler.stop()
        eventually(lambda: "not running" in page.text("#notice"), timeout=20)

        with face("daemon", home):
            eventually(lambda: page.text("#link") == "Live", timeout=20)
            assert page.text("#notice") == ""
            other.call("job.run", name="yearly")
            eventually(lambda: page.text(runs) == "1", timeout=20)
