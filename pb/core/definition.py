"""Jobs as users write them: the one table of a definition's keys, read to a Job and dumped back.

Pure: a mapping in, a Job or every problem of it out. Files and their lines are ``pb.config``'s;
what the values mean while a job runs is ``core.plan``'s and the daemon's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import MappingProxyType
from typing import Any

from pb.core.argv import read_command, words_of
from pb.core.conditions import CONDITIONS_FIELD
from pb.core.cron import CronError
from pb.core.fields import (
    DURATION,
    DefinitionError,
    Field,
    Problem,
    kind,
    mismatch,
    placed,
    read_choice,
    read_each,
    read_env,
    read_flag,
    read_integer,
    read_path,
    read_positive_duration,
    read_signal,
    read_table,
    read_tag,
    read_text,
    read_umask,
    read_zone,
    refusal,
    shown_text,
    write_duration,
)
from pb.core.keeping import LOG_FIELD, RETENTION_FIELD
from pb.core.limits import LIMITS_FIELD
from pb.core.model import (
    NAME_PATTERN,
    Cron,
    JitterMode,
    Job,
    OnLost,
    Overlap,
    Trigger,
)
from pb.core.notify import NOTIFY_FIELD
from pb.core.policies import DEPENDENCIES_FIELD, MISFIRE_FIELD, RETRY_FIELD
from pb.core.python_call import (
    call_problems,
    read_args,
    read_interpreter,
    read_kwargs,
    read_target,
)
from pb.core.triggers import cron_of, trigger_dump, trigger_from
from pb.errors import InvalidError

__all__ = ["DefinitionError", "Problem", "job_dump", "job_from", "read_name"]

LATER = ("secrets",)
"""Keys of SPEC section 4 that this version cannot honour, so it refuses them."""

OTHERWISE: Mapping[str, str] = {
    "job": 'Use depends_on, or "event: job.NAME.succeeded".',
    "system": 'Write "event: system.network.up".',
}
"""Kinds of triggers that people try, and how what they mean is written."""

NOT_YET = "not supported yet by this version of pb"

ELSEWHERE = {
    "cron": 'Write triggers: ["cron: 30 2 * * *"].',
    "every": 'Write triggers: ["every: 5m"].',
    "at": 'Write triggers: ["at: 2026-11-20T18:00:00Z"].',
    "startup": 'Write triggers: ["startup"].',
    "trigger": 'Write triggers: ["cron: 30 2 * * *"], a list.',
    "schedule": 'Write triggers: ["cron: 30 2 * * *"].',
    "day_match": "Write it into the cron trigger.",
    "dst_gap": "Write it into the cron trigger.",
    "dst_overlap": "Write it into the cron trigger.",
    "grace": "Write it into misfire.",
    "catch_up": "Write it into misfire.",
    "event": 'Write triggers: ["event: job.backup.failed"].',
}
"""Words that people try at the top of a job, and where what they mean is written."""

REFUSED: Mapping[str, Problem] = MappingProxyType(
    {key: Problem(key, f"is {NOT_YET}") for key in LATER}
    | {key: Problem(key, "is not a key of a job", hint) for key, hint in ELSEWHERE.items()}
)

NAME_HINT = "Use 1 to 64 letters, digits, dots, dashes or underscores, the first no dot or dash."
NAME = re.compile(NAME_PATTERN)


def read_name(value: object) -> str:
    text = read_text(value)
    if not NAME.fullmatch(text):
        raise refusal(f"{shown_text(text)} is not a name that a job can have", NAME_HINT)
    return text


def read_env_files(value: object) -> tuple[str, ...]:
    """One path or a list of them; later files win."""
    values = [value] if isinstance(value, str) else value
    paths: tuple[str, ...] = read_each(read_path, '["~/.config/backup.env"]')(values)
    return paths


def read_triggers(value: object) -> tuple[Trigger, ...]:
    """A list of triggers, none twice; an empty list is a job that only runs by hand."""
    if isinstance(value, str | Mapping):
        raise mismatch("a list", value, 'Put it in brackets: ["cron: 30 2 * * *"].')
    triggers = read_each(read_trigger, '["cron: 30 2 * * *"]')(value)
    for index, trigger in enumerate(triggers):
        if trigger in triggers[:index]:
            first = triggers.index(trigger)
            raise refusal(f"is the same as triggers[{first}]", "Remove one.", key=f"[{index}]")
    return triggers


def read_trigger(value: object) -> Trigger:
    """One trigger, as a table or as short text."""
    if not isinstance(value, str | Mapping):
        raise mismatch("a trigger", value, 'Write it like "cron: 30 2 * * *" or "every: 5m".')
    is_table = isinstance(value, Mapping)
    named = value.get("type", "") if isinstance(value, Mapping) else read_text(value)
    if not isinstance(named, str):
        raise refusal(f"should be text, not {kind(named)}", key="type")
    word = named if is_table else named.partition(":")[0].strip().lower()
    if word in OTHERWISE:
        key = "type" if is_table else ""
        raise refusal(f"there is no trigger type {word!r}", OTHERWISE[word], key=key)
    try:
        return trigger_from(value)
    except CronError as error:
        key = "expr" if is_table and "expr" in value else ""
        raise refusal(error.message, error.hint, key=key) from None


FIELDS: Mapping[str, Field] = {
    "name": Field(read_name),
    "description": Field(read_text),
    "command": Field(read_command, list),
    "python": Field(read_target),
    "args": Field(read_args, list),
    "kwargs": Field(read_kwargs, dict),
    "interpreter": Field(read_interpreter),
    "shell": Field(read_flag),
    "cwd": Field(lambda value: None if value is None else read_path(value)),
    "env": Field(read_env, dict),
    "env_file": Field(read_env_files, list),
    "stdin": Field(lambda value: None if value is None else read_text(value)),
    "umask": Field(
        lambda value: None if value is None else read_umask(value), lambda mask: f"{mask:03o}"
    ),
    "triggers": Field(read_triggers, lambda triggers: [trigger_dump(t) for t in triggers]),
    "timezone": Field(read_zone),
    "enabled": Field(read_flag),
    "paused": Field(read_flag),
    "priority": Field(read_integer(0, 100)),
    "queue": Field(read_name),
    "locks": Field(read_each(read_name, '["database"]'), list),
    "overlap": Field(read_choice(Overlap), str),
    "queue_limit": Field(read_integer(1, 10_000)),
    "max_instances": Field(read_integer(1, 10_000)),
    "jitter": DURATION,
    "jitter_mode": Field(read_choice(JitterMode), str),
    "misfire": MISFIRE_FIELD,
    "retry": RETRY_FIELD,
    "on_lost": Field(read_choice(OnLost), str),
    "depends_on": DEPENDENCIES_FIELD,
    "conditions": CONDITIONS_FIELD,
    "timeout": Field(
        lambda value: None if value is None else read_positive_duration(value), write_duration
    ),
    "limits": LIMITS_FIELD,
    "kill_grace": DURATION,
    "stop_signal": Field(read_signal),
    "success_exit_codes": Field(read_each(read_integer(0, 255), "[0, 1]"), list),
    "notify": NOTIFY_FIELD,
    "retention": RETENTION_FIELD,
    "log": LOG_FIELD,
    "tags": Field(read_each(read_tag, '["backup", "nightly"]'), list),
}
"""Every key that a job may have: how it is read, and how it is written back."""

DEFAULTS: Mapping[str, object] = {
    field.name: field.default if field.default_factory is MISSING else field.default_factory()
    for field in fields(Job)
    if field.default is not MISSING or field.default_factory is not MISSING
}


def job_from(mapping: Mapping[str, object], *, name: str | None = None) -> Job:
    """The job that ``mapping`` defines (SPEC section 4); keys left out have ``Job``'s defaults.

    ``name`` is the name where it stands outside of the mapping, as in a TOML table's header.
    Raises DefinitionError with every problem found.
    """
    if not isinstance(mapping, Mapping):
        raise mismatch("a table of a job's keys", mapping)
    given = dict(mapping) if name is None else {"name": name, **mapping}
    values, problems = read_table(given, FIELDS, refused=REFUSED)
    if name is not None and values.get("name", name) != name:
        problems.append(Problem("name", f"says otherwise than {name!r}", "Leave it out."))
    for key, hint in (("name", NAME_HINT), ("command", "Say what to run.")):
        if key not in given and not (key == "command" and "python" in given):
            problems.append(Problem(key, "is missing", hint))
    problems += call_problems(values) or settle_command(values)
    problems += hashed_cron_problems(values)
    if problems:
        raise DefinitionError(problems)
    return Job(**values)


def settle_command(values: dict[str, Any]) -> list[Problem]:
    """Turn ``command`` into the tuple that its form and ``shell`` ask for, in place."""
    command, shell = values.get("command"), values.get("shell", False)
    if command is None:
        return []
    try:
        values["command"] = shell_command(command) if shell else words_of(command)
    except DefinitionError as error:
        return placed("command", error)
    return []


def shell_command(command: tuple[str, ...] | str) -> tuple[str, ...]:
    if isinstance(command, str):
        return (command,)
    if len(command) == 1:
        return command
    raise refusal("should be one text with shell", "Write it as one text, or leave shell out.")


def hashed_cron_problems(values: Mapping[str, Any]) -> list[Problem]:
    """Faults of ``H`` expressions, which mean something only together with the job's name."""
    problems: list[Problem] = []
    name = values.get("name")
    for index, trigger in enumerate(values.get("triggers", ())):
        if name and isinstance(trigger, Cron) and "H" in trigger.expr.upper():
            try:
                cron_of(trigger, name)
            except InvalidError as error:
                problems += placed(f"triggers[{index}].expr", error)
    return problems


def job_dump(job: Job) -> dict[str, object]:
    """The definition of ``job`` as JSON would have it, keys with default values left out.

    ``job_from(job_dump(job)) == job``.
    """
    dumped = {
        key: field.write(getattr(job, key))
        for key, field in FIELDS.items()
        if key not in DEFAULTS or getattr(job, key) != DEFAULTS[key]
    }
    if job.shell:
        dumped["command"] = job.command[0]
    return dumped
