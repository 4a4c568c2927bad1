"""``pb job test``: one run as the scheduler does it, after saying with what it will run.

It is a run by hand like any other: recorded, in the job's own surroundings, within its limits.
"""

from __future__ import annotations

from shlex import join
from typing import Any

from pb.cli import jobs
from pb.cli.asked import ANSWER_TIME, asked, session
from pb.cli.job_views import limits
from pb.cli.render import clean, out
from pb.core.secrets import hidden_text, hidden_words

Json = dict[str, Any]

GIVEN = ("PB_JOB", "PB_RUN_ID", "PB_ATTEMPT", "PB_FIRE_TIME", "PB_OUTPUT")
"""What every run gets, whatever its definition says."""


def try_out(name: str) -> int:
    """Show, run, follow; answers the run's own exit code."""
    with session(local_ok=False) as talk:
        answer = talk.call("job.show", {"name": name}, timeout=ANSWER_TIME)
    if not asked.as_json:
        for label, text in surroundings(answer):
            heading = f"{label}:" if label else ""
            out(f"  {heading:<13} {clean(text)}")
    return jobs.run_now(name, follow=True)


def surroundings(answer: Json) -> list[tuple[str, str]]:
    """What a run of the job has around it; secrets are not shown."""
    job: Json = answer["definition"]
    found = [
        ("Command", command_of(job)),
        ("Directory", str(job.get("cwd", "~"))),
        ("Environment", "the scheduler's own, and"),
        *[("", f"{key}=…") for key in GIVEN],
        *[("", f"{key}={hidden_text(key, text)}") for key, text in job.get("env", {}).items()],
        *[("", f"what stands in {path}") for path in job.get("env_file", [])],
        ("Input", "its own text" if "stdin" in job else "nothing"),
        ("Umask", str(job.get("umask", "077"))),
        ("Limits", limits(job.get("limits", {}), answer.get("kept", {})) or "none"),
        ("Timeout", str(job.get("timeout", "none"))),
    ]
    if "conditions" in job:
        found.append(("Conditions", f"{', '.join(job['conditions'])}: not asked for by hand"))
    return found


def command_of(job: Json) -> str:
    if "python" in job:
        return f"python {job['python']}"
    command = job["command"]
    return f"/bin/sh -c {command!r}" if isinstance(command, str) else join(hidden_words(command))
