"""The page in a real headless Chromium, in front of plain values: what is seen, and how soon."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pb.debug.feed import RETRY
from tests.debug.chromium import Browser, chromium
from tests.debug.scene import Dashboard, Scene, a_busy_scene, a_job, ago, dashboard_of
from tests.kit import eventually

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="Chromium is not installed"),
    pytest.mark.xdist_group("chromium"),
]


@dataclass(frozen=True, slots=True)
class Stage:
    scene: Scene
    dashboard: Dashboard
    browser: Browser


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One browser that was let into one dashboard, for all of these tests."""
    scene, place = a_busy_scene(), tmp_path_factory.mktemp("page")
    with dashboard_of(scene, place) as dashboard, Browser(place / "profile") as browser:
        browser.enter(dashboard.link)
        yield Stage(scene, dashboard, browser)


@pytest.fixture
def scene(stage: Stage) -> Scene:
    fresh = a_busy_scene()
    stage.scene.jobs, stage.scene.runs = fresh.jobs, fresh.runs
    stage.scene.events, stage.scene.own, stage.scene.calls = fresh.events, [], []
    stage.scene.up = True
    return stage.scene


@pytest.fixture
def page(stage: Stage, scene: Scene) -> Iterator[Browser]:
    """The overview, as it is now; nothing may have been said on the console at the end."""
    browser = stage.browser
    browser.complaints.clear()
    browser.shape(1280, 900)
    browser.open("about:blank")
    browser.open(f"{stage.dashboard.url}/#/overview")
    scene.happen("job.changed", "The stage is set")
    eventually(lambda: "The stage is set" in "".join(browser.texts("#view li")), timeout=30)
    yield browser
    assert not [c for c in browser.complaints if "Security" in c or "Error" in c]


def row(page: Browser, job: str) -> list[str]:
    return page.texts(f'#job-table tr[data-key="{job}"] td')


def jobs_of(page: Browser) -> int:
    return len(page.texts("#job-table tbody tr"))


def open_jobs(page: Browser, many: int = 7) -> None:
    page.go("jobs")
    eventually(lambda: jobs_of(page) == many)


def test_what_needs_somebody_comes_first(page: Browser, scene: Scene) -> None:
    needs = page.texts("#needs li")
    assert needs[0].startswith("✗\nJob mail-digest failed")
    assert "cannot reach smtp" in needs[0]
    assert "Job sqlite-vacuum timed out" in needs[1]
    assert [need for need in needs if "log-cleanup is paused" in need]
    assert "1\njobs failing" not in page.texts(".figure")
    assert "photo-index #9" in page.text("#view .pair .list")
    coming = page.texts("#view .pair section:nth-child(2) li")
    assert coming[0].startswith("◷\ndisk-report")

    scene.jobs = [job for job in scene.jobs if job["last_result"] in (None, "succeeded")]
    scene.jobs = [job for job in scene.jobs if not job["paused"]]
    scene.runs = [run for run in scene.runs if run["state"] != "missed"]
    scene.happen("job.removed", "Some jobs removed")
    eventually(lambda: "Nothing needs you" in page.text("#needs"))


def test_a_run_is_seen_in_the_table_soon(page: Browser, scene: Scene) -> None:
    open_jobs(page)
    assert row(page, "disk-report")[1:6] == ["idle", "3 min ago", "in 1 min", "5,120", "0"]
    assert row(page, "disk-report")[6].startswith("✓ succeeded in 412 ms")
    assert row(page, "log-cleanup")[1:4] == ["paused", "3 d ago", "-"]
    assert row(page, "certificates")[2] == "Never"
    assert "cannot reach smtp" in row(page, "mail-digest")[6]
    job = next(job for job in scene.jobs if job["name"] == "disk-report")
    job |= {"run_count": 5121, "last_run": ago(), "last_duration_ms": 77}
    took = []
    for count in ("5,121", "5,122", "5,123"):  # one of three: other work may get in between
        job |= {"run_count": int(count.replace(",", ""))}
        begun = time.monotonic()
        scene.happen("run.succeeded", "disk-report succeeded in 77 ms", job="disk-report")
        eventually(lambda count=count: row(page, "disk-report")[4] == count)
        took.append(time.monotonic() - begun)

    assert min(took) < 2.0
    assert row(page, "disk-report")[6].startswith("✓ succeeded in 77 ms")


def test_relative_times_go_on_by_themselves(page: Browser) -> None:
    page.go("services")
    query = "#view tr[data-key=gateway] td:nth-child(3)"
    before = eventually(lambda: page.text(query))

    eventually(lambda: page.text(query) != before, timeout=20)


def test_a_scheduler_that_goes_away_is_said_and_its_return_too(page: Browser, scene: Scene) -> None:
    open_jobs(page)
    scene.stop()

    eventually(lambda: page.text("#link") == "Scheduler down", timeout=20)
    assert "not running" in page.text("#notice")
    assert page.text("#notice-command") == "pb scheduler start"
    assert jobs_of(page) == 7

    scene.up = True
    eventually(lambda: page.text("#link") == "Live", timeout=8 + RETRY)
    assert page.text("#notice") == ""


def test_a_debug_server_that_goes_away_is_said_and_the_last_state_stays(
    stage: Stage, scene: Scene, tmp_path: Path
) -> None:
    page = stage.browser
    with dashboard_of(scene, tmp_path) as dashboard:
        page.enter(dashboard.link)
        open_jobs(page)

    eventually(lambda: "does not answer" in page.text("#notice"), timeout=20)

    assert page.text("#link") == "Reconnecting"
    assert jobs_of(page) == 7


def test_a_browser_that_nobody_let_in_sees_nothing(
    stage: Stage, scene: Scene, tmp_path: Path
) -> None:
    page = stage.browser
    with dashboard_of(scene, tmp_path) as dashboard:
        page.open(f"{dashboard.url}/")
        eventually(lambda: "locked" in page.text("#view"), timeout=20)
        assert "disk-report" not in page.ask("document.body.innerText")

        page.fill("#ticket", dashboard.link + "x")
        page.click("#view form button")
        eventually(lambda: "used already" in page.text("#view"))

        page.fill("#ticket", dashboard.link)
        page.click("#view form button")
        eventually(lambda: "disk-report" in page.text("#view"), timeout=20)
        assert "ticket" not in page.ask("location.href")
        assert page.ask("document.cookie") == ""


def test_an_empty_home_is_greeted_with_the_next_step(page: Browser, scene: Scene) -> None:
    scene.jobs.clear()
    scene.runs.clear()
    scene.happen("job.removed", "Job backup-home removed")

    eventually(lambda: "No jobs yet." in page.text("#view"))

    assert "pb job add" in page.text("#view .empty code")


def test_jobs_are_filtered_sorted_and_reached_by_keys(page: Browser) -> None:
    page.press("2", "2")
    eventually(lambda: jobs_of(page) == 7)
    page.press("/", "/")
    assert page.ask("document.activeElement.id") == "text"
    for letter in "photo":
        page.press(letter, letter)
    eventually(lambda: jobs_of(page) == 1)

    page.press("Escape")
    eventually(lambda: jobs_of(page) == 7)
    page.press("j", "j")
    page.press("j", "j")
    assert page.ask("document.activeElement.innerText") == "certificates"
    page.press("k", "k")
    assert page.ask("document.activeElement.innerText") == "backup-home"

    page.click("#view .shows [data-key=failing]")
    eventually(lambda: jobs_of(page) == 2)
    assert page.text("#view .shows [aria-pressed=true]") == "Failing 2"
    page.click("#view .shows [data-key=all]")
    page.click("#job-table th[data-key=run_count] button")
    page.click("#job-table th[data-key=run_count] button")
    eventually(lambda: page.texts("#job-table tbody a")[:2] == ["disk-report", "backup-home"])
    query = "document.querySelector('#job-table th[data-key=run_count]').ariaSort"
    assert page.ask(query) == "descending"

    page.press("?", "?")
    assert "to the next or the previous line" in page.text("dialog")
    page.press("Escape")
    eventually(lambda: page.text("dialog") == "")


def test_what_is_done_is_said_and_can_be_undone(page: Browser, scene: Scene) -> None:
    open_jobs(page)
    page.click("tr[data-key=backup-home] [data-act=pause]")

    eventually(lambda: "Paused backup-home" in page.text("#toasts"))
    assert scene.calls == [("job.pause", {"name": "backup-home"})]
    assert "Undo" in page.text("#toasts")


def test_hostile_text_stays_text(page: Browser, scene: Scene) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    scene.jobs[0] |= {"last_result": "failed", "last_error": evil}
    scene.runs.insert(0, scene.runs[0] | {"run_id": 77, "reason": evil})
    scene.happen("run.failed", evil)

    eventually(lambda: evil in "".join(page.texts("#view li")))

    assert evil in page.text("#needs")
    assert page.ask("document.title") == "Overview · pb"
    assert page.ask("document.querySelectorAll('main img, main script').length") == 0


def test_dark_and_light_are_the_systems_until_one_chooses(page: Browser) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    page.shape(1280, 900, dark=True)
    dark = page.ask(ground)
    page.shape(1280, 900)
    light = page.ask(ground)
    assert dark != light

    page.click("#theme")
    assert page.ask(ground) == dark
    page.click("#theme")
    assert page.ask(ground) == light
    page.ask("localStorage.clear()")


def test_screen_readers_get_a_table_labels_and_landmarks(page: Browser) -> None:
    open_jobs(page)
    tree = page.call("Accessibility.getFullAXTree")["nodes"]

    def named(role: str) -> list[str]:
        return [
            node["name"]["value"].lower()
            for node in tree
            if node.get("role", {}).get("value") == role and not node.get("ignored")
        ]

    assert named("table") == ["jobs"]
    assert [name.split(" ↑")[0] for name in named("columnheader")][:3] == [
        *("job", "status", "last run"),
    ]
    assert named("searchbox") == ["filter jobs by name"]
    assert named("navigation") == ["pages"]
    assert {"jobs"} <= set(named("region"))
    assert "pause backup-home" in named("button")


def test_ten_thousand_jobs_do_not_freeze_it(page: Browser, scene: Scene) -> None:
    open_jobs(page)
    scene.jobs = [a_job(f"job-{n:05}", last_run=ago(minutes=n)) for n in range(10_000)]
    scene.happen("job.added", "Many jobs added")

    eventually(lambda: page.text("#more") == "1 to 100 of 10,000 jobs", timeout=20)
    busy = page.ask(
        "import('/dom.js').then(dom => {"
        " const begun = performance.now(); dom.tick(); return performance.now() - begun; })"
    )
    assert busy < 100

    page.click("#view .pages button:last-child")
    eventually(lambda: page.text("#more") == "101 to 200 of 10,000 jobs", timeout=20)
    assert jobs_of(page) == 100
