"""Services as programs and groups of one supervisor configuration."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import join

from pb.config.exports.written import Note, Written, argv_of, only_ours, whole_seconds
from pb.core.service import Delay, RestartMode, Service, StopScope

HAS = "groups depends_on stop.scope ready ready.notify log.split_stderr"
INSTANCE = "${PB_INSTANCE}"
MODES = {RestartMode.ALWAYS: "true", RestartMode.ON_FAILURE: "unexpected"}
FIRST, STEP = 100, 10


def supervisor_file(services: list[Service]) -> Written:
    """All of them in one file, for the ``[include]`` of supervisor's own."""
    ranks = priorities(services)
    notes: list[Note] = []
    blocks = ["\n".join(program(service, ranks[service.name], notes)) for service in services]
    members: dict[str, list[str]] = {}
    for service in services:
        for group in service.groups[:1]:
            members.setdefault(group, []).append(service.name)
        if len(service.groups) > 1:
            others = ", ".join(service.groups[1:])
            notes.append(Note(service.name, "groups", f"a program has one group: not {others}"))
    blocks += [f"[group:{group}]\nprograms={','.join(names)}" for group, names in members.items()]
    return Written("pb.conf", "\n\n".join(blocks) + "\n", tuple(notes))


def priorities(services: list[Service]) -> dict[str, int]:
    """Lower for those that others depend on, which is all the order that supervisor has."""
    needs = {one.name: [need.service for need in one.depends_on] for one in services}

    def depth(name: str, seen: tuple[str, ...] = ()) -> int:
        below = [n for n in needs.get(name, ()) if n in needs and n not in seen]
        return 1 + max((depth(n, (*seen, name)) for n in below), default=-1)

    return {name: FIRST + STEP * depth(name) for name in needs}


def program(service: Service, rank: int, notes: list[Note]) -> Iterator[str]:
    notes += only_ours(service, without=HAS)
    yield f"[program:{service.name}]"
    yield f"command={command(service, notes)}"
    if service.replicas > 1:
        yield f"numprocs={service.replicas}"
        yield "process_name=%(program_name)s_%(process_num)d"
    yield f"directory={directory(service.cwd or '~')}"
    if env := environment(service, notes):
        yield f"environment={env}"
    yield f"umask={0o077 if service.umask is None else service.umask:03o}"
    if service.user is not None:
        yield f"user={service.user}"
    yield f"priority={rank}"
    yield f"autostart={str(service.enabled).lower()}"
    yield from restarting(service, notes)
    yield from stopping(service)
    yield f"redirect_stderr={str(not service.log.split_stderr).lower()}"
    yield from logging(service)
    if service.depends_on:
        names = ", ".join(need.service for need in service.depends_on)
        said = f"it is started after {names}, and does not wait"
        notes.append(Note(service.name, "depends_on", said))
    if service.nice is not None or any(getattr(service.limits, n) is not None for n in LIMITS):
        notes.append(Note(service.name, "limits", "supervisor sets no limits"))


def directory(cwd: str) -> str:
    """supervisor expands no ``~``."""
    plain = cwd.replace("%", "%%")
    return "%(ENV_HOME)s" + plain[1:] if plain == "~" or plain.startswith("~/") else plain


LIMITS = ("open_files", "processes", "file_size", "cpu_time")


def command(service: Service, notes: list[Note]) -> str:
    """The command on one line; supervisor has no way to write a line break or `` ;``."""
    text = join(argv_of(service)).replace("%", "%%").replace(f"'{INSTANCE}'", INSTANCE)
    if "\n" in text or " ;" in text or " #" in text:
        said = "has a line break or a comment sign, which supervisor would not take"
        notes.append(Note(service.name, "command", said))
        text = text.replace("\n", " ")
    return text.replace(INSTANCE, "%(process_num)d")


def environment(service: Service, notes: list[Note]) -> str:
    entries = {"PB_INSTANCE": "%(process_num)d"} if service.replicas > 1 else {}
    for name, value in service.env.items():
        if "\n" in value or ('"' in value and "'" in value) or value.strip("'\"") != value:
            said = f"{name} has a line break, or quotes that supervisor would take off"
            notes.append(Note(service.name, "env", said))
            continue
        entries[name] = value.replace("%", "%%").replace(INSTANCE, "%(process_num)d")
    quoted = {name: "'" if '"' in value else '"' for name, value in entries.items()}
    return ",".join(f"{n}={quoted[n]}{value}{quoted[n]}" for n, value in entries.items())


def restarting(service: Service, notes: list[Note]) -> Iterator[str]:
    restart, ready = service.restart, service.ready
    yield f"autorestart={MODES.get(restart.mode, 'false')}"
    yield f"exitcodes={','.join(map(str, restart.success_exit_codes))}"
    yield f"startretries={restart.max_restarts}"
    if ready is None:
        yield "startsecs=1"
    elif isinstance(ready.check, Delay):
        yield f"startsecs={whole_seconds(ready.check.seconds)}"
    else:
        notes.append(Note(service.name, "ready", "it counts as started after a second"))


def stopping(service: Service) -> Iterator[str]:
    is_main = service.stop.scope is StopScope.MAIN
    yield f"stopsignal={service.stop.signal}"
    yield f"stopwaitsecs={whole_seconds(service.stop.timeout)}"
    yield f"stopasgroup={str(not is_main).lower()}"
    yield "killasgroup=true"


def logging(service: Service) -> Iterator[str]:
    if service.log.max_size is not None:
        yield f"stdout_logfile_maxbytes={service.log.max_size}"
    if service.log.keep is not None:
        yield f"stdout_logfile_backups={service.log.keep}"
