"""A Procfile becomes services, as foreman and honcho would run it.

Each line is ``name: command for a shell``; ``PORT`` is handed out in steps of a hundred, and the
``.env`` beside the file is read at every start.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from pb.config.env_file import read_env_file
from pb.config.imports.found import Entry, Import, Imported, Surroundings
from pb.errors import InvalidError

LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(.+)")
FIRST_PORT, STEP = 5000, 100
"""foreman's ``--port`` default, and how far apart the ports of process types are."""

ONCE = ("release",)
"""Process types that are run once by whoever deploys, not kept up."""


def read_procfile(text: str, *, path: str, around: Surroundings) -> Imported:
    """Import a Procfile at ``path`` (absolute). Never raises for what the file says."""
    found = Import(path, around)
    folder = os.path.dirname(path)
    env_file = os.path.join(folder, ".env")
    has_env = os.path.isfile(env_file)
    port = first_port(found, env_file) if has_env else FIRST_PORT
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = LINE.fullmatch(line.strip())
        place = Entry(path, number, match[1] if match else "", line)
        if match is None:
            found.refuse(place, "is not a line like NAME: COMMAND")
            continue
        if match[1] in found.services or match[1] in found.jobs:
            found.refuse(place, "is there already", "Rename one of them.")
            continue
        is_once = match[1] in ONCE
        draft = found.job(match[1], place) if is_once else found.service(match[1], place)
        draft.put("command", match[2])
        draft.put("shell", True)
        draft.put("cwd", folder)
        if has_env:
            draft.put("env_file", [env_file])
        if is_once:
            draft.change(place, "is a job that runs by hand", f"Run it: pb job run {draft.name}")
            continue
        draft.put("env", {"PORT": str(port)})
        port += STEP
    if os.path.exists(options := os.path.join(folder, ".foreman")):
        hint = "foreman's options in it: port is PORT in .env, formation is replicas."
        found.leave_out(Entry(options, None, "", None), "is beside it and was not read", hint)
    if len(found.services) > 1:
        place = Entry(path, None, "", None)
        message = "foreman ends all of them when one ends; pb starts that one again"
        found.change(place, message, "To end with one of them: essential = true, pb service run")
    return found.result()


def first_port(found: Import, env_file: str) -> int:
    """``PORT`` of the ``.env`` file, which foreman counts from, else 5000."""
    try:
        text = read_env_file(Path(env_file)).get("PORT", "")
    except InvalidError as error:
        found.change(Entry(env_file, None, "", None), error.message, error.hint)
        return FIRST_PORT
    return int(text) if text.isdecimal() and int(text) < 65_536 else FIRST_PORT
