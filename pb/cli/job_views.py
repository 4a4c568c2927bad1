"""The screens of ``pb job``: what was understood, one job whole, next times, the history.

No typer here; the grammar is in ``pb.cli.job``.
"""

from __future__ import annotations

from typing import Any

from pb.cli.asked import ANSWER_TIME, asked, elsewhere, session
from pb.cli.jobs import hint_to_start
from pb.cli.render import (
    NARROW,
    both_clocks,
    clean,
    emit,
    fields,
    local_second,
    mark,
    note,
    out,
    seconds,
    table,
    width,
)
from pb.cli.told import told_words

Json = dict[str, Any]

HISTORY = ("RUN", "JOB", "STATE", "WHEN", "TOOK", "EXIT")
WIDE = (*HISTORY, "PEAK", "CPU")
BESIDE_NAME, ABOVE_BLOCK = 62, 22
"""Columns that the other cells take beside a name; and on a narrow screen, above the rest."""
WIDE_COLUMNS = 100
"""Where that many fit, the history also tells what each run has used."""


def add(definition: Json, *, replace: bool) -> int:
    """``pb job add``: add it, then say what it means and when it runs."""
    with session() as talk:
        params = {"definition": definition, "replace": replace, "source": "cli"}
        answer = talk.call("job.add", params, timeout=ANSWER_TIME)
        is_local = talk.is_local
    if asked.as_json:
        emit(answer)
        return 0
    word = "added" if answer["created"] else "changed"
    out(f"{mark('ok')} Job '{clean(definition['name'])}' {word}.")
    meaning(answer, answer["job"])
    if is_local:
        hint_to_start()
    return 0


def show_draft(definition: Json) -> int:
    """``--dry-run``: the same screen, and nothing changed. Raises DefinitionError."""
    answer = draft(definition)
    if asked.as_json:
        emit(answer)
        return 0
    out(f"Job '{clean(definition['name'])}' would be added.")
    meaning(answer, answer["definition"])
    return 0


def draft(definition: Json) -> Json:
    """What ``job.add`` would answer, computed here and stored nowhere."""
    import time
    from datetime import UTC, datetime

    from pb.api.context import explained, fire_times
    from pb.api.methods import clock_notes
    from pb.core.definition import job_dump, job_from

    job = job_from(definition)
    return {
        "definition": job_dump(job),
        "explain": explained(job),
        "fire_times": fire_times(job, time.time_ns() // 1_000_000, 3),
        "notes": clock_notes(job, datetime.now(UTC)),
    }


def meaning(answer: Json, job: Json) -> None:
    for words in answer["explain"]:
        out(f"  {clean(words)}")
    zone = _zone_name(str(job.get("timezone", "local")))
    if answer["fire_times"]:
        out(f"  Next runs ({clean(zone)}):")
        for time in answer["fire_times"]:
            out(f"    {both_clocks(time, zone)}")
    if not job.get("triggers"):
        out(f"  It runs by hand only: pb job run {clean(job['name'])}")
    if job.get("paused"):
        out("  It is paused: pb job resume " + clean(job["name"]))
    from pb.cli.reactions import stray_places

    places = [] if elsewhere() is not None else stray_places(job.get("triggers") or ())
    for remark in (*answer["notes"], *places):
        out(f"  {mark('warn')} {clean(remark)}")


def _zone_name(name: str) -> str:
    from pb.config.zones import local_zone_name

    return local_zone_name() if name == "local" else name


def show(name: str) -> int:
    """``pb job show``."""
    with session() as talk:
        answer = talk.call("job.show", {"name": name}, timeout=ANSWER_TIME)
    if asked.as_json:
        emit(answer)
        return 0
    job, definition = answer["job"], answer["definition"]
    zone = _zone_name(str(job["timezone"]))
    out(f"{clean(job['name'])}: {clean(job['state'])}")
    fields(_about(job, definition, answer))
    counts = ("run_count", "success_count", "error_count", "skip_count", "miss_count")
    shown = ", ".join(f"{job[key]} {key.removesuffix('_count')}" for key in counts if key in job)
    out(f"  Counts: {shown}")
    if answer.get("reactions"):
        from pb.cli.reactions import show_reactions

        show_reactions(answer["reactions"])
    _times(answer["fire_times"], zone)
    if answer["runs"]:
        out("\n  Last runs:")
        for run in answer["runs"]:
            out("    " + "  ".join(cells_of(run)[at] for at in (0, 2, 3, 4)) + _why(run))
        last_run(answer["runs"][0])
        last_event(answer.get("last_event"))
    return 0


def _why(run: Json) -> str:
    return f"  {clean(run['reason'])}" if run.get("reason") else ""


def _disabled(job: Json) -> str | None:
    return None if job["enabled"] else f"planned for nothing until: pb job enable {job['name']}"


def _about(job: Json, definition: Json, answer: Json) -> tuple[tuple[str, object], ...]:
    from pb.core.triggers import describe, trigger_from

    command = definition.get("command")
    triggers = [describe(trigger_from(t), job["name"]) for t in definition.get("triggers", [])]
    rest = {"name", "description", "command", "triggers", "timezone", "cwd", "paused", "enabled"}
    rest |= {"python", "limits", "notify"}
    return (
        ("Description", definition.get("description")),
        ("Command", _joined(command) if isinstance(command, list) else command),
        ("Python", definition.get("python")),
        ("Limits", limits(definition.get("limits", {}), answer.get("kept", {}))),
        ("Directory", definition.get("cwd", "~")),
        ("When", "; ".join(text.removeprefix("When ") for text in triggers)),
        ("Time zone", job["timezone"]),
        *((_label(key), _words(definition[key])) for key in definition if key not in rest),
        ("Tells", told_words(answer["told"])),
        ("Disabled", _disabled(job)),
        ("Paused since", local_second(job.get("paused_at"))),
        ("Paused until", local_second(job.get("paused_until"))),
        ("Pause note", job.get("pause_note")),
        ("Last error", job.get("last_error")),
        ("Added by", answer.get("source")),
        ("Log", answer.get("log_path")),
    )


def limits(given: Json, kept: Json) -> str | None:
    """Each limit, and how it is kept: ``memory 512MiB (watched)``."""
    words = (f"{key.replace('_', ' ')} {given[key]} ({kept[key]})" for key in given)
    return "; ".join(words) or None


def _label(key: str) -> str:
    return key.replace("_", " ").capitalize()


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={part}" for key, part in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _joined(command: list[str]) -> str:
    from shlex import join

    return join(command)


def _times(times: list[str], zone: str) -> None:
    if times:
        out(f"\n  Next runs ({clean(zone)}):")
    for time in times:
        out(f"    {both_clocks(time, zone)}")


def remove(name: str) -> int:
    """``pb job remove``."""
    with session() as talk:
        answer = talk.call("job.remove", {"name": name}, timeout=ANSWER_TIME)
    if asked.as_json:
        emit(answer)
    else:
        out(f"{mark('ok')} Job '{clean(name)}' removed; its history stays.")
        note(f"hint: Bring it back with: pb job restore {clean(name)}")
    return 0


def restore(name: str) -> int:
    """``pb job restore``."""
    with session() as talk:
        answer = talk.call("job.restore", {"name": name}, timeout=ANSWER_TIME)
        is_local = talk.is_local
    if asked.as_json:
        emit(answer)
        return 0
    out(f"{mark('ok')} Job '{clean(name)}' is back, {clean(answer['job']['state'])}.")
    if is_local:
        hint_to_start()
    return 0


def show_next(name: str | None, count: int) -> int:
    """``pb job next``."""
    with session() as talk:
        answer = talk.call("job.next", {"name": name, "n": count}, timeout=ANSWER_TIME)
        is_local = talk.is_local
    if asked.as_json:
        emit(answer)
        return 0
    for job in answer["jobs"]:
        zone = _zone_name(str(job["timezone"]))
        out(f"{clean(job['name'])} ({clean(zone)}):")
        for time in job["fire_times"]:
            out(f"  {both_clocks(time, zone)}")
        if not job["fire_times"]:
            out(f"  - ({clean(job.get('state', 'nothing planned'))})")
    if not answer["jobs"]:
        out("No jobs yet.")
    elif is_local:
        hint_to_start()
    return 0


def history_table(runs: list[Json]) -> None:
    """The runs as a table; where there is room, with what each has used."""
    columns = width()
    if columns is None or columns >= WIDE_COLUMNS:
        table(WIDE, [((*cells_of(run), *used(run)), remark_of(run)) for run in runs])
    else:
        table(HISTORY, [(shortened(cells_of(run), columns), remark_of(run)) for run in runs])


def shortened(cells: tuple[str, ...], columns: int) -> tuple[str, ...]:
    """The cells with a name that leaves room for the others."""
    room = columns - (BESIDE_NAME if columns >= NARROW else ABOVE_BLOCK)
    name = cells[1] if len(cells[1]) <= room else cells[1][: max(room, 8) - 1] + "…"
    return (cells[0], name, *cells[2:])


def _typed(run: Json) -> str:
    """What stands for the job's name in a run of ``pb run``: the start of its command."""
    text = "$ " + " ".join(run.get("command") or ())
    return text if len(text) <= 24 else text[:23] + "…"


def cells_of(run: Json) -> tuple[str, ...]:
    code = run["signal"] or ("-" if run["exit_code"] is None else str(run["exit_code"]))
    return (
        str(run["run_id"]),
        clean(run["job"] or _typed(run)),
        str(run["state"]),
        local_second(run["started_at"] or run["queued_at"]) or "-",
        seconds(run.get("duration_ms")),
        str(code),
    )


def remark_of(run: Json) -> str:
    """Who or what asked for the run, unless that is plain, and why it ended so."""
    by = f"by {run['by']}" if run.get("by") else ""
    return clean("; ".join(part for part in (run.get("reason"), by) if part))


def used(run: Json) -> tuple[str, str]:
    """Peak memory and processor time; ``-`` where the kernel did not tell."""
    from pb.core.durations import shown_size

    peak, cpu = run.get("max_rss_bytes"), run.get("cpu_seconds")
    return (
        "-" if peak is None else shown_size(peak),
        "-" if cpu is None else seconds(cpu * 1000),
    )


def last_event(event: Json | None) -> None:
    """What the newest run was started for, unless the time or a person did it."""
    if event is not None:
        import json

        text = json.dumps(event, ensure_ascii=False)
        out(f"  Last event: {clean(text if len(text) <= 400 else text[:399] + '…')}")


def last_run(run: Json) -> None:
    """What the newest run has used, and what it has handed back."""
    peak, cpu = used(run)
    if (peak, cpu) != ("-", "-"):
        out(f"  Last run used: {peak} of memory at most, {cpu} of processor time")
    if run.get("output") is not None:
        import json

        out(f"  Last output: {clean(json.dumps(run['output'], ensure_ascii=False))}")
