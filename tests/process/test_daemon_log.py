"""The one format of every daemon's log."""

from __future__ import annotations

import logging
import re
import subprocess
import sys

from pb.process.daemon_log import OneLine, plain

PROGRAM = """
import logging, sys
from pb.process.daemon_log import log_to_stderr
logger = log_to_stderr("gateway", debug=len(sys.argv) > 1)
logger.info("listening on %s", "127.0.0.1:1")
logger.warning("odd")
logger.debug("quiet")
logging.getLogger("uvicorn.error").warning("a peer provoked this")
try:
    raise RuntimeError("broken")
except RuntimeError:
    logger.exception("unexpected")
"""


def lines_of(*arguments: str) -> list[str]:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True
    )
    assert ended.stdout == ""
    return ended.stderr.splitlines()


def test_each_event_is_one_line_with_time_level_and_service() -> None:
    listening, odd, unexpected = lines_of()

    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(rf"{stamp} INFO  gateway: listening on 127\.0\.0\.1:1", listening)
    assert re.fullmatch(rf"{stamp} WARN  gateway: odd", odd)
    assert re.fullmatch(
        rf"{stamp} ERROR gateway: unexpected: RuntimeError: broken \(.*\)", unexpected
    )
    assert "Traceback" not in unexpected


def test_debug_says_more_and_still_in_one_line() -> None:
    _, _, quiet, unexpected = lines_of("--debug")

    assert "DEBUG gateway: quiet" in quiet
    assert "Traceback" in unexpected


def test_a_peer_cannot_forge_a_line_or_reach_a_terminal() -> None:
    record = logging.LogRecord("x", 20, "", 0, "from %s", ("a\n2026 \x1b[2J\u202e\udcff",), None)

    line = OneLine("gateway").format(record)

    assert line.endswith("from a\\n2026 \\x1b[2J\\u202e\\udcff")
    assert plain("é ✓ plain") == "é ✓ plain"
