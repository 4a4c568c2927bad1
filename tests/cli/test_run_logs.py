"""What a run wrote, once it is more than is kept: in a real scheduler, from the command line."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.kit import eventually
from tests.kit.cli import Cli

NEWEST = "line 00019999 "

WRITER = """
import sys
for number in range(20_000):
    sys.stdout.write(f"line {number:08d} of what this run has to say to whom it may concern\\n")
"""


def test_a_log_over_its_size_keeps_its_first_and_newest_lines(pb: Cli) -> None:
    assert pb("scheduler", "start").code == 0
    try:
        add = ("job", "add", "wordy", "--log-max-size", "128KiB", "--")
        assert pb(*add, sys.executable, "-c", WRITER).code == 0
        assert pb("job", "run", "wordy", "--wait").code == 0
        # Who reads while the end of a burst is being cut may be left behind; the next is not.
        eventually(lambda: NEWEST in pb("job", "logs", "wordy").out)
        shown = pb("job", "logs", "wordy").out.splitlines()
        run = pb("job", "history", "wordy", "--json").json["runs"][0]
    finally:
        pb.end_everything()

    assert shown[0].startswith("line 00000000 ")
    assert shown[-1].startswith("line 00019999 ")
    assert sum("bytes left out" in line for line in shown) == 1
    log = Path(run["log_path"])
    assert sum(path.stat().st_size for path in log.parent.glob(f"{log.name}*")) <= 128 * 1024
