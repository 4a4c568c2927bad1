"""What the JSON Schemas are drawn with: shapes of values, and objects made from tables of keys.

Bounds are asked of the readers, types and defaults of the model; only forms that neither can tell
are written down, in a ``Drawing``. Knows neither jobs nor services.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, field, fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pb.core.durations import LONGEST, UNITS
from pb.core.fields import SIGNALS, Field, read_duration, write_duration
from pb.core.lean import dataclass
from pb.core.limits import write_size
from pb.core.model import NAME_PATTERN
from pb.core.notify import SYNONYMS
from pb.core.notify import WORDS as OCCASIONS
from pb.errors import InvalidError

Shape = dict[str, Any]

PROBED = 2**31
"""Whole numbers are asked of the readers up to here; one that takes more has no bound."""

NO_NUL = r"^[^\u0000]*$"
PATH: Shape = {"type": "string", "pattern": r"^(?!~[^/])[^\u0000]+$"}
NAME: Shape = {"type": "string", "pattern": f"^{NAME_PATTERN}$"}
CHANNELS: Shape = {"anyOf": [NAME, {"type": "array", "items": NAME, "uniqueItems": True}]}
OCCASION: Shape = {"enum": [*OCCASIONS, *SYNONYMS]}
NOTIFY_WRITTEN: Mapping[str, Shape] = {
    "notify.to": CHANNELS,
    "notify.on": {"anyOf": [OCCASION, {"type": "array", "items": OCCASION, "minItems": 1}]},
}
ARGUMENT: Shape = {"type": "string", "pattern": NO_NUL}


def any_case(words: tuple[str, ...]) -> str:
    """A pattern of ``words`` in any case; JSON Schema's patterns have no flag for it."""

    def letter(char: str) -> str:
        return f"[{char.lower()}{char.upper()}]" if char.isascii() and char.isalpha() else char

    return "|".join("".join(map(letter, word)) for word in words)


NUMBER_OF = r"[0-9]+(\.[0-9]+)?\s*"
DURATION: Shape = {
    "description": "Seconds, or text such as 250ms, 90s, 5m, 1h30m, 2d, 1w.",
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": int(LONGEST)},
        {
            "type": "string",
            "pattern": rf"^\s*({NUMBER_OF}|({NUMBER_OF}({any_case(UNITS)})\s*)+)$",
        },
    ],
}
DURATION_HERE: Shape = {"$ref": "#/$defs/duration"}
SIZE: Shape = {
    "description": "Bytes, or text such as 64KiB, 512MiB, 10MB.",
    "anyOf": [
        {"type": "integer", "minimum": 1},
        {"type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*([kKmMgGtT]?([iI]?[bB])?)\s*$"},
    ],
}
NO_ZERO: Shape = {
    **DURATION_HERE,
    "exclusiveMinimum": 0,
    "not": {"type": "string", "pattern": "^[^1-9]*$"},
}

SIGNAL: Shape = {"type": "string", "pattern": f"^({any_case(('SIG',))})?({any_case(SIGNALS)})$"}
COMMAND: Shape = {
    "anyOf": [
        {"type": "string", "pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"},
        {
            "type": "array",
            "minItems": 1,
            "prefixItems": [{"type": "string", "pattern": NO_NUL, "minLength": 1}],
            "items": ARGUMENT,
        },
    ]
}
UMASK: Shape = {"type": "string", "pattern": "^(0o)?0*[0-7]{1,3}$"}


def environment(reserved: frozenset[str]) -> Shape:
    """Environment entries, none of them of a ``reserved`` name."""
    return {
        "type": "object",
        "propertyNames": {"pattern": r"^[^=\u0000]+$", "not": {"enum": sorted(reserved)}},
        "additionalProperties": ARGUMENT,
    }


SHELL_RULE: Shape = {
    "if": {"properties": {"shell": {"const": True}}, "required": ["shell"]},
    "then": {
        "properties": {"command": {"anyOf": [{"type": "string"}, {"type": "array", "maxItems": 1}]}}
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What is said of a definition's keys, by dotted path.

    ``written``: the form of keys that is not their type's, or says more than it. ``tables``: the
    tables of keys inside. ``short``: what may stand for a table. ``more``: what a table's object
    asks besides, such as the keys that it needs.
    """

    written: Mapping[str, Shape]
    tables: Mapping[str, Mapping[str, Field]]
    meanings: Mapping[str, str]
    short: Mapping[str, Shape] = field(default_factory=dict)
    more: Mapping[str, Shape] = field(default_factory=dict)

    def table_of(self, model: type[Any], table: Mapping[str, Field], place: str = "") -> Shape:
        """The object whose keys are those of ``table``, their types those of ``model``."""
        hints = get_type_hints(model)
        shapes = {
            key: self._remarks(place + key, row, default_of(model, key))
            | self._shape_of(hints.get(key), row, place + key)
            for key, row in table.items()
        }
        return {"type": "object", "properties": shapes, "additionalProperties": False}

    def _remarks(self, key: str, row: Field, default: Any) -> Shape:
        meaning: Shape = {"description": self.meanings[key]} if key in self.meanings else {}
        return meaning if default is None else {**meaning, "default": row.write(default)}

    def _shape_of(self, hint: Any, field: Field, key: str) -> Shape:
        """One key: as it is written where that is said, else as its type has it."""
        shape = dict(self.written.get(key) or self._typed(hint, field, key))
        if key in self.short:
            shape = {"anyOf": [self.short[key], shape]}
        if accepts(field.read, None):
            shape = {"anyOf": [shape, {"type": "null"}]}
        return shape

    def _typed(self, hint: Any, field: Field, key: str) -> Shape:
        """The shape of a value of the type ``hint``; bounds are asked of the reader."""
        if get_origin(hint) in (Union, UnionType):
            hint = next(part for part in get_args(hint) if part is not NoneType)
        if get_origin(hint) is tuple:
            inner = Field(lambda value: field.read([value]), field.write)
            return {"type": "array", "items": self._item(get_args(hint)[0], inner, key)}
        if is_dataclass(hint) and isinstance(hint, type):
            return self._table(hint, key)
        if isinstance(hint, type) and issubclass(hint, Enum):
            return {"enum": [str(word.value) for word in hint]}
        return plain(hint, field)

    def _item(self, hint: Any, field: Field, key: str) -> Shape:
        """One of a list; a table may be written short."""
        shape = self._typed(hint, field, key)
        short = self.short.get(f"{key}[]")
        return {"anyOf": [short, shape]} if short else shape

    def _table(self, model: type[Any], key: str) -> Shape:
        table = self.tables.get(key)
        if table is None:
            return {"type": "object"}
        return {**self.table_of(model, table, f"{key}."), **self.more.get(key, {})}


def plain(hint: Any, field: Field) -> Shape:
    """A number, a text or a switch."""
    if field.write is write_size:
        return {"$ref": "#/$defs/size"}
    if hint is float and (field.read is read_duration or field.write is write_duration):
        return DURATION_HERE if accepts(field.read, 0) else NO_ZERO
    if hint in (int, float):
        return {"type": "integer" if hint is int else "number", **bounds(field.read)}
    return {"type": {bool: "boolean", str: "string"}[hint]}


def default_of(model: type[Any], key: str) -> Any:
    """The model's default; None where there is none, or none that could be written."""
    field = next((field for field in fields(model) if field.name == key), None)
    if field is None:
        return None
    if field.default_factory is not MISSING:
        return field.default_factory()
    return None if field.default is MISSING else field.default


def accepts(read: Callable[[object], Any], value: object) -> bool:
    try:
        read(value)
    except InvalidError:
        return False
    return True


def bounds(read: Callable[[object], Any]) -> Shape:
    """The least and the greatest whole number that ``read`` accepts, found by halving."""
    found: Shape = {}
    good = next((number for number in range(1000) if accepts(read, number)), None)
    if good is None:
        return found
    for word, bad in (("minimum", -PROBED), ("maximum", PROBED)):
        if not accepts(read, bad):
            found[word] = edge(read, good, bad)
    return found


def edge(read: Callable[[object], Any], good: int, bad: int) -> int:
    """The last accepted number on the way from ``good`` to ``bad``."""
    while abs(good - bad) > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if accepts(read, middle) else (good, middle)
    return good
