"""What is true of services: pb's own daemons and the user's, gathered into documents.

Nothing is printed or changed here. A scheduler that does not answer is no reason to know nothing:
then the store and the processes themselves are asked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pb.cli import facts
from pb.cli.asked import ANSWER_TIME, elsewhere, home, session
from pb.cli.service_names import Chosen, has_store, own_views, require
from pb.core.lean import dataclass
from pb.errors import NeedsDaemonError, NotFoundError, PbError, StatusExit, UnresponsiveError
from pb.process.survey import listening_ports, resident, survey

Json = dict[str, Any]

LIST_TIME = 2.0
"""Seconds for the list: with the other daemons' pings, no status takes longer than 5."""

MOST_FOR_PORTS = 200
"""Of so many processes the ports are looked for; ``pb service ps`` looks for all."""


@dataclass(slots=True, kw_only=True)
class Facts:
    """``services``: a document for each, ``own`` those of the user's. ``notice``: what is wrong
    with that knowledge; without ``is_known`` there is none. ``is_watched``: a scheduler answers."""

    services: list[Json]
    own: list[Json]
    notice: str | None = None
    is_known: bool = True
    is_watched: bool = True


def gather(who: Chosen) -> Facts:
    """Each service that is meant. Raises NotFoundError for a name that means nobody."""
    if elsewhere() is not None:
        return _elsewhere(who)
    if not who.own:
        return Facts(services=facts.services_facts(who.builtins), own=[])
    found = _own(who)
    builtins = facts.services_facts(who.builtins, {"scheduler": found.is_watched})
    for view in builtins:
        view["memory_bytes"] = view["pid"] and resident(view["pid"])
    _add_use(found.own)
    found.services = [*builtins, *found.own]
    return found


def _elsewhere(who: Chosen) -> Facts:
    """The services where a gateway is; of their processes only what the scheduler knows."""
    views = own_views(who.own)
    with session() as talk:
        status = talk.call("scheduler.status", {"jobs": False}, timeout=ANSWER_TIME)
    return Facts(services=views, own=views, is_watched=bool(status["running"]))


def _own(who: Chosen) -> Facts:
    """The user's services, by whoever can tell of them."""
    params = {} if who.is_all else {"names": list(who.own)}
    try:
        with session(local_ok=False) as talk:
            views = talk.call("service.list", params, timeout=LIST_TIME)["services"]
    except NotFoundError:
        own_views(who.own)  # Says it with all the names that there are.
        raise
    except (NeedsDaemonError, UnresponsiveError) as error:
        return _stored(who, error.message if isinstance(error, UnresponsiveError) else None)
    return Facts(services=[], own=views)


def _stored(who: Chosen, notice: str | None) -> Facts:
    """What the store and the processes tell. A broken home does not hide pb's own daemons."""
    from pb.api import local_session

    found = Facts(services=[], own=[], notice=notice, is_watched=False)
    try:
        if has_store():
            with local_session(home()) as talk:
                found.own = talk.call("service.list", timeout=ANSWER_TIME)["services"]
    except PbError as error:
        if not who.is_all:
            raise
        return replace(found, notice=notice or error.message, is_known=False)
    if not who.is_all:
        found.own = require(who.own, found.own)
    return found


def _add_use(own: list[Json]) -> None:
    """Memory of each tree, and the ports that it listens on."""
    uses = survey(view["pid"] for view in own if view["pid"] is not None)
    pids = [one.pid for use in uses.values() for one in use.processes]
    ports = listening_ports(pids) if len(pids) <= MOST_FOR_PORTS else {}
    for view in own:
        use = uses.get(view["pid"])
        view["memory_bytes"] = use.memory_bytes if use else None
        found = {port for one in (use.processes if use else ()) for port in ports.get(one.pid, ())}
        view["ports"] = sorted(found)


def exit_of(found: Facts, who: Chosen) -> StatusExit:
    """The worst of them (SPEC section 2): one that died, then what is not known, then one that
    does not run, then one that is not ready or well. One that is disabled, or has done its work,
    counts only when it was named."""
    states = [state_for_exit(view, is_named=not who.is_all) for view in found.services]
    states += [] if found.is_known else ["unknown"]
    for state, code in (
        ("failed", StatusExit.DEAD_WITH_PID_FILE),
        ("unknown", StatusExit.UNKNOWN),
        ("stopped", StatusExit.NOT_RUNNING),
        ("unready", StatusExit.NOT_READY),
    ):
        if state in states:
            return code
    return StatusExit.RUNNING


def state_for_exit(view: Json, *, is_named: bool) -> str:
    state = str(view["state"])
    if state in ("failed", "backoff"):
        return "failed"
    if state == "exited" or (state == "stopped" and not view["enabled"]):
        return "stopped" if is_named else "fine"
    if state in ("stopped", "unknown"):
        return state
    is_well = state == "running" and view["health"] != "unhealthy"
    return "fine" if is_well else "unready"
