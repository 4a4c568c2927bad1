"""When definition files are looked at: at rest, once, and never without a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from pb.daemon.fileswatch import FilesWatch
from pb.process.dirwatch import DirWatch

SHORT = 5.0


class Watched:
    """A folder that is watched, and how often its change was told."""

    def __init__(self, root: Path, has_inotify: bool) -> None:
        self.folder = root / "home" / "jobs.d"
        self.folder.parent.mkdir()
        self.told: list[list[str]] = []
        self.answer = True
        events = DirWatch(self.folder)
        if not has_inotify:
            events.close()
        self.watch = FilesWatch(self.folder, self._changed, watch=events, look=0.05, again=0.05)

    def _changed(self) -> bool:
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        self.told.append(sorted(names))
        return self.answer

    async def until(self, is_true: Callable[[], bool]) -> None:
        async with asyncio.timeout(SHORT):
            while not is_true():
                await asyncio.sleep(0.01)

    async def rest(self) -> None:
        """Until nothing but a change will wake it."""
        await self.until(lambda: self.watch.is_idle)


def scene(
    root: Path,
    play: Callable[[Watched], Coroutine[None, None, None]],
    *,
    exists: bool = True,
    has_inotify: bool = True,
) -> Watched:
    async def run() -> Watched:
        watched = Watched(root, has_inotify)
        if exists:
            watched.folder.mkdir()
        watched.watch.listen()
        try:
            await play(watched)
        finally:
            watched.watch.close()
        return watched

    return asyncio.run(run())


def test_a_new_file_is_told_once(tmp_path: Path) -> None:
    async def play(watched: Watched) -> None:
        (watched.folder / "a.toml").write_text("")
        await watched.until(lambda: bool(watched.told))
        await watched.rest()

    assert scene(tmp_path, play).told == [["a.toml"]]


def test_a_burst_of_changes_is_one(tmp_path: Path) -> None:
    async def play(watched: Watched) -> None:
        for number in range(20):
            (watched.folder / f"{number}.toml").write_text("x")
            await asyncio.sleep(0)
        await watched.until(lambda: bool(watched.told))
        await watched.rest()

    [names] = scene(tmp_path, play).told
    assert len(names) == 20


@pytest.mark.parametrize("change", ["write", "replace", "remove", "rename", "link"])
def test_each_way_to_change_a_file_is_seen(tmp_path: Path, change: str) -> None:
    async def play(watched: Watched) -> None:
        path = watched.folder / "a.toml"
        path.write_text("one")
        await watched.until(lambda: bool(watched.told))
        match change:
            case "write":
                path.write_text("two")
            case "replace":
                (watched.folder / "new").write_text("two")
                (watched.folder / "new").replace(path)
            case "remove":
                path.unlink()
            case "rename":
                path.rename(watched.folder / "b.toml")
            case "link":
                (watched.folder / "b.toml").hardlink_to(path)
        await watched.until(lambda: len(watched.told) == 2)

    assert len(scene(tmp_path, play).told) == 2


def test_the_folder_may_come_later_go_and_come_again(tmp_path: Path) -> None:
    async def play(watched: Watched) -> None:
        assert watched.watch.is_idle
        watched.folder.mkdir()
        (watched.folder / "a.toml").write_text("")
        await watched.until(lambda: len(watched.told) == 1)
        watched.folder.rename(watched.folder.with_name("away"))
        await watched.until(lambda: len(watched.told) == 2)
        watched.folder.with_name("away").rename(watched.folder)
        await watched.until(lambda: len(watched.told) == 3)
        (watched.folder / "b.toml").write_text("")
        await watched.until(lambda: len(watched.told) == 4)

    told = scene(tmp_path, play, exists=False).told
    assert told == [["a.toml"], [], ["a.toml"], ["a.toml", "b.toml"]]


def test_other_files_wake_nobody_up(tmp_path: Path) -> None:
    async def play(watched: Watched) -> None:
        (watched.folder / ".a.toml.swp").write_text("")
        (watched.folder / "a.toml~").write_text("")
        (watched.folder.parent / "scheduler.pid").write_text("")
        (watched.folder / "a.toml").write_text("")
        await watched.until(lambda: bool(watched.told))
        (watched.folder / "README").write_text("")
        await asyncio.sleep(0)
        await watched.rest()

    assert len(scene(tmp_path, play).told) == 1


def test_what_could_not_be_applied_is_tried_again(tmp_path: Path) -> None:

    async def play(watched: Watched) -> None:
        watched.answer = False
        (watched.folder / "a.toml").write_text("")
        await watched.until(lambda: len(watched.told) == 2)
        watched.answer = True
        await watched.until(lambda: len(watched.told) == 3)
        await watched.rest()

    assert len(scene(tmp_path, play).told) == 3


def test_a_link_is_looked_after_each_minute(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.write_text("one")

    async def play(watched: Watched) -> None:
        (watched.folder / "a.toml").symlink_to(elsewhere)
        await watched.until(lambda: len(watched.told) == 1)
        assert not watched.watch.is_idle
        elsewhere.write_text("two, which no event of the folder tells")
        await watched.until(lambda: len(watched.told) == 2)
        (watched.folder / "a.toml").unlink()
        await watched.until(lambda: len(watched.told) == 3)
        await watched.rest()

    assert len(scene(tmp_path, play).told) == 3


def test_without_inotify_it_looks_now_and_then(tmp_path: Path) -> None:

    async def play(watched: Watched) -> None:
        assert not watched.watch.is_idle
        (watched.folder / "a.toml").write_text("")
        await watched.until(lambda: len(watched.told) == 1)
        (watched.folder / "a.toml").unlink()
        await watched.until(lambda: len(watched.told) == 2)

    assert scene(tmp_path, play, has_inotify=False).told == [["a.toml"], []]


def test_nothing_but_a_change_wakes_it_up(tmp_path: Path) -> None:
    async def play(watched: Watched) -> None:
        assert watched.watch.is_idle

    assert scene(tmp_path, play).told == []
