"""``dataclass``, as the standard library's, for a fifth of the time that it takes to make one.

Up to Python 3.12 the standard library compiles six functions for each frozen dataclass, which was
half of what starting a program of pb's cost (docs/decisions/0013). Here one is compiled, the
others are shared. ``frozen`` is mypy's to watch over, and makes the class hashable; assigning to a
field is not stopped at run time.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses

    def dataclass(cls=None, /, *, frozen=False, slots=False, kw_only=False, eq=True) -> Any:
        """As ``dataclasses.dataclass``, with these of its options."""

        def make(cls) -> Any:
            made = dataclasses.dataclass(cls, slots=slots, kw_only=kw_only, repr=False, eq=False)
            own = cls.__dict__
            if "__repr__" not in own:
                made.__repr__ = _repr
            if eq and "__eq__" not in own:
                made.__eq__, made.__hash__ = _equality(made, frozen)
            return made

        return make if cls is None else make(cls)

    def _repr(self) -> str:
        shown = (one.name for one in dataclasses.fields(self) if one.repr)
        words = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{self.__class__.__qualname__}({words})"

    def _equality(cls, frozen) -> tuple[Any, Any]:
        """Its ``__eq__`` and ``__hash__``: of what its fields are, and of the same class only."""
        names = [one.name for one in dataclasses.fields(cls) if one.compare]
        values = attrgetter(*names) if names else lambda one: ()

        def __eq__(self, other) -> bool:  # noqa: N807
            if other.__class__ is not self.__class__:
                return NotImplemented
            return values(self) == values(other)

        def __hash__(self) -> int:  # noqa: N807
            return hash(values(self))

        return __eq__, __hash__ if frozen else None
