"""Files of environment variables, as runs are given them at their start."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pb.config.env_file import read_env_file
from pb.errors import Exit, InvalidError

TEXT = """\
# one comment
PLAIN=value
export EXPORTED=yes
SPACED = " a b "   # the comment after it
SINGLE='$PLAIN'
DOLLAR=${PLAIN}
EMPTY=
NO_VALUE
LINES="one
two"
PLAIN2=ü
PLAIN=again
"""


def test_each_line_gives_a_variable_and_nothing_is_expanded(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text(TEXT, encoding="utf-8")
    assert read_env_file(tmp_path / "a.env") == {
        "PLAIN": "again",
        "EXPORTED": "yes",
        "SPACED": " a b ",
        "SINGLE": "$PLAIN",
        "DOLLAR": "${PLAIN}",
        "EMPTY": "",
        "LINES": "one\ntwo",
        "PLAIN2": "ü",
    }


def writable_by_everybody(path: Path) -> None:
    path.touch()
    path.chmod(0o606)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "Cannot read the env_file F: no such file or directory"),
        (os.mkfifo, "The env_file F is not a regular file"),
        (Path.mkdir, "The env_file F is not a regular file"),
        (writable_by_everybody, "The env_file F can be written by everybody"),
        (lambda path: path.write_bytes(b"A=\xff"), "The env_file F is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_trusted_or_read_is_told(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    path = tmp_path / "a.env"
    make(path)
    with pytest.raises(InvalidError) as caught:
        read_env_file(path)
    assert caught.value.message.replace(str(path), "F") == said
    assert caught.value.exit_code is Exit.INVALID


def test_the_way_to_keep_others_from_writing_is_told(tmp_path: Path) -> None:
    writable_by_everybody(tmp_path / "a.env")
    with pytest.raises(InvalidError) as caught:
        read_env_file(tmp_path / "a.env")
    assert caught.value.hint == f"Run: chmod o-w {tmp_path / 'a.env'}"
