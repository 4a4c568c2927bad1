"""Trying a boot: what would start in an environment without a login, and what would fail there.

Two halves of one command: ``tried`` runs pb again as a boot would, and ``look`` is what that other
pb finds. It reads definitions, environment files and directories, and starts nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pb.cli.asked import session
from pb.errors import InvalidError, PbError
from pb.paths import BUILTINS, Home

if TYPE_CHECKING:
    from pb.process.boot import AtBoot

PATIENCE = 60.0
"""Seconds that the other pb may take."""

Found = dict[str, Any]


def tried(wanted: AtBoot, path: str) -> Found:
    """What a pb started as at boot says, with ``path`` as its PATH. Raises PbError."""
    env = {
        "HOME": str(wanted.user_home),
        "LOGNAME": wanted.user,
        "USER": wanted.user,
        "SHELL": "/bin/sh",
        "PATH": path,
    }
    try:
        ran = subprocess.run(
            [*wanted.pb, "--json", "service", "boot", "trial"],
            env=env, cwd="/", stdin=subprocess.DEVNULL, capture_output=True,
            start_new_session=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PbError(f"pb cannot be run as at boot: {error}") from error
    return {**answer_of(ran), "path": path, "notes": [*shell_only()]}


def answer_of(ran: subprocess.CompletedProcess[bytes]) -> Found:
    """The document of the other pb; where it has none, that is the one thing that would fail."""
    import json

    try:
        answer: Found = json.loads(ran.stdout)
    except ValueError:
        lines = ran.stderr.decode(errors="replace").strip().splitlines()
        said = lines[-1] if lines else f"it ended with {ran.returncode}"
        answer = {"error": {"message": f"pb does not run as at boot: {said}", "hint": None}}
    if "error" in answer:
        problem = {"name": "pb", **{k: answer["error"].get(k) for k in ("message", "hint")}}
        return {"would_start": [], "problems": [problem], "left": []}
    return {key: answer[key] for key in ("would_start", "problems", "left")}


def shell_only() -> Iterator[str]:
    """Settings that the shell has and a boot will not."""
    for name in sorted(os.environ):
        if name.startswith(("PB_", "PONY_", "DEBUG_SERVER_")) and name not in (
            "PB_HOME",
            "PB_DEBUG",
        ):
            yield f"{name} is set in this shell and will not be at boot: write it into config.toml"


def look(home: Home) -> Found:
    """What would start here and now, in this very environment."""
    from pb.config.settings import load_settings

    if not home.exists():
        raise PbError(f"There is no home at {home.root}", hint="Start the scheduler once.")
    load_settings(home)
    found: Found = {"would_start": list(BUILTINS), "problems": [], "left": []}
    with session() as talk:
        services = talk.call("service.export", {"names": []}, timeout=30.0)["services"]
        states = talk.call("service.list", {"names": []}, timeout=30.0)["services"]
        jobs = talk.call("job.export", {"names": []}, timeout=30.0)["jobs"]
    stopped = {one["service"] for one in states if one.get("desired") == "stopped"}
    for service in services:
        judge(found, service, stopped)
    for job in jobs:
        if job.get("enabled", True) and job.get("command"):
            found["problems"] += [
                {**problem, "name": f"job {problem['name']}"} for problem in problems_of(job)
            ]
    return found


def judge(found: Found, service: Mapping[str, Any], stopped: set[str]) -> None:
    name = service["name"]
    if not service.get("enabled", True):
        found["left"].append({"name": name, "reason": "it is disabled"})
    elif name in stopped:
        found["left"].append({"name": name, "reason": "somebody has stopped it"})
    elif problems := problems_of(service):
        found["problems"] += problems
    else:
        found["would_start"].append(name)


def problems_of(definition: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Why a service or a job could not be started here: its files, its directory, its program."""
    try:
        check(definition)
    except PbError as error:
        return [{"name": definition["name"], "message": error.message, "hint": error.hint}]
    return []


def check(definition: Mapping[str, Any]) -> None:
    """Raises PbError for the first thing that is in the way of a start."""
    from pb.process.program import check_directory, find_from

    env = {**os.environ, **files_of(definition), **definition.get("env", {})}
    cwd = os.path.expanduser(definition.get("cwd") or "~")
    check_directory(cwd)
    command = definition["command"]
    if definition.get("shell"):
        check_shell(command, env, cwd)
    else:
        find_from(cwd, command[0], env)


def files_of(definition: Mapping[str, Any]) -> dict[str, str]:
    from pb.config.env_file import read_env_file

    found: dict[str, str] = {}
    for text in definition.get("env_file", ()):
        path = os.path.expanduser(text.removeprefix("?"))
        if not text.startswith("?") or os.path.lexists(path):
            found |= read_env_file(Path(path))
    return found


def check_shell(command: str, env: Mapping[str, str], cwd: str) -> None:
    """The first word of a line for a shell, as far as it is plain: would the shell find it?"""
    first = re.match(r"\s*(?:exec\s+)?([A-Za-z0-9_./+-]+)(?=\s|$|;|&|\|)", command)
    if first is None:
        return
    asked = subprocess.run(
        ["/bin/sh", "-c", 'command -v -- "$1"', "sh", first[1]],
        env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    if asked.returncode != 0:
        hint = "Install it, give its full path, or set PATH for it."
        raise InvalidError(f"Command not found: {first[1]}", hint=hint)
