"""A service as a launch agent: a property list for each instance (launchd.plist(5))."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pb.config.exports.written import (
    Find,
    Note,
    Written,
    argv_of,
    only_ours,
    whole_seconds,
)
from pb.core.service import RestartMode, Service, instance_name

HAS = "log.split_stderr"
INSTANCE = "${PB_INSTANCE}"
LIMITS = (
    ("NumberOfFiles", "open_files"),
    ("NumberOfProcesses", "processes"),
    ("FileSize", "file_size"),
    ("CPU", "cpu_time"),
)


def launch_agents(services: list[Service], *, find: Find, home: Path, path: str) -> list[Written]:
    """Property lists for ``~/Library/LaunchAgents``; ``path`` is the PATH that they get."""
    return [
        agent(service, number, find, home, path)
        for service in services
        for number in range(service.replicas)
    ]


def agent(service: Service, number: int, find: Find, home: Path, path: str) -> Written:
    import plistlib

    name = instance_name(service.name, number)
    notes = [*only_ours(service, without=HAS)] if number == 0 else []
    argv = [word.replace(INSTANCE, str(number)) for word in argv_of(service)]
    if not argv[0].startswith("/"):
        argv[0] = find(argv[0]) or argv[0]
    env = {name: value.replace(INSTANCE, str(number)) for name, value in service.env.items()}
    errors = ".err" if service.log.split_stderr else ""
    table: dict[str, Any] = {
        "Label": f"pb.{name}",
        "ProgramArguments": argv,
        "WorkingDirectory": at_home(service.cwd or "~", home),
        "EnvironmentVariables": {"PATH": path, "PB_INSTANCE": str(number), **env},
        "RunAtLoad": service.enabled,
        "KeepAlive": keep_alive(service, notes if number == 0 else []),
        "ThrottleInterval": max(whole_seconds(service.restart.delay), 1),
        "ExitTimeOut": whole_seconds(service.stop.timeout),
        "Umask": 0o077 if service.umask is None else service.umask,
        "StandardOutPath": str(home / "Library" / "Logs" / f"{name}.log"),
        "StandardErrorPath": str(home / "Library" / "Logs" / f"{name}{errors}.log"),
    }
    if service.nice is not None:
        table["Nice"] = service.nice
    if service.user is not None:
        table["UserName"] = service.user
    if hard := {k: int(v) for k, n in LIMITS if (v := getattr(service.limits, n)) is not None}:
        table |= {"HardResourceLimits": hard, "SoftResourceLimits": hard}
    if service.stop.signal != "TERM" and number == 0:
        notes.append(Note(service.name, "stop.signal", "launchd always stops with SIGTERM"))
    text = plistlib.dumps(table, sort_keys=False).decode()
    return Written(f"pb.{name}.plist", text, tuple(notes))


def keep_alive(service: Service, notes: list[Note]) -> bool | dict[str, bool]:
    if service.restart.mode is RestartMode.ON_FAILURE:
        if set(service.restart.success_exit_codes) != {0}:
            said = "only an end with 0 counts as a success"
            notes.append(Note(service.name, "restart.success_exit_codes", said))
        return {"SuccessfulExit": False}
    return service.restart.mode is RestartMode.ALWAYS


def at_home(path: str, home: Path) -> str:
    """launchd expands no ``~``."""
    return str(home) + path[1:] if path == "~" or path.startswith("~/") else path
