"""What a run hands back: the JSON that it wrote to the file named by PB_OUTPUT.

The file lies beside the run's log, and is removed once its content is in the store.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from pathlib import Path
from typing import NoReturn

from pb.api.letting_go import result_path
from pb.core.durations import shown_size

LIMIT = 64 * 1024
"""Bytes that are kept."""

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def read_result(log: Path) -> str | None:
    """The result as JSON text, or None; what is wrong with it is told in the log."""
    try:
        return _read(result_path(log))
    except FileNotFoundError:
        return None
    except OSError as error:
        problem = (error.strerror or str(error)).lower()
    except (ValueError, RecursionError) as error:
        problem = str(error)
    with contextlib.suppress(OSError), open(log, "ab") as file:
        file.write(f"pb: PB_OUTPUT is not kept: {problem}\n".encode())
    return None


def drop_result(log: Path) -> None:
    with contextlib.suppress(OSError):
        result_path(log).unlink()


def _read(path: Path) -> str | None:
    fd = os.open(path, _FLAGS)
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise ValueError("it is not a regular file")
        if facts.st_size > LIMIT:
            raise ValueError(f"it has {shown_size(facts.st_size)}, more than {shown_size(LIMIT)}")
        raw = os.read(fd, LIMIT)
    finally:
        os.close(fd)
    return _canonical(raw) if raw.strip() else None


def _canonical(raw: bytes) -> str:
    try:
        value = json.loads(raw, parse_constant=_refuse)
    except ValueError as error:
        raise ValueError(f"it is not JSON ({error})") from None
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text.encode()  # a lone surrogate cannot be stored
    return text


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
