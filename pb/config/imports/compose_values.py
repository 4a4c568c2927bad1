"""The values of a compose file: variables in them, commands as words, times and sizes.

Values only; what a key means is ``compose_keys``'.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pb.config.env_file import read_env_file
from pb.config.imports.found import Entry
from pb.core.durations import parse_duration
from pb.errors import InvalidError

VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<bare>[A-Za-z_]\w*)"
    r"|\{(?P<name>[A-Za-z_]\w*)(?:(?P<mark>:?[-?+])(?P<other>[^}]*))?\})"
)


def variables(folder: str, env: Mapping[str, str]) -> dict[str, str]:
    """What ``${NAME}`` means: the ``.env`` beside the file, and over it the environment."""
    path = Path(folder, ".env")
    try:
        found = read_env_file(path) if path.is_file() else {}
    except InvalidError:
        found = {}  # Compose, too, goes on without; what is missing is told where it is used.
    return {**found, **env}


def interpolated(value: Any, names: Mapping[str, str], missing: list[str]) -> Any:
    """The value with its variables replaced; those that have no value go to ``missing``.

    Raises InvalidError for one that the file says must have a value.
    """
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: replaced(match, names, missing), value)
    if isinstance(value, Mapping):
        return {key: interpolated(item, names, missing) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item, names, missing) for item in value]
    return value


def replaced(match: re.Match[str], names: Mapping[str, str], missing: list[str]) -> str:
    """``$$``, ``$N``, ``${N}``, ``${N:-default}``, ``${N:?why}`` and ``${N:+instead}``."""
    if match["dollar"]:
        return "$"
    name, mark, other = match["bare"] or match["name"], match["mark"] or "", match["other"] or ""
    value = names.get(name)
    is_there = bool(value) if mark.startswith(":") else value is not None
    if mark.endswith("+"):
        return other if is_there else ""
    if is_there:
        return value or ""
    if mark.endswith("-"):
        return other
    if mark.endswith("?"):
        raise InvalidError(
            f"needs ${name}, which is not set{': ' * bool(other)}{other}",
            hint=f"Set it and import again, or write it into .env beside the file: {name}=…",
        )
    missing.append(name)
    return value or ""


def words(value: object) -> list[str]:
    """A command as a list, or as text that is split as a shell would."""
    import shlex

    if isinstance(value, list):
        return [str(item) for item in value]
    try:
        return shlex.split(str(value)) if value else []
    except ValueError:
        return str(value).split()


def pairs(entry: Entry, names: Mapping[str, str]) -> dict[str, str]:
    """``environment`` as a table or a list; a name alone is taken from the environment."""
    value = entry.value
    if isinstance(value, list):
        split = [str(item).partition("=") for item in value]
        value = {name: text if equals else None for name, equals, text in split}
    if not isinstance(value, Mapping):
        raise InvalidError("is neither a table nor a list, so it was left out")
    found: dict[str, str] = {}
    for name, item in value.items():
        if item is None:
            if name in names:
                found[str(name)] = names[name]
        else:
            found[str(name)] = str(item).lower() if isinstance(item, bool) else str(item)
    return found


def seconds(value: object) -> float:
    """``1m30s``, or a bare number of seconds."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidError("is not a time, so it was left out")
    return parse_duration(value)


def size(value: object) -> int:
    """Bytes, of ``512m`` and ``1gb``: all of them count by 1024."""
    match = re.fullmatch(r"([0-9.]+)\s*([kmgt]?)i?b?", str(value).strip().lower())
    if match is None:
        raise InvalidError(f"{str(value)[:40]!r} is not a size, so it was left out")
    return int(float(match[1]) * 1024 ** " kmgt".index(match[2] or " "))


def env_files(entry: Entry, folder: str) -> list[str]:
    """Absolute paths; one that is not required begins with ``?``."""
    items = entry.value if isinstance(entry.value, list) else [entry.value]
    found = []
    for item in items:
        path = item.get("path") if isinstance(item, Mapping) else item
        mark = "?" if isinstance(item, Mapping) and item.get("required") is False else ""
        if not isinstance(path, str) or not path:
            raise InvalidError("names no file, so it was left out")
        found.append(mark + os.path.normpath(os.path.join(folder, os.path.expanduser(path))))
    return found
