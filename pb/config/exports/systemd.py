"""A service as a unit file; several instances as a template (systemd.service(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pb.config.exports.written import Find, Note, Written, argv_of, only_ours
from pb.core.durations import format_duration
from pb.core.service import Notify, RestartMode, Service, StopScope

HAS = (
    "ready.notify health.watchdog hooks reload stop.command stop.scope max_memory env_file "
    "depends_on"
)
INSTANCE = "${PB_INSTANCE}"
MODES = {RestartMode.ALWAYS: "always", RestartMode.ON_FAILURE: "on-failure"}
LIMITS = (
    ("LimitNOFILE", "open_files"),
    ("LimitNPROC", "processes"),
    ("LimitFSIZE", "file_size"),
    ("LimitCPU", "cpu_time"),
)


def unit_name(service: Service) -> str:
    return f"{service.name}{'@' if service.replicas > 1 else ''}.service"


def systemd_units(services: list[Service], *, find: Find, system: bool = False) -> list[Written]:
    """A unit for each service, for the user's systemd, or with ``system`` for the machine's."""
    names = {service.name: unit_name(service) for service in services}
    return [unit(service, names, find, system) for service in services]


def unit(service: Service, names: dict[str, str], find: Find, system: bool) -> Written:
    notes = list(only_ours(service, without=HAS))
    lines = [
        *unit_section(service, names, notes),
        "",
        "[Service]",
        *commands(service, find, notes),
        *policies(service),
        *surroundings(service, system, notes),
    ]
    if service.enabled:
        target = "multi-user.target" if system else "default.target"
        lines += ["", "[Install]", f"WantedBy={target}"]
    if service.replicas > 1:
        many = " ".join(f"{service.name}@{n}" for n in range(service.replicas))
        notes.append(Note(service.name, "replicas", f"enable each: systemctl --user enable {many}"))
    return Written(unit_name(service), "\n".join(lines) + "\n", tuple(notes))


def unit_section(service: Service, names: dict[str, str], notes: list[Note]) -> Iterator[str]:
    yield "[Unit]"
    yield f"Description={escaped(service.description or service.name)}"
    for need in service.depends_on:
        name = names.get(need.service, f"{need.service}.service")
        if name.endswith("@.service"):
            name = name.replace("@.", "@0.")
        yield f"Requires={name}"
        yield f"After={name}"
        if need.restart_with:
            yield f"PartOf={name}"
        if need.condition in ("healthy", "completed"):
            said = f"it waits until {need.service} is started, not {need.condition}"
            notes.append(Note(service.name, "depends_on", said))
    yield f"StartLimitBurst={service.restart.max_restarts + 1}"
    yield f"StartLimitIntervalSec={span(service.restart.window)}"


def commands(service: Service, find: Find, notes: list[Note]) -> Iterator[str]:
    is_notify = service.ready is not None and isinstance(service.ready.check, Notify)
    yield f"Type={'notify' if is_notify else 'exec'}"
    if is_notify:
        yield "NotifyAccess=all"
    hooks = service.hooks
    for key, argv in (
        ("ExecStartPre", hooks.pre_start),
        ("ExecStart", argv_of(service)),
        ("ExecStartPost", hooks.post_start),
        ("ExecStop", service.stop.command),
        ("ExecStopPost", hooks.post_stop),
    ):
        if argv:
            yield f"{key}={line(argv, service, find, notes, key)}"
    if service.reload is not None and service.reload.signal:
        yield f"ExecReload=/bin/kill -{service.reload.signal} $MAINPID"
    elif service.reload is not None:
        yield f"ExecReload={line(service.reload.command, service, find, notes, 'ExecReload')}"


def line(argv: tuple[str, ...], service: Service, find: Find, notes: list[Note], key: str) -> str:
    """A command line: its program by its whole path, for systemd does not look into PATH."""
    first = argv[0] if argv[0].startswith("/") else find(argv[0])
    if first is None:
        notes.append(Note(service.name, key, f"{argv[0]} is not on your PATH now"))
    words = [first or argv[0], *argv[1:]]
    return " ".join(word(text) for text in words)


def word(text: str) -> str:
    """One word with systemd's quotes; ``$`` and ``%`` stand for themselves."""
    shown = escaped(text, dollars=True)
    return shown if re.fullmatch(r"[\w@%+=:,./$-]+", shown) else f'"{shown}"'


def escaped(text: str, *, dollars: bool = False) -> str:
    hidden = text.replace(INSTANCE, "\0")
    shown = hidden.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    shown = shown.replace("\n", "\\n").replace("\t", "\\t")
    shown = shown.replace("$", "$$") if dollars else shown
    return shown.replace("\0", "%i")


def policies(service: Service) -> Iterator[str]:
    restart, stop = service.restart, service.stop
    yield f"Restart={MODES.get(restart.mode, 'no')}"
    if restart.mode is not RestartMode.NEVER:
        yield f"RestartSec={span(restart.delay)}"
    if others := [str(code) for code in restart.success_exit_codes if code]:
        yield f"SuccessExitStatus={' '.join(others)}"
    yield f"KillSignal=SIG{stop.signal}"
    yield f"KillMode={'mixed' if stop.scope is StopScope.MAIN else 'control-group'}"
    yield f"TimeoutStopSec={span(stop.timeout)}"
    if service.ready is not None and isinstance(service.ready.check, Notify):
        yield f"TimeoutStartSec={span(service.ready.timeout)}"
    if service.health is not None and service.health.watchdog is not None:
        yield f"WatchdogSec={span(service.health.watchdog)}"


def surroundings(service: Service, system: bool, notes: list[Note]) -> Iterator[str]:
    yield f"WorkingDirectory={directory(service.cwd)}"
    if service.replicas > 1:
        yield "Environment=PB_INSTANCE=%i"
    for name, value in service.env.items():
        yield f'Environment="{name}={escaped(value)}"'
    for path in service.env_file:
        place = path.removeprefix("?")
        yield f"EnvironmentFile={'-' if place != path else ''}{at_home(place)}"
    yield f"UMask={0o077 if service.umask is None else service.umask:04o}"
    if service.nice is not None:
        yield f"Nice={service.nice}"
    for key, name in LIMITS:
        value = getattr(service.limits, name)
        if value is not None:
            yield f"{key}={int(value)}"
    if service.max_memory is not None:
        yield f"MemoryMax={service.max_memory}"
    if service.user is not None and system:
        yield f"User={service.user}"
    elif service.user is not None:
        notes.append(Note(service.name, "user", "a user's systemd runs everything as that user"))


def directory(cwd: str | None) -> str:
    return "~" if cwd in (None, "~") else at_home(cwd or "~")


def at_home(path: str) -> str:
    return path.replace("%", "%%").replace("~", "%h", 1) if path.startswith("~") else path


def span(seconds: float) -> str:
    """systemd reads pb's own spelling, but for its sign of nothing."""
    return format_duration(seconds)
