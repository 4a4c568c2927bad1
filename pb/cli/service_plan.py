"""``--dry-run`` and ``pb service plan``: the order in which services would start or stop."""

from __future__ import annotations

from pb.cli import facts
from pb.cli.asked import ANSWER_TIME, asked, elsewhere, session
from pb.cli.render import clean, emit, out
from pb.cli.service_names import Chosen, has_store, own_views


def show(who: Chosen, action: str, *, deps: bool) -> int:
    """Print the layers, each of which starts or stops at once. Changes nothing."""
    layers = [*builtin_layers(who, action), *own_layers(who, action, deps=deps)]
    if action == "stop":
        layers = [*own_layers(who, action, deps=deps), *builtin_layers(who, action)]
    if asked.as_json:
        emit({"action": action, "layers": layers})
        return 0
    for number, layer in enumerate(layers, 1):
        out(f"{number}. {', '.join(map(clean, layer))}")
    if not layers:
        out(f"Nothing to {action}.")
    return 0


def builtin_layers(who: Chosen, action: str) -> list[list[str]]:
    """The scheduler, which services need as well, and then its clients; or the reverse."""
    if elsewhere() is not None:
        return []
    needs = action == "start" and who.own and not who.is_all and own_views(who.own)
    is_missing = needs and facts.look_at("scheduler").state in ("stopped", "dead")
    first = ["scheduler"] if "scheduler" in who.builtins or is_missing else []
    layers = [first, [name for name in who.builtins if name != "scheduler"]]
    return [layer for layer in (layers if action == "start" else layers[::-1]) if layer]


def own_layers(who: Chosen, action: str, *, deps: bool) -> list[list[str]]:
    if not who.own or (not has_store() and who.is_all):
        return []
    own_views(who.own)  # Refuses a name that means nobody.
    params = {"names": list(who.own), "action": action, "deps": deps}
    with session() as talk:
        return list(talk.call("service.plan", params, timeout=ANSWER_TIME)["layers"])
