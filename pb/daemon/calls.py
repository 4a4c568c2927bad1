"""What a run executes: its words, and for a python job the call that they carry out."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pb
from pb.api.surroundings import from_home
from pb.core.model import Job
from pb.paths import Home

RUNNER = Path(pb.__file__).with_name("runner.py")

OWN = "pb.maintenance."
"""What the functions of built-in jobs begin with."""

CALL = "PB_CALL"
"""The call as JSON. Not in the arguments, which everybody on the machine may read."""


def argv_of(job: Job, user_home: str) -> tuple[str, ...]:
    if job.python is not None:
        interpreter = from_home(job.interpreter or sys.executable, user_home)
        # By its path: the interpreter need not be one that has pb.
        return (interpreter, str(RUNNER), job.python)
    return ("/bin/sh", "-c", job.command[0]) if job.shell else job.command


def place_of(job: Job, home: Home, database: Path) -> dict[str, str]:
    """What a built-in job has to know of where it works; nothing for anybody else's."""
    if job.python is None or not job.python.startswith(OWN):
        return {}
    return {"PB_HOME": str(home.root), "PB_SCHEDULER__DB": str(database)}


def call_of(job: Job) -> dict[str, str]:
    """The environment that carries the call; empty for a command."""
    if job.python is None:
        return {}
    call = {"python": job.python, "args": list(job.args), "kwargs": dict(job.kwargs)}
    return {CALL: json.dumps(call)}
