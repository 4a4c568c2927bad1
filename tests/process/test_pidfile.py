"""The PID file: written whole, read with distrust, removed only by its own."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from pb.errors import PbError
from pb.process.identity import own
from pb.process.pidfile import (
    PidFileError,
    PidRecord,
    read_pid_file,
    remove_pid_file,
    write_pid_file,
)
from tests.kit import eventually
from tests.process.daemon_kit import environment

KEYS = [
    "pid",
    "startedAt",
    "dbPath",
    "socketPath",
    "mode",
    "version",
    "service",
    "startTicks",
    "bootId",
    "pidNamespace",
    "host",
    "logPath",
    "supervisorPid",
    "instanceId",
    "pbVersion",
    "address",
    "ports",
]


def record(**change: object) -> PidRecord:
    me = own()
    whole = PidRecord(
        pid=me.pid,
        identity=me,
        service="scheduler",
        mode="background",
        started_at_ms=1_770_544_800_000,
        db_path="/home/ü/pony.db",
        socket_path="/home/ü/gateway.sock",
        log_path="/home/ü/scheduler.log",
        address="127.0.0.1:18789",
        ports={"http": 18789, "grpc": 50051},
        supervisor_pid=4242,
        instance_id="0123456789abcdef",
        pb_version="0.1.0",
    )
    return replace(whole, **change)


def test_what_is_written_reads_back(tmp_path):
    path = tmp_path / "scheduler.pid"
    write_pid_file(path, record())
    assert read_pid_file(path) == record()
    bare = PidRecord(pid=own().pid, identity=own())
    write_pid_file(path, bare)
    assert read_pid_file(path) == bare


def test_its_keys_are_those_of_the_contract_and_it_is_one_line(tmp_path):
    path = tmp_path / "scheduler.pid"
    write_pid_file(path, record())
    text = path.read_text()
    assert text.count("\n") == 1
    value = json.loads(text)
    assert list(value) == KEYS
    assert value["pid"] == os.getpid()
    assert value["startedAt"] == 1_770_544_800_000
    assert value["startTicks"] == own().start_ticks
    assert value["version"] == 1
    assert value["ports"] == {"http": 18789, "grpc": 50051}


def test_it_is_private_whatever_the_umask_and_leaves_nothing_else_behind(tmp_path):
    path = tmp_path / "scheduler.pid"
    old = os.umask(0)
    try:
        write_pid_file(path, record())
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["scheduler.pid"]


def test_no_reader_ever_sees_half_of_it(tmp_path):
    path, done = tmp_path / "scheduler.pid", threading.Event()
    write_pid_file(path, record())
    written = [record(log_path="/" + "x" * size) for size in (10, 20_000)]

    def write() -> None:
        while not done.is_set():
            for each in written:
                write_pid_file(path, each)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        read = [read_pid_file(path) for _ in range(300)]
    finally:
        done.set()
        writer.join()
    assert all(each in (*written, record()) for each in read)


def test_a_write_that_fails_says_so_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "scheduler.pid"
    path.mkdir()
    with pytest.raises(PbError, match="Cannot write") as caught:
        write_pid_file(path, record())
    assert caught.value.hint
    assert os.listdir(tmp_path) == ["scheduler.pid"]
    with pytest.raises(PbError, match="no such file"):
        write_pid_file(tmp_path / "gone" / "scheduler.pid", record())


def test_a_full_disk_keeps_the_old_file_and_leaves_no_other(tmp_path):
    path = tmp_path / "scheduler.pid"
    write_pid_file(path, record())
    before = path.read_bytes()
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from pb.errors import PbError\n"
        "from pb.process.pidfile import read_pid_file, write_pid_file\n"
        "path = Path(sys.argv[1])\n"
        "found = read_pid_file(path)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n"
        "    write_pid_file(path, found)\n"
        "except PbError as error:\n"
        "    assert 'file too large' in error.message and error.hint\n"
        "else:\n"
        "    sys.exit('it was written')\n"
    )
    argv = [sys.executable, "-c", code, str(path)]
    subprocess.run(argv, env=environment(), check=True, timeout=60)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["scheduler.pid"]


def test_no_file_is_no_record(tmp_path):
    assert read_pid_file(tmp_path / "scheduler.pid") is None
    assert read_pid_file(tmp_path / "gone" / "scheduler.pid") is None


@pytest.mark.parametrize("text", ["4242", "4242\n", " 4242 \n", '{"pid": 4242}'])
def test_a_bare_number_is_accepted_and_proves_nothing(tmp_path, text):
    path = tmp_path / "scheduler.pid"
    path.write_text(text)
    found = read_pid_file(path)
    assert found is not None
    assert found == PidRecord(pid=4242)
    assert found.identity is None


def test_half_an_identity_is_none(tmp_path):
    path = tmp_path / "scheduler.pid"
    path.write_text(json.dumps({"pid": 4242, "startTicks": 7, "host": "a", "bootId": "b"}))
    found = read_pid_file(path)
    assert found is not None
    assert found.identity is None


BAD = {
    "empty": "",
    "blank": " \n\n",
    "garbage": "hello",
    "bytes that are no text": b"\xff\xfe\x00",
    "NUL bytes": b"\x00" * 100,
    "half a document": '{"pid": 42',
    "two numbers": "12 13",
    "zero": "0",
    "minus one": "-1",
    "negative": "-4242",
    "one": "1",
    "huge": str(2**22 + 1),
    "beyond 64 bits": str(2**80),
    "five thousand digits": "9" * 5000,
    "float": "4242.0",
    "infinite": "Infinity",
    "boolean": "true",
    "null": "null",
    "string": '"4242"',
    "list": "[4242]",
    "a deep list": "[" * 60_000,
    "no pid": "{}",
    "pid zero": '{"pid": 0}',
    "pid minus one": '{"pid": -1}',
    "pid one": '{"pid": 1}',
    "pid float": '{"pid": 4242.5}',
    "pid boolean": '{"pid": true}',
    "pid string": '{"pid": "4242"}',
    "pid huge": '{"pid": 99999999999}',
    "supervisor zero": '{"pid": 4242, "supervisorPid": 0}',
    "ticks that are text": '{"pid": 4242, "startTicks": "7"}',
    "host that is a number": '{"pid": 4242, "host": 7}',
    "mode that is a list": '{"pid": 4242, "mode": []}',
    "started at a float": '{"pid": 4242, "startedAt": 1.5}',
    "ports that are a list": '{"pid": 4242, "ports": [1]}',
    "ports that are text": '{"pid": 4242, "ports": {"http": "1"}}',
    "too large": '{"pid": 4242, "x": "' + "y" * 70_000 + '"}',
}


@pytest.mark.parametrize("name", BAD)
def test_bad_content_gets_a_sentence_a_hint_and_is_left_alone(tmp_path, name):
    path = tmp_path / "scheduler.pid"
    content = BAD[name]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = path.read_bytes()
    with pytest.raises(PidFileError) as caught:
        read_pid_file(path)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 300 + len(str(path))
    assert caught.value.hint
    assert path.read_bytes() == before
    assert not remove_pid_file(path, record())


def test_our_own_number_is_refused_unless_it_is_truly_ours(tmp_path):
    path = tmp_path / "scheduler.pid"
    path.write_text(str(os.getpid()))
    with pytest.raises(PidFileError, match="very process"):
        read_pid_file(path)
    write_pid_file(path, record())
    assert read_pid_file(path) == record()


def test_the_number_of_a_thread_is_refused(tmp_path):
    path, done, ids = tmp_path / "scheduler.pid", threading.Event(), []
    thread = threading.Thread(target=lambda: (ids.append(threading.get_native_id()), done.wait()))
    thread.start()
    try:
        path.write_text(str(eventually(lambda: ids and ids[0])))
        with pytest.raises(PidFileError, match="thread"):
            read_pid_file(path)
    finally:
        done.set()
        thread.join()


def make_bad(path: Path, kind: str) -> None:
    match kind:
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "symlink":
            path.with_name("target").write_text("4242")
            path.symlink_to("target")
        case "dangling symlink":
            path.symlink_to("nowhere")
        case "socket":
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(str(path))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["directory", "fifo", "symlink", "dangling symlink", "socket"])
def test_what_is_not_a_plain_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "scheduler.pid"
    make_bad(path, kind)
    with pytest.raises(PidFileError) as caught:
        read_pid_file(path)
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert not remove_pid_file(path, record())
    assert os.path.lexists(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_somebody_elses_file_is_refused(tmp_path):
    path = tmp_path / "scheduler.pid"
    write_pid_file(path, record())
    os.chown(path, 65534, 65534)
    with pytest.raises(PidFileError, match="another user"):
        read_pid_file(path)


@pytest.mark.parametrize(
    "change", [{"instance_id": "other"}, {"pid": 4242}, {"identity": replace(own(), start_ticks=1)}]
)
def test_only_its_own_file_is_removed(tmp_path, change):
    path = tmp_path / "scheduler.pid"
    write_pid_file(path, record(**change))
    assert not remove_pid_file(path, record())
    assert path.exists()


def test_its_own_file_is_removed_once(tmp_path):
    path = tmp_path / "scheduler.pid"
    write_pid_file(path, record())
    assert remove_pid_file(path, record(address="somewhere else by now"))
    assert not path.exists()
    assert not remove_pid_file(path, record())
