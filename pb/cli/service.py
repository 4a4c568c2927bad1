"""``pb service``: the grammar of starting, stopping and looking at services.

Those that define services are in ``service_defining``.
"""

from __future__ import annotations

from typing import Annotated

import typer

from pb.cli import (
    boot,
    doctor,
    logs,
    options,
    outcomes,
    processes,
    service_acts,
    service_defining,
    service_plan,
    status,
)
from pb.cli.render import clean, note
from pb.cli.service_acts import Waiting
from pb.cli.service_family import app
from pb.cli.service_names import Chosen, chosen, log_sources
from pb.errors import UsageError

__all__ = ["app", "service_defining"]

GOALS = {"ready": "ready", "started": "started", "no": "none", "none": "none"}


def waiting_for(wait: str, timeout: str | None) -> Waiting:
    """What ``--wait`` and ``--timeout`` say; a duration after ``--wait`` is the timeout."""
    if wait not in GOALS:
        if not wait[:1].isdigit() or timeout is not None:
            raise UsageError(
                f"--wait takes ready, started or no, not {wait!r}", hint="Such as: --wait started"
            )
        return Waiting(timeout=options.duration("--wait", wait))
    seconds = None if timeout is None else options.duration("--timeout", timeout)
    return Waiting(goal=GOALS[wait], timeout=seconds)


@app.verb(
    "start",
    "pb service start all",
    "pb service start web --wait started",
    "pb service start web --dry-run",
)
def start(
    names: options.ServiceNames,
    wait: options.WaitFor = "ready",
    timeout: options.WaitTime = None,
    no_deps: options.NoDeps = False,
    dry_run: options.DryRun = False,
) -> int:
    """Start services, and first what they depend on; returns when they are ready.

    all: the scheduler, the gateway, the debug server and every enabled service. Running already
    is fine; exit 1 when any failed.
    """
    if dry_run:
        return service_plan.show(chosen(names), "start", deps=not no_deps)
    return service_acts.started(names, waiting_for(wait, timeout), deps=not no_deps)


@app.verb(
    "stop",
    "pb service stop all",
    "pb service stop db --dependents",
    "pb service stop debug --force",
)
def stop(
    names: options.ServiceNames,
    force: options.Force = False,
    timeout: options.StopTimeout = None,
    dependents: options.Dependents = False,
    dry_run: options.DryRun = False,
) -> int:
    """Stop services, those that depend on others first; they stay so until they are started.

    Returns when nothing of them is left. Not running is fine.
    """
    if dry_run:
        return service_plan.show(chosen(names), "stop", deps=dependents)
    seconds = None if timeout is None else options.duration("--timeout", timeout)
    return service_acts.stopped(names, force=force, timeout=seconds, dependents=dependents)


@app.verb("restart", "pb service restart all", "pb service restart web")
def restart(
    names: options.ServiceNames,
    force: options.Force = False,
    wait: options.WaitFor = "ready",
    timeout: options.WaitTime = None,
) -> int:
    """Restart services with their present definitions.

    all: those that run. The scheduler's restart leaves alive whatever it runs.
    """
    who = chosen(names)
    came = service_acts.restart(who, waiting_for(wait, timeout), force=force)
    return outcomes.report(came, done=service_acts.all_done(who, "restarted"))


@app.verb("reload", "pb service reload web", "pb service reload scheduler")
def reload(names: options.ServiceNames) -> int:
    """Have services read their configuration again, by the signal or command of their reload key.

    Exit 3 for a service without that key.
    """
    from pb.cli import service_changes

    return outcomes.report(service_changes.reload(names))


@app.verb("reset", "pb service reset web")
def reset(names: options.OwnServices) -> int:
    """Forget failures and delays; a service that had failed is started again."""
    from pb.cli import service_changes

    return outcomes.report(service_changes.reset(names))


@app.verb("plan", "pb service plan all", "pb service plan db --stop")
def plan(
    names: options.MaybeServices = None,
    stop: options.Stopping = False,
    no_deps: options.NoDeps = False,
) -> int:
    """Show in which order services would be started; each line at once."""
    action = "stop" if stop else "start"
    return service_plan.show(chosen(names), action, deps=not no_deps)


@app.verb(
    "status", "pb service status", "pb service status web --json", "pb service status --watch"
)
def show_status(
    names: options.MaybeServices = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Look again each second, until q or Ctrl-C.")
    ] = False,
) -> int:
    """Show each service; of those that are not well also why, and what happens next.

    Exit code: 0 all run, 1 one died, 3 one is stopped, 4 unknown, 150 alive but not ready or not
    well. One that is disabled, or has done its work, counts only when it is named. Ports are
    looked for among up to 200 processes.
    """
    if watch:
        from pb.cli.service_watch import watch_status

        return watch_status(chosen(names))
    return status.service_status(chosen(names))


@app.verb("ps", "pb service ps", "pb service ps web")
def show_processes(names: options.MaybeServices = None) -> int:
    """Show the processes of services as trees: processor, memory, threads, files, ports."""
    return processes.show(chosen(names))


@app.verb(
    "logs",
    "pb service logs web",
    "pb service logs all -n 20 --timestamps",
    "pb service logs web worker@1 scheduler -f",
)
def show_logs(
    names: options.MaybeServices = None,
    lines: options.Lines = 50,
    follow: options.Follow = False,
    since: options.Since = None,
    until: options.Until = None,
    grep: options.Grep = None,
    timestamps: options.Timestamps = False,
    raw: options.Raw = False,
    stream: Annotated[
        str | None,
        typer.Option(metavar="out|err", help="Only this one, where log.split_stderr is set."),
    ] = None,
) -> int:
    """Show services' logs, several woven together by time, with a prefix each."""
    if stream not in (None, "out", "err"):
        raise UsageError(f"--stream takes out or err, not {stream!r}", hint="Or leave it out.")
    wanted = logs.view(lines, follow, (since, until), grep, timestamps, raw)
    sources = log_sources(chosen(names), stream)
    if follow and len(sources) > 1:
        note(f"Following {', '.join(clean(name) for name, _ in sources)}; Ctrl-C ends it")
    return logs.show(sources, wanted)


@app.verb(
    "wait",
    "pb service wait web db --timeout 30s",
    "pb service wait web --for healthy",
    "pb service wait web --for stopped",
)
def wait(
    names: options.ServiceNames,
    goal: Annotated[
        str, typer.Option("--for", metavar="WHAT", help="Until they are ready, healthy or stopped.")
    ] = "ready",
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="DURATION", help="How long to wait.")
    ] = "60s",
) -> int:
    """Wait until services are ready, healthy or stopped. Exit 1 when they are not, in time."""
    from pb.cli import service_hands

    seconds = options.duration("--timeout", timeout)
    return outcomes.report(service_hands.wait(chosen(names), goal, seconds))


@app.verb(
    "signal",
    "pb service signal web HUP",
    "pb service signal web USR1 --tree",
)
def signal(
    name: options.AnyService,
    word: Annotated[str, typer.Argument(metavar="SIGNAL", help="A name or number: HUP, USR1.")],
    main: Annotated[bool, typer.Option("--main", help="To its main process (default).")] = False,
    group: Annotated[bool, typer.Option("--group", help="To its process group.")] = False,
    tree: Annotated[bool, typer.Option("--tree", help="To everything it has become.")] = False,
) -> int:
    """Send a signal to a service."""
    from pb.cli import service_hands

    if main + group + tree > 1:
        raise UsageError("--main, --group and --tree exclude each other", hint="Choose one.")
    return service_hands.signal(name, word, "tree" if tree else "group" if group else "main")


@app.verb(
    "exec",
    "pb service exec web -- env",
    "pb service exec db -- psql",
    context_settings={"allow_interspersed_args": False},
)
def execute(
    name: options.OwnService,
    words: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND...", help="The command and its arguments.")
    ],
) -> int:
    """Run a command in a service's environment, directory and umask; its exit code is passed on.

    It has this terminal, and is no part of the service: it goes on when the service stops.
    """
    from pb.cli import service_hands

    command = words[1:] if words[0] == "--" else words
    if not command or not command[0]:
        raise UsageError("The command is empty", hint=f"Such as: pb service exec {name} -- env")
    service_hands.execute(name, command)


@app.verb("run", "pb service run all", "pb service run web --no-deps", "pb service run all --json")
def run(
    names: options.ServiceNames,
    no_deps: options.NoDeps = False,
    timestamps: options.Timestamps = False,
) -> int:
    """Run services in the foreground, their output with a prefix each; safe as PID 1.

    It ends with the first essential service that ends, or the first one that fails, and its exit
    code, 128 and the number for a signal; 0 when all are done. TERM and Ctrl-C stop all in order,
    once more kills; HUP reads files again. Nothing is left behind. all: the enabled services of
    your own.
    """
    from pb.cli import service_run

    who = chosen(names)
    who = Chosen(own=who.own) if who.is_all else who
    return service_run.run(who, deps=not no_deps, timestamps=timestamps)


@app.verb("events", "pb service events", "pb service events web -n 100", "pb service events -f")
def events(
    name: options.MaybeOwnService = None,
    count: options.Count = 20,
    follow: options.Follow = False,
) -> int:
    """Show what happened to services: starts, ends, failures, changes, and who asked for them."""
    from pb.cli import service_events

    return service_events.show(name, count, follow=follow)


app.add_typer(boot.app, name="boot")
app.verb("doctor", "pb service doctor", "pb service doctor --fix")(doctor.doctor)
