"""Telling the system's log too: journald by its native protocol, or syslog, by datagrams.

Nothing here ever waits: a socket that is full or absent costs the line, which is counted and told.
The daemon's own log file has every line anyway; what it looks like is in ``daemon_log``.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import sys
import time
from collections.abc import Callable

from pb.errors import InvalidError

JOURNAL = "/run/systemd/journal/socket"
"""Where journald listens (systemd-journald.socket(8), the "Native Journal Protocol")."""

SYSLOG = "/var/run/syslog" if sys.platform == "darwin" else "/dev/log"
"""Where syslog listens (syslog(3)); on macOS the unified log takes it from there."""

SYSTEMS = ("off", "journal", "syslog")
SYSLOG_FORMATS = ("rfc3164", "rfc5424")

FACILITY = 3
"""daemon (RFC 5424, section 6.2.1)."""

LONGEST = 16 * 1024
"""Bytes of one message; a datagram must fit into the socket's buffer whole (unix(7))."""

RETRY_SECONDS = 10.0
"""Between two tries to reach a log that is not there."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""As RFC 3164 has them, whatever the locale."""

OURS = "is_about_system_log"
"""Marks a record about the system's log itself, which must not go there."""

logger = logging.getLogger("log")


class Datagrams:
    """A socket to the system's log. ``send`` answers whether the message has gone; never waits."""

    def __init__(self, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._clock = clock
        self._socket: socket.socket | None = None
        self._retry_at = 0.0
        self.trouble: str | None = None
        """Why the last message has not gone."""

    def send(self, message: bytes) -> bool:
        # Whoever listened may have been started anew, which a second try finds out.
        for _ in range(2):
            if self._socket is None and not self._connect():
                return False
            try:
                self._required().send(message)
            except BlockingIOError:
                self.trouble = "it takes no more for now"
                return False
            except OSError as error:
                if error.errno == errno.ENOBUFS:  # the BSDs' and macOS's word for full
                    self.trouble = "it takes no more for now"
                    return False
                self._fail(error)
            else:
                self.trouble = None
                return True
        return False

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _required(self) -> socket.socket:
        if self._socket is None:
            raise RuntimeError("not connected")
        return self._socket

    def _connect(self) -> bool:
        now = self._clock()
        if now < self._retry_at:
            return False
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            made.connect(self.path)
        except OSError as error:
            made.close()
            self._retry_at = now + RETRY_SECONDS
            self._fail(error)
            return False
        self._socket = made
        return True

    def _fail(self, error: OSError) -> None:
        self.close()
        self.trouble = (error.strerror or str(error)).lower()


class SystemLog(logging.Handler):
    """Sends each record to the system's log. ``text_of`` says what of it, on one line.

    What is dropped is counted, told once in the daemon's own log, and told to the system's log as
    soon as that takes something again.
    """

    def __init__(
        self,
        service: str,
        text_of: Callable[[logging.LogRecord], str],
        *,
        system: str,
        path: str | None = None,
        syslog_format: str = "rfc3164",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        if system not in SYSTEMS[1:] or syslog_format not in SYSLOG_FORMATS:
            raise InvalidError(f"There is no system log {system} {syslog_format}")
        self._service = service
        self._text_of = text_of
        self._is_journal = system == "journal"
        self._is_new = syslog_format == "rfc5424"
        self._datagrams = Datagrams(path or (JOURNAL if self._is_journal else SYSLOG), clock)
        self.dropped = 0

    def close(self) -> None:
        self._datagrams.close()
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, OURS, False):
            return
        try:
            text = self._text_of(record)
        except (TypeError, ValueError):  # a message that does not suit its arguments
            self.handleError(record)
            return
        may_send = not self.dropped or self._tell_of_drops(record)
        if not may_send or not self._datagrams.send(self._message(record, text)):
            self._drop()

    def _tell_of_drops(self, record: logging.LogRecord) -> bool:
        text = f"{self.dropped} lines could not be sent here; they are in pb's own log"
        if not self._datagrams.send(self._message(record, text, logging.WARNING)):
            return False
        lines, self.dropped = self.dropped, 0
        told = f"{self._datagrams.path} takes lines again; {lines} have not gone there"
        logger.warning("%s", told, extra={OURS: True})
        return True

    def _drop(self) -> None:
        self.dropped += 1
        if self.dropped == 1:
            said = f"Cannot log to {self._datagrams.path}: {self._datagrams.trouble}"
            logger.warning("%s; this log goes on", said, extra={OURS: True})

    def _message(self, record: logging.LogRecord, text: str, level: int | None = None) -> bytes:
        raw = text.encode("utf-8", "backslashreplace")
        if len(raw) > LONGEST:
            raw = raw[:LONGEST].decode("utf-8", "ignore").encode() + " … (cut)".encode()
        urgency = severity(record.levelno if level is None else level)
        if self._is_journal:
            return journal_entry(self._service, record.name, raw, urgency)
        if self._is_new:
            return syslog_new(self._service, raw, urgency, record.created)
        return syslog_old(self._service, raw, urgency, record.created)


def severity(level: int) -> int:
    """The level as RFC 5424 counts: 7 debug, 6 informational, 4 warning, 3 error, 2 critical."""
    for least, number in ((50, 2), (40, 3), (30, 4), (20, 6)):
        if level >= least:
            return number
    return 7


def journal_entry(service: str, name: str, text: bytes, urgency: int) -> bytes:
    """Fields as ``NAME=value`` lines; ours hold no line breaks, so none needs a length."""
    fields = {
        "PRIORITY": str(urgency),
        "SYSLOG_FACILITY": str(FACILITY),
        "SYSLOG_IDENTIFIER": f"pb-{service}",
        "SYSLOG_PID": str(os.getpid()),
        "PB_SERVICE": service,
        "PB_LOGGER": name,
    }
    lines = [
        f"{key}={value}\n".encode("utf-8", "backslashreplace") for key, value in fields.items()
    ]
    return b"".join([b"MESSAGE=" + text + b"\n", *lines])


def syslog_old(service: str, text: bytes, urgency: int, at: float) -> bytes:
    """RFC 3164 as it is spoken on the local socket: local time, and no host."""
    moment = time.localtime(at)
    clock = time.strftime("%H:%M:%S", moment)
    when = f"{MONTHS[moment.tm_mon - 1]} {moment.tm_mday:2d} {clock}"
    return f"<{FACILITY * 8 + urgency}>{when} pb-{service}[{os.getpid()}]: ".encode() + text


def syslog_new(service: str, text: bytes, urgency: int, at: float) -> bytes:
    """RFC 5424, with the host and in UTC."""
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}Z"
    host = "-"
    with contextlib.suppress(OSError):
        host = "".join(c for c in socket.gethostname() if "!" <= c <= "~")[:255] or "-"
    head = f"<{FACILITY * 8 + urgency}>1 {when} {host} pb-{service} {os.getpid()} - - "
    return head.encode() + text
