"""A log that writes an error, with the real command: its job starts once, also across a restart."""

from __future__ import annotations

import json
from pathlib import Path

from tests.kit import eventually
from tests.kit.command import Pb

TELL = 'echo "$PB_EVENT_VALUE $PB_EVENT_PATH"; cat "$PB_EVENT_FILE"'
WAIT = 60


def states(pb: Pb, job: str) -> list[str]:
    return [run["state"] for run in pb.history(job)]


def test_errors_in_a_file_and_in_a_services_log_start_jobs_with_the_lines(
    pb: Pb, tmp_path: Path
) -> None:
    log = tmp_path / "app.log"
    log.write_text("ERROR of yesterday\n")
    pb.ok("scheduler", "start")
    when = f"log 2 in 1h {log} ^ERROR"
    added = pb.ok("job", "add", "look", "--when", when, "--shell", "--", TELL)
    assert "When '^ERROR' appears 2 times in 1 hour" in added.out
    pb.ok("job", "add", "web", "--when", "log service:loud panic: .*", "--shell", "--", TELL)
    with log.open("a") as file:
        file.write("ERROR one\nfine\n")
    pb.ok("service", "add", "loud", "--shell", "--", "echo panic: no disk; sleep 600")
    pb.ok("service", "start", "loud")
    eventually(lambda: states(pb, "web") == ["succeeded"], timeout=WAIT)
    first, line = pb.ok("job", "logs", "web").out.splitlines()[:2]
    assert first == f"1 {pb.home / 'loud.log'}"
    assert json.loads(line)["line"] == "panic: no disk"
    assert states(pb, "look") == []
    pb.ok("scheduler", "restart")
    with log.open("a") as file:
        file.write("ERROR two\n")
    eventually(lambda: states(pb, "look") == ["succeeded"], timeout=WAIT)
    assert states(pb, "web") == ["succeeded"]
    pb.ok("service", "stop", "loud")
