"""File triggers on real files: one occasion for a burst, when everything has come to rest."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pb.core.reactive import File
from pb.daemon.clock import SystemClock
from pb.daemon.filewatcher import FileWatcher
from pb.daemon.messages import Message, Occurred, Remembered
from pb.daemon.watchers import Scene, Watched
from pb.process.filewatch import FileWatch, add_watch
from tests.kit.users import unprivileged

SETTLE = 0.2


class Place:
    """A directory, and what a watcher posts about it."""

    def __init__(self, folder: Path, *, watch: FileWatch | None = None, look: float = 0.1) -> None:
        self.folder = folder
        self.posted: list[Message] = []
        scene = Scene(cast(Any, SimpleNamespace()), SystemClock(), self.posted.append)
        self.watcher = FileWatcher(scene, watch=watch, look=look)
        self._number = 0

    def begin(self, state: dict[str, Any] | None = None, **keys: Any) -> None:
        self._number += 1
        trigger = File(**{"paths": (str(self.folder),), "settle": SETTLE, "max_wait": 5.0, **keys})
        self.watcher.sync("job", [Watched(str(self._number), trigger, state)])

    async def ready(self) -> None:
        """What is there by now is known."""
        await until(lambda: any(isinstance(one, Remembered) for one in self.posted))

    @property
    def occasions(self) -> list[Occurred]:
        return [one for one in self.posted if isinstance(one, Occurred)]

    async def occasion(self, number: int = 1) -> list[tuple[str, str]]:
        """The changes that the so-manieth occasion is about."""
        await until(lambda: len(self.occasions) >= number)
        items = self.occasions[number - 1].items
        return [(one["event"], os.path.relpath(one["path"], self.folder)) for one in items]

    async def rest(self) -> None:
        """Nothing more comes within twice the time that it takes to settle."""
        await asyncio.sleep(2 * SETTLE)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


def play(place: Callable[[], Place], scene: Callable[[Place], Awaitable[None]]) -> None:
    """Let a scene happen in a loop of its own."""

    async def live() -> None:
        made = place()
        try:
            await scene(made)
        finally:
            made.watcher.close()

    asyncio.run(live())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    return made


def test_what_is_there_is_known_and_what_comes_is_told_once(folder: Path) -> None:
    (folder / "old.csv").write_text("1")

    async def scene(place: Place) -> None:
        place.begin(pattern="*.csv")
        await place.ready()
        (folder / "new.csv").write_text("12")
        (folder / "new.txt").write_text("12")
        (folder / ".hidden.csv").write_text("12")
        assert await place.occasion() == [("create", "new.csv")]
        await place.rest()
        assert len(place.occasions) == 1
        found = place.occasions[0]
        assert found.event == {"path": str(folder / "new.csv"), "change": "create"}
        assert found.items[0]["size"] == 2

    play(lambda: Place(folder), scene)


def test_ten_thousand_files_are_one_occasion_with_each_of_them(folder: Path) -> None:
    async def scene(place: Place) -> None:
        place.begin(settle=1.0, max_wait=60.0)
        await place.ready()

        def flood() -> None:
            for number in range(10_000):
                (folder / f"{number:05}").touch()

        await asyncio.to_thread(flood)
        found = await place.occasion()
        assert found == [("create", f"{number:05}") for number in range(10_000)]
        await place.rest()
        assert len(place.occasions) == 1

    play(lambda: Place(folder), scene)


def test_a_file_that_is_written_slowly_fires_once_when_it_is_whole(folder: Path) -> None:
    async def scene(place: Place) -> None:
        place.begin()
        await place.ready()
        with open(folder / "upload", "wb", buffering=0) as file:
            for _ in range(3):
                file.write(b"x" * 100)
                await asyncio.sleep(2 * SETTLE)  # longer than it takes to settle, and open still
            assert place.occasions == []
        assert await place.occasion() == [("create", "upload")]
        assert place.occasions[0].items[0]["size"] == 300
        await place.rest()
        assert len(place.occasions) == 1

    play(lambda: Place(folder), scene)


def test_links_and_pipes_are_told_once_they_rest_since_nobody_closes_them(folder: Path) -> None:
    (folder / "a").write_text("1")

    async def scene(place: Place) -> None:
        place.begin(max_wait=600.0)
        await place.ready()
        (folder / "hard").hardlink_to(folder / "a")
        (folder / "soft").symlink_to("a")
        os.mkfifo(folder / "pipe")
        found = await place.occasion()
        assert found == [("create", "hard"), ("create", "pipe"), ("create", "soft")]

    play(lambda: Place(folder), scene)


def test_a_pattern_may_name_several_endings(folder: Path) -> None:
    async def scene(place: Place) -> None:
        place.begin(pattern="*.{jpg,jp[e]g}")
        await place.ready()
        for name in ("a.jpg", "b.jpeg", "c.png", ".d.jpg", "{jpg,jp[e]g}"):
            (folder / name).write_text("1")
        assert await place.occasion() == [("create", "a.jpg"), ("create", "b.jpeg")]

    play(lambda: Place(folder), scene)


def test_what_rests_is_not_held_up_for_ever_by_what_grows(folder: Path) -> None:
    async def scene(place: Place) -> None:
        place.begin(max_wait=0.5)
        await place.ready()
        stop = threading.Event()

        def grow() -> None:
            with open(folder / "log", "ab", buffering=0) as file:
                while not stop.wait(0.02):
                    file.write(b"x")

        growing = asyncio.create_task(asyncio.to_thread(grow))
        (folder / "done").write_text("1")
        assert await place.occasion() == [("create", "done")]
        stop.set()
        await growing
        assert await place.occasion(2) == [("create", "log")]

    play(lambda: Place(folder), scene)


def test_changes_deletions_and_moves_are_told_as_such(folder: Path) -> None:
    for name in ("a", "b", "c"):
        (folder / name).write_text("1")

    async def scene(place: Place) -> None:
        place.begin(events=("create", "write", "delete", "move"))
        await place.ready()
        (folder / "a").write_text("12")
        (folder / "b").unlink()
        (folder / "c").rename(folder / "d")
        assert await place.occasion() == [("write", "a"), ("delete", "b"), ("move", "d")]
        assert place.occasions[0].items[2]["from"] == str(folder / "c")

    play(lambda: Place(folder), scene)


def test_only_what_is_asked_for_fires(folder: Path) -> None:
    (folder / "a").write_text("1")

    async def scene(place: Place) -> None:
        place.begin(events=("delete",))
        await place.ready()
        (folder / "b").write_text("1")
        await place.rest()
        (folder / "a").unlink()
        assert await place.occasion() == [("delete", "a")]
        (folder / "b").unlink()
        assert await place.occasion(2) == [("delete", "b")]

    play(lambda: Place(folder), scene)


def test_below_directories_only_when_it_is_recursive(folder: Path) -> None:
    async def scene(place: Place) -> None:
        place.begin(recursive=True, pattern="*.csv")
        await place.ready()
        (folder / "x" / "y").mkdir(parents=True)
        (folder / "x" / "y" / "deep.csv").write_text("1")
        (folder / ".git").mkdir()
        (folder / ".git" / "no.csv").write_text("1")
        assert await place.occasion() == [("create", "x/y/deep.csv")]
        (folder / "x" / "y" / "more.csv").write_text("1")
        assert await place.occasion(2) == [("create", "x/y/more.csv")]

    play(lambda: Place(folder), scene)


def test_a_path_that_is_missing_is_waited_for_and_may_come_back(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet" / "here"

    async def scene(place: Place) -> None:
        place.begin()
        await place.ready()
        folder.mkdir(parents=True)
        (folder / "one").write_text("1")
        assert await place.occasion() == [("create", "one")]
        (folder / "one").unlink()
        folder.rmdir()
        folder.parent.rmdir()
        await place.rest()
        folder.mkdir(parents=True)
        (folder / "two").write_text("1")
        assert await place.occasion(2) == [("create", "two")]

    play(lambda: Place(folder), scene)


def test_one_file_may_be_watched_and_is_known_when_it_is_replaced(folder: Path) -> None:
    one = folder / "config"
    one.write_text("1")

    async def scene(place: Place) -> None:
        place.begin(paths=(str(one),))
        await place.ready()
        (folder / "other").write_text("1")
        (folder / "new").write_text("12")
        os.replace(folder / "new", one)
        assert await place.occasion() == [("write", "config")]

    play(lambda: Place(folder), scene)


def test_a_link_to_a_directory_is_followed_also_when_it_is_turned(tmp_path: Path) -> None:
    for name in ("blue", "green"):
        (tmp_path / name).mkdir()
    link = tmp_path / "live"
    link.symlink_to("blue")

    async def scene(place: Place) -> None:
        place.begin()
        await place.ready()
        (tmp_path / "blue" / "one").write_text("1")
        assert await place.occasion() == [("create", "one")]
        (tmp_path / "green" / "two").write_text("1")
        (tmp_path / "next").symlink_to("green")
        os.replace(tmp_path / "next", link)
        assert await place.occasion(2) == [("create", "two")]

    play(lambda: Place(link), scene)


def test_initial_files_count_where_that_is_wanted(folder: Path) -> None:
    (folder / "old").write_text("1")

    async def scene(place: Place) -> None:
        place.begin(initial=True)
        assert await place.occasion() == [("create", "old")]

    play(lambda: Place(folder), scene)


def test_a_job_that_is_enabled_again_is_not_told_of_what_is_there(folder: Path) -> None:
    (folder / "a").write_text("1")

    async def scene(place: Place) -> None:
        place.begin({}, initial=True)
        await place.ready()
        (folder / "b").write_text("1")
        assert await place.occasion() == [("create", "b")]

    play(lambda: Place(folder), scene)


def test_what_changed_while_nobody_watched_is_told_by_the_next(folder: Path) -> None:
    (folder / "old").write_text("1")
    remembered: dict[str, Any] = {}

    async def before(place: Place) -> None:
        place.begin()
        await place.ready()
        (folder / "first").write_text("1")
        await place.occasion()
        remembered.update(place.occasions[0].state or {})

    async def later(place: Place) -> None:
        place.begin(json.loads(json.dumps(remembered)))
        assert await place.occasion() == [("create", "second")]
        await place.rest()
        assert len(place.occasions) == 1

    play(lambda: Place(folder), before)
    (folder / "second").write_text("1")
    play(lambda: Place(folder), later)


def test_used_up_watches_are_said_and_the_files_looked_at(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def full(fd: int, path: str, mask: int) -> int:
        return add_watch(fd, path, mask) if path != str(folder) else -1

    async def scene(place: Place) -> None:
        place.begin()
        await place.ready()
        (folder / "new").write_text("1")
        assert await place.occasion() == [("create", "new")]

    play(lambda: Place(folder, watch=FileWatch(add=full)), scene)
    assert "max_user_watches is used up" in caplog.text


IN_A_NAMESPACE = """
import asyncio, sys
from pathlib import Path
from tests.daemon.test_filewatcher import Place
Path("/proc/sys/user/max_inotify_watches").write_text("1")
folder = Path(sys.argv[1])
async def live():
    place = Place(folder)
    place.begin()
    await place.ready()
    (folder / "new").write_text("1")
    print(await place.occasion())
    place.watcher.close()
asyncio.run(live())
"""


def test_a_real_limit_of_watches_is_no_end(folder: Path) -> None:
    words = ["unshare", "--user", "--map-root-user", sys.executable, "-c", IN_A_NAMESPACE]
    try:
        ended = subprocess.run(
            [*words, str(folder)], capture_output=True, text=True, timeout=60, check=False
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare here")
    if "unshare" in ended.stderr or "max_inotify_watches" in ended.stderr:
        pytest.skip(f"no user namespace of one's own here: {ended.stderr.strip()[-200:]}")
    assert ended.stdout == "[('create', 'new')]\n", ended


def test_a_directory_that_may_not_be_read_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        closed = Path(place) / "closed"
        closed.mkdir(mode=0)

        async def scene(stage: Place) -> None:
            with unprivileged():
                stage.begin(poll=True)
                await until(lambda: "cannot read" in caplog.text)
                await stage.rest()

        play(lambda: Place(closed), scene)
    assert caplog.text.count(f"cannot read {closed}: permission denied") == 1


def test_polling_needs_no_signs(folder: Path) -> None:
    async def scene(place: Place) -> None:
        place.begin(poll=True)
        await place.ready()
        (folder / "new").write_text("1")
        assert await place.occasion() == [("create", "new")]
        await place.rest()
        assert len(place.occasions) == 1

    play(lambda: Place(folder), scene)


def test_a_trigger_that_is_changed_or_dropped_is_watched_no_more(folder: Path) -> None:
    async def scene(place: Place) -> None:
        place.begin(pattern="*.csv")
        place.begin(pattern="*.txt")
        await place.ready()
        await place.rest()
        (folder / "a.csv").write_text("1")
        (folder / "a.txt").write_text("1")
        assert await place.occasion() == [("create", "a.txt")]
        place.watcher.drop("job")
        (folder / "b.txt").write_text("1")
        await place.rest()
        assert len(place.occasions) == 1

    play(lambda: Place(folder), scene)


def test_two_triggers_of_one_directory_each_get_their_own(folder: Path) -> None:
    async def scene(place: Place) -> None:
        keys = {"paths": (str(folder),), "settle": SETTLE}
        for name, pattern in (("one", "*.a"), ("two", "*.b")):
            place.watcher.sync(name, [Watched(name, File(pattern=pattern, **keys))])  # type: ignore[arg-type]
        await until(lambda: len(place.posted) == 2)
        (folder / "x.a").write_text("1")
        (folder / "x.b").write_text("1")
        await until(lambda: len(place.occasions) == 2)
        found = {one.job: [item["path"] for item in one.items] for one in place.occasions}
        assert found == {"one": [str(folder / "x.a")], "two": [str(folder / "x.b")]}
        place.watcher.drop("one")
        (folder / "y.b").write_text("1")
        await until(lambda: len(place.occasions) == 3)

    play(lambda: Place(folder), scene)
