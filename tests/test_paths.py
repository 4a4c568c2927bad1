"""The home and its paths: private, and the same for everybody."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pb.errors import PbError, PermissionDeniedError
from pb.paths import SOCKET_PATH_LIMIT, Home, find_home, user_home


def test_the_flag_comes_before_the_variable_before_the_users_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PB_HOME", raising=False)
    assert find_home().root == tmp_path / ".ponybunny"
    monkeypatch.setenv("PB_HOME", "/some/where")
    assert find_home().root == Path("/some/where")
    assert find_home("~/other").root == tmp_path / "other"


@pytest.mark.parametrize("home", ["", "relative"])
def test_a_useless_home_variable_is_not_the_root_directory(
    home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", home)
    assert user_home().is_absolute()
    assert user_home() != Path("/")


def test_a_new_home_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Home(tmp_path / "a" / "b").ensure()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722])
def test_a_home_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    home = Home(tmp_path / "my home")
    home.root.mkdir()
    home.root.chmod(mode)
    with pytest.raises(PermissionDeniedError, match="written by others") as caught:
        home.ensure()
    assert caught.value.hint == f"Run: chmod 700 '{home.root}'"


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(PbError, match="not a directory"):
        Home(tmp_path / "home").ensure()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_home_of_somebody_else_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.root.mkdir(mode=0o700)
    os.chown(home.root, 65534, 65534)
    with pytest.raises(PermissionDeniedError, match="belongs to another user"):
        home.ensure()


@pytest.mark.parametrize("length", [88, 93, 94, 95, 110, 150])
def test_a_long_home_moves_its_socket_and_nothing_else(
    tmp_path: Path, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    root = tmp_path / ("x" * (length - len(str(tmp_path)) - 1))
    assert len(str(root)) == length or length < len(str(tmp_path)) + 2
    home = Home(root)
    home.ensure()
    assert home.lock("scheduler").parent == root
    assert len(os.fsencode(home.socket)) <= SOCKET_PATH_LIMIT
    assert home.socket.parent.is_dir()
    assert stat.S_IMODE(home.socket.parent.stat().st_mode) == 0o700
    moved = len(os.fsencode(root / "gateway.sock")) > SOCKET_PATH_LIMIT
    assert (home.socket.parent != root) is moved
    if moved:
        home.socket.parent.rmdir()
