"""The doctor's look at the machine: boot, lingering, time zones, file watches, the pb on PATH."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pb.cli.findings import Finding, Look, noted, problem, warning, well

OLD_ZONES = 2
"""Years after which time zone data is old: several countries change their rules each year."""

FEW_INSTANCES, FEW_WATCHES = 64, 4096


def boot(look: Look) -> Iterator[Finding]:
    """Whether pb is started at boot, and lingering where a login would be waited for."""
    from pb.process.boot import at_boot, ways

    states = [way.state(at_boot(look.home)) for way in ways()]
    enabled = [state for state in states if state.is_enabled]
    for state in enabled:
        for sentence, command in state.troubles:
            yield warning("boot", f"{state.way}: {sentence}", command)
        if not state.troubles:
            yield well("boot", f"{state.way} starts pb at boot")
    if not enabled:
        yield noted("boot", "nothing starts pb at boot", "pb service boot enable")


def lingering(_look: Look) -> Iterator[Finding]:
    """A login may end everything that it started (logind.conf(5), KillUserProcesses)."""
    from getpass import getuser
    from shutil import which

    from pb.process.boot_systemd import lingers

    if not os.path.isdir("/run/systemd/system") or which("loginctl") is None or os.geteuid() == 0:
        return
    if lingers(getuser()):
        yield well("lingering", "what you start outlives your login")
    else:
        said = "lingering is off: a logout may end what pb runs"
        yield warning("lingering", said, f"loginctl enable-linger {getuser()}")


def zones(_look: Look) -> Iterator[Finding]:
    """The time zone data that is used, and how old it is."""
    from datetime import UTC, datetime

    name, origin = zone_release()
    if name is None:
        yield problem("time zones", "there is no time zone data", "pip install --upgrade tzdata")
        return
    if datetime.now(UTC).year - int(name[:4]) >= OLD_ZONES:
        said = f"the time zone data of {origin} is of {name[:4]}"
        yield warning("time zones", said, "Upgrade the package tzdata.")
    else:
        yield well("time zones", f"data of {name} ({origin})")


def zone_release() -> tuple[str | None, str]:
    """The release such as ``2026a`` and whose it is: the system's comes first (zoneinfo)."""
    from importlib.metadata import PackageNotFoundError, version
    from zoneinfo import TZPATH

    for folder in TZPATH:
        place = Path(folder, "tzdata.zi")
        if place.is_file():
            with place.open(encoding="utf-8", errors="replace") as stream:
                found = re.search(r"version (\d{4}[a-z]*)", stream.readline())
            if found:
                return found[1], "the system"
    try:
        release = version("tzdata")
    except PackageNotFoundError:
        return None, ""
    year, _, number = release.partition(".")
    letter = chr(ord("a") + int(number) - 1) if number.isdecimal() and number != "0" else ""
    return f"{year}{letter}", "the Python package"


def watches(_look: Look) -> Iterator[Finding]:
    """What inotify allows this user (inotify(7)); jobs.d, services.d and watch need some."""
    folder = Path("/proc/sys/fs/inotify")
    if not folder.is_dir():
        return
    instances = int((folder / "max_user_instances").read_text())
    many = int((folder / "max_user_watches").read_text())
    used = inotify_in_use()
    if used >= instances - 1:
        said = f"{used} of {instances} inotify instances are in use: files cannot be watched"
        yield problem("file watches", said, RAISE)
    elif instances < FEW_INSTANCES or many < FEW_WATCHES:
        said = f"inotify allows {instances} instances and {many} watches, which is little"
        yield noted("file watches", said, RAISE)
    else:
        yield well("file watches", f"{used} of {instances} inotify instances are in use")


RAISE = "sudo sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=65536"


def inotify_in_use() -> int:
    """Inotify instances of this user's processes, as far as they can be seen."""
    count = 0
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        folder = f"/proc/{pid}/fd"
        try:
            if os.stat(folder).st_uid != os.geteuid():
                continue
            links = [os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)]
        except OSError:
            continue  # It ended meanwhile.
        count += sum(link == "anon_inode:inotify" for link in links)
    return count


def command(_look: Look) -> Iterator[Finding]:
    """Whether `pb` on the PATH is this pb."""
    from shutil import which

    found = which("pb")
    own = Path(sys.executable).with_name("pb")
    if found is None:
        yield noted("command", "pb is not on your PATH", f"export PATH={own.parent}:$PATH")
        return
    if os.path.realpath(found) == os.path.realpath(own):
        yield well("command", f"{found} is this pb")
        return
    other = interpreter_of(Path(found))
    if other is None:
        said = f"{found} is another program than this pb"
        yield warning("command", said, f"export PATH={own.parent}:$PATH")
    elif other != sys.executable:
        said = (
            f"{found} is {version_by(other)}, and this is another installation ({sys.executable})"
        )
        yield warning("command", said, "type -a pb")
    else:
        yield well("command", f"{found} is this pb")


def interpreter_of(script: Path) -> str | None:
    """The Python that a `pb` of ours is run by; None for a program that is none of ours."""
    try:
        with script.open("rb") as stream:
            text = stream.read(4096).decode(errors="replace")
    except OSError:
        return None
    first = re.match(r"#!\s*(\S+python\S*)", text)
    if "pb.cli.main" not in text:
        return None
    return first[1] if first else "another Python"


def version_by(python: str) -> str:
    """The version of pb that another interpreter has."""
    import subprocess

    code = "from importlib.metadata import version; print(version('ponybunny'))"
    try:
        ran = subprocess.run(
            [python, "-P", "-c", code], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return f"pb of {python}"
    return f"pb {ran.stdout.strip()} of {python}"


EXAMINATIONS = (boot, lingering, zones, watches, command)
