"""From the flags of ``pb service add`` to the definition of a service, as JSON.

One row of ``FLAGS`` is one flag: whatever a definition can say is here, in kebab case. Values stay
text, because ``core.service_definition`` reads them anyway; relative paths are made absolute here,
where the current directory is the user's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pb.cli.definitions import (
    Flag,
    Json,
    absolute,
    flag,
    here,
    is_given,
    json_of,
    limits_of,
    pair,
    told_of,
)

FLAGS: tuple[Flag, ...] = (
    flag("--description", "description", "text", "TEXT", "What it is for."),
    flag("--cwd", "cwd", "text", "DIR", "Where it runs (default: the current directory)."),
    flag("--env", "env", "many", "K=V", "An environment variable. Repeatable."),
    flag("--env-file", "env_file", "many", "FILE", "Variables from a file; ?FILE may be missing."),
    flag("--umask", "umask", "text", "OCTAL", "Its umask, such as 022 (default: 077)."),
    flag("--shell", "shell", "switch", None, "The command is one text for /bin/sh."),
    flag("--user", "user", "text", "NAME", "Run as this user, where pb runs as root."),
    flag("--nice", "nice", "whole", "N", "Its niceness, -20 to 19."),
    flag("--max-memory", "max_memory", "text", "SIZE", "Restart it when its tree uses more."),
    flag("--limits", "limits", "text", "JSON", 'At most: {"open_files": 8192}.'),
    flag("--limit", "limit", "many", "KEY=VALUE", "One limit: open_files=8192. Repeatable."),
    flag("--replicas", "replicas", "whole", "N", "How many instances run (1)."),
    flag("--group --groups", "groups", "many", "NAME", "A group that it is in. Repeatable."),
    flag("--disabled", "disabled", "switch", None, "Add it without starting it."),
    flag("--essential", "essential", "switch", None, "Its end is the end of pb service run."),
    flag("--restart", "restart", "text", "MODE", "always, on-failure, never; or a table as JSON."),
    flag("--restart-delay", "restart.delay", "text", "DURATION", "The first delay (100ms)."),
    flag("--restart-factor", "restart.factor", "number", "N", "Each delay so much longer (2)."),
    flag("--restart-max-delay", "restart.max_delay", "text", "DURATION", "The longest one (60s)."),
    flag("--restart-jitter", "restart.jitter", "number", "0-1", "Part left out at random (0.1)."),
    flag("--reset-after", "restart.reset_after", "text", "DURATION", "A good life's length (60s)."),
    flag("--max-restarts", "restart.max_restarts", "whole", "N", "More in a window: failed (10)."),
    flag("--restart-window", "restart.window", "text", "DURATION", "The window (10m)."),
    flag(
        *("--success-exit-codes", "restart.success_exit_codes", "numbers", "N"),
        "Codes of success. Repeatable.",
    ),
    flag("--stop", "stop", "text", "SIGNAL", "What it is asked to end with; or a table as JSON."),
    flag("--stop-signal", "stop.signal", "text", "SIGNAL", "The same (TERM)."),
    flag("--stop-timeout", "stop.timeout", "text", "DURATION", "From the signal to KILL (10s)."),
    flag("--stop-command", "stop.command", "text", "COMMAND", "Run before the signal is sent."),
    flag("--stop-scope", "stop.scope", "text", "SCOPE", "Who gets it: tree, group, main (tree)."),
    flag("--reload", "reload", "text", "SIGNAL", "How it reads its configuration again: HUP."),
    flag("--reload-command", "reload.command", "text", "COMMAND", "Run to have it do so."),
    flag("--ready", "ready", "text", "CHECK", "tcp:8000, a URL, notify, 'log: TEXT'; or as JSON."),
    flag("--ready-timeout", "ready.timeout", "text", "DURATION", "Then it has failed (60s)."),
    flag("--ready-interval", "ready.interval", "text", "DURATION", "Between two tries (250ms)."),
    flag("--ready-try-timeout", "ready.try_timeout", "text", "DURATION", "For one try (2s)."),
    flag("--health", "health", "text", "CHECK", "tcp:8000, a URL, 'exec: COMMAND'; or as JSON."),
    flag("--watchdog", "health.watchdog", "text", "DURATION", "It says so itself so often."),
    flag("--health-interval", "health.interval", "text", "DURATION", "Between two probes (10s)."),
    flag("--health-timeout", "health.timeout", "text", "DURATION", "For one probe (2s)."),
    flag("--health-failures", "health.failures", "whole", "N", "In a row: unhealthy (3)."),
    flag("--health-action", "health.action", "text", "ACTION", "restart, stop or none (restart)."),
    flag("--start-period", "health.start_period", "text", "DURATION", "No failure counts so soon."),
    flag("--depends-on", "depends_on", "many", "NAME[:condition]", "After that one. Repeatable."),
    flag("--log", "log", "text", "JSON", 'Its log: {"max_size": "50MiB", "keep": 10}.'),
    flag("--log-max-size", "log.max_size", "text", "SIZE", "Rotate its log at this size."),
    flag("--log-keep", "log.keep", "whole", "N", "Keep so many rotated logs."),
    flag("--log-max-age", "log.max_age", "text", "DURATION", "Rotate its log at this age."),
    flag("--log-uncompressed", "log.compress", "unswitch", None, "Do not compress rotated logs."),
    flag("--log-split-stderr", "log.split_stderr", "switch", None, "Its errors into NAME.err.log."),
    flag("--hooks", "hooks", "text", "JSON", 'Commands: {"pre_start": ["./migrate"]}.'),
    flag("--pre-start", "hooks.pre_start", "text", "COMMAND", "Run before each start."),
    flag("--post-start", "hooks.post_start", "text", "COMMAND", "Run once it is ready."),
    flag("--post-stop", "hooks.post_stop", "text", "COMMAND", "Run after its end."),
    flag("--on-failed", "hooks.on_failed", "text", "COMMAND", "Run when it has failed."),
    flag("--hook-timeout", "hooks.timeout", "text", "DURATION", "For each of them (60s)."),
    flag("--notify", "notify", "many", "CHANNEL", "Who is told when it is down; or JSON."),
    flag("--watch", "watch.paths", "many", "PATH", "Restart it when that changes. Repeatable."),
    flag("--watch-pattern", "watch.pattern", "text", "GLOB", "Only files of such names: '*.py'."),
    flag("--watch-settle", "watch.settle", "text", "DURATION", "Once at rest so long (300ms)."),
)  # fmt: skip
"""Whatever a definition can say; a dotted key is that of a table."""

TABLES = ("restart", "stop", "reload", "ready", "health", "log", "hooks", "watch")
"""Tables that flags fill in part by part, some also as a whole."""

SHORT = {"restart": "mode", "stop": "signal", "reload": "signal"}
"""Which key of the table its flag as a whole means, if it is no JSON."""

PLAIN = tuple(
    one.key
    for one in FLAGS
    if "." not in one.key
    and one.key not in TABLES
    and one.key
    not in {"cwd", "env", "env_file", "limits", "limit", "disabled", "depends_on", "notify"}
)
"""Keys whose value goes into the definition as it was given."""


def service_definition(name: str, command: Sequence[str], given: Mapping[str, Any]) -> Json:
    """The definition that the flags spell; ``given`` has their values by ``Flag.key``.

    Raises UsageError for JSON that is none, and InvalidError for a check that is none.
    """
    found: Json = {"name": name, "command": list(command)}
    found["cwd"] = absolute(given.get("cwd") or here())
    for key in PLAIN:
        if is_given(value := given.get(key)):
            found[key] = list(value) if isinstance(value, tuple | list) else value
    if given.get("env"):
        found["env"] = dict(pair(text) for text in given["env"])
    if given.get("env_file"):
        found["env_file"] = [optional_path(path) for path in given["env_file"]]
    if given.get("depends_on"):
        found["depends_on"] = [dependency(text) for text in given["depends_on"]]
    if given.get("disabled"):
        found["enabled"] = False
    if given.get("notify"):
        found["notify"] = told_of(given["notify"])
    for key in TABLES:
        if table := table_of(key, given):
            found[key] = table
    return {**found, **limits_of(given)}


def optional_path(text: str) -> str:
    """A path from the current directory; ``?`` before it stays."""
    path = text.removeprefix("?")
    return text[: len(text) - len(path)] + absolute(path)


def dependency(text: str) -> Any:
    return json_of("--depends-on", text) if text.lstrip().startswith("{") else text


def table_of(key: str, given: Mapping[str, Any]) -> Any:
    """One table: its flag as a whole, and on top of it the flags for its parts."""
    whole = whole_of(key, given[key]) if is_given(given.get(key)) else {}
    parts = {
        one.key.partition(".")[2]: part_of(one, given[one.key])
        for one in FLAGS
        if one.key.startswith(f"{key}.") and is_given(given.get(one.key))
    }
    if key == "ready" and isinstance(whole, dict) and "file" in whole:
        whole = {**whole, "file": absolute(str(whole["file"]))}
    return {**whole, **parts} if isinstance(whole, dict) else whole


def whole_of(key: str, text: str) -> Any:
    """JSON, or the short form as the table that it stands for."""
    if text.lstrip().startswith("{") or key in ("log", "hooks"):
        return json_of(f"--{key}", text)
    if key in SHORT:
        return {SHORT[key]: text}
    from pb.core.checks import HEALTH_HINT, KINDS, PROBES, READY_HINT, short_check

    kinds, hint = (KINDS, READY_HINT) if key == "ready" else (PROBES, HEALTH_HINT)
    kind, rest = short_check(text, kinds, hint)
    return {kind: rest}


def part_of(one: Flag, value: Any) -> Any:
    if one.kind == "unswitch":
        return False
    if one.key == "watch.paths":
        return [absolute(path) for path in value]
    return list(value) if isinstance(value, tuple | list) else value
