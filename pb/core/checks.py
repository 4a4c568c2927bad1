"""How a service is asked: its ``ready`` and ``health``, read from what a user wrote. Pure.

Exactly one kind of check to a table, beside how long and how often; asking is the daemon's work.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from pb.core.argv import read_argv
from pb.core.fields import (
    DefinitionError,
    Field,
    Problem,
    join_key,
    mismatch,
    placed,
    read_choice,
    read_duration,
    read_integer,
    read_path,
    read_positive_duration,
    read_table,
    read_text,
    refusal,
    shown_text,
    write_duration,
)
from pb.core.model import EMPTY
from pb.core.service import (
    Delay,
    Exec,
    FileExists,
    HealthAction,
    HealthPolicy,
    Http,
    LogText,
    Notify,
    Ready,
    ReadyCheck,
    Tcp,
)
from pb.core.service_words import HEALTH_WORDS, READY_WORDS
from pb.errors import did_you_mean

KINDS = ("tcp", "http", "exec", "log", "notify", "file", "delay")
PROBES = ("tcp", "http", "exec", "watchdog")
LOCAL = "127.0.0.1"
SHORTEST = 0.01
"""Seconds between two tries: more often than that would only keep the machine busy."""

LONGEST_PATTERN = 1000
TCP_HINT = 'Write a port, 8000, or "127.0.0.1:8000".'
URL_HINT = 'Write it like "http://127.0.0.1:8000/healthz".'
READY_HINT = 'Write it like ready = {tcp = 8000} or ready = {http = "http://127.0.0.1:8000/"}.'
HEALTH_HINT = 'Write it like health = {http = "http://127.0.0.1:8000/healthz"}.'
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
URL = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?([/?][!-\"$-~]*)?"
)
"""What follows the scheme: a host, a port, a path and query in ASCII; no fragment."""
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
"""A token of RFC 9110, section 5.6.2."""


def read_port(value: int) -> int:
    if not 1 <= value <= 65_535:
        raise refusal(f"{value} is not a port: ports go from 1 to 65535", TCP_HINT)
    return value


def read_tcp(value: object) -> Tcp:
    """``8000``, ``"8000"``, ``"db.local:5432"``, ``"[::1]:8000"``; without a host this machine."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Tcp(port=read_port(value))
    if not isinstance(value, str):
        raise mismatch("a port or an address", value, TCP_HINT)
    host, _, port = value.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise refusal(f"{shown_text(value)} is not an address", 'Write IPv6 as "[::1]:8000".')
    if not (port.isascii() and port.isdigit() and len(port) < 6):
        raise refusal(f"{shown_text(value)} names no port", TCP_HINT)
    if host and not HOST.fullmatch(host):
        raise refusal(f"{shown_text(value)} is not an address", TCP_HINT)
    return Tcp(host=host or LOCAL, port=read_port(int(port)))


def write_tcp(check: Tcp) -> int | str:
    host = f"[{check.host}]" if ":" in check.host else check.host
    return check.port if check.host == LOCAL else f"{host}:{check.port}"


def read_url(value: object) -> str:
    """An http or https URL of any host, without a name and password in it."""
    text = read_text(value)
    scheme, _, rest = text.partition("://")
    if scheme.lower() not in ("http", "https") or not rest:
        raise refusal(f"{shown_text(text)} is not an http or https URL", URL_HINT)
    if "@" in re.split("[/?#]", rest)[0]:
        hint = 'Write a header: {url = "…", headers = {Authorization = "…"}}.'
        raise refusal("has a name or password in its URL", hint)
    parts = URL.fullmatch(rest)
    if parts is None:
        raise refusal(f"{shown_text(text)} is not a URL that can be asked", URL_HINT)
    if parts["port"]:
        read_port(int(parts["port"]))
    return text


def read_statuses(value: object) -> tuple[int, ...]:
    """One status or a list of them."""
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(read_integer(100, 599)(status) for status in values)


def read_headers(value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise mismatch("a table of names and values", value)
    problems: list[Problem] = []
    for name, text in value.items():
        if not (isinstance(name, str) and HEADER_NAME.fullmatch(name)):
            problem = refusal("is not a name that a header can have")
            problems += placed(join_key("", str(name)), problem)
        elif not isinstance(text, str):
            problems += placed(join_key("", name), mismatch("text", text))
        elif not (text.isascii() and (text.isprintable() or not text)):
            problems += placed(join_key("", name), refusal("has a character that no header has"))
    if problems:
        raise DefinitionError(problems)
    return MappingProxyType(dict(value)) if value else EMPTY


HTTP: Mapping[str, Field] = {
    "url": Field(read_url),
    "status": Field(read_statuses, list),
    "headers": Field(read_headers, dict),
}


def read_http(value: object) -> Http:
    """A URL, or a table of it with the statuses that are good and headers to send."""
    if not isinstance(value, Mapping):
        return Http(url=read_url(value))
    values, problems = read_table(value, HTTP)
    if "url" not in value:
        problems.append(Problem("url", "is missing", URL_HINT))
    if problems:
        raise DefinitionError(problems)
    return Http(**values)


def write_http(check: Http) -> dict[str, object]:
    written: dict[str, object] = {"url": check.url}
    if check.status:
        written["status"] = list(check.status)
    return {**written, "headers": dict(check.headers)} if check.headers else written


def read_log_text(value: object) -> LogText:
    text = read_text(value)
    if not text or len(text) > LONGEST_PATTERN:
        raise refusal(f"should have 1 to {LONGEST_PATTERN} characters")
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        hint = "Put a backslash before characters that are meant as they are: \\( \\[ \\* \\+ \\?."
        raise refusal(f"is not a regular expression: {error}", hint) from None
    return LogText(pattern=text)


def read_notify(value: object) -> Notify:
    if value is not True:
        raise refusal("should be true", "Write notify = true, or leave it out.")
    return Notify()


def read_delay(value: object) -> Delay:
    seconds = read_duration(value)
    if seconds == 0:
        raise refusal("should be more than 0", "Leave ready out: then it is ready once started.")
    return Delay(seconds=seconds)


def read_pause(value: object) -> float:
    seconds = read_duration(value)
    if seconds < SHORTEST:
        raise refusal("should be at least 10ms")
    return seconds


PAUSE = Field(read_pause, write_duration)
TIMEOUT = Field(read_positive_duration, write_duration)
TCP_FIELD = Field(read_tcp, write_tcp)
HTTP_FIELD = Field(read_http, write_http)
EXEC_FIELD = Field(lambda value: Exec(command=read_argv(value)), lambda check: list(check.command))

READY: Mapping[str, Field] = {
    "tcp": TCP_FIELD,
    "http": HTTP_FIELD,
    "exec": EXEC_FIELD,
    "log": Field(read_log_text, lambda check: check.pattern),
    "notify": Field(read_notify, lambda check: True),
    "file": Field(lambda value: FileExists(path=read_path(value)), lambda check: check.path),
    "delay": Field(read_delay, lambda check: write_duration(check.seconds)),
    "timeout": TIMEOUT,
    "interval": PAUSE,
    "try_timeout": TIMEOUT,
}

HEALTH: Mapping[str, Field] = {
    "tcp": TCP_FIELD,
    "http": HTTP_FIELD,
    "exec": EXEC_FIELD,
    "watchdog": PAUSE,
    "interval": PAUSE,
    "timeout": TIMEOUT,
    "failures": Field(read_integer(1, 1000)),
    "start_period": Field(read_duration, write_duration),
    "action": Field(read_choice(HealthAction), str),
}

KIND_OF: Mapping[type[ReadyCheck], str] = {
    Tcp: "tcp",
    Http: "http",
    Exec: "exec",
    LogText: "log",
    Notify: "notify",
    FileExists: "file",
    Delay: "delay",
}


def short_check(text: str, kinds: tuple[str, ...], hint: str) -> tuple[str, object]:
    """Kind and value of ``tcp: 8000``, ``tcp=8000``, ``exec: pg_isready -q``, ``notify`` or a URL
    alone."""
    if text.startswith(("http://", "https://")):
        return "http", text
    sign = min((sign for sign in ":=" if sign in text), key=text.index, default=":")
    word, _, rest = (part.strip() for part in text.partition(sign))
    if word == "notify" and word in kinds and not rest:
        return word, True
    if word not in kinds or word == "notify" or not rest:
        near = did_you_mean(word[:64].lower(), kinds) if word not in kinds else None
        raise refusal(f"{shown_text(text)} is not a check", near or hint)
    return word, rest


def read_check_table(
    value: object,
    table: Mapping[str, Field],
    kinds: tuple[str, ...],
    refused: Mapping[str, Problem],
    hint: str,
) -> dict[str, Any]:
    """The values of such a table by key, among them at least one of the ``kinds``."""
    if isinstance(value, str):
        kind, rest = short_check(value, kinds, hint)
        return {kind: table[kind].read(rest)}
    if not isinstance(value, Mapping):
        raise mismatch("a table", value, hint)
    values, problems = read_table(value, table, refused=refused)
    if not problems and not any(kind in value for kind in kinds):
        problems.append(Problem("", f"names no check: one of {', '.join(kinds)}", hint))
    if problems:
        raise DefinitionError(problems)
    return values


def one_of(values: dict[str, Any], kinds: tuple[str, ...]) -> Any:
    """Take the one check out of ``values``; None where there is none of these kinds."""
    found = [kind for kind in kinds if kind in values]
    if len(found) > 1:
        raise refusal(f"has {' and '.join(found)}, and one check is enough", "Leave one of them.")
    return values.pop(found[0]) if found else None


def read_ready(value: object) -> Ready:
    """``{tcp = 8000, timeout = "30s"}``, or short ``"tcp: 8000"``."""
    values = read_check_table(value, READY, KINDS, READY_WORDS, READY_HINT)
    ready = Ready(check=one_of(values, KINDS), **values)
    if isinstance(ready.check, Delay) and ready.check.seconds >= ready.timeout:
        hint = "Write a timeout that is longer than the delay."
        raise refusal("would never be over: timeout comes first", hint, key="delay")
    return ready


def read_health(value: object) -> HealthPolicy:
    """``{http = "http://…", interval = "30s"}``, or short ``"tcp: 8000"``; a watchdog may stand
    beside a probe or alone."""
    values = read_check_table(value, HEALTH, PROBES, HEALTH_WORDS, HEALTH_HINT)
    return HealthPolicy(probe=one_of(values, ("tcp", "http", "exec")), **values)


def write_ready(ready: Ready) -> dict[str, object]:
    kind = KIND_OF[type(ready.check)]
    return {kind: READY[kind].write(ready.check), **other_values(ready, READY)}


def write_health(health: HealthPolicy) -> dict[str, object]:
    written: dict[str, object] = {}
    if health.probe is not None:
        kind = KIND_OF[type(health.probe)]
        written[kind] = HEALTH[kind].write(health.probe)
    return {**written, **other_values(health, HEALTH)}


def other_values(policy: Ready | HealthPolicy, table: Mapping[str, Field]) -> dict[str, object]:
    """What stands beside the check, defaults left out."""
    return {
        field.name: table[field.name].write(getattr(policy, field.name))
        for field in fields(policy)
        if field.name in table and getattr(policy, field.name) != field.default
    }


def optional(read: Callable[[object], Any], write: Callable[[Any], object]) -> Field:
    """A key that may be null, which is as good as left out and never written."""
    return Field(lambda value: None if value is None else read(value), write)


READY_FIELD = optional(read_ready, write_ready)
HEALTH_FIELD = optional(read_health, write_health)
