"""What a daemon writes to its own log: one line an event, in one format, nothing raw.

``2026-11-20T10:00:00.123Z INFO  gateway: listening on 127.0.0.1:18789``, or JSON. Standard error
is the log file by then (see ``lifecycle``); no other module configures logging.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import Any

from pb.core.lean import dataclass
from pb.errors import InvalidError, did_you_mean
from pb.process.system_log import SystemLog

LOUD = ("uvicorn", "grpc", "asyncio")
"""Libraries of which only errors are worth a line; what they warn of, any peer can provoke."""

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
FORMATS = ("text", "json")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChoice:
    """How a daemon logs (``logs`` in the configuration).

    ``system``: where each line goes besides: ``off``, ``journal`` or ``syslog``; ``socket`` is
    that one's, None for the usual place.
    """

    level: str = "info"
    format: str = "text"
    system: str = "off"
    socket: str | None = None
    syslog_format: str = "rfc3164"


class OneLine(logging.Formatter):
    """The house format; control characters are escaped so that no peer can forge a line."""

    def __init__(self, service: str, *, debug: bool = False) -> None:
        super().__init__()
        self.service = service
        self.debug = debug

    def format(self, record: logging.LogRecord) -> str:
        text = plain(self.whole(record))
        return f"{instant(record)} {record.levelname:<5} {self.service}: {text}"

    def whole(self, record: logging.LogRecord) -> str:
        """The message, and what was raised."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            whole = self.formatException(record.exc_info) if self.debug else None
            text += f": {whole or brief(record.exc_info[1])}"
        return text


class OneDocument(OneLine):
    """The same as a JSON document a line, ASCII only."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": instant(record),
            "level": record.levelname.lower(),
            "service": self.service,
            "logger": record.name,
            "pid": os.getpid(),
            "message": self.whole(record),
        }
        return json.dumps(said)


def instant(record: logging.LogRecord) -> str:
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{at}.{int(record.msecs):03d}Z"


def brief(error: BaseException) -> str:
    """An exception in a few words: what, and the line it came from (the whole with ``--debug``)."""
    where, trace = "", error.__traceback__
    while trace is not None:
        where = f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{where}"


def plain(text: str) -> str:
    """``text`` with every control and surrogate character written as an escape.

    By ``ascii`` and no codec: Python opens a file for its first use of one, and there may be no
    descriptor left, which is just what is to be told.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def log_to_stderr(
    service: str, *, debug: bool = False, chosen: LogChoice | None = None
) -> logging.Logger:
    """Send this process's log records to standard error, and where else they are wanted; answer
    the daemon's own logger. May be called again, with another choice."""
    wanted = chosen or LogChoice()
    line = (OneDocument if wanted.format == "json" else OneLine)(service, debug=debug)
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(line)
    sinks: list[logging.Handler] = [stream]
    if wanted.system != "off":
        sinks.append(
            SystemLog(
                service,
                lambda record: plain(line.whole(record)),
                system=wanted.system,
                path=wanted.socket,
                syslog_format=wanted.syslog_format,
            )
        )
    root = logging.getLogger()
    before, root.handlers[:] = list(root.handlers), sinks
    for one in before:
        if isinstance(one, SystemLog):
            one.close()
    set_level("debug" if debug else wanted.level)
    logging.addLevelName(logging.WARNING, "WARN")
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.ERROR)
    return logging.getLogger(f"pb.{service}")


def set_level(level: str) -> None:
    """Log what is of this level or worse, from now on. Raises InvalidError."""
    if level not in LEVELS:
        hint = did_you_mean(level[:64], list(LEVELS)) or f"One of: {', '.join(LEVELS)}."
        raise InvalidError(f"There is no log level {level[:64]!r}", hint=hint)
    logging.getLogger().setLevel(LEVELS[level])


def level_now() -> str:
    """The level that counts now."""
    effective = logging.getLogger().getEffectiveLevel()
    return next((word for word, number in LEVELS.items() if number >= effective), "error")
