"""``pb notify``: the channels, what was told, and a test of whether it arrives."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pb.cli.asked import ANSWER_TIME, asked, session
from pb.cli.render import clean, emit, local_second, mark, note, out, table
from pb.cli.tree import Verbs
from pb.errors import Exit

app = Verbs("See who is told when something fails, and try whether it arrives.")

PATIENCE = 150.0
"""Seconds for a test: the slowest channel's timeout, and what a busy machine adds to it."""

Json = dict[str, Any]


@app.verb("list", "pb notify list", "pb notify list --json")
def show_list() -> int:
    """Show the channels, who tells them, and how the last message fared."""
    with session() as talk:
        answer = talk.call("notify.list", timeout=ANSWER_TIME)
    if asked.as_json:
        emit(answer)
        return 0
    if answer["channels"]:
        rows = [channel_row(one) for one in answer["channels"]]
        table(("CHANNEL", "TYPE", "LAST", "WAITING", "WHERE"), rows)
    else:
        out("No channels.")
        note("hint: Write one into config.toml: [notify.NAME]; see: pb config path")
    for name, users in answer["unknown"].items():
        note(f"{mark('warn')} {clean(', '.join(users))}: there is no channel {clean(name)}")
    return 0


def channel_row(channel: Json) -> tuple[tuple[str, ...], str]:
    last = channel["last"]
    cells = (
        clean(channel["name"]),
        channel["type"],
        "never" if last is None else f"{last['state']} {local_second(last['finished_at'])}",
        str(channel["waiting"]),
        clean(channel["target"]),
    )
    users = ["everything else"] if channel["is_default"] else []
    remark = clean(", ".join([*channel["used_by"][:5], *users]))
    more = len(channel["used_by"]) - 5
    return cells, f"{remark} and {more} more" if more > 0 else remark


@app.verb(
    "history",
    "pb notify history",
    "pb notify history --state failed",
    "pb notify history --channel ops -n 200 --json",
)
def history(
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many at most.")] = 20,
    channel: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only to this channel.")
    ] = None,
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help="Only waiting, sent or failed.")
    ] = None,
    job: Annotated[str | None, typer.Option(metavar="JOB", help="Only about this job.")] = None,
    service: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only about this service.")
    ] = None,
) -> int:
    """Show what was told, whom, and what became of it; the newest first."""
    params = {"n": count, "channel": channel, "state": state, "job": job, "service": service}
    with session() as talk:
        notices = talk.call("notify.history", params, timeout=ANSWER_TIME)["notices"]
    if asked.as_json:
        emit({"notices": notices})
    elif notices:
        table(("WHEN", "CHANNEL", "STATE", "TRIES", "WHAT"), [notice_row(one) for one in notices])
    else:
        out("Nothing was told yet." if not any(list(params.values())[1:]) else "Nothing matches.")
        note("hint: Try a channel with: pb notify test")
    return 0


def notice_row(notice: Json) -> tuple[tuple[str, ...], str]:
    cells = (
        local_second(notice["at"]) or "-",
        clean(notice["channel"]),
        notice["state"],
        str(notice["attempts"]),
        clean(notice["text"]),
    )
    answer = clean(notice["answer"] or "")
    again = local_second(notice["next_try"]) if notice["attempts"] else None
    return cells, f"{answer}; again {again}" if again else answer


@app.verb("test", "pb notify test", "pb notify test ops")
def try_out(
    channel: Annotated[
        str | None, typer.Argument(metavar="[CHANNEL]", help="Only this one (default: all).")
    ] = None,
) -> int:
    """Send a test to a channel or all, as notices go, and print what the other end says.

    Exit 1 when one of them was not reached.
    """
    with session() as talk:
        answer = talk.call("notify.test", {"channel": channel}, timeout=PATIENCE)
    if asked.as_json:
        emit(answer)
    else:
        for notice in answer["notices"]:
            is_sent = notice["state"] == "sent"
            word = "reached" if is_sent else "not reached"
            sign = mark("ok" if is_sent else "bad")
            out(f"{sign} {clean(notice['channel'])}: {word}: {clean(notice['answer'])}")
    sent = all(notice["state"] == "sent" for notice in answer["notices"])
    return int(Exit.DONE if sent else Exit.FAILED)
