"""An ecosystem file of pm2 becomes services: each app with the keys of pm2's documentation.

What only Node's own cluster and IPC can do (one port for many processes, ``process.send``) is
reported. Reading the file itself, which may be a program, is ``pm2_file``'s work.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from typing import Any

from pb.config.imports.found import (
    Draft,
    Entry,
    Import,
    Imported,
    Surroundings,
    Take,
    flag,
    nothing,
    omit,
    take_keys,
    whole,
)
from pb.config.imports.pm2_file import Ecosystem, ecosystem
from pb.core.durations import format_duration, format_size
from pb.errors import InvalidError, PbError

INTERPRETERS = {
    ".js": "node",
    ".cjs": "node",
    ".mjs": "node",
    ".py": "python3",
    ".sh": "bash",
    ".rb": "ruby",
    ".php": "php",
    ".pl": "perl",
    ".ts": "bun",
    ".tsx": "bun",
}
"""What pm2 (7) runs a script with, by the end of its name."""

UNKNOWN = "is not a key of pm2 that pb knows"
SIZE = re.compile(r"([0-9.]+)\s*([KMG]?)B?", re.IGNORECASE)
UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
TIME = re.compile(r"([0-9.]+)\s*([smh]?)")
TIMES = {"": 0.001, "s": 1, "m": 60, "h": 3600}


def read_pm2(
    text: str, *, path: str, around: Surroundings, environment: str | None = None
) -> Imported:
    """Import an ecosystem file at ``path`` (absolute); ``environment`` NAME adds ``env_NAME``.

    A ``.js`` file is a program, and is run with node as pm2 does. Never raises for its content.
    """
    found = Import(path, around)
    try:
        file = ecosystem(text, path)
    except PbError as error:
        line = getattr(error, "line", None)
        found.refuse(Entry(path, line, "", None), error.message, error.hint)
        return found.result()
    for key in file.others:
        found.leave_out(Entry(path, file.line_of(key), key, None), "is not about running apps")
    if environment is not None and not any(
        isinstance(app, Mapping) and f"env_{environment}" in app for app in file.apps
    ):
        found.leave_out(Entry(path, None, f"env_{environment}", None), "no app has it")
    for index, app in enumerate(file.apps):
        take_app(found, file, index, app, environment)
    return found.result()


def take_app(
    found: Import, file: Ecosystem, index: int, app: object, environment: str | None
) -> None:
    place = Entry(found.file, file.line_in(index, None), f"apps[{index}]", None)
    if not isinstance(app, Mapping) or not isinstance(app.get("script"), str):
        found.refuse(place, "has no script")
        return
    stem = os.path.splitext(os.path.basename(app["script"].split()[0]))[0] if app["script"] else ""
    draft = found.service(str(app.get("name") or stem), place)
    entries = [Entry(found.file, file.line_in(index, key), key, app[key]) for key in app]
    cwd = os.path.expanduser(str(app.get("cwd") or "."))
    draft.put("cwd", os.path.normpath(os.path.join(os.path.dirname(found.file), cwd)))
    draft.put("stop.signal", "INT")
    take_command(draft, app)
    take_environment(draft, entries, environment)
    rest = [e for e in entries if e.key not in HERE and not e.key.startswith("env")]
    take_keys(draft, [e for e in rest if e.value is not None], KEYS, UNKNOWN)
    if first_of(app, "error_file", "err_file", "error") == first_of(
        app, "out_file", "output", "out"
    ):
        draft.put("log.split_stderr", False)
    settle_restart(draft, {entry.key: entry for entry in entries if entry.value is not None})


def first_of(app: Mapping[str, Any], *keys: str) -> object:
    return next((app[key] for key in keys if app.get(key)), None)


HERE = (
    *("name", "script", "args", "interpreter", "exec_interpreter", "interpreter_args", "node_args"),
    *("cwd", "autorestart", "stop_exit_codes", "min_uptime"),
    *("restart_delay", "exp_backoff_restart_delay"),
)
"""Keys that are read together with others."""


def take_command(draft: Draft, app: Mapping[str, Any]) -> None:
    """The argv that pm2 makes of script, interpreter and arguments."""
    script, cwd = app["script"], str(draft.get("cwd"))
    whole_path = os.path.normpath(os.path.join(cwd, os.path.expanduser(script)))
    is_file = os.path.exists(whole_path)
    arguments = words(app.get("args"))
    if not is_file and " " in script.strip():
        draft.put("command", " ".join([script, *arguments]))
        draft.put("shell", True)
        return
    named = app.get("interpreter") or app.get("exec_interpreter")
    is_path = is_file or "/" in script or os.path.splitext(script)[1] in INTERPRETERS
    by_name = INTERPRETERS.get(os.path.splitext(script)[1]) if is_path else None
    interpreter = None if named == "none" else named or by_name
    first = whole_path if is_path else script
    options = words(app.get("interpreter_args") or app.get("node_args")) if interpreter else []
    draft.put("command", [*([interpreter] if interpreter else []), *options, first, *arguments])


def words(value: object) -> list[str]:
    """Arguments as pm2 takes them: a list, or text split at spaces outside of quotes."""
    import shlex

    if isinstance(value, list):
        return [str(item) for item in value]
    try:
        return shlex.split(value) if isinstance(value, str) else []
    except ValueError:
        return str(value).split()


def take_environment(draft: Draft, entries: list[Entry], wanted: str | None) -> None:
    """``env``, and over it ``env_NAME`` of the environment that was asked for."""
    env: dict[str, str] = {}
    for entry in sorted(entries, key=lambda entry: entry.key != "env"):
        if entry.key not in ("env", f"env_{wanted}"):
            if entry.key.startswith("env_"):
                name = entry.key.removeprefix("env_")
                draft.leave_out(entry, "is another environment", f"To take it: --env {name}")
            continue
        if not isinstance(entry.value, Mapping):
            draft.leave_out(entry, "is not a table of names and values")
            continue
        env |= {str(k): env_text(v) for k, v in entry.value.items() if v is not None}
    if env:
        draft.put("env", {**draft.definition.get("env", {}), **env})


def env_text(value: object) -> str:
    """A value of ``env`` as pm2 hands it over: tables and lists as JSON."""
    if isinstance(value, list | Mapping):
        return json.dumps(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def milliseconds(entry: Entry) -> float:
    """Seconds from pm2's numbers of milliseconds, or its ``10s``, ``2m``, ``1h``."""
    match = TIME.fullmatch(entry.text.strip())
    if match is None or isinstance(entry.value, bool):
        raise InvalidError(f"{entry.text[:60]!r} is not a time, so it was left out")
    return float(match[1]) * TIMES[match[2]]


def settle_restart(draft: Draft, keys: Mapping[str, Entry]) -> None:
    """The restart policy, of keys that mean something only together."""
    for key, take in RESTART.items():
        if key in keys:
            try:
                take(draft, keys[key])
            except InvalidError as error:
                draft.leave_out(keys[key], error.message, error.hint)


def take_exit_codes(draft: Draft, entry: Entry) -> None:
    codes = entry.value if isinstance(entry.value, list) else [entry.value]
    read = [whole(Entry("", None, "", code)) for code in codes]
    draft.put("restart.mode", "on-failure")
    draft.put("restart.success_exit_codes", read)


def take_autorestart(draft: Draft, entry: Entry) -> None:
    if not flag(entry):
        draft.put("restart.mode", "never")


def take_min_uptime(draft: Draft, entry: Entry) -> None:
    draft.put("restart.reset_after", format_duration(milliseconds(entry)))
    draft.change(entry, "a life of that length ends a row of failures")


RESTART: Mapping[str, Take] = {
    "stop_exit_codes": take_exit_codes,
    "autorestart": take_autorestart,
    "restart_delay": lambda d, e: put_delay(d, milliseconds(e), 1, None),
    "exp_backoff_restart_delay": lambda d, e: put_delay(d, milliseconds(e), 1.5, 15),
    "min_uptime": take_min_uptime,
}
"""The keys of the restart policy, those later that win."""


def put_delay(draft: Draft, seconds: float, factor: float, longest: float | None) -> None:
    draft.put("restart.delay", format_duration(seconds))
    draft.put("restart.factor", factor)
    draft.put("restart.max_delay", format_duration(max(seconds, longest or seconds)))


def take_instances(draft: Draft, entry: Entry) -> None:
    count = 0 if str(entry.value) == "max" else whole(entry)
    if count <= 0:
        count = max(1, (os.cpu_count() or 1) + count)
        draft.change(entry, f"is {count}: the processors that this machine has now")
    if count > 1:
        draft.put("replicas", count)
        draft.change(entry, "each process finds its number in PB_INSTANCE, not NODE_APP_INSTANCE")


def take_exec_mode(draft: Draft, entry: Entry) -> None:
    if entry.text.removesuffix("_mode") == "cluster":
        message = "pb starts plain processes, which cannot share a port as Node's cluster does"
        hint = "Give each a port of its own: its number is in PB_INSTANCE. Or use node:cluster."
        draft.change(entry, message, hint)


def take_watch(draft: Draft, entry: Entry) -> None:
    cwd = str(draft.get("cwd"))
    if entry.value is False:
        return
    names = ["."] if entry.value is True else words(entry.value)
    paths = [os.path.normpath(os.path.join(cwd, name)) for name in names if "*" not in name]
    for name in names:
        if "*" in name:
            hint = 'Name its directory and a pattern: watch = {paths = ["src"], pattern = "*.js"}'
            draft.leave_out(entry, f"{name} is a pattern of paths", hint)
    if paths:
        draft.put("watch.paths", paths)


def take_watch_delay(draft: Draft, entry: Entry) -> None:
    if draft.get("watch.paths"):
        draft.put("watch.settle", format_duration(milliseconds(entry)))


def take_memory(draft: Draft, entry: Entry) -> None:
    match = SIZE.fullmatch(entry.text.strip())
    if match is None:
        raise InvalidError(f"{entry.text[:60]!r} is not a size, so it was left out")
    size = math.ceil(float(match[1]) * UNITS[match[2].upper()])
    draft.put("max_memory", format_size(size))


def take_max_restarts(draft: Draft, entry: Entry) -> None:
    draft.put("restart.max_restarts", whole(entry))
    draft.change(entry, "counts every end within restart.window, not only those before min_uptime")


def take_wait_ready(draft: Draft, entry: Entry) -> None:
    if flag(entry):
        port = (draft.get("env") or {}).get("PORT", "3000")
        message = "process.send('ready') needs pm2's own channel, which pb has not"
        draft.leave_out(entry, message, f"Let pb try its port instead: ready = {{tcp = {port}}}")


def take_cron(draft: Draft, entry: Entry) -> None:
    if entry.value not in (0, "0", False, ""):
        hint = (
            f'Write: pb job add {draft.name[:56]}-restart --cron "{entry.text}" '
            f"-- pb service restart {draft.name}"
        )
        draft.leave_out(entry, "a restart by the clock is a job", hint)


def take_user(draft: Draft, entry: Entry) -> None:
    around = draft.found.around
    if around.is_root:
        draft.put("user", entry.text)
    elif entry.text not in (around.user, str(os.geteuid())):
        draft.change(entry, f"it will run as you ({around.user}), not as {entry.text}")


def take_namespace(draft: Draft, entry: Entry) -> None:
    if entry.text and entry.text != "default":
        draft.append("groups", re.sub(r"[^A-Za-z0-9._-]+", "-", entry.text).strip(".-"))


def take_error_log(draft: Draft, entry: Entry) -> None:
    draft.put("log.split_stderr", True)
    LOG(draft, entry)


def only_if_set(take: Take) -> Take:
    """For switches: only one that is on says anything."""

    def taking(draft: Draft, entry: Entry) -> None:
        if entry.value not in (False, "", None):
            take(draft, entry)

    return taking


LOG = omit("pb keeps the output itself", "Read it with: pb service logs NAME")
TIMES_SHOWN = omit("pb notes the times itself", "See: pb service logs NAME --timestamps")
OF_PM2 = only_if_set(omit("is about pm2 itself"))

KEYS: Mapping[str, Take] = {
    "instances": take_instances,
    "exec_mode": take_exec_mode,
    "watch": take_watch,
    "watch_delay": take_watch_delay,
    "ignore_watch": omit("pb watches what matches one pattern", 'Write watch.pattern = "*.js".'),
    "watch_options": omit("pb watches in its own way"),
    "max_memory_restart": take_memory,
    "max_restarts": take_max_restarts,
    "kill_timeout": lambda d, e: d.put("stop.timeout", format_duration(milliseconds(e))),
    "listen_timeout": omit("belongs to wait_ready", 'Write it into ready: timeout = "10s".'),
    "wait_ready": take_wait_ready,
    "cron_restart": take_cron,
    "cron": take_cron,
    "autostart": lambda d, e: d.put("enabled", flag(e)),
    "namespace": take_namespace,
    "user": take_user,
    "uid": take_user,
    "gid": omit("pb runs a service with its user's own groups"),
    "error_file": take_error_log,
    "err_file": take_error_log,
    "error": take_error_log,
    "out_file": LOG,
    "output": LOG,
    "out": LOG,
    "log_file": LOG,
    "log": LOG,
    "log_type": only_if_set(LOG),
    "merge_logs": nothing,
    "combine_logs": nothing,
    "disable_logs": only_if_set(LOG),
    "log_date_format": only_if_set(TIMES_SHOWN),
    "time": only_if_set(TIMES_SHOWN),
    "pid_file": omit("pb keeps the PID file in its home"),
    "pid": omit("pb keeps the PID file in its home"),
    "treekill": lambda d, e: None if flag(e) else d.change(e, "pb always ends the whole tree"),
    "shutdown_with_message": only_if_set(omit("pb sends stop.signal, not a message")),
    "instance_var": omit("a process finds its number in PB_INSTANCE"),
    "increment_var": omit("a process finds its number in PB_INSTANCE"),
    "filter_env": omit("a service has the scheduler's environment"),
    "source_map_support": only_if_set(omit("is an option of node", "Add --enable-source-maps.")),
    "disable_source_map_support": nothing,
    "vizion": nothing,
    "automation": nothing,
    "pmx": nothing,
    "force": nothing,
    "kill_retry_time": nothing,
    "windowsHide": nothing,
    "version": nothing,
    "append_env_to_name": OF_PM2,
    "post_update": OF_PM2,
    "trace": OF_PM2,
    "deep_monitoring": OF_PM2,
    "port": lambda d, e: d.put("env", {"PORT": e.text, **d.definition.get("env", {})}),
}
"""Every other key of an app, in pm2's spelling."""
