"""``pb scheduler``: the one daemon of a home, and its jobs from there."""

from __future__ import annotations

from typing import Annotated

import typer

from pb.cli import daemons, jobs, logs, options, outcomes, restarts, status
from pb.cli.asked import asked, check_settings, home, session
from pb.cli.render import clean, emit, mark, note, out
from pb.cli.tree import Verbs

app = Verbs("Start, stop and ask the scheduler: the one daemon of a home.")

LEVELS = ("debug", "info", "warning", "error")

Socket = Annotated[
    str | None, typer.Option("--socket", metavar="PATH", help="The socket (default: gateway.sock).")
]


@app.verb(
    "start", "pb scheduler start", "pb scheduler start --daemon", "pb scheduler start --foreground"
)
def start(
    foreground: options.Foreground = False,
    daemon: options.Daemon = False,
    force: options.Replace = False,
    db: options.Db = None,
    socket: Socket = None,
    wait: options.Wait = "10",
) -> int:
    """Start the scheduler in the background; returns when it is ready, or has failed."""
    paths = (("--db", db), ("--socket", socket))
    words = tuple(w for flag, path in paths if path for w in (flag, options.whole_path(path)))
    return daemons.start(
        daemons.Start(
            service="scheduler",
            arguments=words,
            mode=options.start_mode(foreground, daemon),
            wait=options.duration("--wait", wait),
            force=force,
        )
    )


@app.verb(
    "stop", "pb scheduler stop", "pb scheduler stop --timeout 2m", "pb scheduler stop --force"
)
def stop(force: options.Force = False, timeout: options.StopTimeout = None) -> int:
    """Stop the scheduler; it waits for running jobs first. Not running is fine."""
    seconds = None if timeout is None else options.duration("--timeout", timeout)
    return daemons.stop("scheduler", force=force, timeout=seconds)


@app.verb("restart", "pb scheduler restart")
def restart(wait: options.Wait = "10") -> int:
    """Restart the scheduler; what it runs stays alive and is adopted by the new one."""
    outcome = restarts.restart_one("scheduler", options.duration("--wait", wait))
    return outcomes.report([outcome])


@app.verb("reload", "pb scheduler reload")
def reload() -> int:
    """Read configuration and definition files again; a bad one is refused, the old one stays."""
    from pb.cli.config_change import when

    check_settings()  # A bad config.toml is refused here already, with its file and line.
    with session(local_ok=False) as talk:
        answer = talk.call("scheduler.reload", timeout=30.0)
    if asked.as_json:
        emit(answer)
    else:
        settings = answer.get("settings", {})
        changed = [*answer.get("changed", []), *settings.get("at_once", [])]
        said = ", ".join(clean(name) for name in changed) or "nothing"
        out(f"{mark('ok')} Reloaded; changed: {said}")
        for name in settings.get("at_start", []):
            note(f"{clean(name)}: {when(name, is_running=True)}")
        for problem in answer.get("problems", []):
            note(f"{mark('warn')} {clean(problem)}")
    return 6 if answer.get("problems") else 0


@app.verb("log-level", "pb scheduler log-level", "pb scheduler log-level debug")
def log_level(
    level: Annotated[
        str | None,
        typer.Argument(
            metavar="[LEVEL]",
            help="debug, info, warning or error.",
            autocompletion=lambda incomplete: [w for w in LEVELS if w.startswith(incomplete)],
        ),
    ] = None,
) -> int:
    """Show what a running scheduler logs, or change it, until it is started anew.

    For good: pb config set logs.level LEVEL.
    """
    with session(local_ok=False) as talk:
        answer = talk.call("scheduler.log_level", {"level": level})
    if asked.as_json:
        emit(answer)
    elif level is None:
        out(answer["level"])
    else:
        now, before = answer["level"], answer["before"]
        out(f"{mark('ok')} The scheduler logs {now} and worse; before: {before}")
    return 0


@app.verb("status", "pb scheduler status", "pb scheduler status --json --no-jobs")
def show_status(
    no_jobs: Annotated[bool, typer.Option("--no-jobs", help="Without the job table.")] = False,
) -> int:
    """Show the scheduler and its jobs.

    Exit code: 0 running, 1 died, 3 stopped, 4 unknown, 150 alive but silent.
    """
    return status.scheduler_status(jobs=not no_jobs)


@app.verb("logs", "pb scheduler logs -n 100", "pb scheduler logs -f --grep error --since 10m")
def show_logs(
    lines: options.Lines = 50,
    follow: options.Follow = False,
    since: options.Since = None,
    until: options.Until = None,
    grep: options.Grep = None,
    timestamps: options.Timestamps = False,
    raw: options.Raw = False,
) -> int:
    """Show the scheduler's own log, across rotation."""
    wanted = logs.view(lines, follow, (since, until), grep, timestamps, raw)
    return logs.show([("scheduler", home().log("scheduler"))], wanted)


@app.verb("jobs", "pb scheduler jobs --json")
def show_jobs() -> int:
    """Show the job table."""
    return status.job_list()


@app.verb("pause", "pb scheduler pause backup")
def pause(name: options.JobName) -> int:
    """Pause a job: it runs nothing until it is resumed."""
    return jobs.change("job.pause", name, "paused")


@app.verb("resume", "pb scheduler resume backup")
def resume(name: options.JobName) -> int:
    """Let a paused job run again; nothing is caught up."""
    return jobs.change("job.resume", name, "resumed")


@app.verb("run", "pb scheduler run backup")
def run(name: options.JobName) -> int:
    """Run a job now; returns once the run has started."""
    return jobs.run_now(name)
