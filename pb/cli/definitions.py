"""A job's definition out of the flags of ``pb job add``: the one table of those flags.

Every key of a definition is a flag of the same name in kebab case (SPEC section 4). What a value
must look like is ``core.definition``'s business; here it is only put where it belongs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from pb.cli.asked import elsewhere
from pb.core.lean import dataclass
from pb.errors import UsageError

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag. ``kind``: text, whole, number (may have a fraction), switch, unswitch (false when
    it is given), many (repeatable text) or numbers (repeatable)."""

    names: tuple[str, ...]
    key: str
    kind: str
    metavar: str | None
    help: str


def flag(names: str, key: str, kind: str, metavar: str | None, help_text: str) -> Flag:
    return Flag(tuple(names.split()), key, kind, metavar, help_text)


FLAGS = (
    flag("--cron", "cron", "many", "EXPR", 'When: a cron expression, "30 2 * * *". Repeatable.'),
    flag(
        "--every",
        "every",
        "many",
        "DURATION",
        'When: each 5m, 1h30m, "5m after finish". Repeatable.',
    ),
    flag("--at", "at", "many", "INSTANT", "When: once, at 2026-11-20T18:00, tomorrow 18:00."),
    flag("--on-startup", "on_startup", "switch", None, "When: after the machine has started."),
    flag("--on", "on", "many", "EVENT", "When: an event, job.backup.failed. Repeatable."),
    flag("--on-file", "on_file", "many", "PATH", "When: files change, ~/in/*.csv. Repeatable."),
    flag("--when", "when", "many", "TEXT", 'When: "disk.percent:/ > 90 for 5m". Repeatable.'),
    flag("--webhook", "webhook", "switch", None, "When: somebody posts to its hook."),
    flag("--trigger", "trigger", "many", "JSON", 'When: {"type": "cron", "expr": …}. Repeatable.'),
    flag("--tz --timezone", "timezone", "text", "ZONE", "IANA time zone (default: local)."),
    flag("--description", "description", "text", "TEXT", "What it is for."),
    flag("--cwd", "cwd", "text", "DIR", "Where it runs (default: the current directory)."),
    flag("--env", "env", "many", "K=V", "An environment variable. Repeatable."),
    flag("--env-file", "env_file", "many", "FILE", "Variables from a file. Repeatable."),
    flag("--stdin", "stdin", "text", "TEXT", "What it reads from its standard input."),
    flag("--umask", "umask", "text", "OCTAL", "Its umask, such as 022 (default: 077)."),
    flag("--shell", "shell", "switch", None, "The command is one text for /bin/sh."),
    flag("--overlap", "overlap", "text", "POLICY", "While it runs: skip, queue, replace, allow."),
    flag("--queue-limit", "queue_limit", "whole", "N", "How many may wait with --overlap queue."),
    flag("--max-instances", "max_instances", "whole", "N", "How many may run with allow."),
    flag("--jitter", "jitter", "text", "DURATION", "Spread each start by up to this."),
    flag("--jitter-mode", "jitter_mode", "text", "MODE", "Anew each time, or fixed by the name."),
    flag("--queue", "queue", "text", "NAME", "The queue it waits in (default: default)."),
    flag("--lock --locks", "locks", "many", "NAME", "A lock it needs alone. Repeatable."),
    flag("--depends-on", "depends_on", "many", "JOB[:on]", "After that job's success. Repeatable."),
    flag("--retry", "retry", "text", "JSON", 'When it fails: {"max_attempts": 3, "base": "10s"}.'),
    flag("--max-attempts", "max_attempts", "whole", "N", "Try it so many times in all (1)."),
    flag("--on-lost", "on_lost", "text", "POLICY", "A lost outcome: fail, or retry once more."),
    flag("--misfire", "misfire", "text", "JSON", 'Missed times: {"catch_up": "latest", …}.'),
    flag("--grace", "grace", "text", "DURATION", "How late still counts as on time."),
    flag("--catch-up", "catch_up", "text", "POLICY", "Missed times: latest, all or none."),
    flag("--window", "window", "text", "DURATION", "Older missed times are never made up."),
    flag("--max-catch-up", "max_catch_up", "whole", "N", "At most so many with --catch-up all."),
    flag("--spread", "spread", "text", "DURATION", "Spread what is made up over so long."),
    flag("--python", "python", "text", "MOD:FUNC", "Call a Python function instead of a command."),
    flag("--args", "args", "text", "JSON", "Its arguments: '[\"a\", 1]'."),
    flag("--kwargs", "kwargs", "text", "JSON", "Its named arguments: '{\"full\": true}'."),
    flag("--interpreter", "interpreter", "text", "PATH", "The Python that calls it (pb's own)."),
    flag("--limits", "limits", "text", "JSON", 'At most: {"memory": "512MiB", "cpu_time": "5m"}.'),
    flag("--conditions", "conditions", "text", "JSON", 'Only when: {"load": 2, "disk": …}.'),
    flag(
        "--condition", "condition", "many", "KEY=VALUE", "Only when: hours=22:00-6:00. Repeatable."
    ),
    flag("--limit", "limit", "many", "KEY=VALUE", "One limit: memory=512MiB. Repeatable."),
    flag("--timeout", "timeout", "text", "DURATION", "End it after this long."),
    flag("--kill-grace", "kill_grace", "text", "DURATION", "From the stop signal to KILL (10s)."),
    flag("--stop-signal", "stop_signal", "text", "SIGNAL", "What asks it to end (TERM)."),
    flag(
        "--success-exit-codes",
        "success_exit_codes",
        "numbers",
        "N",
        "Codes of success. Repeatable.",
    ),
    flag(
        "--notify", "notify", "many", "CHANNEL", "Who is told when it fails; or JSON. Repeatable."
    ),
    flag("--retention", "retention", "text", "JSON", 'Its past: {"keep_runs": 100, …}.'),
    flag("--keep-runs", "keep_runs", "whole", "N", "Keep so many runs."),
    flag("--keep-days", "keep_days", "whole", "N", "Keep runs for so many days."),
    flag("--log", "log", "text", "JSON", 'A run\'s log: {"max_size": "10MiB"}.'),
    flag("--log-max-size", "max_size", "text", "SIZE", "Keep so much of each run's output."),
    flag("--priority", "priority", "whole", "0-100", "Higher runs first (50)."),
    flag("--tag --tags", "tags", "many", "TAG", "A tag. Repeatable."),
    flag("--paused", "paused", "switch", None, "Add it paused."),
    flag("--disabled", "disabled", "switch", None, "Add it disabled."),
)

MISFIRE_KEYS = ("grace", "catch_up", "window", "max_catch_up", "spread")
POLICIES = {
    "misfire": MISFIRE_KEYS,
    "retry": ("max_attempts",),
    "retention": ("keep_runs", "keep_days"),
    "log": ("max_size",),
}
"""Tables that have a flag as a whole, and flags for these of their keys."""
PLAIN_KEYS = tuple(
    flag.key
    for flag in FLAGS
    if flag.key not in {"cron", "every", "at", "on_startup", "on", "on_file", "when"}
    and flag.key not in {"webhook", "trigger"}
    and flag.key not in {"cwd", "env", "env_file", "misfire"}
    and flag.key not in {*POLICIES, *(part for parts in POLICIES.values() for part in parts)}
    and flag.key not in {"disabled", "depends_on", "notify"}
    and flag.key not in {"args", "kwargs", "limits", "limit", "conditions", "condition"}
)
"""Keys whose value goes into the definition as it was given."""


def definition(name: str, command: Sequence[str], given: Mapping[str, Any]) -> Json:
    """The definition that the flags spell. Raises UsageError and InvalidError (with a caret)."""
    found: Json = {"name": name, **({"command": list(command)} if command else {})}
    found["triggers"] = triggers(name, given)
    found["cwd"] = absolute(given.get("cwd") or here())
    for key in PLAIN_KEYS:
        if is_given(value := given.get(key)):
            found[key] = list(value) if isinstance(value, tuple | list) else value
    if given.get("env"):
        found["env"] = dict(pair(text) for text in given["env"])
    if given.get("env_file"):
        found["env_file"] = [absolute(path) for path in given["env_file"]]
    for key, parts in POLICIES.items():
        policy = _policy(key, parts, given)
        if policy:
            found[key] = policy
    if given.get("depends_on"):
        found["depends_on"] = [_dependency(text) for text in given["depends_on"]]
    if given.get("disabled"):
        found["enabled"] = False
    if given.get("notify"):
        found["notify"] = told_of(given["notify"])
    return {**found, **_call(given), **limits_of(given), **conditions_of(given)}


def told_of(texts: Sequence[str]) -> Any:
    """Names of channels, or the table; nobody is ``none``."""
    if len(texts) == 1 and texts[0].lstrip().startswith(("{", "[")):
        return json_of("--notify", texts[0])
    return [] if list(texts) == ["none"] else list(texts)


def is_given(value: object) -> bool:
    """Whether a flag was given; 0 is a value like others."""
    return value is not None and value is not False and value not in ((), [])


def _call(given: Mapping[str, Any]) -> Json:
    """The arguments of a python job."""
    return {key: json_of(f"--{key}", given[key]) for key in ("args", "kwargs") if given.get(key)}


def limits_of(given: Mapping[str, Any]) -> Json:
    """``--limits`` as a whole, and each ``--limit`` on top of it."""
    whole = json_of("--limits", given["limits"]) if given.get("limits") else {}
    if isinstance(whole, dict):
        pairs = (entry("--limit", text, "memory=512MiB") for text in given.get("limit") or ())
        whole = {**whole, **dict(pairs)}
    return {"limits": whole} if whole else {}


def conditions_of(given: Mapping[str, Any]) -> Json:
    """``--conditions`` as a whole, and each ``--condition`` on top of it; one given again is one
    more of a list."""
    whole = json_of("--conditions", given["conditions"]) if given.get("conditions") else {}
    parts: Json = {}
    for text in given.get("condition") or ():
        key, value = entry("--condition", text, "hours=22:00-06:00")
        parts.setdefault(key, []).append(value)
    if isinstance(whole, dict):
        whole |= {key: many if len(many) > 1 else many[0] for key, many in parts.items()}
    return {"conditions": whole} if whole else {}


def triggers(name: str, given: Mapping[str, Any]) -> list[Any]:
    """The triggers, in the order of their flags; none is a job that only runs by hand."""
    found: list[Any] = []
    for expr in given.get("cron") or ():
        found.append(_cron(name, expr))
    found += [_every(text) for text in given.get("every") or ()]
    zone = given.get("timezone") or "local"
    found += [{"type": "at", "at": _aware(text, zone)} for text in given.get("at") or ()]
    found += [{"type": "startup"}] if given.get("on_startup") else []
    found += [{"type": "event", "name": text} for text in given.get("on") or ()]
    found += [_file(path) for path in given.get("on_file") or ()]
    found += [{"type": "webhook"}] if given.get("webhook") else []
    found += [_when(text) for text in given.get("when") or ()]
    found += [_trigger(text) for text in given.get("trigger") or ()]
    return found


def _file(path: str) -> str:
    """From the current directory. An empty path is a variable that was not set, not all of it."""
    if not path.strip():
        raise UsageError("--on-file is empty", hint="Name a file or directory: --on-file '~/in/*'.")
    return f"file: {os.path.abspath(os.path.expanduser(path))}"


def _when(text: str) -> str:
    """A threshold, or a pattern: that begins with its kind."""
    from pb.core.pattern_trigger import KINDS

    text = text.strip()
    return f"{'pattern' if text.partition(' ')[0] in KINDS else 'threshold'}: {text}"


def _cron(name: str, expr: str) -> Json:
    """Read here already, so that a fault shows with a caret under it; words are fine too."""
    from pb.core.phrases import cron_of_phrase

    expr = cron_of_phrase(expr) or expr
    words = expr.strip().lower()
    if words != "@reboot" and not words.startswith("@every "):
        from pb.core.cron import parse_cron

        parse_cron(expr, name=name)
    return {"type": "cron", "expr": expr}


def _every(text: str) -> Json:
    from pb.core.triggers import AFTER_FINISH

    if text.lower().endswith(AFTER_FINISH):
        return {"type": "every", "every": text[: -len(AFTER_FINISH)], "after": "finish"}
    return {"type": "every", "every": text}


def _aware(text: str, zone_name: str) -> str:
    """An instant; one without an offset, and words, are of the job's zone's wall clock."""
    from datetime import datetime

    from pb.config.zones import zone
    from pb.core.moments import moment_of_words

    try:
        moment: datetime | None = datetime.fromisoformat(text)
    except ValueError:
        moment = moment_of_words(text, datetime.now(zone(zone_name)))
    if moment is None or moment.tzinfo is not None:
        return text if moment is None else moment.isoformat()
    # core.triggers says what is wrong with a date alone.
    return text if len(text) < 16 else moment.replace(tzinfo=zone(zone_name)).isoformat()


def _trigger(text: str) -> Any:
    if text.lstrip().startswith("{"):
        return json_of("--trigger", text)
    return text  # The short form, such as "cron: 30 2 * * *".


def _policy(key: str, parts: Sequence[str], given: Mapping[str, Any]) -> Any:
    """A table of the definition: from its own flag as JSON, and from flags for parts of it."""
    whole = json_of(f"--{key}", given[key]) if given.get(key) else {}
    found = {part: given[part] for part in parts if given.get(part) is not None}
    return {**whole, **found} if isinstance(whole, dict) else whole


def _dependency(text: str) -> Any:
    return json_of("--depends-on", text) if text.lstrip().startswith("{") else text


def json_of(name: str, text: str, hint: str = "Quote it: '{\"type\": …}'.") -> Any:
    """The value of a flag that takes JSON. Raises UsageError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} is not JSON: {error}", hint=hint) from error


def pair(text: str) -> tuple[str, str]:
    """An ``--env`` entry. Raises UsageError."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--env takes NAME=VALUE, not {text!r}")
    return name, value


def entry(flag: str, text: str, example: str) -> tuple[str, str | int | float]:
    """A size or a time stays text; a bare number is one. Raises UsageError."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"{flag} takes KEY=VALUE, not {text!r}", hint=f"Such as {example}.")
    return name.replace("-", "_"), number_in(value)


def number_in(text: str) -> str | int | float:
    """The number that a text is; else the text."""
    whole, point, fraction = text.removeprefix("-").partition(".")
    if not whole.isascii() or not whole.isdigit() or len(text) >= 20:
        return text
    if not point:
        return int(text)
    return float(text) if fraction.isascii() and fraction.isdigit() else text


def here() -> str:
    """The current directory; elsewhere the home of whom the scheduler runs as. Raises UsageError
    when it is gone."""
    if elsewhere() is not None:
        return "~"
    try:
        return os.getcwd()
    except FileNotFoundError as error:
        raise UsageError(
            "The current directory is gone", hint="Say where the job runs: --cwd DIR."
        ) from error


def absolute(path: str) -> str:
    """From the current directory; ``~`` stays, for the run to expand. Raises UsageError for one
    that would begin here and be used elsewhere."""
    if path == "~" or path.startswith("~/"):
        return path
    if elsewhere() is not None and not os.path.isabs(path):
        hint = "Write it from / or ~ on, as it is on the other machine."
        raise UsageError(f"{path!r} begins in a directory of this machine", hint=hint)
    return os.path.abspath(path)
