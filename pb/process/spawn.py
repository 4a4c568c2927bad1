"""Starting a run: one posix_spawn, a session of its own, its output straight into its log file.

Nothing here waits for a child, reads its output or decides whether it may run. The caller is
single-threaded while it spawns: working directory and umask belong to the whole process and are
put back before :func:`spawn` returns.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from pb.core.lean import dataclass
from pb.core.limits import is_hard
from pb.core.model import NO_LIMITS, Limits
from pb.process.account import Account, account_of, becoming, check_account
from pb.process.identity import Identity
from pb.process.limits import check_nice, entering, limiting, set_nice
from pb.process.program import (
    SpawnError,
    check_directory,
    entered,
    exec_error,
    find_from,
    find_program,
    is_binary,
    os_error,
)
from pb.process.stdio import raise_fd
from pb.process.table import identity_of, look_up

__all__ = ["Spawn", "SpawnError", "open_log", "seal_descriptors", "spawn", "write_errors_to_log"]

_DEFAULTED = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
_HERE = os.O_RDONLY | os.O_DIRECTORY | getattr(os, "O_PATH", 0)
_LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK

Files = tuple[int, int, int]
"""The descriptors that become standard input, output and error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawn:
    """What to start: everything is explicit, nothing is taken from the caller's environment.

    ``argv[0]`` is looked up in ``env``'s PATH, relative to ``cwd``. ``stdin`` None is /dev/null.
    stdout and stderr are both ``log_path``, unless stderr has an ``err_path`` of its own, or
    ``output``, a descriptor, takes both (then no log is touched). ``umask`` None keeps the
    caller's. Of ``limits``, those count that the kernel keeps. ``user``: a name or number; only
    root may start something as another. ``is_guest``: the caller's process belongs to another
    program and its threads, and nothing of it is changed, not even for a moment.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    stdin: bytes | None = None
    log_path: Path
    err_path: Path | None = None
    output: int | None = None
    umask: int | None = None
    limits: Limits = NO_LIMITS
    user: str | None = None
    is_guest: bool = False


def spawn(what: Spawn) -> Identity:
    """Start ``what`` and answer who it is; return as soon as the new program runs.

    The child leads a session of its own, has every signal at its default, an empty signal mask,
    and no file descriptors but 0, 1 and 2. Raises SpawnError; a lasting reason is also written
    into the run's log, a transient one is left to the caller, who may try again.
    """
    try:
        return _spawn(what)
    except SpawnError as error:
        if not error.transient:
            write_errors_to_log(what, error)
        raise


def write_errors_to_log(what: Spawn, error: SpawnError) -> bool:
    """Say in the run's log why it could not be started; False when the log cannot be written."""
    if what.output is not None:
        return False
    hint = f" ({error.hint})" if error.hint else ""
    line = f"pb: {error.message}{hint}\n".encode(errors="backslashreplace")
    try:
        log = open_log(what.log_path)
    except SpawnError:
        return False
    try:
        os.write(log, line)
    except OSError:
        return False
    finally:
        os.close(log)
    return True


def _spawn(what: Spawn) -> Identity:
    if not what.argv or not what.argv[0]:
        raise SpawnError("The command is empty", hint="Give the program to run.")
    if not what.is_guest:
        _seal_once(os.getpid())
    nice = what.limits.nice
    if nice is not None:
        check_nice(nice)
    account = None if what.user is None else account_of(what.user)
    if account is not None:
        check_account(account)
    with contextlib.ExitStack() as stack:
        files = _open_files(stack, what, account)
        if what.is_guest:
            pid = _exec_apart(what, files, account)
        else:
            stack.enter_context(_umask(what.umask))
            stack.enter_context(_working_directory(what.cwd))
            program = find_program(what.argv[0], what.env, what.cwd)
            pid = _exec(program, what, files, account)
    if nice is not None:
        _give_nice(pid, nice)
    return _identity_of_child(pid)


def _give_nice(pid: int, nice: int) -> None:
    try:
        set_nice(pid, nice)
    except SpawnError:  # the kernel knows better than check_nice did
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def _open_files(stack: contextlib.ExitStack, what: Spawn, account: Account | None) -> Files:
    """What becomes 0, 1 and 2. A log belongs to who writes it, so that ``/dev/stderr`` opens."""
    if what.output is not None:
        out = err = _closing(stack, _copy(what.output))
    else:
        out = err = _closing(stack, open_log(what.log_path))
        if what.err_path is not None:
            err = _closing(stack, open_log(what.err_path))
        if account is not None and not account.is_ours:
            for log in {out, err}:
                _give(log, account)
    return _closing(stack, _open_stdin(what.stdin)), out, err


def _give(log: int, account: Account) -> None:
    try:
        os.fchown(log, account.uid, account.gid)
    except OSError as error:
        raise os_error(
            f"Cannot give the log to user {account.name or account.uid}", error
        ) from error


def _copy(fd: int) -> int:
    try:
        return os.dup(fd)
    except OSError as error:
        raise os_error("Cannot pass on a descriptor", error) from error


def _closing(stack: contextlib.ExitStack, fd: int) -> int:
    """Close ``fd`` with the stack; moved above 0-2 first, which the file actions overwrite."""
    fd = raise_fd(fd)
    stack.callback(os.close, fd)
    return fd


def _exec(program: str, what: Spawn, files: Files, account: Account | None) -> int:
    """posix_spawn ``program``; a script without ``#!`` goes to /bin/sh, as execvp(3) has it."""
    program, argv = _as_user(account, program, what.argv)
    if is_hard(what.limits):
        words = limiting(what.limits, program, argv)
        return _posix_spawn(words[0], words, what, files)
    try:
        return _posix_spawn(program, list(argv), what, files)
    except OSError as error:
        if error.errno != errno.ENOEXEC or is_binary(program):
            raise exec_error(program, error) from error
    script = program if program.startswith(("/", ".")) else f"./{program}"  # never an option of sh
    try:
        return _posix_spawn("/bin/sh", ["/bin/sh", script, *what.argv[1:]], what, files)
    except OSError as error:
        raise exec_error("/bin/sh", error) from error


def _as_user(
    account: Account | None, program: str, argv: Sequence[str]
) -> tuple[str, Sequence[str]]:
    """The program and its words, as another user when it shall be another's."""
    if account is None or account.is_ours:
        return program, argv
    words = becoming(account, program, argv)
    return words[0], words


def _exec_apart(what: Spawn, files: Files, account: Account | None) -> int:
    """The same with a shell that enters the directory and sets the umask in the child itself.

    Both belong to the whole process, which other threads share with us.
    """
    check_directory(what.cwd)
    program = find_from(what.cwd, what.argv[0], what.env)
    program, argv = _as_user(account, program, what.argv)
    words = limiting(what.limits, program, argv, before=entering(what.cwd, what.umask))
    return _posix_spawn(words[0], words, what, files, closed=_inheritable())


def _inheritable() -> list[int]:
    """Descriptors of our host's that its own children may have, and ours may not."""
    found = []
    for fd in map(
        int, os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd")
    ):
        with contextlib.suppress(OSError):
            if fd > 2 and os.get_inheritable(fd):
                found.append(fd)
    return found


def _posix_spawn(
    program: str,
    argv: list[str],
    what: Spawn,
    files: Files,
    closed: Sequence[int] = (),
) -> int:
    try:
        return os.posix_spawn(
            program,
            argv,
            what.env,
            setsid=True,
            setsigdef=_DEFAULTED,
            setsigmask=(),
            file_actions=(
                *((os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(files)),
                *((os.POSIX_SPAWN_CLOSE, fd) for fd in closed),
            ),
        )
    except ValueError as error:
        raise SpawnError(
            f"The command or its environment cannot be passed on: {error}",
            hint="Arguments and variables may hold no NUL character, names of variables no '='.",
        ) from error


def _identity_of_child(pid: int) -> Identity:
    """Who the new child is. Race-free: nobody but us, its parent, can reap it before."""
    row = look_up(pid)
    if row is None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise SpawnError(
            f"Process {pid} cannot be read from /proc, so it was stopped again",
            hint="Is /proc mounted?",
            transient=True,
        )
    return identity_of(row)


@cache
def _seal_once(_pid: int) -> None:
    """Once in a process's life is enough: later descriptors are born close-on-exec (PEP 446)."""
    seal_descriptors()


def seal_descriptors() -> None:
    """Mark everything above 2 close-on-exec: what our own parent left open goes no further.

    Call it again after making a descriptor inheritable; the first spawn does it once.
    """
    try:
        names = os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd")
    except OSError as error:
        raise os_error("Cannot list our own open files", error) from error
    for fd in map(int, names):
        if fd > 2:
            # The descriptor of the listing itself is closed by now.
            with contextlib.suppress(OSError):
                if os.get_inheritable(fd):
                    os.set_inheritable(fd, False)


def open_log(path: Path) -> int:
    """Open a run's log for appending (0600, its directories 0700); SpawnError when impossible.

    A symbolic link, a directory, a FIFO or a device in its place is refused: what is written
    there would not be a log.
    """
    try:
        try:
            fd = os.open(path, _LOG_FLAGS, 0o600)
        except FileNotFoundError:
            _make_directories(path.parent)
            fd = os.open(path, _LOG_FLAGS, 0o600)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise _not_a_log(path) from error
        raise os_error(f"Cannot open the log {path}", error) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise _not_a_log(path)
    os.set_blocking(fd, True)
    return fd


def _make_directories(path: Path) -> None:
    """Like mkdir -p, with 0700 for every directory that is made (makedirs: for the last only)."""
    if path.is_dir():
        return
    _make_directories(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)


def _not_a_log(path: Path) -> SpawnError:
    return SpawnError(f"Not a regular file: the log {path}", hint="Move it aside.")


def _open_stdin(content: bytes | None) -> int:
    if content is None:
        try:
            return os.open(os.devnull, os.O_RDONLY)
        except OSError as error:
            raise os_error(f"Cannot open {os.devnull}", error) from error
    try:
        return _content_file(content)
    except OSError as error:
        raise os_error("Cannot keep the text for standard input", error) from error


def _content_file(content: bytes) -> int:
    """A file without a name that holds ``content``, positioned at its start."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("pb-stdin", os.MFD_CLOEXEC)
    else:
        import tempfile

        fd, name = tempfile.mkstemp(prefix="pb-stdin-")
        os.unlink(name)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.lseek(fd, 0, os.SEEK_SET)
    except OSError:
        os.close(fd)
        raise
    return fd


@contextlib.contextmanager
def _umask(value: int | None) -> Iterator[None]:
    if value is None:
        yield
        return
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def _working_directory(path: str) -> Iterator[None]:
    """Be in ``path`` for a moment: posix_spawn has no way to change the child's alone."""
    try:
        here = os.open(".", _HERE)
    except OSError as error:
        raise os_error("Cannot open our own working directory", error) from error
    try:
        _enter(path)
        try:
            yield
        finally:
            os.fchdir(here)
    finally:
        os.close(here)


def _enter(path: str) -> None:
    with entered(path):
        os.chdir(path)
