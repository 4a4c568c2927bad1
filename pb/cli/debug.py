"""``pb debug``: the terminal UI; the debug server, which shows the dashboard in a browser, and the
way into it; and the events."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from pb.api.tickets import TICKET_SECONDS, life_of, new_ticket
from pb.api.token_file import ensure_token
from pb.cli import daemons, facts, logs, options, ping, terminal
from pb.cli.asked import asked, home
from pb.cli.render import emit, mark, note, out
from pb.cli.tree import Verbs
from pb.errors import NeedsDaemonError

app = Verbs(
    "See and steer everything: in this terminal (pb debug alone), or in a browser.",
    alone=terminal.become,
)

Host = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Where to listen (default: 127.0.0.1).")
]
Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="The port (default: 18790; 0 picks a free one)."),
]


@app.verb("tui", "pb debug tui", "pb debug")
def tui() -> int:
    """See and steer everything in this terminal: jobs, runs, services, events; also without a verb.

    Keys: 1-5 choose a view, Enter opens, / finds, l shows a log, ? tells all keys, q quits.
    """
    return terminal.become()


@app.verb("web", "pb debug web", "pb debug web --open", "pb debug web --foreground --port 0")
def web(
    host: Host = None,
    port: Port = None,
    foreground: options.Foreground = False,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser.")
    ] = False,
    force: options.Replace = False,
    wait: options.Wait = "10",
) -> int:
    """Start the debug server in the background and say where its page is; running is fine."""
    given = (("--host", host), ("--port", port))
    words = tuple(str(word) for pair in given if pair[1] is not None for word in pair)
    running = facts.look_at("debug")
    if running.state == "running" and not force:
        address = running.record.address if running.record else None
        code = _say_running(address)
    else:
        mode = "foreground" if foreground else "background"
        seconds = options.duration("--wait", wait)
        code = daemons.start(
            daemons.Start(service="debug", arguments=words, mode=mode, wait=seconds, force=force)
        )
    if open_browser and code == 0:
        _open()
    return code


def _say_running(address: str | None) -> int:
    if asked.as_json:
        emit({"name": "debug", "action": "already_running", "address": address, "error": None})
    else:
        out(f"{mark('ok')} Debug Server is running already: {address}")
        note("hint: Let a browser in with: pb debug web --open")
    return 0


def _open() -> None:
    """Open the page, let in. Others see the browser's arguments (ps), but a ticket works once, for
    a minute, and on Linux for connections of this user only."""
    import webbrowser

    address = _link()
    if not webbrowser.open(address):
        note(f"hint: No browser was found; open {address} yourself within a minute.")


@app.verb("link", "pb debug link")
def link() -> int:
    """Print a link that lets one browser into the dashboard: once, within a minute.

    For a browser that `pb debug web --open` cannot open, such as one at the other end of ssh -L.
    """
    address = _link()
    if asked.as_json:
        emit({"link": address, "seconds": TICKET_SECONDS})
    else:
        out(address)
    return 0


def _link() -> str:
    """The page's address with a ticket in its fragment. Raises NeedsDaemonError."""
    status = facts.look_at("debug")
    record = status.record if status.state == "running" else None
    if record is None or not record.address:
        raise NeedsDaemonError("The debug server is not running", hint="Run: pb debug web")
    life = life_of(record.pid, record.started_at_ms)
    ticket = new_ticket(ensure_token(home().token), life, time.time())
    return f"{record.address}/#ticket={ticket}"


@app.verb("stop", "pb debug stop")
def stop(force: options.Force = False, timeout: options.StopTimeout = None) -> int:
    """Stop the debug server. Not running is fine."""
    seconds = None if timeout is None else options.duration("--timeout", timeout)
    return daemons.stop("debug", force=force, timeout=seconds)


@app.verb("status", "pb debug status")
def show_status() -> int:
    """Show the debug server and ping it.

    Exit code: 0 answers, 1 died, 3 stopped, 4 unknown, 150 alive but silent.
    """
    return ping.status("debug")


@app.verb("logs", "pb debug logs -f")
def show_logs(
    lines: options.Lines = 50,
    follow: options.Follow = False,
    since: options.Since = None,
    until: options.Until = None,
    grep: options.Grep = None,
    timestamps: options.Timestamps = False,
    raw: options.Raw = False,
) -> int:
    """Show the debug server's own log, across rotation."""
    wanted = logs.view(lines, follow, (since, until), grep, timestamps, raw)
    return logs.show([("debug", home().log("debug"))], wanted)


@app.verb(
    "events",
    "pb debug events",
    "pb debug events -f",
    "pb debug events --type run.failed -n 100",
    "pb debug events --job backup --json",
)
def show_events(
    count: Annotated[
        int, typer.Option("--count", "-n", min=0, max=10_000, help="How many of the last.")
    ] = 50,
    follow: options.Follow = False,
    type_: Annotated[
        str | None,
        typer.Option("--type", metavar="TYPE", help="Only this type, or a family such as run."),
    ] = None,
    job: Annotated[
        str | None,
        typer.Option(metavar="JOB", help="Only of this job.", autocompletion=options.job_names),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Only of this service.", autocompletion=options.own_service_names
        ),
    ] = None,
) -> int:
    """Show what happened, the newest last; with -f also what happens, across restarts.

    With --json -f: one document a line.
    """
    from pb.cli import events
    from pb.cli.event_stream import Wanted

    return events.show(Wanted(type=type_, job=job, service=service), count, follow=follow)
