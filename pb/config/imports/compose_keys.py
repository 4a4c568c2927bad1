"""The keys of a compose service: how each is carried over, or the sentence that says why not."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from pb.config.imports.compose_values import env_files, pairs, seconds, size, variables, words
from pb.config.imports.found import Draft, Entry, Take, nothing, omit, whole
from pb.core.durations import format_duration, format_size
from pb.errors import InvalidError

CONTAINER = omit("is about containers, which pb does not run")
HEALTH_DEFAULTS = {"interval": 30.0, "timeout": 30.0, "start_period": 0.0}
"""Seconds, from the Compose Specification."""


def take_environment(draft: Draft, entry: Entry) -> None:
    env = pairs(entry, variables(os.path.dirname(entry.file), draft.found.around.env))
    if env:
        draft.put("env", env)


def take_health(draft: Draft, entry: Entry) -> None:
    """A health check; unlike docker's, it can also restart, so its action is said."""
    check = entry.value
    if not isinstance(check, Mapping):
        raise InvalidError("is not a table, so it was left out")
    test = check.get("test")
    if check.get("disable") is True or test in (["NONE"], "NONE", None):
        return
    draft.put("health.exec", probe(test))
    for key, default in HEALTH_DEFAULTS.items():
        value = seconds(check.get(key, default))
        if value or key == "start_period":
            draft.put(f"health.{key}", format_duration(value))
    draft.put("health.failures", whole(Entry("", None, "", check.get("retries", 3))))
    draft.put("health.action", "none")
    if check.get("start_interval"):
        draft.leave_out(entry, "start_interval: pb has one interval")
    draft.change(
        entry, "tells and does not restart, as with docker", 'Or: health = {action = "restart"}'
    )


def probe(test: object) -> list[str]:
    parts = [str(part) for part in test] if isinstance(test, list) else ["CMD-SHELL", str(test)]
    if parts[:1] == ["CMD-SHELL"]:
        return ["/bin/sh", "-c", " ".join(parts[1:])]
    return parts[1:] if parts[:1] == ["CMD"] else parts


def take_restart(draft: Draft, entry: Entry) -> None:
    word, _, count = str(entry.value).lower().partition(":")
    modes = {"no": "never", "false": "never", "always": "always", "unless-stopped": "always"}
    modes |= {"on-failure": "on-failure", "none": "never", "any": "always"}
    if word not in modes:
        raise InvalidError(f"{word[:40]!r} is not a restart policy, so it was left out")
    draft.put("restart.mode", modes[word])
    if count:
        draft.put("restart.max_restarts", whole(Entry("", None, "", count)))
        draft.change(entry, "counts the ends within restart.window")


def take_user(draft: Draft, entry: Entry) -> None:
    around, name = draft.found.around, entry.text.partition(":")[0]
    if around.is_root:
        draft.put("user", name)
    elif name not in (around.user, str(os.geteuid())):
        draft.change(entry, f"it will run as you ({around.user}), not as {name}")


def take_deploy(draft: Draft, entry: Entry) -> None:
    table = entry.value if isinstance(entry.value, Mapping) else {}
    for key, value in table.items():
        inner = Entry(entry.file, entry.line, f"deploy.{key}", value)
        if key == "replicas":
            take_replicas(draft, inner)
        elif key == "resources":
            take_resources(draft, inner)
        elif key == "restart_policy" and isinstance(value, Mapping):
            take_policy(draft, inner, value)
        else:
            CONTAINER(draft, inner)


def take_resources(draft: Draft, entry: Entry) -> None:
    limits = entry.value.get("limits") if isinstance(entry.value, Mapping) else None
    for key, value in (limits or {}).items():
        inner = Entry(entry.file, entry.line, f"{entry.key}.limits.{key}", value)
        if key == "memory":
            take_memory(draft, inner)
        else:
            CONTAINER(draft, inner)


def take_policy(draft: Draft, entry: Entry, policy: Mapping[str, Any]) -> None:
    take_restart(draft, Entry(entry.file, entry.line, entry.key, policy.get("condition", "any")))
    if policy.get("delay"):
        delay = format_duration(seconds(policy["delay"]))
        draft.put("restart.delay", delay)
        draft.put("restart.factor", 1)
        draft.put("restart.max_delay", delay)
    if policy.get("max_attempts"):
        attempts = Entry("", None, "", policy["max_attempts"])
        draft.put("restart.max_restarts", whole(attempts))
    if policy.get("window"):
        draft.put("restart.window", format_duration(seconds(policy["window"])))


def take_replicas(draft: Draft, entry: Entry) -> None:
    count = whole(entry)
    if count == 0:
        draft.put("enabled", False)
    elif count > 1:
        draft.put("replicas", count)
        draft.change(entry, "each process finds its number in PB_INSTANCE; they share this host")


def take_memory(draft: Draft, entry: Entry) -> None:
    if size(entry.value):
        draft.put("max_memory", format_size(size(entry.value)))
        draft.change(entry, "beyond it the service is restarted, in order")


def take_profiles(draft: Draft, entry: Entry) -> None:
    names = entry.value if isinstance(entry.value, list) else [entry.value]
    groups = [re.sub(r"[^A-Za-z0-9._-]+", "-", str(name)).strip(".-") for name in names]
    for group in filter(None, groups):
        draft.append("groups", group)
    if names:
        draft.put("enabled", False)
        draft.change(
            entry, "is disabled, and in a group", f"Start it: pb service start {groups[0]}"
        )


def take_ulimits(draft: Draft, entry: Entry) -> None:
    known = {"nofile": "open_files", "nproc": "processes"}
    for name, value in (entry.value if isinstance(entry.value, Mapping) else {}).items():
        inner = Entry(entry.file, entry.line, f"ulimits.{name}", value)
        limit = value.get("hard", value.get("soft")) if isinstance(value, Mapping) else value
        if name in known:
            draft.put(f"limits.{known[name]}", whole(Entry("", None, "", limit)))
        else:
            draft.leave_out(inner, "pb has no such limit")


def take_ports(draft: Draft, entry: Entry) -> None:
    """A published port is only right when it is the one that the program itself listens on."""
    items = entry.value if isinstance(entry.value, list) else [entry.value]
    for item in items:
        if isinstance(item, Mapping):
            published, target = str(item.get("published", "")), str(item.get("target", ""))
        else:
            parts = str(item).partition("/")[0].split(":")
            published, target = parts[-2] if len(parts) > 1 else "", parts[-1]
        said = f"it listens on {target or 'its own port'} itself"
        if published and published != target:
            said += f", and nothing on {published}"
        draft.leave_out(entry, said, f"When that shows it is ready: ready = {{tcp = {target}}}")


def take_stop_signal(draft: Draft, entry: Entry) -> None:
    draft.put("stop.signal", entry.text.upper().removeprefix("SIG"))


def take_init(_draft: Draft, _entry: Entry) -> None:
    """pb reaps and stops the whole tree anyway."""


def take_env_file(draft: Draft, entry: Entry) -> None:
    draft.put("env_file", env_files(entry, os.path.dirname(entry.file)))


def take_hook(name: str) -> Take:
    """``post_start`` and the like: a list of ``{command: …}``, of which pb has one."""

    def take(draft: Draft, entry: Entry) -> None:
        items = entry.value if isinstance(entry.value, list) else [entry.value]
        argvs = [words(i.get("command") if isinstance(i, Mapping) else i) for i in items]
        if len(argvs) == 1 and argvs[0]:
            draft.put(name, argvs[0])
        else:
            draft.leave_out(entry, "pb runs one command here", "Put them into a script.")

    return take


KEYS: Mapping[str, Take] = {
    "environment": take_environment,
    "env_file": take_env_file,
    "healthcheck": take_health,
    "restart": take_restart,
    "stop_signal": take_stop_signal,
    "stop_grace_period": lambda d, e: d.put("stop.timeout", format_duration(seconds(e.value))),
    "user": take_user,
    "deploy": take_deploy,
    "scale": take_replicas,
    "mem_limit": take_memory,
    "profiles": take_profiles,
    "ulimits": take_ulimits,
    "ports": take_ports,
    "init": take_init,
    "post_start": take_hook("hooks.post_start"),
    "pre_stop": take_hook("stop.command"),
    "container_name": nothing,
    "tty": nothing,
    "stdin_open": nothing,
    "platform": nothing,
    "pull_policy": nothing,
    "labels": CONTAINER,
    "annotations": CONTAINER,
    "logging": omit("pb keeps the output in its own log", 'See: log = {max_size = "10MiB"}'),
    "volumes": omit("there is no container to mount them into: paths are this machine's own"),
    "networks": omit("services reach one another on 127.0.0.1, not by their names"),
    "links": omit("services reach one another on 127.0.0.1, not by their names"),
    "develop": omit("is about containers", 'See: watch = {paths = ["src"]}'),
    "cpus": omit("pb does not limit processors"),
    "read_only": omit("pb does not sandbox: it has no root to do so"),
    "cap_add": omit("pb does not sandbox: it has no root to do so"),
    "cap_drop": omit("pb does not sandbox: it has no root to do so"),
    "security_opt": omit("pb does not sandbox: it has no root to do so"),
    "secrets": omit("pb hands over no secrets as files", "Use env_file, with mode 600."),
    "configs": omit("pb hands over no configuration files: use the file itself"),
    "privileged": CONTAINER,
    "expose": CONTAINER,
    "hostname": CONTAINER,
    "network_mode": CONTAINER,
}
"""Every key but those that ``compose`` reads together."""
