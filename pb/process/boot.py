"""Being started when the machine boots: what is run then, and by which of its ways.

systemd's user units, launchd's agents and cron's ``@reboot`` are a module each; this one has what
they share. Nothing is started here: a boot does that.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from pb.core.lean import dataclass
from pb.errors import PbError, UnsupportedError
from pb.paths import Home, user_home

OPTIONS = ("--only-scheduler",)
"""What may stand behind `pb service boot run`."""

PATIENCE = 30.0
"""Seconds for which a program of the system (systemctl, crontab) is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtBoot:
    """What is run at boot: this interpreter with this pb, for one home, with this PATH.

    ``options`` go behind ``pb service boot run``.
    """

    home: Path
    python: str
    path: str
    user: str
    user_home: Path
    options: tuple[str, ...] = ()

    @property
    def argv(self) -> tuple[str, ...]:
        return (*self.pb, "service", "boot", "run", *self.options)

    @property
    def pb(self) -> tuple[str, ...]:
        """The command by whole paths: nobody has a PATH at boot that could be relied on."""
        return (self.python, "-P", "-m", "pb", "--home", str(self.home))

    @property
    def label(self) -> str:
        """``pb`` for the default home, with a part of its own for another."""
        if self.home == self.user_home / ".ponybunny":
            return "pb"
        from hashlib import sha256

        return f"pb-{sha256(os.fsencode(self.home)).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BootState:
    """How one way stands. ``why_not`` is None where this machine has it.

    ``is_current``: what is installed is what would be installed now, but perhaps for its PATH,
    which is ``path``. ``troubles`` are sentences
    about what would keep it from working, each with the command that mends it.
    """

    way: str
    place: str
    why_not: str | None = None
    is_enabled: bool = False
    is_current: bool = False
    path: str | None = None
    troubles: tuple[tuple[str, str], ...] = ()


class Way(Protocol):
    """One way of being started at boot."""

    name: str

    def state(self, wanted: AtBoot) -> BootState: ...

    def text(self, wanted: AtBoot) -> str:
        """What would be written."""
        ...

    def enable(self, wanted: AtBoot) -> list[str]:
        """Make it so, and say in sentences what was done; nothing twice."""
        ...

    def disable(self, wanted: AtBoot) -> list[str]: ...


def at_boot(home: Home, options: tuple[str, ...] = ()) -> AtBoot:
    """What this pb would have run at boot. Raises UnsupportedError without an interpreter."""
    from getpass import getuser

    if not os.path.isabs(sys.executable or ""):
        raise UnsupportedError(
            "The path of this Python interpreter is not known", hint="Run pb by its whole path."
        )
    return AtBoot(
        home=home.root,
        python=sys.executable,
        path=os.environ.get("PATH", os.defpath),
        user=getuser(),
        user_home=user_home(),
        options=options,
    )


def ways() -> tuple[Way, ...]:
    """All of them, the best first."""
    from pb.process.boot_cron import Cron
    from pb.process.boot_launchd import Launchd
    from pb.process.boot_systemd import Systemd

    return (Systemd(), Launchd(), Cron())


def way_named(name: str) -> Way:
    return next(way for way in ways() if way.name == name)


def chosen_way(wanted: AtBoot, name: str | None) -> Way:
    """The way that was asked for, else the first that this machine has. Raises UnsupportedError."""
    reasons = []
    for way in ways():
        if name in (None, way.name):
            why_not = way.state(wanted).why_not
            if why_not is None:
                return way
            reasons.append(f"{way.name}: {why_not}")
    raise UnsupportedError(
        f"Nothing here starts programs at boot ({'; '.join(reasons)})",
        hint=f"Have whatever starts this machine run: {' '.join(wanted.argv)}",
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program of the system said."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        lines = (self.err or self.out).strip().splitlines()
        return lines[-1] if lines else f"exit code {self.code}"


def ask(*argv: str, stdin: str = "") -> Answer:
    """Run a program of the system and wait for it. Raises PbError when it does not end."""
    runtime = f"/run/user/{os.geteuid()}"
    env = dict(os.environ)
    if "XDG_RUNTIME_DIR" not in env and os.path.isdir(runtime):
        env["XDG_RUNTIME_DIR"] = runtime  # su and cron do not set it; systemctl --user needs it
    try:
        ran = subprocess.run(
            argv, input=stdin.encode(errors="surrogateescape"), capture_output=True, env=env,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise PbError(f"{argv[0]} did not end within {PATIENCE:g} seconds") from None
    except OSError as error:
        raise PbError(f"Cannot run {argv[0]}: {(error.strerror or str(error)).lower()}") from error
    out, err = (part.decode(errors="surrogateescape") for part in (ran.stdout, ran.stderr))
    return Answer(ran.returncode, out, err)


def must(*argv: str, stdin: str = "") -> str:
    """The same for a program that has to succeed. Raises PbError with what it said."""
    answer = ask(*argv, stdin=stdin)
    if answer.code != 0:
        raise PbError(f"{' '.join(argv)} failed: {answer.said}")
    return answer.out


def as_installed(wanted: AtBoot, text: str | None, path: str | None) -> AtBoot:
    """``wanted`` with the PATH and the options of what is installed: PATH differs by shell."""
    options = tuple(option for option in OPTIONS if option in (text or ""))
    return replace(wanted, path=path or wanted.path, options=options)


def write_file(path: Path, text: str) -> bool:
    """Write a file whole, 0644 as its readers expect; False when it says that already."""
    try:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.write_text(text, encoding="utf-8")
        draft.chmod(0o644)
        draft.replace(path)
    except OSError as error:
        raise PbError(f"Cannot write {path}: {(error.strerror or str(error)).lower()}") from error
    return True


def remove_file(path: Path) -> bool:
    """Remove a file; False when there is none."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise PbError(f"Cannot remove {path}: {(error.strerror or str(error)).lower()}") from error
    return True


def text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
