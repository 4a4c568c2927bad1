"""A crontab becomes jobs: which lines can be imported, as what, and why the others cannot.

Text in, jobs and sentences out; reading the file and adding the jobs are the caller's. The
grammar of a line is in ``cron_lines``, names are made in ``cron_names``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import assert_never

from pb.config.cron_lines import (
    Assignment,
    Entry,
    Fault,
    LineError,
    command_and_stdin,
    crontab_lines,
)
from pb.config.cron_names import job_name
from pb.config.located import FileProblem
from pb.core.definition import DefinitionError, job_from
from pb.core.fields import RESERVED_ENV
from pb.core.lean import dataclass
from pb.core.model import Job

USERNAME = re.compile(r"[a-z_][a-z0-9_.-]{0,31}\$?", re.IGNORECASE)
EXTRA_FIELD = re.compile(r"[0-9*?][0-9*,/?L-]*")
MAIL = ("MAILTO", "MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING")
OWN = ("LOGNAME", "USER")
"""Names that cron sets itself, whatever the crontab says (crontab(5))."""
NO_MAIL: Mapping[str, str] = MappingProxyType({})
PLAIN_SHELL = "/bin/sh"


@dataclass(frozen=True, slots=True)
class CrontabImport:
    """The jobs of a crontab, each line that is not among them, and what else to know.

    ``system``: whether the lines were read with a user column.
    """

    jobs: tuple[Job, ...]
    problems: tuple[FileProblem, ...]
    notes: tuple[str, ...]
    system: bool = False


def read_crontab(
    text: str,
    *,
    path: str,
    system: bool | None = None,
    user: str,
    mailboxes: Mapping[str, str] = NO_MAIL,
) -> CrontabImport:
    """Import a crontab. ``user`` is who will run the jobs; ``path`` is named in problems;
    ``mailboxes`` are the channels that send mail, by address.

    ``system`` says whether lines have a user column; None decides by ``path`` (/etc/crontab,
    /etc/cron.d), else by what stands in the sixth column, and says so in the notes. Lines of
    other users are problems: pb has no root to become them. Never raises for the text.
    """
    reader = CrontabReader(path, user, mailboxes)
    lines = crontab_lines(text.removeprefix("\ufeff"))
    reader.system = reader.decided(lines) if system is None else system
    if "\r\n" in text:
        reader.notes.append("Windows line ends were removed; cron would take them into commands.")
    for line in lines:
        try:
            reader.take(line)
        except LineError as error:
            reader.report(line.line, error.message, error.hint)
    return CrontabImport(
        tuple(reader.jobs.values()), tuple(reader.problems), tuple(reader.notes), reader.system
    )


class CrontabReader:
    """One crontab on its way to jobs: the environment so far, and what was found."""

    def __init__(self, path: str, user: str, mailboxes: Mapping[str, str]) -> None:
        self.path = path
        self.user = user
        self.mailboxes = mailboxes
        self.told: list[str] = []
        self.system = False
        self.env: dict[str, str] = {}
        self.jitter = 0
        self.jobs: dict[str, Job] = {}
        self.problems: list[FileProblem] = []
        self.notes: list[str] = []

    def report(self, line: int, message: str, hint: str | None = None, key: str = "") -> None:
        self.problems.append(FileProblem(self.path, line, key, message, hint))

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def decided(self, lines: Iterable[Entry | Assignment | Fault]) -> bool:
        """Whether there is a user column: by the path, else by the entries."""
        path = os.path.normpath(self.path)
        if path == "/etc/crontab" or os.path.dirname(path) == "/etc/cron.d":
            self.note("Read as a system crontab, for that is what its path says.")
            return True
        system = has_user_column(
            [line.rest for line in lines if isinstance(line, Entry)], self.user
        )
        self.note(
            "Read as a system crontab: the word after the time names a user on every line."
            if system
            else "Read as a user's crontab: the words after the time are the command."
        )
        return system

    def take(self, line: Entry | Assignment | Fault) -> None:
        match line:
            case Fault(error=error):
                raise error
            case Assignment():
                self._assign(line)
            case Entry():
                self._add(line)
            case _:
                assert_never(line)

    def _assign(self, line: Assignment) -> None:
        name, value = line.name, line.value
        if name in MAIL:
            if name == "MAILTO":
                self._mail_to(value)
        elif name in OWN:
            self.note(f"{name} on line {line.line} was left out: cron does not let it be set.")
        elif name == "RANDOM_DELAY":
            if not value.isdecimal() or len(value) > 6:
                raise LineError("RANDOM_DELAY should be a number of minutes")
            self.jitter = 60 * int(value)
        elif name in RESERVED_ENV:
            raise LineError(f"{name} is set by pb itself for every run")
        elif not name or "\0" in name + value:
            raise LineError("is not an environment variable that a process can have")
        else:
            self.env[name] = value
            self._warn(line)

    def _mail_to(self, value: str) -> None:
        """The channels that send mail to these addresses are told of failures from here on."""
        wanted = [one.strip() for one in value.split(",") if one.strip()]
        found = {one: self.mailboxes.get(one.lower()) for one in wanted}
        self.told = list(dict.fromkeys(name for name in found.values() if name is not None))
        for address, channel in found.items():
            if channel is None:
                self.note(
                    f"MAILTO={address}: no channel sends mail there, so a run's output is kept in "
                    'its log and nobody is told. Make one (type = "mail") and import again.'
                )
            else:
                self.note(
                    f"MAILTO={address}: the channel {channel} is told when a job fails; cron "
                    "mails all output, which here is kept in the run's log."
                )

    def _warn(self, line: Assignment) -> None:
        """Say where cron takes a value more literally than people expect."""
        name, value, place = line.name, line.value, f"on line {line.line}"
        if re.search(r"\$\{?[A-Za-z_]", value) or (name == "PATH" and "~" in value):
            self.note(f"{name} {place} was taken as it is written: cron expands neither $ nor ~.")
        if re.search(r"\s#", value):
            self.note(f"{name} {place} includes its #: cron has no comments at the end of a line.")
        if name == "TZ":
            self.note(
                f"TZ={value} {place} was taken for the times as well; Debian's cron takes it for "
                "the commands alone."
            )

    def _add(self, line: Entry) -> None:
        rest = self._without_user(line.rest) if self.system else line.rest
        if EXTRA_FIELD.fullmatch(rest.split(maxsplit=1)[0]):
            hint = "A crontab has five; for seconds use: pb job add NAME --cron EXPR -- COMMAND"
            raise LineError("seems to have more than five time fields", hint=hint)
        command, stdin = command_and_stdin(rest)
        if not command:
            raise LineError("has no command before its %")
        name = job_name(command, self.jobs)
        definition = self._definition(line, command, stdin)
        try:
            self.jobs[name] = job_from(definition, name=name)
        except DefinitionError as error:
            for problem in error.problems:
                key = "" if problem.key.startswith("triggers") else problem.key
                self.report(line.line, problem.message, problem.hint, key)

    def _without_user(self, rest: str) -> str:
        """The command of a system crontab's line; LineError when somebody else is to run it."""
        name, *command = rest.split(maxsplit=1)
        if name.partition(":")[0] != self.user:
            hint = f"Import it as that user. (You are {self.user}.)"
            raise LineError(f"runs as {name[:40]!r}, which pb cannot do for you", hint=hint)
        if not command:
            raise LineError("has no command after its user")
        return command[0]

    def _definition(self, line: Entry, command: str, stdin: str | None) -> dict[str, object]:
        """The job's definition, with the environment as it stands at this line."""
        env = {name: value for name, value in self.env.items() if name != "CRON_TZ"}
        shell = env.get("SHELL") or PLAIN_SHELL
        definition: dict[str, object] = {
            "command": command if shell == PLAIN_SHELL else [shell, "-c", command],
            "shell": shell == PLAIN_SHELL,
            "triggers": [trigger(line.when)],
            "description": line.comment,
            "env": env,
            "jitter": self.jitter,
            "stdin": stdin,
        }
        if home := env.get("HOME"):
            definition["cwd"] = home
        if timezone := self.env.get("CRON_TZ") or self.env.get("TZ"):
            definition["timezone"] = timezone.removeprefix(":")
        if self.told:
            definition["notify"] = list(self.told)
        if "H(" in line.when:
            self.note(f"Line {line.line}: the random time is chosen once, by the job's name.")
        return definition


def trigger(when: str) -> dict[str, object]:
    """``@reboot`` is once per boot of the machine; all else is a cron expression."""
    if when == "@reboot":
        return {"type": "startup", "per": "boot"}
    return {"type": "cron", "expr": when}


def has_user_column(commands: list[str], user: str) -> bool:
    """Whether the first word of every command is rather a user than a program.

    ``root`` and the current user settle what is both (``mail``, ``sync`` and ``backup`` are
    users on Debian).
    """
    words = [command.split(maxsplit=2) for command in commands]
    names = {parts[0] for parts in words if len(parts) > 1}
    alone = {parts[0] for parts in words if len(parts) == 1}
    # A word alone may be a user whose command was forgotten; it is told later, with its line.
    if not names or not all(USERNAME.fullmatch(name) for name in names):
        return False
    if not all(name in names and is_user(name) for name in alone):
        return False
    if {"root", user} & names:
        return all(is_user(name) or not is_program(name) for name in names)
    return all(is_user(name) and not is_program(name) for name in names)


def is_user(name: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(name)
    except KeyError:
        return name in ("root", "nobody", "daemon", "www-data")
    return True


def is_program(name: str) -> bool:
    from shutil import which

    return which(name) is not None
