"""Starting runs for real: sessions, signals, descriptors, logs, and every way not to start."""

from __future__ import annotations

import os
import resource
import signal
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pb.process.identity import identify
from pb.process.spawn import (
    Spawn,
    SpawnError,
    seal_descriptors,
    spawn,
    write_errors_to_log,
)

PATH = "/usr/local/bin:/usr/bin:/bin"


class Box:
    """A directory of its own to spawn in; what was started and not waited for is killed."""

    def __init__(self, root: Path) -> None:
        self.root, self.log, self.pids = root, root / "logs" / "deep" / "1.log", set[int]()

    def what(
        self,
        *argv: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes | None = None,
        umask: int | None = None,
        log: Path | None = None,
    ) -> Spawn:
        return Spawn(
            argv=argv,
            env={"PATH": PATH} if env is None else env,
            cwd=str(cwd or self.root),
            stdin=stdin,
            log_path=log or self.log,
            umask=umask,
        )

    def start(self, what: Spawn) -> int:
        pid = spawn(what).pid
        self.pids.add(pid)
        return pid

    def wait(self, pid: int) -> int:
        self.pids.discard(pid)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def output(self, what: Spawn) -> str:
        assert self.wait(self.start(what)) == 0
        return what.log_path.read_text()

    def refusal(self, what: Spawn) -> SpawnError:
        with pytest.raises(SpawnError) as caught:
            self.start(what)
        return caught.value

    def file(self, name: str, text: str | bytes, mode: int = 0o755) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)
        return path


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path)
    yield box
    for pid in box.pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def python(code: str) -> tuple[str, str, str, str]:
    return (sys.executable, "-S", "-c", code)


def test_output_and_errors_go_to_one_log_in_order(box: Box) -> None:
    text = box.output(box.what("sh", "-c", "echo one; echo two >&2; echo three"))
    assert text == "one\ntwo\nthree\n"


def test_the_log_is_private_and_appended_to(box: Box) -> None:
    box.output(box.what("echo", "first"))
    assert box.output(box.what("echo", "second")) == "first\nsecond\n"
    assert stat.S_IMODE(box.log.stat().st_mode) == 0o600
    assert stat.S_IMODE(box.log.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(box.log.parent.parent.stat().st_mode) == 0o700


def test_the_identity_is_the_one_that_others_would_find(box: Box) -> None:
    identity = spawn(box.what("sleep", "60"))
    box.pids.add(identity.pid)
    assert identify(identity.pid) == identity


def test_a_child_that_ends_at_once_still_has_an_identity(box: Box) -> None:
    for _ in range(50):
        identity = spawn(box.what("true"))
        assert identity.start_ticks > 0
        assert os.waitpid(identity.pid, 0) == (identity.pid, 0)


def test_the_child_leads_a_session_and_a_group_of_its_own(box: Box) -> None:
    pid = box.start(box.what("sleep", "60"))
    assert os.getsid(pid) == pid
    assert os.getpgid(pid) == pid


def test_ignored_and_blocked_signals_are_not_passed_on(box: Box) -> None:
    before = {one: signal.signal(one, signal.SIG_IGN) for one in (signal.SIGTERM, signal.SIGHUP)}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
    try:
        text = box.output(box.what("cat", "/proc/self/status"))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for one, action in before.items():
            signal.signal(one, action)
    masks = dict(line.split(":\t") for line in text.splitlines() if line.startswith("Sig"))
    c_library = 0x180000000  # 32 and 33: glibc's posix_spawn ignores its own two (nptl(7))
    assert int(masks["SigBlk"], 16) == 0
    assert int(masks["SigIgn"], 16) & ~c_library == 0


def test_nothing_but_the_standard_streams_is_passed_on(box: Box) -> None:
    leaked = os.open(box.file("leak", ""), os.O_RDONLY)
    try:
        os.set_inheritable(leaked, True)
        seal_descriptors()
        code = "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd'))[:-1])"
        assert box.output(box.what(*python(code))) == "[0, 1, 2]\n"
    finally:
        os.close(leaked)


def test_the_callers_own_streams_may_be_closed(box: Box) -> None:
    """In a process of its own, with 0, 1 and 2 closed: the log's descriptor is then one of them."""
    code = (
        "import os,sys\n"
        "from pathlib import Path\n"
        "from pb.process.spawn import Spawn, spawn\n"
        "os.closerange(0, 3)\n"
        f"what = Spawn(argv=['sh', '-c', 'cat; echo err >&2'], env={{'PATH': {PATH!r}}},\n"
        f"    cwd='/', stdin=b'text ', log_path=Path({str(box.root / 'inner.log')!r}))\n"
        "os._exit(os.waitpid(spawn(what).pid, 0)[1] >> 8)\n"
    )
    place = str(Path(__file__).parents[2])
    what = box.what(sys.executable, "-c", code, env={"PATH": PATH, "PYTHONPATH": place})
    box.output(what)
    assert (box.root / "inner.log").read_text() == "text err\n"


@pytest.mark.parametrize("size", [0, 5, 3_000_000])
def test_standard_input_is_the_given_text(box: Box, size: int) -> None:
    assert box.output(box.what("wc", "-c", stdin=b"x" * size)).strip() == str(size)


def test_without_text_standard_input_is_empty(box: Box) -> None:
    assert box.output(box.what("cat")) == ""


def test_directory_and_umask_are_the_childs_only(box: Box) -> None:
    here, mask = os.getcwd(), os.umask(0o022)
    os.umask(mask)
    place = box.root / "place"
    place.mkdir()
    text = box.output(box.what("sh", "-c", "umask; pwd -P", cwd=place, umask=0o027))
    assert text.split() == ["0027", os.path.realpath(place)]
    assert os.getcwd() == here
    assert os.umask(mask) == mask


def test_directory_and_umask_come_back_after_a_failure_too(box: Box) -> None:
    here, mask = os.getcwd(), os.umask(0o022)
    os.umask(mask)
    box.refusal(box.what("no-such-command", umask=0o011))
    assert os.getcwd() == here
    assert os.umask(mask) == mask


def test_the_environment_is_exactly_the_given_one(box: Box) -> None:
    text = box.output(box.what("env", env={"PATH": PATH, "A": "1", "B": "x y"}))
    assert sorted(text.splitlines()) == ["A=1", "B=x y", f"PATH={PATH}"]


# Finding the program


def test_the_path_of_the_childs_environment_decides(box: Box) -> None:
    box.file("tools/mine", "#!/bin/sh\necho mine\n")
    assert box.output(box.what("mine", env={"PATH": f"{box.root}/tools"})) == "mine\n"
    assert box.refusal(box.what("mine")).message == "Command not found: mine"


@pytest.mark.parametrize(
    ("name", "path"),
    [("./tool", PATH), ("tool", ""), ("tool", f"{PATH}:."), ("bin/tool", PATH), ("tool", "bin")],
)
def test_relative_names_are_seen_from_the_childs_directory(box: Box, name: str, path: str) -> None:
    for place in ("tool", "bin/tool"):
        box.file(place, "#!/bin/sh\necho here\n")
    assert box.output(box.what(name, env={"PATH": path})) == "here\n"


def test_without_path_the_systems_default_is_searched(box: Box) -> None:
    assert box.output(box.what("echo", "x", env={})) == "x\n"


def test_one_that_cannot_run_does_not_hide_one_that_can(box: Box) -> None:
    box.file("a/tool", "", mode=0o644)
    (box.root / "b" / "tool").mkdir(parents=True)
    box.file("c/tool", "#!/bin/sh\necho c\n")
    assert box.output(box.what("tool", env={"PATH": "a:b:c:/bin"})) == "c\n"


def test_a_script_without_a_first_line_runs_in_sh(box: Box) -> None:
    script = box.file("plain", 'echo "got $1 $2"\n')
    assert box.output(box.what(str(script), "a", "b c")) == "got a b c\n"


def test_a_script_whose_name_looks_like_an_option_still_runs(box: Box) -> None:
    box.file("-c/plain", "echo ran\n")
    assert box.output(box.what("-c/plain")) == "ran\n"


# Not starting


@pytest.mark.parametrize("name", ["no-such-command", "./absent", "/absent/x", "echo hello"])
def test_a_missing_command_is_named_and_logged(box: Box, name: str) -> None:
    error = box.refusal(box.what(name))
    assert error.message == f"Command not found: {name}"
    assert error.hint
    assert not error.transient
    assert f"pb: Command not found: {name}" in box.log.read_text()


def test_a_file_that_is_not_executable_says_so(box: Box) -> None:
    path = box.file("tool", "#!/bin/sh\n", mode=0o644)
    error = box.refusal(box.what("./tool"))
    assert error.message == "Not an executable: ./tool"
    assert error.hint == "Run: chmod +x ./tool"
    assert path.exists()


def test_a_directory_is_not_an_executable(box: Box) -> None:
    assert box.refusal(box.what("/")).message == "Not an executable: / is no regular file"


def test_a_binary_for_another_machine_is_not_given_to_sh(box: Box) -> None:
    box.file("tool", b"\x7fELF\x02\x01\x01" + bytes(60))
    assert box.refusal(box.what("./tool")).message.startswith("Not an executable: ./tool")


def test_a_missing_interpreter_is_named(box: Box) -> None:
    box.file("tool", "#!/no/such/interpreter\n")
    error = box.refusal(box.what("./tool"))
    assert error.message == "Command not found: the interpreter that ./tool names"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may execute and enter everything")
def test_permission_denied_is_told_apart(box: Box) -> None:
    box.file("closed/tool", "#!/bin/sh\n")
    (box.root / "closed").chmod(0)
    try:
        assert box.refusal(box.what("closed/tool")).message == "Permission denied: closed/tool"
    finally:
        (box.root / "closed").chmod(0o700)


def test_a_file_system_that_forbids_it_is_permission_denied(box: Box) -> None:
    """/proc/self/environ is no program; /proc is mounted noexec, and its files have no x bit."""
    error = box.refusal(box.what("/proc/self/environ"))
    assert error.message == "Not an executable: /proc/self/environ"


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("absent", "Working directory not found: {}"),
        ("file", "Working directory is not a directory: {}"),
    ],
)
def test_a_directory_that_cannot_be_entered_is_named(box: Box, place: str, message: str) -> None:
    box.file("file", "")
    path = box.root / place
    error = box.refusal(box.what("true", cwd=path))
    assert error.message == message.format(path)
    assert error.message in box.log.read_text()


@pytest.mark.parametrize(
    ("argv", "env"),
    [(("echo", "a\0b"), {}), (("echo",), {"A=B": "x"}), (("echo",), {"A": "x\0y"})],
)
def test_what_no_program_can_be_given_is_refused(
    box: Box, argv: tuple[str, ...], env: dict[str, str]
) -> None:
    error = box.refusal(box.what(*argv, env={"PATH": PATH, **env}))
    assert error.message.startswith("The command or its environment cannot be passed on")


def test_an_empty_command_is_refused(box: Box) -> None:
    assert box.refusal(box.what()).message == "The command is empty"
    assert box.refusal(box.what("")).message == "The command is empty"


def test_arguments_that_are_too_long_are_refused(box: Box) -> None:
    error = box.refusal(box.what("true", "x" * 3_000_000))
    assert error.message == "Arguments and environment are too long"


def test_only_a_regular_file_is_a_log(box: Box) -> None:
    target = box.file("target", "kept", mode=0o600)
    for name in ("link", "fifo", "directory"):
        path = box.root / name
        match name:
            case "link":
                path.symlink_to(target)
            case "fifo":
                os.mkfifo(path)
            case _:
                path.mkdir()
        what = box.what("echo", "x", log=path)
        error = box.refusal(what)
        assert error.message == f"Not a regular file: the log {path}"
        assert not write_errors_to_log(what, error)
    assert box.refusal(box.what("true", log=Path("/dev/null"))).hint == "Move it aside."
    assert target.read_text() == "kept"


def test_a_fifo_with_a_reader_is_no_log_either(box: Box) -> None:
    path = box.root / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        box.refusal(box.what("echo", "x", log=path))
    finally:
        os.close(reader)


def test_lack_of_descriptors_is_transient_and_leaves_nothing_behind(box: Box) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    box.output(box.what("true"))
    open_now = len(os.listdir("/proc/self/fd")) - 1
    lowest = os.dup(0)
    os.close(lowest)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, hard))
        error = box.refusal(box.what("true"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert error.transient
    assert "too many open files" in error.message
    assert len(os.listdir("/proc/self/fd")) - 1 == open_now
    assert box.output(box.what("echo", "again")) == "again\n"


def test_text_that_cannot_be_kept_for_standard_input_is_an_error(box: Box) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        error = box.refusal(box.what("cat", stdin=b"text"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert "standard input" in error.message


def test_a_transient_error_is_left_to_the_caller_to_log(box: Box) -> None:
    what = box.what("true")
    error = SpawnError("Cannot start true: try again", hint="Later.", transient=True)
    assert write_errors_to_log(what, error)
    assert box.log.read_text() == "pb: Cannot start true: try again (Later.)\n"
