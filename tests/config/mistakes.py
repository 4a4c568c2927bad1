"""Kinds of mistakes that people make in definition files, each with what is said about it."""

# ruff: noqa: E501 - a mistake a line reads best

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mistake:
    """A file with one mistake: on which line, at which key, and words of what is said.

    ``in_schema``: a JSON Schema can tell it too; the rest is meaning, which no schema sees.
    """

    text: str
    line: int
    key: str
    said: str
    hint: str
    in_schema: bool = True
    suffix: str = ".toml"


def toml(
    lines: str, key: str, said: str, hint: str, *, line: int = 3, schema: bool = True
) -> Mistake:
    """A job whose third line is the wrong one."""
    text = f'[job.j]\ncommand = "true"\n{lines}\n'
    return Mistake(text, line, f"job.j.{key}", said, hint, schema)


def bare(lines: str, key: str, said: str, hint: str, *, schema: bool = True) -> Mistake:
    """A job that is only what is given, from line 2 on."""
    line = 1 if "missing" in said else 2
    return Mistake(f"[job.j]\n{lines}\n", line, f"job.j.{key}", said, hint, schema)


def broken(text: str, line: int, said: str, hint: str, suffix: str = ".toml") -> Mistake:
    """A file that is no document at all: no schema is asked."""
    return Mistake(text, line, "", said, hint, False, suffix)


def document(text: str, line: int, key: str, said: str, hint: str) -> Mistake:
    """Something wrong around the jobs of a JSON file."""
    return Mistake(text, line, key, said, hint, True, ".json")


CRON = 'triggers = ["cron: {}"]'

MISTAKES = {
    # the document
    "toml syntax": broken('[job.j]\ncommand = \n', 2, "is not TOML", "line 2"),
    "a table given twice": broken('[job.j]\ncommand="x"\n[job.j]\n', 3, "is not TOML", "line 3"),
    "a text not closed": broken('[job.j]\ncommand = "x\n', 2, "is not TOML", "line 2"),
    "json syntax": broken('{"jobs": [\n{"name": "a"]}', 2, "is missing", "line 2", ".json"),
    "a trailing comma": broken('{"jobs": [1,\n]}', 2, "is not JSON", "comma", ".json"),
    "single quotes": broken("{\n'jobs': []}", 2, "double quotes", "quotes", ".json"),
    "a comment in json": broken('{"jobs": [\n// x\n]}', 2, "is not JSON", ".toml", ".json"),
    "a key given twice": broken('{"jobs": [],\n"jobs": []}', 2, "given twice", "line 2", ".json"),
    "a list for a document": broken("[]", 1, "should be a JSON object", "{", ".json"),
    "an unknown key of the file": document('{\n"job": []}', 2, "job", "not a known key", "jobs"),
    "jobs that are no list": document('{\n"jobs": {}}', 2, "jobs", "should be a list", "jobs"),
    "a job that is no table": document('{"jobs": [\n5]}', 2, "jobs[0]", "should be a table", "name"),
    "another major version": document(
        '{\n"schema_version": "2.0.0"}', 2, "schema_version", "cannot be read", "Upgrade"
    ),
    "a version that is none": document(
        '{\n"schema_version": "one"}', 2, "schema_version", "not a version", "1.0.0"
    ),
    "a name given twice": Mistake(
        '{"jobs": [{"name": "j", "command": ["x"]},\n{"name": "j", "command": ["y"]}]}',
        2, "jobs[1].name", "another job 'j' above", "Rename", False, ".json",
    ),
    # keys and names
    "an unknown key": toml('tiemout = "1h"', "tiemout", "not a known key", "timeout"),
    "a trigger's word as a key": toml('cron = "* * * * *"', "cron", "not a key of a job", "triggers"),
    "a trigger's option as a key": toml('dst_gap = "skip"', "dst_gap", "not a key", "cron trigger"),
    "a key of misfire as a key": toml('catch_up = "all"', "catch_up", "not a key", "misfire"),
    "a key that comes later": toml('secrets = ["me"]', "secrets", "not supported yet", "schema"),
    "an occasion that is none": toml(
        'notify = {on = ["fialure"]}', "notify.on[0]", "should be one of", "failure"
    ),
    "an unknown key of misfire": toml('misfire.gracee = "1m"', "misfire.gracee", "not a known", "grace"),
    "no name": document('{"jobs": [\n{"command": ["x"]}]}', 2, "jobs[0].name", "is missing", "letters"),
    "a name with a space": Mistake(
        '[job."a b"]\ncommand = "x"\n', 1, 'job."a b".name', "not a name", "letters"
    ),
    "a name that leaves the folder": document(
        '{"jobs": [{"command": ["x"],\n"name": "../x"}]}', 2, "jobs[0].name", "not a name", "letters"
    ),
    "a name that contradicts its table": toml('name = "k"', "name", "otherwise", "Leave it out", schema=False),
    # what runs
    "no command": bare('description = "x"', "command", "is missing", "what to run"),
    "an empty command": bare("command = []", "command", "is empty", "what to run"),
    "a blank command": bare('command = "  "', "command", "is empty", "what to run"),
    "a command of numbers": bare('command = ["sleep", 5]', "command[1]", "should be text", '"5"'),
    "a command that is a table": bare('command = {run = "x"}', "command", "list of arguments", "df"),
    "quotes that are not closed": bare("command = \"echo 'x\"", "command", "split into words", "quotes", schema=False),
    "several words with shell": bare('command = ["a", "b"]\nshell = true', "command", "one text", "shell"),
    "a NUL in an argument": bare('command = ["a\\u0000b"]', "command[0]", "NUL", "command"),
    "a flag as text": toml('shell = "yes"', "shell", "true or false", "shell"),
    "a flag in quotes": toml('enabled = "false"', "enabled", "true or false", "without quotes"),
    "a flag as a number": toml("paused = 1", "paused", "true or false", "paused"),
    "an empty directory": toml('cwd = ""', "cwd", "is empty", "whole path"),
    "somebody else's directory": toml('cwd = "~bob/x"', "cwd", "not an absolute path", "~/"),
    "a number in env": toml("env = {A = 1}", "env.A", "should be text", '"1"'),
    "a switch in env": toml("env = {A = true}", "env.A", "should be text", '"true"'),
    "a name that env cannot have": toml('env = {"A=B" = "x"}', 'env."A=B"', "not a name", "env"),
    "a variable of pb's own": toml('env = {PB_RUN_ID = "1"}', "env.PB_RUN_ID", "set by pb", "another"),
    "env as a list": toml('env = ["A=1"]', "env", "should be a table", "env"),
    "a number for a file": toml("env_file = [1]", "env_file[0]", "should be text", '"1"'),
    "a mask as a number": toml("umask = 0o22", "umask", "octal digits", '"022"'),
    "a mask that is not octal": toml('umask = "089"', "umask", "octal mask", '"022"'),
    # when
    "triggers that are text": toml('triggers = "every: 5m"', "triggers", "should be a list", "brackets"),
    "a trigger that is a number": toml("triggers = [5]", "triggers[0]", "a trigger", "cron: 30 2"),
    "words that are no trigger": toml('triggers = ["sometimes"]', "triggers[0]", "not a trigger", "cron:", schema=False),
    "a misspelt kind": toml('triggers = ["evry: 5m"]', "triggers[0]", "not a trigger", "every", schema=False),
    "a kind that is none": toml('triggers = [{type = "moon"}]', "triggers[0]", "no trigger type", "cron"),
    "a table without a type": toml('triggers = [{expr = "* * * * *"}]', "triggers[0]", "needs a type", "cron"),
    "a key that a trigger has not": toml('triggers = [{type = "every", evry = "5m"}]', "triggers[0]", "no key", "every"),
    "no expression": toml('triggers = [{type = "cron"}]', "triggers[0]", "expr is missing", "30 2"),
    "too few fields": toml(CRON.format("* * *"), "triggers[0]", "fields", "", schema=False),
    "a minute that does not exist": toml(CRON.format("61 * * * *"), "triggers[0]", "minute", "", schema=False),
    "a day that does not exist": toml(CRON.format("0 0 31 2 *"), "triggers[0]", "", "", schema=False),
    "a step beyond the field": toml(CRON.format("*/99 * * * *"), "triggers[0]", "", "", schema=False),
    "a period in no unit": toml('triggers = [{type = "every", every = "5x"}]', "triggers[0]", "not a duration", "5m"),
    "a period too short": toml('triggers = [{type = "every", every = 0.5}]', "triggers[0]", "one second", "5m"),
    "an instant without a zone": toml('triggers = ["at: 2026-11-20T18:00:00"]', "triggers[0]", "no time zone", "Z for UTC", schema=False),
    "an instant that is none": toml('triggers = [{type = "at", at = "noon"}]', "triggers[0]", "not a time", "2026"),
    "a start of nothing": toml('triggers = [{type = "startup", per = "week"}]', "triggers[0]", "boot or daemon", "boot"),
    "the same trigger twice": toml('triggers = ["startup", "startup"]', "triggers[1]", "same as", "Remove"),
    "a zone misspelt": toml('timezone = "Europe/Berlni"', "timezone", "no time zone", "Europe/Berlin", schema=False),
    "a zone that is a city": toml('timezone = "berlin"', "timezone", "no time zone", "Europe/Berlin", schema=False),
    # how
    "a priority too high": toml("priority = 500", "priority", "from 0 to 100", "priority"),
    "a priority with a fraction": toml("priority = 1.5", "priority", "whole number", "priority"),
    "an unknown policy": toml('overlap = "skipp"', "overlap", "should be one of", "skip"),
    "a policy that is null": document(
        '{"jobs": [{"name": "j", "command": ["x"],\n"overlap": null}]}', 2, "jobs[0].overlap", "not null", "overlap"
    ),
    "a limit of nothing": toml("queue_limit = 0", "queue_limit", "from 1 to", "queue_limit"),
    "a negative duration": toml('jitter = "-5m"', "jitter", "not a duration", "1h30m"),
    "a duration in no unit": toml('kill_grace = "5 parsecs"', "kill_grace", "not a duration", "1h30m"),
    "a duration that is a list": toml("jitter = [5]", "jitter", "should be a duration", "1h30m"),
    "a timeout of nothing": toml("timeout = 0", "timeout", "more than 0", "Leave the key out"),
    "a signal that stops nobody": toml('stop_signal = "STOP"', "stop_signal", "not a signal", "TERM"),
    "a signal misspelt": toml('stop_signal = "SIGTREM"', "stop_signal", "not a signal", "TERM"),
    "an exit code too high": toml("success_exit_codes = [300]", "success_exit_codes[0]", "from 0 to 255", "success"),
    "an exit code without a list": toml("success_exit_codes = 0", "success_exit_codes", "should be a list", "[0, 1]"),
    "a tag with a space": toml('tags = ["a b"]', "tags[0]", "not a tag", "no space"),
    "misfire as text": toml('misfire = "all"', "misfire", "should be a table", "catch_up"),
    "too much to catch up": toml("misfire.max_catch_up = 0", "misfire.max_catch_up", "from 1 to", "max_catch_up"),
    "a job that depends on itself twice": toml('depends_on = ["a", "a"]', "depends_on[1]", "twice", "Remove", schema=False),
    "a dependency without a job": toml('depends_on = [{on = "success"}]', "depends_on[0]", "names no job", "job"),
    "an unknown end of a dependency": toml('depends_on = [{job = "a", on = "sucess"}]', "depends_on[0].on", "one of", "success"),
    "a backoff that is none": toml('retry.backoff = "slow"', "retry.backoff", "should be one of", "retry"),
    "no attempt at all": toml("retry.max_attempts = 0", "retry.max_attempts", "from 1 to", "max_attempts"),
    "conditions as text": toml('conditions = "online"', "conditions", "should be a table", "load"),
    "an unknown condition": toml("conditions.laod = 2", "conditions.laod", "not a known key", "load"),
    "a load as text": toml('conditions.load = "2"', "conditions.load", "should be a number", "uptime"),
    "a load that no machine has": toml("conditions.load = 0", "conditions.load", "more than 0", "any load"),
    "a disk without a path": toml('conditions.disk = "10GiB"', "conditions.disk[0]", "a path and a size", "/mnt"),
    "a battery of too much": toml("conditions.battery = 101", "conditions.battery", "from 1 to 100", "battery"),
    "a word for a battery": toml('conditions.battery = "main"', "conditions.battery", "percentage", "mains"),
    "a network that is none": toml('conditions.network = "my wifi"', "conditions.network[0]", "nothing that", "wlan0"),
    "hours that are none": toml('conditions.hours = "at night"', "conditions.hours[0]", "part of the day", "22:00"),
    "hours that no day has": toml('conditions.hours = "22-30"', "conditions.hours[0]", "no day has", "22:00", schema=False),
    "a size in no unit": toml('limits.memory = "5 pages"', "limits.memory", "", "512MiB"),
    "a function without a module": Mistake(
        '[job.j]\npython = "run"\n', 2, "job.j.python", "module:function", "shop.sync:run"
    ),
    "a function beside a command": toml('python = "a:b"', "command", "beside python", "Leave one", line=2),
}  # fmt: skip
