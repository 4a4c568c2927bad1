"""Finding the program to run, and saying in words why something could not be started.

Reads file modes only; nothing is started here (``spawn`` does).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Mapping

from pb.errors import PbError, as_word

TRANSIENT = frozenset(
    {
        errno.EAGAIN,
        errno.ENOMEM,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.ETXTBSY,
    }
)
"""Errors of a machine short of something: the same spawn may succeed a little later."""


class SpawnError(PbError):
    """A process could not be started. ``transient``: worth another try a little later."""

    code = "spawn"

    def __init__(self, message: str, *, hint: str | None = None, transient: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.transient = transient


def find_program(name: str, env: Mapping[str, str], cwd: str) -> str:
    """The path of the program ``name``, by the child's own PATH; ask inside the child's cwd.

    posix_spawnp would search the caller's PATH. An empty entry means the working directory
    (POSIX, XBD 8.3). Raises SpawnError that says which of the usual reasons it was.
    """
    if "/" in name:
        places = [name]
    else:
        path = env.get("PATH", os.defpath)
        places = [f"{place or '.'}/{name}" for place in path.split(os.pathsep)]
    refusal: SpawnError | None = None
    for place in places:
        try:
            mode = os.stat(place).st_mode
        except PermissionError:
            problem: SpawnError | None = _denied(place, "Check the mode of its directories.")
        except (OSError, ValueError):
            continue
        else:
            problem = _unfit(place, mode)
        if problem is None:
            return place
        refusal = refusal or problem
    raise refusal or _not_found(name, cwd)


def find_from(cwd: str, name: str, env: Mapping[str, str]) -> str:
    """The same, asked outside the child's cwd (an absolute path); the answer is absolute."""
    if "/" in name:
        return find_program(os.path.join(cwd, name), env, cwd)
    places = env.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(os.path.join(cwd, place or ".") for place in places)
    return find_program(name, {"PATH": path}, cwd)


def check_directory(path: str) -> None:
    """Raise SpawnError unless ``path`` is a directory that may be entered. Enters nothing."""
    with entered(path):
        if not stat.S_ISDIR(os.stat(path).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(path, os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@contextlib.contextmanager
def entered(path: str) -> Iterator[None]:
    """Say in words why the working directory ``path`` cannot be entered. Raises SpawnError."""
    try:
        yield
    except (FileNotFoundError, ValueError) as error:
        raise SpawnError(
            f"Working directory not found: {path}", hint="Create it, or change cwd."
        ) from error
    except NotADirectoryError as error:
        raise SpawnError(f"Working directory is not a directory: {path}") from error
    except PermissionError as error:
        raise SpawnError(
            f"Permission denied: working directory {path}", hint="Check its owner and mode."
        ) from error
    except OSError as error:
        raise os_error(f"Cannot enter the working directory {path}", error) from error


def _unfit(place: str, mode: int) -> SpawnError | None:
    """Why the file at ``place`` cannot be run; None when it can, as far as its mode tells."""
    if not stat.S_ISREG(mode):
        return SpawnError(f"Not an executable: {place} is no regular file")
    if not mode & 0o111:
        return SpawnError(f"Not an executable: {place}", hint=f"Run: chmod +x {as_word(place)}")
    if not os.access(place, os.X_OK):
        return _denied(place, "Check its owner and mode.")
    return None


def _denied(place: str, hint: str) -> SpawnError:
    return SpawnError(f"Permission denied: {place}", hint=hint)


def _not_found(name: str, cwd: str) -> SpawnError:
    if "/" in name:
        hint = f"There is no such file, seen from {cwd}."
    elif " " in name:
        hint = "Give program and arguments apart, or use a shell (shell: true)."
    else:
        hint = "Install it, give its full path, or set PATH for it."
    return SpawnError(f"Command not found: {name}", hint=hint)


def is_binary(program: str) -> bool:
    """Whether a file that the kernel cannot execute is no script: a NUL near its start."""
    try:
        with open(program, "rb") as file:
            return b"\0" in file.read(256)
    except OSError:
        return True


def exec_error(program: str, error: OSError) -> SpawnError:
    """What the failed exec of a program that is there means."""
    match error.errno:
        case errno.ENOENT:
            return SpawnError(
                f"Command not found: the interpreter that {program} names",
                hint="Look at its first line.",
            )
        case errno.EACCES | errno.EPERM:
            return _denied(program, "Check it, its interpreter and its file system's mount.")
        case errno.ENOEXEC:
            return SpawnError(
                f"Not an executable: {program} is not made for this machine",
                hint="Build it for this machine, or start a script with #!.",
            )
        case errno.E2BIG:
            return SpawnError(
                "Arguments and environment are too long", hint="Pass the text in a file."
            )
        case _:
            return os_error(f"Cannot start {program}", error)


def os_error(doing: str, error: OSError) -> SpawnError:
    """``doing`` failed for a reason that the system names."""
    transient = error.errno in TRANSIENT
    reason = (error.strerror or str(error)).lower()
    hint = "It may work again when the machine has room." if transient else None
    return SpawnError(f"{doing}: {reason}", hint=hint, transient=transient)
