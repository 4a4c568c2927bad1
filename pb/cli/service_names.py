"""Whom the words of ``pb service`` mean: the three daemons of pb, and services of the user's own.

Looking only; nothing is started or stopped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pb.cli.asked import ANSWER_TIME, elsewhere, home, refuse_elsewhere, session, settings
from pb.core.lean import dataclass
from pb.errors import NotFoundError, did_you_mean
from pb.paths import BUILTINS

if TYPE_CHECKING:
    from pb.cli.elsewhere import FarLog

Json = dict[str, Any]

ALL = "all"

FEW = 12
"""So many names a hint can list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Who is meant: daemons in the order of starting, and the words for the user's own services
    (services, instances, groups, or ``all``)."""

    builtins: tuple[str, ...] = ()
    own: tuple[str, ...] = ()

    @property
    def is_all(self) -> bool:
        return self.own == (ALL,)


def chosen(names: Sequence[str] | None) -> Chosen:
    """Who is meant by these words; no words mean all. Raises NotFoundError for one beside ``all``
    that means nobody."""
    if elsewhere() is not None:
        return _chosen_elsewhere(names or ())
    if not names or ALL in names:
        if others := [name for name in names or () if name not in (ALL, *BUILTINS)]:
            own_views(others)
        return Chosen(builtins=BUILTINS, own=(ALL,))
    own = tuple(dict.fromkeys(name for name in names if name not in BUILTINS))
    return Chosen(builtins=tuple(name for name in BUILTINS if name in names), own=own)


def _chosen_elsewhere(names: Sequence[str]) -> Chosen:
    """Through a gateway only the services of the user's own are meant."""
    if any(name in BUILTINS for name in names):
        refuse_elsewhere("pb's own daemons are looked after on the machine itself")
    return Chosen(own=tuple(dict.fromkeys(names)) if names and ALL not in names else (ALL,))


def has_store() -> bool:
    """Whether there is a database to ask; looking must not make one."""
    return elsewhere() is not None or settings().db_path(home()).exists()


def own_views(names: Sequence[str] = ()) -> list[Json]:
    """The user's services, instance by instance. Raises NotFoundError for a name that is none."""
    if not has_store():
        return [] if not names or tuple(names) == (ALL,) else require(names, [])
    with session() as talk:
        listed = talk.call("service.list", timeout=ANSWER_TIME)["services"]
    if not names or ALL in names:
        return list(listed)
    return require(names, listed)


def require(names: Sequence[str], views: Sequence[Json]) -> list[Json]:
    """The views that the words mean. Raises NotFoundError for the first that means none."""
    for name in names:
        if not any(is_meant(view, name) for view in views):
            raise unknown(name, views)
    return [view for view in views if any(is_meant(view, name) for name in names)]


def log_sources(who: Chosen, stream: str | None = None) -> list[tuple[str, Path | FarLog]]:
    """Name and log of each that is meant; a service that was removed may have left its log.

    ``stream`` is ``out`` or ``err`` where standard error is kept apart, None for both. Its log
    goes by the name ``web:err``.
    """
    found: list[tuple[str, Path | FarLog]]
    found = [(name, home().log(name)) for name in who.builtins]
    views = own_views() if who.own else []
    if elsewhere() is not None:
        return _far_sources(who, views, stream)
    for word in who.own:
        names = [str(view["name"]) for view in views if is_meant(view, word)]
        if not names and word != ALL:
            if "/" in word or not home().log(word).exists():
                raise unknown(word, views)
            names = [word]
        found += [place for name in names for place in _logs_of(name, stream)]
    return list(dict(found).items())


def _far_sources(
    who: Chosen, views: Sequence[Json], stream: str | None
) -> list[tuple[str, Path | FarLog]]:
    """The same, where the gateway is; what stands apart as standard error is not served."""
    from pb.cli.elsewhere import FarLog

    if stream is not None:
        refuse_elsewhere("--stream works on the machine itself, not through a gateway")
    meant = views if who.is_all else require(who.own, views)
    return [(str(view["name"]), FarLog(service=str(view["name"]))) for view in meant]


def _logs_of(name: str, stream: str | None) -> list[tuple[str, Path | FarLog]]:
    apart = home().error_log(name)
    found: list[tuple[str, Path | FarLog]]
    found = [(name, home().log(name))] if stream != "err" else []
    if stream != "out" and (stream == "err" or apart.exists()):
        found.append((f"{name}:err", apart))
    return found


def is_meant(view: Json, name: str) -> bool:
    return name in (ALL, view["name"], view["service"]) or name in view["groups"]


def unknown(name: str, views: Sequence[Json]) -> NotFoundError:
    """The error for a word that means nobody, with the nearest ones."""
    own = sorted({word for view in views for word in (view["service"], *view["groups"])})
    known = [*BUILTINS, ALL, *own]
    hint = did_you_mean(name, known)
    service, at, _ = name.partition("@")
    instances = [str(view["name"]) for view in views if at and view["service"] == service]
    if instances:
        hint = f"{service} has: {', '.join(instances[:FEW])}."
    elif hint is None and len(known) <= FEW:
        hint = f"Services: {', '.join(known)}."
    return NotFoundError(
        f"There is no service {name!r}", hint=hint or "See them with: pb service status"
    )
