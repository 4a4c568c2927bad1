"""The tables inside a service's definition: restart, stop, depends_on …, read and written. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pb.core.argv import read_argv
from pb.core.checks import HEALTH, READY, TIMEOUT, optional, read_pause
from pb.core.definition import NAME, NAME_HINT, read_name
from pb.core.fields import (
    DURATION,
    DefinitionError,
    Field,
    Problem,
    mismatch,
    read_c_text,
    read_choice,
    read_each,
    read_flag,
    read_integer,
    read_path,
    read_positive_duration,
    read_signal,
    read_table,
    read_text,
    refusal,
    shown_text,
    write_duration,
)
from pb.core.keeping import read_log_size
from pb.core.limits import LIMITS, write_size
from pb.core.model import NO_LIMITS, Limits
from pb.core.notify import NOTIFY
from pb.core.policies import read_factor, read_fraction, read_policy, write_policy
from pb.core.service import (
    DependsCondition,
    Hooks,
    Reload,
    RestartMode,
    RestartPolicy,
    ServiceDependency,
    ServiceLog,
    StopPolicy,
    StopScope,
    Watch,
)
from pb.core.service_words import (
    CONDITION_WORDS,
    DEPENDENCY_WORDS,
    HOOK_WORDS,
    LIMIT_WORDS,
    LOG_WORDS,
    MODE_WORDS,
    RELOAD_WORDS,
    RESTART_WORDS,
    SCOPE_WORDS,
    STOP_WORDS,
    WATCH_WORDS,
)

RESERVED = frozenset({"scheduler", "gateway", "debug", "all"})
"""Names that mean something else in `pb service` (SPEC section 2)."""

MOST_RESTARTS = 1_000_000
USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?|[0-9]{1,10}")
"""A login name (useradd(8)) or a user's number."""


ERROR_LOG = ".err"
"""``web.err.log`` is where the service ``web`` has its standard error, when that is kept apart."""


def read_service_name(value: object) -> str:
    """A job-name pattern, and none of pb's own words, in any case: the name becomes that of files,
    and some file systems do not tell capitals from small letters."""
    text = read_text(value)
    if text.lower() in RESERVED:
        raise refusal(f"{shown_text(text)} is a name of pb's own", "Choose another name.")
    if not NAME.fullmatch(text):
        raise refusal(f"{shown_text(text)} is not a name that a service can have", NAME_HINT)
    if text.lower().endswith(ERROR_LOG):
        raise refusal(
            f"{shown_text(text)} ends like the log of a standard error", "Choose another name."
        )
    return text


def read_group(value: object) -> str:
    """A name that stands beside services' names in commands, so none of pb's own words either."""
    text = read_name(value)
    if text.lower() in RESERVED:
        raise refusal(f"{shown_text(text)} is a name of pb's own", "Choose another name.")
    return text


def read_user(value: object) -> str:
    """A name or number; whether there is such a user is seen at the start."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32:
        return str(value)
    text = read_text(value)
    if not USER.fullmatch(text):
        raise refusal(f"{shown_text(text)} is not a user's name or number")
    return text


def read_word(words: type[Any], elsewhere: Mapping[str, str]) -> Callable[[object], Any]:
    """A choice, with advice for the words that other programs have."""
    read, known = read_choice(words), tuple(word.value for word in words)

    def read_one(value: object) -> Any:
        hint = elsewhere.get(str(value).lower()) if isinstance(value, str | bool) else None
        if hint is None or value in known:
            return read(value)
        shown = shown_text(value) if isinstance(value, str) else str(value).lower()
        raise refusal(f"should be one of {', '.join(known)}, not {shown}", hint)

    return read_one


def table_or(short: Callable[[object], Any], table: Callable[[object], Any]) -> Any:
    """A reader of a table that may also be written short, as one value."""

    def read(value: object) -> Any:
        return table(value) if isinstance(value, Mapping) else short(value)

    return read


# -- restart

read_mode = read_word(RestartMode, MODE_WORDS)

RESTART: Mapping[str, Field] = {
    "mode": Field(read_mode, str),
    "success_exit_codes": Field(read_each(read_integer(0, 255), "[0, 1]"), list),
    "delay": DURATION,
    "factor": Field(read_factor),
    "max_delay": DURATION,
    "jitter": Field(read_fraction),
    "reset_after": DURATION,
    "max_restarts": Field(read_integer(0, MOST_RESTARTS)),
    "window": TIMEOUT,
}
read_restart_table = read_policy(
    RESTART, RestartPolicy, '"on-failure", or {mode = "on-failure", delay = "1s"}', RESTART_WORDS
)


def read_restart(value: object) -> RestartPolicy:
    policy: RestartPolicy = table_or(
        lambda mode: RestartPolicy(mode=read_mode(mode)), read_restart_table
    )(value)
    if policy.delay > policy.max_delay:
        hint = f'Write max_delay = "{write_duration(policy.delay)}" too, or a shorter delay.'
        longest = write_duration(policy.max_delay)
        raise refusal(f"is longer than max_delay ({longest})", hint, key="delay")
    return policy


# -- stop and reload


def read_argv_or_none(value: object) -> tuple[str, ...]:
    """A command; an empty list is none."""
    return () if value in ([], ()) else read_argv(value)


ARGV = Field(read_argv_or_none, list)

STOP: Mapping[str, Field] = {
    "signal": Field(read_signal),
    "timeout": DURATION,
    "command": ARGV,
    "scope": Field(read_word(StopScope, SCOPE_WORDS), str),
}
read_stop = table_or(
    lambda signal: StopPolicy(signal=read_signal(signal)),
    read_policy(STOP, StopPolicy, '"INT", or {signal = "INT", timeout = "30s"}', STOP_WORDS),
)

RELOAD: Mapping[str, Field] = {"signal": Field(read_signal), "command": Field(read_argv, list)}
RELOAD_HINT = 'Write "HUP", or {command = ["nginx", "-s", "reload"]}.'
read_reload_table = read_policy(RELOAD, Reload, '"HUP"', RELOAD_WORDS)


def read_reload_signal(value: object) -> Reload:
    try:
        return Reload(signal=read_signal(value))
    except DefinitionError as error:
        raise refusal(error.problems[0].message, RELOAD_HINT) from None


def read_reload(value: object) -> Reload:
    reload: Reload = table_or(read_reload_signal, read_reload_table)(value)
    if (reload.signal is None) is (not reload.command):
        raise refusal("should have a signal or a command, one of them", RELOAD_HINT)
    return reload


# -- depends_on

DEPENDENCY: Mapping[str, Field] = {
    "service": Field(read_service_name),
    "condition": Field(read_word(DependsCondition, CONDITION_WORDS), str),
    "restart_with": Field(read_flag),
}
DEPENDENCY_HINT = 'Write it like ["db", {service = "cache", condition = "healthy"}].'


def read_dependency(value: object) -> ServiceDependency:
    """``{"service": …, "condition": …}``, or short ``"db"`` and ``"db:healthy"``."""
    if isinstance(value, str):
        service, _, condition = value.partition(":")
        value = {"service": service, **({"condition": condition} if condition else {})}
    if not isinstance(value, Mapping):
        raise mismatch("a service's name or a table", value, DEPENDENCY_HINT)
    values, problems = read_table(value, DEPENDENCY, refused=DEPENDENCY_WORDS)
    if not problems and "service" not in values:
        problems = [Problem("", "names no service", DEPENDENCY_HINT)]
    if problems:
        raise DefinitionError(problems)
    return ServiceDependency(**values)


def read_dependencies(value: object) -> tuple[ServiceDependency, ...]:
    if not isinstance(value, list | tuple):
        raise mismatch("a list", value, DEPENDENCY_HINT)
    found: tuple[ServiceDependency, ...] = read_each(read_dependency, '["db"]')(value)
    names = [dependency.service for dependency in found]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise refusal(f"names {name} twice", "Remove one.", key=f"[{index}]")
    return found


def write_dependency(dependency: ServiceDependency) -> dict[str, object]:
    default = ServiceDependency(service=dependency.service)
    return {"service": dependency.service, **write_policy(DEPENDENCY, default)(dependency)}


# -- log, hooks, watch, limits

LOG: Mapping[str, Field] = {
    "max_size": Field(read_log_size, write_size),
    "keep": Field(read_integer(1, 1000)),
    "max_age": Field(read_positive_duration, write_duration),
    "compress": Field(read_flag),
    "split_stderr": Field(read_flag),
}

HOOKS: Mapping[str, Field] = {
    "pre_start": ARGV,
    "post_start": ARGV,
    "post_stop": ARGV,
    "on_failed": ARGV,
    "timeout": TIMEOUT,
}


def read_watch_paths(value: object) -> tuple[str, ...]:
    """One path or a list of them, at least one."""
    values = [value] if isinstance(value, str) else value
    paths: tuple[str, ...] = read_each(read_path, '["src", "templates"]')(values)
    if not paths:
        raise refusal("names no paths", 'Write it like ["src"].')
    return paths


def read_pattern(value: object) -> str:
    text = read_c_text(value)
    if not text or "/" in text:
        hint = 'Write it like "*.py"; directories go into paths.'
        raise refusal(f"{shown_text(text)} is not a pattern for the names of files", hint)
    return text


WATCH: Mapping[str, Field] = {
    "paths": Field(read_watch_paths, list),
    "pattern": Field(read_pattern),
    "settle": Field(read_pause, write_duration),
}


def read_watch_table(value: object) -> Watch:
    watch: Watch = read_policy(WATCH, Watch, '["src"]', WATCH_WORDS)(value)
    if not watch.paths:
        raise refusal("is missing", 'Write it like paths = ["src"].', key="paths")
    return watch


read_watch = table_or(lambda paths: Watch(paths=read_watch_paths(paths)), read_watch_table)

SERVICE_LIMITS: Mapping[str, Field] = {
    key: LIMITS[key] for key in ("cpu_time", "open_files", "processes", "file_size")
}

RESTART_FIELD = Field(read_restart, write_policy(RESTART, RestartPolicy()))
STOP_FIELD = Field(read_stop, write_policy(STOP, StopPolicy()))
RELOAD_FIELD = optional(read_reload, write_policy(RELOAD, Reload()))
DEPENDS_FIELD = Field(read_dependencies, lambda all_: [write_dependency(one) for one in all_])
LOG_FIELD = Field(
    read_policy(LOG, ServiceLog, '{max_size = "50MiB", keep = 10}', LOG_WORDS),
    write_policy(LOG, ServiceLog()),
)
HOOKS_FIELD = Field(
    read_policy(HOOKS, Hooks, '{pre_start = ["./migrate"]}', HOOK_WORDS),
    write_policy(HOOKS, Hooks()),
)
WATCH_FIELD = optional(read_watch, write_policy(WATCH, Watch()))
LIMITS_FIELD = Field(
    read_policy(SERVICE_LIMITS, Limits, "{open_files = 8192}", LIMIT_WORDS),
    write_policy(SERVICE_LIMITS, NO_LIMITS),
)
GROUPS_FIELD = Field(read_each(read_group, '["backend"]'), list)

TABLES: Mapping[str, Mapping[str, Field]] = {
    "limits": SERVICE_LIMITS,
    "restart": RESTART,
    "stop": STOP,
    "reload": RELOAD,
    "ready": READY,
    "health": HEALTH,
    "depends_on": DEPENDENCY,
    "log": LOG,
    "hooks": HOOKS,
    "notify": NOTIFY,
    "watch": WATCH,
}
"""The tables of keys inside a definition."""
