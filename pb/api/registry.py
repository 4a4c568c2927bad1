"""The one list of what can be asked: every method with its parameters, scope and meaning.

Nothing is looked up by attribute or import on a name from the wire (a fixed table, no dispatch
by ``getattr``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from pb.api.codec import METHOD_NOT_FOUND
from pb.core.lean import dataclass
from pb.errors import InvalidError, UsageError, did_you_mean

REQUIRED = object()

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter: a JSON type and a default; without one it is required."""

    type: str
    default: Any = REQUIRED
    nullable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One thing that can be asked.

    ``scope`` is "read" (answered from the store alone) or "write"; ``needs_daemon`` methods are
    carried out by the scheduler's engine; ``call`` of such a one, if any, does it without a
    scheduler. A write that ``transacts`` is one transaction; others see to that themselves.
    ``is_for_admins``: a token has to have the scope "admin" for it. A write that is ``audited``
    leaves a row in the audit trail.
    """

    name: str
    summary: str
    scope: str
    params: Mapping[str, Param] = field(default_factory=dict)
    needs_daemon: bool = False
    call: Callable[..., dict[str, Any]] | None = None
    transacts: bool = True
    is_for_admins: bool = False
    audited: bool = True

    @property
    def access(self) -> str:
        """The scope that a token needs for it: "read", "write" or "admin"."""
        return "admin" if self.is_for_admins else self.scope


class UnknownMethodError(UsageError):
    """No method of that name."""

    code = "unknown_method"
    rpc_code = METHOD_NOT_FOUND


def checked(method: Method, params: Mapping[str, Any]) -> dict[str, Any]:
    """``params`` with defaults filled in. Raises InvalidError that names the parameter."""
    for name in params:
        if name not in method.params:
            raise InvalidError(
                f"{method.name} has no parameter {name!r}",
                hint=did_you_mean(name, list(method.params)),
            )
    return {name: _value(method, name, param, params) for name, param in method.params.items()}


def _value(method: Method, name: str, param: Param, params: Mapping[str, Any]) -> Any:
    if name not in params:
        if param.default is REQUIRED:
            raise InvalidError(f"{method.name} needs the parameter {name!r}")
        return param.default
    value = params[name]
    if value is None and (param.nullable or param.default is None):
        return None
    right = isinstance(value, TYPES[param.type])
    if not right or (isinstance(value, bool) and param.type != "boolean"):
        raise InvalidError(f"{method.name}: {name} must be of type {param.type}")
    return value
