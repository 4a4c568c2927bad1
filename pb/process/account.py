"""Whose process it becomes: another user's, which only root may ask for.

posix_spawn cannot change the user, and changing our own for a moment would change every thread's.
``setpriv`` (util-linux) sets user, group and supplementary groups, and becomes the program.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from pb.core.lean import dataclass
from pb.process.program import SpawnError

SETPRIV = ("/usr/bin/setpriv", "/bin/setpriv", "/usr/sbin/setpriv")
"""Where it is. Not looked up in the service's own PATH: root is about to run it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user. ``name`` None: the system knows the number only."""

    uid: int
    gid: int
    name: str | None = None
    home: str = "/"
    shell: str = "/bin/sh"

    @property
    def environment(self) -> dict[str, str]:
        """What login(1) would set."""
        name = self.name or str(self.uid)
        return {"HOME": self.home, "USER": name, "LOGNAME": name, "SHELL": self.shell}

    @property
    def is_ours(self) -> bool:
        return self.uid == os.geteuid()


def account_of(user: str) -> Account:
    """The user of that name or number. Raises SpawnError when there is none."""
    import pwd

    try:
        found = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except (KeyError, OverflowError):
        if user.isdecimal() and int(user) < 2**32 - 1:
            return Account(uid=int(user), gid=int(user))
        raise SpawnError(
            f"There is no user {user}", hint="Create the user, or change user in the definition."
        ) from None
    return Account(
        uid=found.pw_uid,
        gid=found.pw_gid,
        name=found.pw_name,
        home=found.pw_dir or "/",
        shell=found.pw_shell or "/bin/sh",
    )


def check_account(account: Account) -> None:
    """Raise SpawnError unless this process may start a program as that user."""
    if not account.is_ours and os.geteuid() != 0:
        raise SpawnError(
            f"Only root can start a program as user {account.name or account.uid}",
            hint="Remove user from the definition, or run the scheduler as root.",
        )


def becoming(account: Account, program: str, argv: Sequence[str]) -> list[str]:
    """The words that become ``program`` as that user, in the same process. Raises SpawnError."""
    setpriv = next((path for path in SETPRIV if os.access(path, os.X_OK)), None)
    if setpriv is None:
        raise SpawnError(
            "This system has no setpriv, so nothing can be started as another user",
            hint="Install util-linux, or remove user from the definition.",
        )
    groups = "--clear-groups" if account.name is None else "--init-groups"
    who = ["--reuid", str(account.uid), "--regid", str(account.gid), groups]
    return [setpriv, *who, "--", program, *argv[1:]]
