"""A table of flags as options of a verb: their values are kept in the context by ``Flag.key``.

What flags there are is ``definitions``' and ``service_flags``' table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from typer.core import TyperOption

from pb.cli.definitions import Flag

KINDS: dict[str, dict[str, Any]] = {
    "text": {"type": str},
    "whole": {"type": int},
    "number": {"type": float},
    "switch": {"is_flag": True, "default": False},
    "unswitch": {"is_flag": True, "default": False},
    "many": {"type": str, "multiple": True},
    "numbers": {"type": int, "multiple": True},
}


def options_of(flags: Iterable[Flag]) -> list[TyperOption]:
    """The options; ``context.ensure_object(dict)`` has what was given for each."""
    return [option_of(flag) for flag in flags]


def option_of(flag: Flag) -> TyperOption:
    def keep(context: Any, _parameter: Any, value: Any) -> Any:
        context.ensure_object(dict)[flag.key] = value
        return value

    return TyperOption(
        param_decls=[flag.key.replace(".", "__"), *flag.names],
        metavar=flag.metavar,
        help=flag.help,
        expose_value=False,
        callback=keep,
        **KINDS[flag.kind],
    )
