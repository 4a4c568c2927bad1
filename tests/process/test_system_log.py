"""The system's log beside the daemon's own: real sockets stand in for journald and syslog."""

from __future__ import annotations

import io
import logging
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pb.errors import InvalidError
from pb.process.daemon_log import OneDocument
from pb.process.system_log import Datagrams, SystemLog, severity


class Listener:
    """A socket that somebody listens on, and may not read from."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    def heard(self) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(self.socket.recv(1 << 20))
            except BlockingIOError:
                return found

    def gone(self) -> None:
        self.socket.close()
        self.path.unlink(missing_ok=True)


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(tmp_path / "log.sock")
    yield made
    made.gone()


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A logger that writes to a stream and to the system's log, as a daemon's does."""

    def __init__(self, path: Path, system: str = "journal", **options: str) -> None:
        self.stream = io.StringIO()
        self.time = Time()
        self.sink = SystemLog(
            "scheduler",
            lambda record: record.getMessage(),
            system=system,
            path=str(path),
            clock=self.time,
            **options,
        )
        self.own = logging.StreamHandler(self.stream)
        for name in ("bench", "log"):
            logger = logging.getLogger(name)
            logger.handlers[:], logger.propagate = [self.own, self.sink], False
            logger.setLevel(logging.DEBUG)
        self.log = logging.getLogger("bench")

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    def close(self) -> None:
        self.sink.close()
        for name in ("bench", "log"):
            logger = logging.getLogger(name)
            logger.handlers[:], logger.propagate = [], True
            logger.setLevel(logging.NOTSET)


@pytest.fixture
def bench(listener: Listener) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(path: Path | None = None, **options: str) -> Bench:
        made.append(Bench(path or listener.path, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_the_journal_gets_fields_by_its_own_protocol(
    listener: Listener, bench: Callable[..., Bench]
) -> None:
    one = bench()
    one.log.warning("disk %s is nearly full", "/dev/sda1")

    fields = dict(line.split("=", 1) for line in listener.heard()[0].decode().splitlines())
    assert fields["MESSAGE"] == "disk /dev/sda1 is nearly full"
    assert fields["PRIORITY"] == "4"
    assert fields["SYSLOG_IDENTIFIER"] == "pb-scheduler"
    assert fields["PB_LOGGER"] == "bench"
    assert fields["SYSLOG_PID"].isdigit()


def test_syslog_gets_the_line_that_every_local_one_knows(
    listener: Listener, bench: Callable[..., Bench]
) -> None:
    bench(system="syslog").log.error("broken")

    assert re.fullmatch(
        rb"<27>[A-Z][a-z]{2} [ 1-3][0-9] \d\d:\d\d:\d\d pb-scheduler\[\d+\]: broken",
        listener.heard()[0],
    )


def test_or_the_newer_form(listener: Listener, bench: Callable[..., Bench]) -> None:
    bench(system="syslog", syslog_format="rfc5424").log.info("fine ✓")

    assert re.fullmatch(
        r"<30>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ pb-scheduler \d+ - - fine ✓",
        listener.heard()[0].decode(),
    )


@pytest.mark.parametrize(
    ("level", "number"), [(10, 7), (15, 7), (20, 6), (30, 4), (40, 3), (50, 2), (99, 2)]
)
def test_levels_are_severities(level: int, number: int) -> None:
    assert severity(level) == number


def test_a_long_line_is_cut_at_a_character(listener: Listener, bench: Callable[..., Bench]) -> None:
    bench().log.info("%s", "x" + "ö" * 100_000)

    message = listener.heard()[0].decode().splitlines()[0]
    assert message.endswith("ö … (cut)")
    assert len(message) < 20_000


def test_one_that_is_not_there_is_said_once_and_costs_nothing(
    tmp_path: Path, bench: Callable[..., Bench]
) -> None:
    one = bench(tmp_path / "none.sock")
    for number in range(5):
        one.log.info("line %d", number)

    assert [line for line in one.lines if not line.startswith("line")] == [
        f"Cannot log to {tmp_path}/none.sock: no such file or directory; this log goes on"
    ]
    assert len(one.lines) == 6
    assert one.sink.dropped == 5


def test_one_that_comes_later_is_found_and_told_what_it_missed(
    tmp_path: Path, bench: Callable[..., Bench]
) -> None:
    one = bench(tmp_path / "later.sock")
    one.log.info("lost")
    later = Listener(tmp_path / "later.sock")
    one.log.info("lost too, since it is not tried at every line")
    one.time.now += 60
    one.log.info("there")

    heard = [message.splitlines()[0] for message in later.heard()]
    later.gone()
    assert heard == [
        b"MESSAGE=2 lines could not be sent here; they are in pb's own log",
        b"MESSAGE=there",
    ]
    assert one.sink.dropped == 0
    assert any("takes lines again; 2 have not gone there" in line for line in one.lines)


def test_one_that_is_full_holds_nobody_up(listener: Listener, bench: Callable[..., Bench]) -> None:
    one = bench()
    count = 0
    while not one.sink.dropped and count < 100_000:
        one.log.info("%s", "x" * 8000)
        count += 1
    one.log.info("dropped as well")
    assert one.sink.dropped == 2
    assert [line for line in one.lines if "takes no more" in line]

    kept = len(listener.heard())
    one.log.info("after")

    assert kept == count - 1
    assert [message.splitlines()[0] for message in listener.heard()] == [
        b"MESSAGE=2 lines could not be sent here; they are in pb's own log",
        b"MESSAGE=after",
    ]


def test_one_that_is_started_anew_loses_no_line(
    listener: Listener, bench: Callable[..., Bench]
) -> None:
    one = bench()
    one.log.info("before")
    assert len(listener.heard()) == 1
    listener.gone()
    again = Listener(listener.path)
    one.log.info("after")

    assert [message.splitlines()[0] for message in again.heard()] == [b"MESSAGE=after"]
    assert one.sink.dropped == 0
    again.socket.close()


def test_a_message_that_does_not_suit_its_arguments_hurts_nobody(
    listener: Listener, bench: Callable[..., Bench], capsys: pytest.CaptureFixture[str]
) -> None:
    bench().log.info("%d", "no number")

    assert listener.heard() == []
    assert "Logging error" in capsys.readouterr().err


def test_a_file_that_is_no_socket_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    datagrams = Datagrams(str(tmp_path / "file"))

    assert datagrams.send(b"x") is False
    assert datagrams.trouble == "connection refused"
    datagrams.close()


@pytest.mark.parametrize("options", [{"system": "off"}, {"system": "syslog", "syslog_format": "x"}])
def test_there_is_no_other_log(options: dict[str, str]) -> None:
    with pytest.raises(InvalidError):
        SystemLog("x", str, **options)


def test_json_is_one_document_a_line_in_ascii() -> None:
    import json

    record = logging.LogRecord("x.y", 30, "", 0, "from %s", ("a\n\x1b[2J\udcff",), None)
    line = OneDocument("gateway").format(record)

    assert line.isascii()
    assert "\n" not in line
    said = json.loads(line)
    assert said["message"] == "from a\n\x1b[2J\udcff"
    assert (said["service"], said["logger"]) == ("gateway", "x.y")
    assert said["time"].endswith("Z")


PROGRAM = """
import logging, sys
from pb.errors import InvalidError
from pb.process.daemon_log import LogChoice, level_now, log_to_stderr, set_level
path = sys.argv[1]
log_to_stderr("debug", chosen=LogChoice(level="warning", system="syslog", socket=path))
logging.getLogger("a").info("too little")
logging.getLogger("a").warning("one")
log_to_stderr("debug", chosen=LogChoice(format="json", system="journal", socket=path))
logging.getLogger("a").info("two")
log_to_stderr("debug", chosen=LogChoice(level="error"))
logging.getLogger("a").error("only here")
assert level_now() == "error"
set_level("debug")
assert level_now() == "debug"
try:
    set_level("wraning")
except InvalidError as error:
    print(error.hint)
log_to_stderr("debug", debug=True, chosen=LogChoice(level="error"))
assert level_now() == "debug"
"""


def test_a_daemon_may_choose_anew_at_any_time(listener: Listener) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(listener.path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    one, two = listener.heard()
    assert one.endswith(b": one")
    assert two.startswith(b"MESSAGE=two\n")
    assert ran.stdout == "Did you mean warning?\n"
    lines = ran.stderr.splitlines()
    assert [line[:1] for line in lines] == ["2", "{", "2"]
