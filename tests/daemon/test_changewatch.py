"""Restarting on change: which changes are told, once, at rest, and at no cost before."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from pb.core.service import Watch
from pb.daemon.changewatch import ChangeWatch
from pb.daemon.messages import FilesChanged, InstanceKey, Message
from pb.process.treewatch import Seen, TreeWatch

SHORT = 20.0
KEY = InstanceKey("web", 0, 1)


class Scene:
    """A tree that is watched, and what was told."""

    def __init__(self, root: Path, has_inotify: bool) -> None:
        self.root = root
        self.told: list[Message] = []
        tree = TreeWatch if has_inotify else deaf_tree
        self.watch = ChangeWatch(post=self.told.append, aside=self._aside, look=0.1, tree=tree)

    def _aside(self, work: Callable[[], Seen], then: Callable[[Seen], None]) -> None:
        future = asyncio.get_running_loop().run_in_executor(None, work)
        future.add_done_callback(lambda done: then(done.result()))

    async def begin(self, *paths: str, pattern: str = "*", settle: float = 0.05) -> None:
        watch = Watch(paths=paths, pattern=pattern, settle=settle)
        self.watch.begin(KEY, watch, str(self.root), "/nowhere")
        await self.until(lambda: self.watch._lives[KEY].seen is not None)

    async def until(self, is_true: Callable[[], object]) -> None:
        async with asyncio.timeout(SHORT):
            while not is_true():
                await asyncio.sleep(0.01)

    async def rest(self) -> None:
        """Until whatever has woken it has been looked at."""
        await asyncio.sleep(0.1)
        await self.until(lambda: self.watch.is_idle(KEY))

    async def hear(self) -> str:
        await self.until(lambda: self.told)
        [message] = self.told
        assert isinstance(message, FilesChanged)
        return message.reason


def deaf_tree(paths: Sequence[Path], pattern: str) -> TreeWatch:
    """As where the system has no inotify."""
    tree = TreeWatch(paths, pattern)
    tree.close()
    return tree


def play(
    root: Path, act: Callable[[Scene], Coroutine[Any, Any, None]], has_inotify: bool = True
) -> None:
    async def run() -> None:
        scene = Scene(root, has_inotify)
        before = set(os.listdir("/proc/self/fd"))
        try:
            await act(scene)
        finally:
            scene.watch.end(KEY)
        assert not scene.watch._lives
        await scene.until(lambda: set(os.listdir("/proc/self/fd")) <= before)

    asyncio.run(run())


@pytest.fixture
def src(tmp_path: Path) -> Path:
    deep = tmp_path / "src" / "deep"
    deep.mkdir(parents=True)
    (deep / "a.py").write_text("one")
    (tmp_path / "src" / "b.py").write_text("one")
    return tmp_path / "src"


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "write": (lambda src: (src / "deep/a.py").write_text("two"), "src/deep/a.py changed"),
    "new file": (lambda src: (src / "deep/c.py").write_text(""), "src/deep/c.py changed"),
    "remove": (lambda src: (src / "b.py").unlink(), "src/b.py changed"),
    "rename": (lambda src: (src / "b.py").rename(src / "c.py"), "src/b.py and 1 more changed"),
    "replace": (
        lambda src: ((src / "x~").write_text("2"), (src / "x~").replace(src / "b.py")),
        "src/b.py changed",
    ),
    "remove a directory": (
        lambda src: ((src / "deep/a.py").unlink(), (src / "deep").rmdir()),
        "src/deep/a.py changed",
    ),
    "move a directory in": (
        lambda src: (src.parent / "aside").rename(src / "new"),
        "src/new/n.py changed",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_way_to_change_a_file_is_told(tmp_path: Path, src: Path, change: str) -> None:
    act, reason = CHANGES[change]
    (tmp_path / "aside").mkdir()
    (tmp_path / "aside/n.py").write_text("")

    async def scene(scene: Scene) -> None:
        await scene.begin("src", pattern="*.py")
        assert scene.watch.is_idle(KEY)
        act(src)
        assert await scene.hear() == reason

    play(tmp_path, scene)


def test_a_new_directory_is_watched_as_well(tmp_path: Path, src: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.begin("src", pattern="*.py")
        (src / "x/y").mkdir(parents=True)
        await scene.rest()
        assert scene.told == []
        (src / "x/y/z.py").write_text("")
        assert await scene.hear() == "src/x/y/z.py changed"

    play(tmp_path, act)


def test_what_does_not_count_is_not_told(tmp_path: Path, src: Path) -> None:
    (src / ".git").mkdir()
    (src / "__pycache__").mkdir()

    async def act(scene: Scene) -> None:
        await scene.begin("src", pattern="*.py")
        for name in ("b.txt", ".b.py.swp", ".hidden.py", "b.py~", ".git/x.py", "__pycache__/x.py"):
            (src / name).write_text("x")
        (tmp_path / "beside.py").write_text("x")
        with (src / "b.py").open("a"):
            pass  # opened for writing, and nothing written
        os.utime(src.parent)
        await scene.rest()
        assert scene.told == []

    play(tmp_path, act)


def test_a_file_by_its_name_may_be_replaced_go_and_come_back(tmp_path: Path, src: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.begin("src/b.py", settle=0.3)
        (src / "c.py").write_text("of no interest")
        await scene.rest()
        assert scene.told == []
        (src / "b.py").unlink()
        (src / "b.py").write_text("another")
        assert await scene.hear() == "src/b.py changed"

    play(tmp_path, act)


def test_a_watched_directory_may_go_and_come_back(tmp_path: Path, src: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.begin(str(src), pattern="*.py", settle=0.3)
        src.rename(tmp_path / "away")
        (tmp_path / "away").rename(src)
        await scene.rest()
        assert scene.told == []
        (src / "deep/a.py").write_text("two")
        assert await scene.hear() == "src/deep/a.py changed"

    play(tmp_path, act)


def test_many_changes_are_one_and_told_at_rest(tmp_path: Path, src: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.begin("src", settle=0.3)
        for number in range(30):
            (src / f"{number}.py").write_text("x")
            await asyncio.sleep(0.02)
            assert scene.told == []
        assert await scene.hear() == "src/0.py and 29 more changed"

    play(tmp_path, act)


@pytest.mark.parametrize("why", ["no inotify", "nothing there yet"])
def test_where_nothing_wakes_it_looks_now_and_then_and_says_so(
    tmp_path: Path, src: Path, caplog: pytest.LogCaptureFixture, why: str
) -> None:
    later = tmp_path / "later" / "deep"

    async def act(scene: Scene) -> None:
        watch = Watch(paths=(str(later), "src"), settle=0.05)
        scene.watch.begin(KEY, watch, str(tmp_path), "/")
        await scene.until(lambda: scene.watch._lives[KEY].seen is not None)
        later.mkdir(parents=True, exist_ok=True)
        (later / "new").write_text("x")
        assert await scene.hear() == "later/deep/new changed"

    with caplog.at_level(logging.WARNING):
        play(tmp_path, act, has_inotify=why != "no inotify")
    assert caplog.text.count("looked at every 0.1 seconds") == 1


def test_who_watches_nothing_costs_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path, has_inotify=True)
        before = set(os.listdir("/proc/self/fd"))
        scene.watch.begin(KEY, None, "/", "/")
        scene.watch.begin(KEY, Watch(), "/", "/")
        assert not scene.watch._lives
        assert set(os.listdir("/proc/self/fd")) == before
        scene.watch.end(KEY)

    asyncio.run(run())


def test_a_life_that_ends_during_the_first_look_leaves_nothing(tmp_path: Path, src: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.watch.begin(KEY, Watch(paths=("src",)), str(tmp_path), "/")
        scene.watch.end(KEY)
        assert scene.told == []

    play(tmp_path, act)
