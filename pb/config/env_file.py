"""Reading ``env_file``s: NAME=value lines, read again at every start. The format is dotenv's."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pb.errors import InvalidError, as_word


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of one file; names without a value are left out.

    Raises InvalidError when the file is missing, unreadable, not UTF-8 or writable by others (who
    could then choose what a job runs).
    """
    from dotenv import dotenv_values

    try:
        facts = os.stat(path)
        if not stat.S_ISREG(facts.st_mode):
            raise InvalidError(f"The env_file {path} is not a regular file")
        if facts.st_mode & stat.S_IWOTH:
            raise InvalidError(
                f"The env_file {path} can be written by everybody",
                hint=f"Run: chmod o-w {as_word(path)}",
            )
        with path.open(encoding="utf-8") as stream:
            found = dotenv_values(stream=stream, interpolate=False)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InvalidError(f"Cannot read the env_file {path}: {reason}") from error
    except UnicodeDecodeError as error:
        raise InvalidError(f"The env_file {path} is not UTF-8") from error
    return {name: value for name, value in found.items() if value is not None}
