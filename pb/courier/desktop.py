"""Desktop notifications: notify-send (freedesktop.org), or osascript on macOS."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from pb.core.notice import Occasion
from pb.courier.message import Message, UndeliveredError

LONGEST = 600

SCRIPT = "on run {a, b}\ndisplay notification b with title a\nend run"


def send(message: Message) -> str:
    """Raises UndeliveredError where there is no desktop to be seen."""
    argv = words_of(message)
    if shutil.which(argv[0]) is None:
        raise UndeliveredError(f"{argv[0]} is not installed")
    ran = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, env=environment(), check=False
    )
    if ran.returncode != 0:
        said = ran.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UndeliveredError(f"{argv[0]}: {said[-1] if said else f'exit code {ran.returncode}'}")
    return "shown"


def words_of(message: Message) -> list[str]:
    text = "\n".join(str(one["text"]) for one in message.notices)[:LONGEST]
    if sys.platform == "darwin":
        return ["osascript", "-e", SCRIPT, message.subject, text]
    bad = any(one["occasion"] == Occasion.FAILURE for one in message.notices)
    icon = message.option("icon") or ("dialog-error" if bad else "dialog-information")
    urgency = "critical" if bad else "normal"
    # The body is markup there.
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return [
        *("notify-send", "--app-name=pb", f"--urgency={urgency}", f"--icon={icon}"),
        *("--", message.subject, text),
    ]


def environment() -> dict[str, str]:
    """A scheduler that was started at boot knows no session: its bus is where systemd has it."""
    bus = f"/run/user/{os.getuid()}/bus"
    found = dict(os.environ)
    if "DBUS_SESSION_BUS_ADDRESS" not in found and os.path.exists(bus):
        found["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={bus}"
    return found
