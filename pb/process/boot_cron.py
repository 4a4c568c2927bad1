"""Booting with cron: one marked ``@reboot`` line in the user's crontab; the others stay."""

from __future__ import annotations

from shlex import join, quote, split
from shutil import which

from pb.errors import PbError
from pb.process.boot import AtBoot, BootState, as_installed, ask, must
from pb.process.table import take_table

MARK = "# pb boot:"
"""Begins the end of our line, which a shell takes for a comment; the home follows."""


class Cron:
    """A line in the crontab, written through crontab(1)."""

    name = "cron"

    def state(self, wanted: AtBoot) -> BootState:
        if which("crontab") is None:
            return BootState(
                way=self.name, place="the crontab", why_not="there is no crontab command"
            )
        try:
            ours = [line for line in lines() if is_ours(line, wanted)]
        except PbError as error:
            return BootState(way=self.name, place="the crontab", why_not=error.message)
        path = path_of(ours[0]) if ours else None
        installed = as_installed(wanted, ours[0] if ours else None, path)
        troubles = () if not ours or is_cron_running() else (NO_DAEMON,)
        return BootState(
            way=self.name,
            place="the crontab",
            is_enabled=bool(ours),
            is_current=ours == [self.text(installed).rstrip("\n")],
            path=path,
            troubles=troubles,
        )

    def text(self, wanted: AtBoot) -> str:
        """The line. cron takes ``%`` for a line break unless it is escaped (crontab(5))."""
        command = f"PATH={quote(wanted.path)} {join(wanted.argv)} >/dev/null 2>&1"
        return f"@reboot {command.replace('%', chr(92) + '%')} {mark_of(wanted)}\n"

    def enable(self, wanted: AtBoot) -> list[str]:
        before = lines()
        text = self.text(wanted).rstrip("\n")
        ours = [at for at, line in enumerate(before) if is_ours(line, wanted)]
        if [before[at] for at in ours] == [text]:
            return []
        after = [line for at, line in enumerate(before) if at not in ours[1:]]
        if ours:
            after[ours[0]] = text
        else:
            after.append(text)
        put(after)
        return ["replaced its line in the crontab" if ours else "added a line to the crontab"]

    def disable(self, wanted: AtBoot) -> list[str]:
        before = lines()
        after = [line for line in before if not is_ours(line, wanted)]
        if after == before:
            return []
        put(after)
        return ["removed its line from the crontab"]


NO_DAEMON = (
    "no cron daemon runs now, and only that one reads the crontab",
    "sudo service cron start",
)


def lines() -> list[str]:
    """The crontab's lines, none when the user has no crontab. Raises PbError."""
    answer = ask("crontab", "-l")
    if answer.code == 0:
        return answer.out.split("\n")[:-1] if answer.out.endswith("\n") else lines_of(answer.out)
    if "no crontab" in answer.err.lower():
        return []
    raise PbError(f"crontab -l failed: {answer.said}", hint="May this user use cron?")


def lines_of(text: str) -> list[str]:
    return text.split("\n") if text else []


def put(after: list[str]) -> None:
    must("crontab", "-", stdin="".join(f"{line}\n" for line in after))


def path_of(line: str) -> str | None:
    """The PATH in our line."""
    try:
        words = split(line.replace("\\%", "%"), comments=False)
    except ValueError:
        return None
    found = [word.removeprefix("PATH=") for word in words if word.startswith("PATH=")]
    return found[0] if found else None


def mark_of(wanted: AtBoot) -> str:
    return f"{MARK} {str(wanted.home).replace('%', chr(92) + '%')}"


def is_ours(line: str, wanted: AtBoot) -> bool:
    return line.startswith("@reboot") and line.rstrip().endswith(mark_of(wanted))


def is_cron_running() -> bool:
    return any(
        row.name in ("cron", "crond", "fcron", "busybox") for row in take_table().rows.values()
    )
