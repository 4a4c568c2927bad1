"""Definitions from Python: ``@job``, functions as ``module:function``, Python's own types as JSON.

Nothing here knows a scheduler. What a definition may say is ``core.definition``'s to judge.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from pb.core.lean import dataclass
from pb.errors import InvalidError

F = TypeVar("F", bound=Callable[..., Any])
Triggers = str | Mapping[str, object] | Sequence[str | Mapping[str, object]]
Json = dict[str, Any]

DECLARED = "__pb_job__"
"""The attribute that ``@job`` gives to a function."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What ``@job`` says of a function."""

    name: str
    triggers: tuple[Mapping[str, object] | str, ...]
    keys: Mapping[str, object]


def job(
    *triggers: str | Mapping[str, object],
    name: str | None = None,
    cron: str | None = None,
    every: str | float | timedelta | None = None,
    at: str | datetime | None = None,
    **keys: object,
) -> Callable[[F], F]:
    """Make a function of a module a job: ``@job("cron: 30 2 * * *")``, ``@job(every="5m")``.

    The function stays what it is; ``Scheduler(jobs=[…])`` or ``scheduler.add`` plans it. It is
    called in a process of its own that imports its module anew, so it shares no variable with the
    program. ``triggers`` are as in a definition file; without any, the job runs by hand only.
    ``name`` is the function's own by default; ``every`` is a duration (``"5m"``, seconds or a
    timedelta), ``at`` an instant (RFC 3339, or an aware datetime). ``keys`` are a definition's:
    ``timeout="30s"``, ``args=[1]``, ``retry={"max_attempts": 3}`` …; a timedelta is a duration.
    A wrong one raises InvalidError when the job is added.
    """
    found = triggers_of(triggers, cron=cron, every=every, at=at)

    def declare(function: F) -> F:
        if not callable(function):
            raise InvalidError(f"@job stands before a function, not before {function!r}")
        own = name if name is not None else str(getattr(function, "__name__", ""))
        setattr(function, DECLARED, Declared(name=own, triggers=found, keys=keys))
        return function

    if any(map(callable, triggers)):
        raise InvalidError("@job needs parentheses", hint='Write @job(every="5m") or @job().')
    return declare


def triggers_of(
    triggers: Triggers = (),
    *,
    cron: str | None = None,
    every: str | float | timedelta | None = None,
    at: str | datetime | None = None,
) -> tuple[Mapping[str, object] | str, ...]:
    """All triggers as a definition has them."""
    listed = [triggers] if isinstance(triggers, str | Mapping) else list(triggers)
    short: dict[tuple[str, str], object] = {
        ("cron", "expr"): cron,
        ("every", "every"): every,
        ("at", "at"): at,
    }
    listed += [
        {"type": kind, key: plain(value)}
        for (kind, key), value in short.items()
        if value is not None
    ]
    return tuple(listed)


def definition(
    name: str,
    *,
    command: str | Sequence[str] | None = None,
    python: str | Callable[..., Any] | None = None,
    triggers: Sequence[Mapping[str, object] | str] = (),
    keys: Mapping[str, object],
) -> Json:
    """A definition as JSON has it. Raises InvalidError for a function that cannot be called."""
    found: Json = {"name": name, **{key: plain(value) for key, value in keys.items()}}
    if command is not None:
        found["command"] = plain(command)
    if triggers:
        found["triggers"] = plain(list(triggers))
    if isinstance(python, str):
        found["python"] = python
    elif python is not None:
        found |= call_of(python, found)
    return found


def definition_of(function: Callable[..., Any]) -> Json:
    """The definition of a function that ``@job`` has declared."""
    declared: Declared | None = getattr(function, DECLARED, None)
    if declared is None:
        name = getattr(function, "__name__", repr(function))
        raise InvalidError(
            f"{name} is no job", hint='Write @job(every="5m") before it, or use add_job.'
        )
    keys = dict(declared.keys)
    words = (inspect.getdoc(function) or "").partition("\n")[0].strip()
    if words:
        keys.setdefault("description", words)
    return definition(declared.name, python=function, triggers=declared.triggers, keys=keys)


def declared_in(module: ModuleType) -> list[Callable[..., Any]]:
    """The jobs that a module declares itself, in its order; not those it has imported."""
    return [
        found
        for found in vars(module).values()
        if isinstance(getattr(found, DECLARED, None), Declared)
        and getattr(found, "__module__", None) == module.__name__
    ]


def call_of(function: Callable[..., Any], given: Mapping[str, Any]) -> Json:
    """The keys that let another process call the function: its name, and where it is found."""
    module, root = home_of(function)
    path = str(getattr(function, "__qualname__", ""))
    if not all(word.isidentifier() for word in path.split(".")):
        raise InvalidError(
            f"{path or function!r} cannot be called from another process",
            hint="Make it a function of a module, not one inside another function.",
        )
    found: Json = {"python": f"{module}:{path}"}
    if sys.executable:
        found["interpreter"] = given.get("interpreter", sys.executable)
    if root is not None and Path(root).name not in ("site-packages", "dist-packages"):
        env = dict(given.get("env", {}))
        before = env.get("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
        # Absolute: the run is in another directory than we are.
        others = [os.path.abspath(place) for place in before.split(os.pathsep) if place]
        env["PYTHONPATH"] = os.pathsep.join([root, *others])
        found["env"] = env
    return found


def home_of(function: Callable[..., Any]) -> tuple[str, str | None]:
    """The module to import, and the directory to import it from (None where nobody can tell).

    A script's functions are found by its file's name: importing it runs what stands at its top
    level again, but nothing below ``if __name__ == "__main__"``.
    """
    module = sys.modules.get(str(getattr(function, "__module__", "")))
    if module is None:
        raise InvalidError(f"Nobody knows the module of {function!r}")
    file, name = getattr(module, "__file__", None), module.__name__
    if name == "__main__":
        spec = getattr(module, "__spec__", None)
        name = spec.name if spec is not None else Path(file or "").stem
        if file is None or not os.path.isfile(file) or not name.rpartition(".")[2].isidentifier():
            raise InvalidError(
                f"{getattr(function, '__name__', function)} is defined in no module",
                hint="Put it into a file whose name can be imported, such as tasks.py.",
            )
    return name, None if file is None else root_of(name, Path(os.path.abspath(file)))


def root_of(name: str, file: Path) -> str | None:
    """The directory from which ``name`` is imported, if its file is where its name says."""
    path = file.with_suffix("")
    path = path.parent if path.name == "__init__" else path
    words = name.split(".")
    if path.parts[-len(words) :] != tuple(words):
        return None
    return str(path.parents[len(words) - 1])


def plain(value: Any) -> Any:
    """Python's own types as a definition writes them."""
    match value:
        case timedelta():
            return value.total_seconds()
        case datetime():
            return value.isoformat()
        case Path():
            return str(value)
        case Mapping():
            return {key: plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case _:
            return value
