"""``pb service show``: one service whole, with the origin of each value and no secret.

No typer here; the grammar is in ``pb.cli.service_defining``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pb.cli.asked import ANSWER_TIME, asked, session
from pb.cli.outcomes import count
from pb.cli.render import clean, emit, local_second, out, paint, speaks_utf8
from pb.cli.service_names import own_views
from pb.cli.service_screen import cells_of, next_of, sign
from pb.cli.told import told_words
from pb.core.secrets import hidden
from pb.errors import UnsupportedError
from pb.paths import BUILTINS

Json = dict[str, Any]


def show(name: str, *, every: bool) -> int:
    """The definition, what was changed since it was started, its instances and its last ends."""
    from pb.config.origins import service_values
    from pb.core.service_definition import service_from

    if name in BUILTINS:
        raise UnsupportedError(
            f"{name} is part of pb; its settings are: pb config show",
            hint=f"How it fares: pb service status {name}",
        )
    own_views([name])
    with session() as talk:
        answer = talk.call("service.show", {"name": name}, timeout=ANSWER_TIME)
        is_watched = not talk.is_local
    values = service_values(service_from(answer["definition"]), answer["source"])
    if asked.as_json:
        emit(_document(answer, values))
        return 0
    for view in answer["instances"]:
        _instance(view, is_watched)
    out(f"    Tells {clean(told_words(answer['told']))}")
    _values([one for one in values if every or one.origin != "default"])
    _changes(answer["changes"], name)
    _ends(answer["exits"])
    return 0


def _document(answer: Json, values: list[Any]) -> Json:
    """The answer without secrets, and each value with its origin."""
    parts = ("definition", "running_definition", "changes")
    return {
        **answer,
        **{key: hidden(answer[key]) for key in parts},
        "values": [{"key": one.key, "value": one.value, "origin": one.origin} for one in values],
    }


def _instance(view: Json, is_watched: bool) -> None:
    name, state, health, pid, up, restarts, _, _ = cells_of(view)
    facts = [f"PID {pid}", f"up {up}"] if pid != "-" else []
    facts += [health] if health != "-" else []
    facts += [count(int(restarts), "restart")] if restarts != "0" else []
    facts += ["disabled"] if not view["enabled"] else []
    remark = f" ({', '.join(facts)})" if facts else ""
    out(f"{sign(view)} {paint(name, 'bold')}: {state.rstrip('*')}{remark}")
    for text in (view["reason"], next_of(view, is_watched), view.get("status")):
        if text:
            out(f"    {clean(text)}")


def _values(values: list[Any]) -> None:
    out("")
    for one in values:
        origin = paint(f"  ({clean(one.origin)})", "grey")
        out(f"  {clean(one.key)} = {shown(one.value)}{origin}")


def shown(value: object) -> str:
    """A value as a person would write it."""
    if value is None or value == "":
        return "-"
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return clean(json.dumps(value, ensure_ascii=not speaks_utf8(sys.stdout)))


def _changes(changes: list[Json], name: str) -> None:
    if not changes:
        return
    out(f"\n  Changed since it was started; apply it: pb service restart {clean(name)}")
    for change in changes:
        for sign_, value in (("-", change["before"]), ("+", change["after"])):
            if value is not None:
                out(f"    {sign_} {clean(change['key'])}: {shown(hidden(value, change['key']))}")


def _ends(ends: list[Json]) -> None:
    if ends:
        out("\n  Last ends:")
    for end in ends:
        out(f"    {local_second(end['at'])}  {clean(end['text'])}")
