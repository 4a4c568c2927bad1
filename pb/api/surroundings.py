"""What a service is started with: its words, its environment, its directory, its limits.

For the scheduler that starts it, and for commands that are run beside it (``pb service exec``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from pb.config.env_file import read_env_file
from pb.core.fields import RESERVED_ENV
from pb.core.service import Service, instance_name
from pb.core.service_definition import OPTIONAL
from pb.paths import Home
from pb.process.account import account_of
from pb.process.spawn import Spawn
from pb.process.table import MARKER_VARIABLE

NOT_INHERITED = RESERVED_ENV | {
    *("PB_SERVICE", "PB_INSTANCE", "PB_HOME", "PONY_SCHEDULER_BACKGROUND"),
    *("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"),
}
"""What a service must not take over from whoever starts it."""

INSTANCE = "${PB_INSTANCE}"
"""Stands for the instance's number, in the command and in the values of ``env``."""


def marker_of(store_id: str, service: str, instance: int, life: int) -> str:
    """The value of PB_MARKER by which everything that a life has become is found again."""
    return f"{store_id}/s/{service}/{instance}/{life}"


def spawn_of(
    service: Service,
    instance: int,
    *,
    home: Home,
    environ: Mapping[str, str],
    marker: str,
    more: Mapping[str, str],
) -> Spawn:
    """How to start one instance. Its ``env_file``s are read now.

    ``environ`` is the starter's own environment; ``more`` is added to it at the end. Another
    ``user`` has a home and a name of its own. Raises PbError for an ``env_file`` that cannot be
    read, and for a user that does not exist.
    """
    inherited = {key: value for key, value in environ.items() if key not in NOT_INHERITED}
    if service.user is not None:
        inherited |= account_of(service.user).environment
    user_home = inherited.get("HOME") or "/"
    given = environment_files(service.env_file, user_home)
    given.update({key: numbered(text, instance) for key, text in service.env.items()})
    ours = {
        "PB_SERVICE": service.name,
        "PB_INSTANCE": str(instance),
        "PB_HOME": str(home.root),
        MARKER_VARIABLE: marker,
    }
    name = instance_name(service.name, instance)
    return Spawn(
        argv=[numbered(word, instance) for word in argv_of(service)],
        env={"PYTHONUNBUFFERED": "1", **inherited, **given, **ours, **more},
        cwd=from_home(service.cwd or "~", user_home),
        log_path=home.log(name),
        err_path=home.error_log(name) if service.log.split_stderr else None,
        umask=service.umask,
        limits=replace(service.limits, nice=service.nice),
        user=service.user,
    )


def argv_of(service: Service) -> tuple[str, ...]:
    return ("/bin/sh", "-c", service.command[0]) if service.shell else service.command


def numbered(text: str, instance: int) -> str:
    return text.replace(INSTANCE, str(instance))


def from_home(path: str, user_home: str) -> str:
    """The path with a leading ``~`` replaced: a definition goes where its user's home goes."""
    return user_home + path[1:] if path == "~" or path.startswith("~/") else path


def environment_files(paths: Iterable[str], user_home: str) -> dict[str, str]:
    """The variables of ``env_file``s; later ones win, those after a ``?`` may be missing."""
    found: dict[str, str] = {}
    for text in paths:
        path = Path(from_home(text.removeprefix(OPTIONAL), user_home))
        if text.startswith(OPTIONAL) and not os.path.lexists(path):
            continue
        found.update(read_env_file(path))
    return found
