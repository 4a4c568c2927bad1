"""Definitions written as TOML, for people: a table for each one, its longest values last.

Only what a definition can hold: text, numbers, switches, lists and tables. Reading is
``toml_text``'s work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pb.core.fields import BARE, kind
from pb.errors import UnsupportedError

LINE = 88
"""Columns after which a list is written with an item on each line."""

ESCAPES = {"\b": "\\b", "\t": "\\t", "\f": "\\f", "\r": "\\r", "\\": "\\\\"}


SMALL = 2
"""Keys of a service's table up to which it is written within the service's own."""

Definition = Mapping[str, object]


def toml_file(
    version: str, definitions: Iterable[Definition], services: Iterable[Definition] = ()
) -> str:
    """The text of a definition file of jobs and services; reading it gives the same ones."""
    blocks = [f"schema_version = {text(version)}\n"]
    blocks += [job_table(definition) for definition in definitions]
    blocks += [service_table(definition) for definition in services]
    return "\n".join(blocks)


def job_table(definition: Definition) -> str:
    """One job: ``[job.NAME]``, then a table of its own for each value that is a table."""
    return tables(f"job.{key(str(definition['name']))}", definition)


def service_table(definition: Definition) -> str:
    """One service: ``[service.NAME]``. Tables are written short where a short form says the same
    (``restart = "never"``), and on one line where they are small."""
    return tables(f"service.{key(str(definition['name']))}", shortened(definition), small=SMALL)


SHORT = {"restart": "mode", "stop": "signal", "reload": "signal", "watch": "paths"}
"""Tables of a service that may be written as the value of this key, if they have no other."""


def shortened(definition: Definition) -> dict[str, object]:
    """A service's definition with the short forms that it has."""
    short = dict(definition)
    for name, only in SHORT.items():
        table = short.get(name)
        if isinstance(table, Mapping) and list(table) == [only]:
            short[name] = table[only]
    for name in ("ready", "health"):
        if isinstance(table := short.get(name), Mapping):
            short[name] = {word: short_check(part) for word, part in table.items()}
    if isinstance(needed := short.get("depends_on"), list):
        short["depends_on"] = [short_dependency(one) for one in needed]
    return short


def short_check(part: object) -> object:
    """An ``http`` check that is only a URL."""
    return part["url"] if isinstance(part, Mapping) and list(part) == ["url"] else part


def short_dependency(needed: object) -> object:
    """``"db"`` or ``"db:healthy"``, where the table says no more."""
    match needed:
        case {"service": str(name), **rest} if not rest:
            return name
        case {"service": str(name), "condition": str(condition), **rest} if not rest:
            return f"{name}:{condition}"
    return needed


def tables(place: str, definition: Definition, *, small: int = 0) -> str:
    """The table at ``place`` and those within it; of up to ``small`` keys on a line of their own,
    if it is no longer than LINE."""
    own = {k: v for k, v in definition.items() if k != "name"}
    large = {k: v for k, v in own.items() if isinstance(v, Mapping) and not is_small(k, v, small)}
    parts = [f"[{place}]\n" + pairs({k: v for k, v in own.items() if k not in large})]
    parts += [f"[{place}.{key(k)}]\n" + pairs(v) for k, v in large.items()]
    return "\n".join(parts)


def is_small(name: str, table: Mapping[str, object], small: int) -> bool:
    has_long = any(isinstance(item, str) and "\n" in item for item in table.values())
    return len(table) <= small and not has_long and len(f"{key(name)} = {inline(table)}") <= LINE


def pairs(table: Mapping[str, object]) -> str:
    return "".join(f"{key(name)} = {value(item)}\n" for name, item in table.items())


def key(name: str) -> str:
    return name if name and BARE.issuperset(name) else text(name)


def value(item: object) -> str:
    """A value as TOML writes it. Raises UnsupportedError for null, which TOML has not."""
    match item:
        case bool():
            return "true" if item else "false"
        case int() | float():
            return repr(item)
        case str():
            return long_text(item) if "\n" in item.rstrip("\n") else text(item)
        case list() | tuple():
            return items([inline(part) for part in item])
        case Mapping():
            return inline(item)
    raise UnsupportedError(f"TOML has no {kind(item)}", hint="Write it as JSON: --format json.")


def items(written: list[str]) -> str:
    """A list on one line where it fits, else an item on each."""
    short = f"[{', '.join(written)}]"
    if len(short) <= LINE or len(written) < 2:
        return short
    return "[\n" + "".join(f"    {item},\n" for item in written) + "]"


def inline(item: object) -> str:
    """A value within a list or an inline table, which TOML 1.0 wants on one line."""
    if isinstance(item, str):
        return text(item)
    if isinstance(item, Mapping):
        return "{" + ", ".join(f"{key(name)} = {inline(part)}" for name, part in item.items()) + "}"
    if isinstance(item, list | tuple):
        return f"[{', '.join(map(inline, item))}]"
    return value(item)


def text(plain: str) -> str:
    """A basic string on one line."""
    return '"' + escaped(plain).replace('"', '\\"').replace("\n", "\\n") + '"'


def long_text(plain: str) -> str:
    """A basic string over several lines, as a script is easier to read."""
    inner = escaped(plain).replace('"""', '""\\"')
    if inner.endswith('"'):
        inner = inner[:-1] + '\\"'
    return f'"""\n{inner}"""'


def escaped(plain: str) -> str:
    """``plain`` with everything escaped that TOML does not take as it is, but quotes and lines."""
    return "".join(
        ESCAPES.get(char) or (f"\\u{ord(char):04x}" if is_control(char) else char) for char in plain
    )


def is_control(char: str) -> bool:
    return char != "\n" and (char < " " or "\x7f" <= char <= "\x9f" or char in "\u2028\u2029")
