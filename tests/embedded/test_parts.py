"""The parts below the API: whose children are collected, and how a function is named."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from pb.daemon.children import OwnChildren
from pb.embedded.declaring import call_of, plain, root_of, triggers_of
from pb.embedded.leftovers import Leftovers, raw_status
from pb.process.exits import take_exits
from pb.process.identity import Identity
from pb.process.spawn import Spawn, spawn
from pb.process.usage import UNKNOWN
from tests.kit import eventually


def child(tmp_path: Path, *words: str) -> Identity:
    return spawn(
        Spawn(
            argv=["/bin/sh", "-c", *words],
            env={},
            cwd=str(tmp_path),
            log_path=tmp_path / "log",
            is_guest=True,
        )
    )


def collected(*expected: Identity) -> list[tuple[int, int | None]]:
    """What is told of these children."""

    async def program() -> list[tuple[int, int | None]]:
        ended: list[tuple[int, int | None]] = []
        all_told = asyncio.Event()

        def tell(pid: int, status: int | None, used: object) -> None:
            ended.append((pid, status))
            if len(ended) == len(expected):
                all_told.set()

        children = OwnChildren(tell)
        children.listen()
        for who in expected:
            children.expect(who)
        await asyncio.wait_for(all_told.wait(), 10)
        children.deafen()
        return ended

    return asyncio.run(program())


def test_each_child_is_collected_by_itself_and_no_other(tmp_path: Path) -> None:
    stranger = child(tmp_path, "exit 1")
    ours = [child(tmp_path, "exit 2"), child(tmp_path, "kill -9 $$")]

    assert sorted(collected(*ours)) == sorted([(ours[0].pid, 2 << 8), (ours[1].pid, 9)])
    assert os.waitpid(stranger.pid, 0) == (stranger.pid, 1 << 8)


def test_of_a_child_that_somebody_else_has_collected_nothing_is_invented(tmp_path: Path) -> None:
    who = child(tmp_path, "exit 2")
    os.waitpid(who.pid, 0)

    assert collected(who) == [(who.pid, None)]
    assert UNKNOWN.cpu_seconds is None


def test_what_ends_unwatched_is_written_down_and_then_collected(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    early = child(tmp_path, "exit 4")
    os.waitid(os.P_PID, early.pid, os.WEXITED | os.WNOWAIT)
    late = child(tmp_path, "read -r word < gate; kill -TERM $$")
    left = Leftovers(tmp_path / "exits", [early, late])
    (tmp_path / "gate").write_text("go\n")

    eventually(lambda: not Path(f"/proc/{late.pid}").exists())
    left.let_go()

    found = {pid: status for (pid, _), status in take_exits(tmp_path / "exits").items()}
    assert found == {early.pid: 4 << 8, late.pid: 15}


@pytest.mark.parametrize(
    ("code", "status", "raw"),
    [(os.CLD_EXITED, 3, 0x300), (os.CLD_KILLED, 9, 9), (os.CLD_DUMPED, 11, 0x8B)],
)
def test_a_status_is_what_waitpid_would_have_said(code: int, status: int, raw: int) -> None:
    assert raw_status(code, status) == raw


@pytest.mark.parametrize(
    ("name", "file", "root"),
    [
        ("tasks", "/x/tasks.py", "/x"),
        ("shop.sync", "/x/shop/sync.py", "/x"),
        ("shop", "/x/shop/__init__.py", "/x"),
        ("shop.sync", "/x/other.py", None),
    ],
)
def test_a_module_is_found_from_the_directory_above_its_name(
    name: str, file: str, root: str | None
) -> None:
    assert root_of(name, Path(file)) == root


def test_a_function_keeps_the_environment_and_the_path_it_is_given(
    shop: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "rel::/abs")

    found = call_of(shop.undeclared, {"env": {"A": "1"}, "interpreter": "python3"})

    path = os.pathsep.join([str(tmp_path / "code"), str(tmp_path / "rel"), "/abs"])
    assert found == {
        "python": f"{shop.__name__}:undeclared",
        "interpreter": "python3",
        "env": {"A": "1", "PYTHONPATH": path},
    }
    assert call_of(shop.undeclared, {})["interpreter"] == sys.executable


def test_pythons_own_types_are_written_as_a_definition_has_them() -> None:
    value = {"timeout": timedelta(minutes=1), "cwd": Path("/x"), "args": (1, [timedelta(0)])}

    assert plain(value) == {"timeout": 60.0, "cwd": "/x", "args": [1, [0.0]]}
    assert triggers_of({"type": "startup"}, at=datetime(2099, 1, 1, tzinfo=UTC)) == (
        {"type": "startup"},
        {"type": "at", "at": "2099-01-01T00:00:00+00:00"},
    )
