"""Sending notices by a real courier process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pb
from pb.api.digest_text import CHANGES
from pb.paths import Home

AT = 1_795_000_000_000

FAILURE: dict[str, Any] = {
    "id": 7,
    "occasion": "failure",
    "at": AT,
    "job": "backup",
    "run_id": 12,
    "service": None,
    "text": "Job backup failed: exit code 3",
    "state": "failed",
    "reason": "exit code 3",
    "exit_code": 3,
    "attempt": 1,
    "finished_at": AT,
    "failures": 1,
    "since_at": AT,
    "log_path": None,
}


@dataclass(frozen=True)
class Sent:
    """How the courier has ended, and what it has said."""

    code: int
    answer: str
    errors: str


@dataclass
class Post:
    """``channels`` are those of the settings."""

    home: Home
    channels: dict[str, dict[str, Any]] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)

    def __call__(self, *notices: dict[str, Any], channel: str = "it", **options: Any) -> Sent:
        """Send notices (one failure, if none are given) to a channel with these options."""
        if options:
            self.channels[channel] = options
        batch = {"channel": channel, "store": "s1", "notices": list(notices) or [FAILURE]}
        environ = {
            **os.environ,
            "PB_HOME": str(self.home.root),
            "PB_NOTIFY__CHANNELS": json.dumps(self.channels),
            "PYTHONPATH": str(Path(pb.__file__).parents[1]),
            **self.env,
        }
        ran = subprocess.run(
            [sys.executable, "-P", "-m", "pb.courier"],
            input=json.dumps(batch),
            capture_output=True,
            text=True,
            env=environ,
            timeout=90,
            check=False,
        )
        lines = ran.stdout.splitlines()
        return Sent(ran.returncode, lines[-1] if lines else "", ran.stderr)


def notice(**facts: Any) -> dict[str, Any]:
    """A failure with other facts."""
    return {**FAILURE, **facts}


def digest(**facts: Any) -> dict[str, Any]:
    """A notice that takes a digest to people."""
    nothing = {"runs": 0, "errors": 0, "skips": 0, "misses": 0, "retries": 0}
    numbers = {**nothing, "success_rate": None, "busy_ms": 0}
    found = {
        "since": "2026-11-20T18:00:00Z",
        "until": "2026-11-21T18:00:00Z",
        "home": "/home/me/.ponybunny",
        "by": "hour",
        "total": {**numbers, "runs": 9, "spark": [4, 5]},
        "before": numbers,
        "jobs": [],
        "failures": [],
        "slow": [],
        "services": [],
        "changes": {key: [] for key, _ in CHANGES},
        "own_failures": [],
    }
    more = {"occasion": "digest", "job": "digest_daily", "run_id": None, "digest": found}
    return notice(**more, text="The daily digest: 9 runs, nothing failed", **facts)
