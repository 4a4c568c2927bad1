"""The screens about the definition of a service: what was understood, and what came of it.

No typer here; the grammar is in ``pb.cli.service_defining``.
"""

from __future__ import annotations

from typing import Any

from pb.cli.asked import ANSWER_TIME, asked, session
from pb.cli.outcomes import Outcome, as_json, line_of, show_lines
from pb.cli.render import clean, emit, mark, note, out
from pb.cli.service_acts import outcome_of
from pb.cli.service_progress import call
from pb.errors import Exit

Json = dict[str, Any]

START_TIME = 5.0
"""Seconds in which a new service should have been started; it may wait for others longer."""


def add(definition: Json, *, replace: bool) -> int:
    """``pb service add``: add it, say what it means, and whether it has been started."""
    with session() as talk:
        params = {"definition": definition, "replace": replace, "source": "cli"}
        answer = talk.call("service.add", params, timeout=ANSWER_TIME)
        is_local = talk.is_local
    view = answer["service"]
    is_new = bool(answer.get("added"))
    is_due = not is_local and view["desired"] == "running"
    came = _first_start(view["service"]) if is_new and is_due else []
    code = int(Exit.FAILED if any(one.error for one in came) else Exit.DONE)
    if asked.as_json:
        emit({**answer, "started": [as_json(one) for one in came]})
        return code
    out(f"{mark('ok')} Service '{clean(view['service'])}' {'added' if is_new else 'changed'}.")
    meaning(definition)
    for one in came:
        out(line_of(one))
        show_lines(one)
    next_step(view, is_local=is_local, is_new=is_new)
    return code


def _first_start(name: str) -> list[Outcome]:
    """What came of the start that the scheduler has begun; one that waits has not failed."""
    params = {"names": [name], "deps": False, "wait": "started", "timeout": START_TIME}
    answer = call("service.start", params, timeout=START_TIME * 2, told=lambda: f"Starting {name}")
    return [
        outcome_of({**view, "ok": True, "action": "started"})
        if view["action"] in ("late", "waiting", "already_running")
        else outcome_of(view)
        for view in answer["services"]
    ]


def next_step(view: Json, *, is_local: bool, is_new: bool) -> None:
    """What has to be done, if anything, to have it run as it was just defined."""
    name = clean(view["service"])
    if view["changed"]:
        note(f"hint: It still runs as it was before: pb service restart {name}")
    elif view["desired"] != "running":
        note(f"hint: It is not started by itself: pb service start {name}")
    elif is_local:
        note(f"hint: No scheduler is running, so nothing runs it yet: pb service start {name}")
    elif is_new:
        note(
            f"hint: See how it fares: pb service status {name}; its output: pb service logs {name}"
        )


def show_draft(definition: Json) -> int:
    """``--dry-run``: what it would mean; nothing is changed. Raises DefinitionError."""
    from pb.core.service_definition import service_dump, service_from

    whole = service_dump(service_from(definition))
    if asked.as_json:
        emit({"definition": whole})
        return 0
    out(f"Service '{clean(definition['name'])}' would be added.")
    meaning(definition)
    return 0


def meaning(definition: Json) -> None:
    """What the definition means, in a few lines."""
    from pb.core.service_definition import service_from
    from pb.core.service_phrases import phrases

    for word, text in phrases(service_from(definition)):
        out(f"  {word}: {clean(text)}")
