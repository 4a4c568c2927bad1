"""The token file: made privately, refused when it cannot be trusted, compared exactly."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pb.api.token_file import create_token, ensure_token, is_bearer, read_token
from pb.errors import InvalidError, NotFoundError, PbError, PermissionDeniedError

GOOD = "k" * 43


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.token"


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_a_missing_token_is_made_once_and_privately(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        first = ensure_token(path)
    finally:
        os.umask(before)

    assert len(first) == 43
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ensure_token(path) == first


def test_whoever_comes_second_keeps_the_first_token(path: Path) -> None:
    written(path, GOOD)

    create_token(path)

    assert read_token(path) == GOOD


def test_a_token_that_nobody_made_is_not_found(path: Path) -> None:
    with pytest.raises(NotFoundError, match="no token file"):
        read_token(path)


@pytest.mark.parametrize("text", ["", "\n", "short", "k" * 31, "k" * 20 + " " + "k" * 20, "é" * 40])
def test_an_unusable_token_stops_the_server_and_stays_as_it_is(path: Path, text: str) -> None:
    written(path, text)

    with pytest.raises(InvalidError, match="no usable token") as raised:
        ensure_token(path)

    assert raised.value.hint
    assert path.read_text() == text


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o602, 0o620, 0o666, 0o700 | 0o001])
def test_a_file_open_to_others_is_refused(path: Path, mode: int) -> None:
    written(path, GOOD, mode)

    with pytest.raises(PermissionDeniedError, match="open to others"):
        ensure_token(path)


def test_a_link_a_directory_a_fifo_and_a_second_name_are_refused(path: Path) -> None:
    elsewhere = written(path.with_name("elsewhere"), GOOD)
    path.symlink_to(elsewhere)
    with pytest.raises(PermissionDeniedError, match="symbolic link"):
        ensure_token(path)
    path.unlink()
    path.hardlink_to(elsewhere)
    with pytest.raises(PermissionDeniedError, match="plain file"):
        ensure_token(path)
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(PermissionDeniedError, match="plain file"):
        ensure_token(path)
    path.unlink()
    path.mkdir(0o700)
    with pytest.raises(PbError):
        ensure_token(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_a_file_of_another_user_is_refused(path: Path) -> None:
    os.chown(written(path, GOOD), 65534, 65534)

    with pytest.raises(PermissionDeniedError, match="another user"):
        ensure_token(path)


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (f"Bearer {GOOD}", True),
        (f"bearer {GOOD}", True),
        (f"Bearer  {GOOD} ", True),
        (GOOD, False),
        (f"Basic {GOOD}", False),
        (f"Bearer {GOOD}k", False),
        (f"Bearer {GOOD[:-1]}", False),
        ("Bearer é", False),
        ("Bearer", False),
        ("", False),
        (None, False),
    ],
)
def test_only_the_whole_token_as_a_bearer_counts(given: str | None, known: bool) -> None:
    assert is_bearer(given, GOOD) is known
