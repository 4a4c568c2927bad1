"""The keys of a service's and a timer's unit: how each is carried over, and which are told as one.

Tables and the small functions in them; units, their types and their commands are ``systemd``'s.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from pb.config.imports.found import Draft, Entry, Take, nothing, omit, whole
from pb.config.imports.systemd_words import assignments, command_line, span, split_words
from pb.core.durations import format_duration, format_size, parse_size
from pb.core.fields import SIGNALS
from pb.errors import InvalidError

FOR_EVER = 86_400.0
"""Seconds that stand for ``infinity`` where pb wants an end: a day."""

ORDERING = ("After", "Before", "Requires", "Wants", "BindsTo", "PartOf", "Requisite", "Upholds")


def is_user_unit(path: str) -> bool:
    return "/systemd/user/" in path


def seconds(entry: Entry) -> str:
    """A duration of pb's; ``infinity``, and a zero that means it, are a day."""
    value = span(entry)
    return format_duration(FOR_EVER if value is None else value)


def take_environment(draft: Draft, entry: Entry) -> None:
    env = {} if not entry.text else {**draft.definition.get("env", {}), **assignments(entry.text)}
    draft.put("env", env)


def take_env_file(draft: Draft, entry: Entry) -> None:
    if not entry.text:
        draft.put("env_file", [])
        return
    is_job = draft.name in draft.found.jobs
    path = entry.text.removeprefix("-")
    is_optional = path != entry.text
    if set(path) & set("*?["):
        draft.leave_out(entry, "is a pattern, and pb wants a file", f'env_file = ["{path}"]')
        return
    if is_job and is_optional and not os.path.exists(path):
        draft.leave_out(entry, f"{path} is not there now, and a job's env_file must be")
        return
    draft.append("env_file", f"?{path}" if is_optional and not is_job else path)


def take_restart(draft: Draft, entry: Entry) -> None:
    word = entry.text
    modes = {"no": "never", "always": "always", "on-failure": "on-failure"}
    near = {"on-abnormal": "on-failure", "on-abort": "on-failure", "on-watchdog": "on-failure"}
    if draft.name in draft.found.jobs:
        if word != "no":
            draft.leave_out(
                entry, "a job is tried again by its retry", "Write retry = {max_attempts = 3}."
            )
    elif word in modes:
        draft.put("restart.mode", modes[word])
    elif word in near or word == "on-success":
        mode = near.get(word, "always")
        draft.put("restart.mode", mode)
        draft.change(entry, f"{word} is {mode} now: pb does not tell them apart")
    else:
        raise InvalidError(f"{word[:40]!r} is not a restart policy, so it was left out")


def take_restart_delay(draft: Draft, entry: Entry) -> None:
    if draft.name in draft.found.jobs:
        return
    draft.put("restart.delay", seconds(entry))
    draft.put("restart.factor", 1)
    draft.put("restart.max_delay", seconds(entry))


def take_burst(draft: Draft, entry: Entry) -> None:
    """systemd refuses the start after ``burst`` starts; pb counts ends, one fewer."""
    draft.put("restart.max_restarts", max(whole(entry) - 1, 0))


def take_burst_interval(draft: Draft, entry: Entry) -> None:
    value = span(entry)
    if value == 0:
        draft.put("restart.max_restarts", 1_000_000)
    else:
        draft.put("restart.window", format_duration(FOR_EVER if value is None else value))


def take_stop_timeout(draft: Draft, entry: Entry) -> None:
    value = span(entry)
    key = "kill_grace" if draft.name in draft.found.jobs else "stop.timeout"
    if not value:
        draft.change(entry, "pb kills what is left after a day; systemd would wait for ever")
    draft.put(key, format_duration(value or FOR_EVER))


def take_start_timeout(draft: Draft, entry: Entry) -> None:
    if draft.get("ready") is None:
        draft.leave_out(
            entry, "pb has no readiness to wait for", "Say how it shows: ready = {tcp = 80}"
        )
    else:
        draft.put("ready.timeout", seconds(entry) if span(entry) else format_duration(FOR_EVER))


def take_signal(draft: Draft, entry: Entry) -> None:
    name = entry.text.upper().removeprefix("SIG")
    if name not in SIGNALS:
        raise InvalidError(f"{entry.text} is not a signal that pb stops with, so it was left out")
    draft.put("stop_signal" if draft.name in draft.found.jobs else "stop.signal", name)


def take_kill_mode(draft: Draft, entry: Entry) -> None:
    if draft.name in draft.found.jobs:
        return
    if entry.text in ("mixed", "process"):
        draft.put("stop.scope", "main")
    if entry.text in ("process", "none"):
        draft.change(entry, "pb ends the whole tree: nothing of it stays")


def take_reload(draft: Draft, entry: Entry) -> None:
    """``kill -HUP $MAINPID`` is a signal; any other command is one, unless it needs the PID."""
    line = command_line(entry.text)
    signal = signal_to_main(line.argv)
    if signal:
        draft.put("reload", {"signal": signal})
    elif "MAINPID" in entry.text:
        draft.leave_out(entry, "pb does not tell a command the PID", 'Write reload = "HUP".')
    elif draft.get("reload.signal") is None:
        draft.put("reload", {"command": hook(draft.get("reload.command"), entry)})
    else:
        draft.leave_out(entry, "pb reloads by one signal or one command")


def take_stop(draft: Draft, entry: Entry) -> None:
    signal = signal_to_main(command_line(entry.text).argv)
    if signal in SIGNALS:
        draft.put("stop.signal", signal)
    elif "MAINPID" in entry.text:
        draft.leave_out(entry, "pb does not tell a command the PID", "Its stop signal is sent.")
    else:
        draft.put("stop.command", hook(draft.get("stop.command"), entry))


def signal_to_main(argv: tuple[str, ...]) -> str | None:
    """The signal that ``kill -HUP $MAINPID`` sends."""
    if os.path.basename(argv[0]) != "kill" or argv[-1] not in ("$MAINPID", "${MAINPID}"):
        return None
    named = argv[-2].removeprefix("-s").removeprefix("-").upper() if len(argv) > 2 else "TERM"
    return {"1": "HUP", "2": "INT", "15": "TERM", "10": "USR1", "12": "USR2"}.get(
        named, named.removeprefix("SIG")
    )


def take_hook(name: str) -> Take:
    def take(draft: Draft, entry: Entry) -> None:
        if not entry.text:
            return
        if draft.name in draft.found.jobs:
            draft.leave_out(entry, "a job has no hooks", "Write it into the command, with shell.")
            return
        if "MAINPID" in entry.text:
            draft.leave_out(entry, "pb does not tell a command the PID")
            return
        draft.put(f"hooks.{name}", hook(draft.get(f"hooks.{name}"), entry))

    return take


def hook(before: list[str] | None, entry: Entry) -> list[str]:
    """An argv; with variables, a prefix ``-`` or another command before it, a line for a shell."""
    line = command_line(entry.text)
    if before is None and not line.needs_shell and not line.may_fail:
        return line.plain
    from shlex import join

    this = f"{{ {line.shell} || :; }}" if line.may_fail else line.shell
    if before is None:
        return ["/bin/sh", "-c", this]
    is_shell = before[:2] == ["/bin/sh", "-c"] and len(before) == 3
    return ["/bin/sh", "-c", f"{before[2] if is_shell else join(before)} && {this}"]


def take_user(draft: Draft, entry: Entry) -> None:
    around = draft.found.around
    if around.is_root and draft.name in draft.found.services:
        if entry.text != "root":
            draft.put("user", entry.text)
    elif entry.text not in (around.user, str(os.geteuid())):
        draft.change(entry, f"it will run as you ({around.user}), not as {entry.text}")


def take_group(draft: Draft, entry: Entry) -> None:
    if entry.text != draft.get("user"):
        draft.leave_out(entry, "pb runs a service with its user's own groups")


def take_cwd(draft: Draft, entry: Entry) -> None:
    path = entry.text.removeprefix("-")
    if path != entry.text:
        draft.change(entry, f"{path} must be there; systemd would have gone on without")
    draft.put("cwd", path)


def take_exit_codes(draft: Draft, entry: Entry) -> None:
    words = split_words(entry.text)
    named = [int(word) for word in words if word.isdecimal()]
    others = [word for word in words if not word.isdecimal()]
    key = "success_exit_codes"
    place = key if draft.name in draft.found.jobs else f"restart.{key}"
    draft.put(place, sorted({*(draft.get(place) or [0]), *named}))
    if others:
        draft.leave_out(entry, f"only numbers count as success: not {' '.join(others)}")


def take_no_restart(draft: Draft, entry: Entry) -> None:
    codes = [int(word) for word in entry.text.split() if word.isdecimal()]
    key = "restart.success_exit_codes"
    draft.put(key, sorted({*(draft.get(key) or [0]), *codes}))
    draft.change(entry, "an end with that code counts as a success, so it is not started again")


def take_limit(name: str, read: Callable[[str], object]) -> Take:
    """A resource limit; of ``soft:hard`` the hard one."""

    def take(draft: Draft, entry: Entry) -> None:
        value = entry.text.rpartition(":")[2]
        if value != "infinity":
            draft.put(f"limits.{name}", read(value))

    return take


def number(text: str) -> int:
    return whole(Entry("", None, "", text))


def size(text: str) -> str:
    return format_size(parse_size(text))


def take_memory(draft: Draft, entry: Entry) -> None:
    if entry.text == "infinity":
        return
    if entry.text.endswith("%"):
        raise InvalidError("is a part of the machine's memory; pb wants a size")
    if draft.name in draft.found.jobs:
        draft.put("limits.memory", size(entry.text))
        return
    draft.put("max_memory", size(entry.text))
    draft.change(entry, "beyond it the service is restarted, in order")


def take_watchdog(draft: Draft, entry: Entry) -> None:
    if span(entry) and draft.name in draft.found.services:
        draft.put("health.watchdog", seconds(entry))


def of_service(take: Take) -> Take:
    """For what only a service has; a job gets a remark."""

    def taking(draft: Draft, entry: Entry) -> None:
        if draft.name in draft.found.services:
            take(draft, entry)
        else:
            draft.leave_out(entry, "a job has nothing like it")

    return taking


def take_nice(draft: Draft, entry: Entry) -> None:
    draft.put("nice" if draft.name in draft.found.services else "limits.nice", whole(entry))


def take_run_time(draft: Draft, entry: Entry) -> None:
    if draft.name in draft.found.jobs and span(entry):
        draft.put("timeout", seconds(entry))
    elif span(entry):
        draft.leave_out(entry, "a service has no end of its own")


KEYS: Mapping[str, Take] = {
    "Description": lambda d, e: d.put("description", e.text),
    "Documentation": nothing,
    **dict.fromkeys(ORDERING, nothing),
    "Type": nothing,
    "ExecStart": nothing,
    "PIDFile": omit("pb keeps the PID file in its home"),
    "ExecStartPre": take_hook("pre_start"),
    "ExecCondition": take_hook("pre_start"),
    "ExecStartPost": take_hook("post_start"),
    "ExecStopPost": take_hook("post_stop"),
    "ExecReload": of_service(take_reload),
    "ExecStop": of_service(take_stop),
    "Restart": take_restart,
    "RestartSec": take_restart_delay,
    "StartLimitBurst": of_service(take_burst),
    "StartLimitIntervalSec": of_service(take_burst_interval),
    "StartLimitInterval": of_service(take_burst_interval),
    "RestartSteps": omit("pb's delays grow by restart.factor", "Write restart = {factor = 2}."),
    "RestartMaxDelaySec": omit("pb's delays grow by restart.factor", "Write restart.max_delay."),
    "RestartPreventExitStatus": of_service(take_no_restart),
    "RestartForceExitStatus": omit("pb restarts by restart.mode and success_exit_codes alone"),
    "SuccessExitStatus": take_exit_codes,
    "TimeoutStopSec": take_stop_timeout,
    "TimeoutStartSec": of_service(take_start_timeout),
    "TimeoutSec": take_stop_timeout,
    "RuntimeMaxSec": take_run_time,
    "WatchdogSec": take_watchdog,
    "KillSignal": take_signal,
    "KillMode": take_kill_mode,
    "SendSIGKILL": omit("pb kills whatever is left in the end"),
    "SendSIGHUP": omit("pb sends one signal"),
    "RestartKillSignal": omit("pb stops for a restart as it always stops"),
    "FinalKillSignal": omit("pb kills whatever is left in the end"),
    "Environment": take_environment,
    "EnvironmentFile": take_env_file,
    "PassEnvironment": omit("a service has the scheduler's environment"),
    "UnsetEnvironment": omit("pb unsets nothing", 'Write env = {NAME = ""}.'),
    "WorkingDirectory": take_cwd,
    "User": take_user,
    "Group": take_group,
    "UMask": lambda d, e: d.put("umask", e.text.zfill(3)[-3:]),
    "Nice": take_nice,
    "LimitNOFILE": take_limit("open_files", number),
    "LimitNPROC": take_limit("processes", number),
    "LimitFSIZE": take_limit("file_size", size),
    "LimitCPU": take_limit("cpu_time", number),
    **{
        f"Limit{name}": omit("pb has no such limit")
        for name in ("CORE", "AS", "DATA", "STACK", "RSS", "MEMLOCK", "LOCKS", "NICE", "RTPRIO")
    },
    "MemoryMax": take_memory,
    "MemoryLimit": take_memory,
}
"""Every key that stands for itself; all others are told in groups."""
