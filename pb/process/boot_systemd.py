"""Booting with systemd: a user unit, and lingering, without which it would wait for a login."""

from __future__ import annotations

import re
from pathlib import Path
from shutil import which

from pb.process.boot import (
    AtBoot,
    BootState,
    as_installed,
    ask,
    must,
    remove_file,
    text_of,
    write_file,
)


class Systemd:
    """``~/.config/systemd/user/pb.service``."""

    name = "systemd"

    def state(self, wanted: AtBoot) -> BootState:
        path, unit = unit_path(wanted), unit_name(wanted)
        why_not = unreachable()
        text = text_of(path)
        is_enabled = text is not None and (
            why_not is not None or ask("systemctl", "--user", "is-enabled", unit).code == 0
        )
        troubles = () if why_not or not is_enabled or lingers(wanted.user) else (no_linger(wanted),)
        return BootState(
            way=self.name,
            place=str(path),
            why_not=why_not,
            is_enabled=is_enabled,
            is_current=text == self.text(as_installed(wanted, text, path_of(text))),
            path=path_of(text),
            troubles=troubles,
        )

    def text(self, wanted: AtBoot) -> str:
        """The unit. It remains after its command, which only starts what lives on by itself.

        The ``-`` matters: were one failed start a failure of the unit, systemd would kill the
        others, which are in its control group. Nothing may be marked as stopped by the user at
        shutdown, so only the scheduler is stopped in order; systemd stops the rest.
        """
        start = " ".join(map(quoted, wanted.argv))
        stop = " ".join(map(quoted, (*wanted.pb, "scheduler", "stop")))
        return f"""\
# Written by: pb service boot enable
[Unit]
Description=pb: jobs and services of {percent(str(wanted.home))}

[Service]
Type=oneshot
RemainAfterExit=yes
Environment={quoted("PATH=" + wanted.path)}
WorkingDirectory=/
ExecStart=-{start}
ExecStop=-{stop}
TimeoutStartSec=infinity
TimeoutStopSec=90

[Install]
WantedBy=default.target
"""

    def enable(self, wanted: AtBoot) -> list[str]:
        path, unit = unit_path(wanted), unit_name(wanted)
        done = []
        if write_file(path, self.text(wanted)):
            done.append(f"wrote {path}")
            must("systemctl", "--user", "daemon-reload")
        if ask("systemctl", "--user", "is-enabled", unit).code != 0:
            must("systemctl", "--user", "enable", unit)
            done.append(f"enabled {unit}")
        if not lingers(wanted.user) and linger(wanted.user):
            done.append(f"turned on lingering for {wanted.user}, so that no login is needed")
        return done

    def disable(self, wanted: AtBoot) -> list[str]:
        """Take the unit away; what it started goes on, and lingering stays as it is."""
        path, unit = unit_path(wanted), unit_name(wanted)
        if text_of(path) is None:
            return []
        if unreachable() is None:
            must("systemctl", "--user", "disable", unit)
        remove_file(path)
        if unreachable() is None:
            must("systemctl", "--user", "daemon-reload")
        return [f"removed {path}"]


def path_of(text: str | None) -> str | None:
    """The PATH in an installed unit."""
    found = re.search(r'^Environment="PATH=(.*)"$', text or "", re.M)
    if found is None:
        return None
    plain = found[1].replace("%%", "%").replace("$$", "$")
    return re.sub(r"\\(.)", r"\1", plain)


def unit_name(wanted: AtBoot) -> str:
    return f"{wanted.label}.service"


def unit_path(wanted: AtBoot) -> Path:
    return wanted.user_home / ".config" / "systemd" / "user" / unit_name(wanted)


def unreachable() -> str | None:
    """Why no user systemd can be asked; None when one can."""
    if which("systemctl") is None:
        return "there is no systemctl"
    answer = ask("systemctl", "--user", "show-environment")
    return None if answer.code == 0 else f"no systemd answers for this user ({answer.said})"


def lingers(user: str) -> bool:
    """Whether the user's systemd starts with the machine rather than with a login."""
    if which("loginctl") is None:
        return False
    answer = ask("loginctl", "show-user", user, "--property=Linger")
    return answer.code == 0 and answer.out.strip() == "Linger=yes"


def linger(user: str) -> bool:
    """Turn it on; False where that takes an administrator."""
    return which("loginctl") is not None and ask("loginctl", "enable-linger", user).code == 0


def no_linger(wanted: AtBoot) -> tuple[str, str]:
    sentence = f"lingering is off for {wanted.user}, so it waits for a login"
    return sentence, f"sudo loginctl enable-linger {wanted.user}"


def quoted(word: str) -> str:
    """One word of a unit file; ``$`` and ``%`` stand for themselves (systemd.service(5))."""
    shown = word.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{percent(shown)}"'


def percent(text: str) -> str:
    return text.replace("%", "%%")
