"""How the kinds of reactive triggers are read and written: what they have in common.

Each kind is a ``Kind`` in a module of its own, imported when one of it is met: most schedulers
know few of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, field, fields
from typing import Any, Generic, TypeVar

from pb.core.fields import DefinitionError, Field, Problem, read_table
from pb.core.lean import dataclass
from pb.core.reactive import Reactive

T = TypeVar("T", bound=Reactive)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """One kind. ``read_short`` makes a table of what follows the word in a short text, ``short``
    is its inverse as far as one line goes.

    ``attributes`` are the model's names of keys that cannot be names; ``check`` says what is wrong
    with good values together.
    """

    model: type[T]
    keys: Mapping[str, Field]
    required: tuple[str, ...]
    example: str
    read_short: Callable[[str], Mapping[str, object]]
    short: Callable[[T], str]
    describe: Callable[[T], str]
    attributes: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[Mapping[str, Any]], list[Problem]] = lambda values: []

    def read(self, table: Mapping[str, object]) -> T:
        """The trigger that ``table`` (without its type) says. Raises DefinitionError."""
        values, problems = read_table(table, self.keys)
        hint = f'Such as "{self.example}".'
        problems += [Problem(k, "is missing", hint) for k in self.required if k not in table]
        problems = problems or self.check(values)
        if problems:
            raise DefinitionError(problems)
        return self.model(**{self._attribute(key): value for key, value in values.items()})

    def read_text(self, rest: str) -> T:
        """The trigger that follows ``WORD:`` in a short text."""
        return self.read(self.read_short(rest.strip()))

    def dump(self, trigger: T) -> dict[str, object]:
        """The canonical table, with its type; defaults left out."""
        usual = {one.name: usual_of(one) for one in fields(self.model)}
        found: dict[str, object] = {"type": self.model.WORD}
        for key, written in self.keys.items():
            value = getattr(trigger, self._attribute(key))
            if value != usual[self._attribute(key)]:
                found[key] = written.write(value)
        return found

    def _attribute(self, key: str) -> str:
        return self.attributes.get(key, key)


def usual_of(one: Any) -> object:
    """A field's default; MISSING where it has none."""
    return one.default_factory() if one.default_factory is not MISSING else one.default


def kind_named(word: str) -> Kind[Any]:
    """The kind of that ``type``; it is one of ``REACTIVE``."""
    match word:
        case "file":
            from pb.core.file_trigger import KIND as FILE

            return FILE
        case "event":
            from pb.core.event_trigger import KIND as EVENT

            return EVENT
        case "threshold":
            from pb.core.threshold_trigger import KIND as THRESHOLD

            return THRESHOLD
        case "pattern":
            from pb.core.pattern_trigger import KIND as PATTERN

            return PATTERN
        case "webhook":
            from pb.core.webhook_trigger import KIND as WEBHOOK

            return WEBHOOK
    raise LookupError(word)
