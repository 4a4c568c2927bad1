"""The commands of docs/howto/api.md and what they print: `python -m tests.docs.session` renews it.

Each is run by a shell with a real gateway before it. What differs from run to run (times, tokens,
versions) is replaced by an example, so that the page stays the same.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.docs.generate import DOCS
from tests.gateway.house import House, house
from tests.gateway.serving import TOKEN
from tests.kit import eventually

PAGE = DOCS / "howto" / "api.md"
MARK = "<!-- session -->\n"
BASE = "http://127.0.0.1:18789"

ASK, JSON = "curl -s -H @auth", "-H 'Content-Type: application/json'"

STEPS: tuple[tuple[str, str], ...] = (
    (
        "Is it there? These two answer without a token.",
        "curl -s $GATEWAY/healthz",
    ),
    (
        "Add a job, run it, and wait for its end.",
        """curl -s -H @auth -H 'Content-Type: application/json' $GATEWAY/api/v1/jobs -d '{
  "name": "hello", "command": ["echo", "hello"], "triggers": ["cron: 30 2 * * *"], "timezone": "UTC"
}' | python3 -m json.tool --indent 1 | head -n 6""",
    ),
    ("", 'curl -s -H @auth -X POST $GATEWAY/api/v1/jobs/hello/run | grep -o \'"state":"[a-z]*"\''),
    (
        "",
        f'{ASK} "$GATEWAY/api/v1/runs/1/wait?timeout=60" | grep -o \'"exit_code":[0-9]*\'',
    ),
    (
        "Its output, whole, by its last lines, or by bytes.",
        "curl -s -H @auth $GATEWAY/api/v1/runs/1/log",
    ),
    ("", "curl -s -H @auth -H 'Range: bytes=0-3' $GATEWAY/api/v1/runs/1/log"),
    (
        "The past, a page at a time, and only what matters.",
        'curl -s -H @auth "$GATEWAY/api/v1/runs?job=hello&n=1" | grep -o \'"run_id":[0-9]*\'',
    ),
    ("", 'curl -s -H @auth "$GATEWAY/api/v1/runs?state=failed"'),
    ("When does it fire next?", 'curl -s -H @auth "$GATEWAY/api/v1/jobs/hello/next?n=2"'),
    (
        "Pause it with a reason. Who has done what?",
        """curl -s -H @auth -H 'Content-Type: application/json' $GATEWAY/api/v1/jobs/hello/pause \\
  -d '{"note": "moving disks"}' | grep -o '"changed":[a-z]*'""",
    ),
    ("", 'curl -s -H @auth "$GATEWAY/api/v1/audit?method=job.pause"'),
    (
        "A service: define it, start it, read its log, stop it.",
        f"""{ASK} -X PUT {JSON} $GATEWAY/api/v1/services/web \\
  -d '{{"command": "sleep 1000", "enabled": false}}' | grep -o '"state":"[a-z]*"'""",
    ),
    (
        "",
        f'{ASK} -X POST $GATEWAY/api/v1/services/web/start | grep -o \'"state":"[a-z]*"\'',
    ),
    (
        "",
        f'{ASK} -X POST $GATEWAY/api/v1/services/web/stop | grep -o \'"action":"[a-z]*"\'',
    ),
    (
        "Events as they happen; here those since the beginning, and five seconds of what comes.",
        'curl -s -m 5 -H @auth "$GATEWAY/events?since=0&type=job"',
    ),
    (
        "Numbers for Prometheus. In its configuration: `authorization: {credentials_file: token}`.",
        "curl -s -H @auth $GATEWAY/metrics | grep '^pb_job_[rs].*total'",
    ),
    (
        "A mistake is answered in words, as a problem document.",
        "curl -s -H @auth $GATEWAY/api/v1/jobs/helo",
    ),
    ("Without a good token there is nothing to see.", "curl -s $GATEWAY/api/v1/jobs"),
    (
        "A token that may only look, for somebody else; and how it is taken back.",
        """curl -s -H @auth -H 'Content-Type: application/json' $GATEWAY/api/v1/tokens \\
  -d '{"name": "guest", "scope": "read", "expires": "7d"}'""",
    ),
    ("", f'{ASK} -X DELETE $GATEWAY/api/v1/tokens/guest | grep -o \'"state":"[a-z]*"\''),
)

STEADY = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "2026-03-01T12:00:00.000Z"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:18789"),
    (r"pb_[A-Za-z0-9_-]{43}", "pb_Zm9yIGV4YW1wbGU_Zm9yIGV4YW1wbGU_Zm9yIGV4YW1"),
    (r'"version":"[^"]+"', '"version":"0.1.0"'),
)
"""What differs from run to run, and what stands for it. A fire time keeps its time of day."""


def steady(text: str) -> str:
    for pattern, example in STEADY:
        text = re.sub(pattern, example, text)
    return text


def said(whole: House, command: str, work: Path) -> str:
    """What one command prints."""
    environ = {**os.environ, "GATEWAY": whole.gateway.url, "no_proxy": "*"}
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=work,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return steady(done.stdout).rstrip("\n")


def session() -> str:
    """The whole session as Markdown."""
    parts = []
    with tempfile.TemporaryDirectory() as top, house(Path(top) / "home") as whole:
        work = Path(top)
        (work / "auth").write_text(f"Authorization: Bearer {TOKEN}\n")
        for text, command in STEPS:
            if text:
                parts.append(f"{text}\n")
            printed = said(whole, command, work)
            parts.append(f"```console\n$ {command}\n{printed}\n```\n")
            eventually(lambda: whole.ask("system.ping"))
    return "\n".join([f"With `GATEWAY={BASE}`:\n", *parts])


def renewed(text: str) -> str:
    return text.partition(MARK)[0] + MARK + "\n" + session()


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
    sys.stdout.write(f"{PAGE}\n")
