"""``pb job``: the grammar of everything that can be done with jobs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pb.cli import history, job_views, jobs, logs, options, status
from pb.cli.definitions import FLAGS, definition
from pb.cli.flag_options import options_of
from pb.cli.tree import Verb, Verbs
from pb.errors import UsageError

app = Verbs("Add, run, pause and inspect jobs.")


class AddVerb(Verb):
    """``pb job add``: its options are the table of a definition's flags."""

    def __init__(self, name: str | None, **attrs: Any) -> None:
        super().__init__(name, **attrs)
        self.params[2:2] = options_of(FLAGS)


@app.verb(
    "add",
    'pb job add hello --every 1m -- echo "hello"',
    'pb job add backup --cron "30 2 * * *" --tz Europe/Berlin --timeout 1h -- ./backup.sh',
    "pb job add once --at 2026-12-24T18:00 --shell -- 'ls | wc -l'",
    "pb job add sync --every 1h --python shop.sync:run --limit memory=512MiB",
    cls=AddVerb,
)
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, . _ and -.")],
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- COMMAND...", help="The command and its arguments."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Change the job of that name, if there is one.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would mean; change nothing.")
    ] = False,
) -> int:
    """Add a job; it says what it understood, and when the job will run."""
    given = context.ensure_object(dict)
    if not command and not given.get("python"):
        raise UsageError(
            f"Job {name!r} has no command", hint=f"Put it last: pb job add {name} … -- COMMAND"
        )
    wanted = definition(name, command or (), given)
    if dry_run:
        return job_views.show_draft(wanted)
    return job_views.add(wanted, replace=replace)


@app.verb("hook", "pb job hook deploy", "pb job hook deploy --json")
def hook(name: options.JobName) -> int:
    """Show how a job's web hook is called: its address, and its token."""
    from pb.cli import hooks

    return hooks.show(name)


@app.verb("edit", "pb job edit backup", "EDITOR='code --wait' pb job edit backup")
def edit(name: options.JobName) -> int:
    """Change a job's definition in your editor; it is checked before it is saved."""
    from pb.cli import editing

    return editing.edit(name)


@app.verb("validate", "pb job validate", "pb job validate jobs.toml more-jobs/")
def validate(
    places: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE|DIR]...", help="Files and directories (default: jobs.d)."),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of a job instead.")
    ] = False,
) -> int:
    """Check definition files: what each job means, or what is wrong, with file, line and key."""
    from pb.cli import validating

    return validating.show_schema() if schema else validating.validate(places or [])


@app.verb("list", "pb job list", "pb job list --json", "pb job list --all")
def show_list(
    every: Annotated[
        bool, typer.Option("--all", help="Also the jobs that pb itself has, such as retention.")
    ] = False,
) -> int:
    """Show the job table."""
    return status.job_list(every=every)


@app.verb("show", "pb job show backup")
def show(name: options.JobName) -> int:
    """Show one job whole: definition, next times, last runs."""
    return job_views.show(name)


@app.verb("remove", "pb job remove backup")
def remove(name: options.JobName) -> int:
    """Remove a job; its history stays."""
    return job_views.remove(name)


@app.verb("restore", "pb job restore backup")
def restore(name: options.GoneJob) -> int:
    """Bring back a job that was removed: definition, pause and counters."""
    return job_views.restore(name)


@app.verb("enable", "pb job enable backup")
def enable(name: options.JobName) -> int:
    """Let a disabled job run again."""
    return jobs.change("job.enable", name, "enabled")


@app.verb("disable", "pb job disable backup")
def disable(name: options.JobName) -> int:
    """Take a job out of service without removing it."""
    return jobs.change("job.disable", name, "disabled")


Tag = Annotated[str | None, typer.Option("--tag", metavar="TAG", help="Those with this tag.")]
All = Annotated[bool, typer.Option("--all", help="Every job.")]


@app.verb(
    "pause",
    "pb job pause backup --note 'disk is full'",
    "pb job pause --tag nightly --until 2h",
    "pb job pause --all",
)
def pause(
    name: options.MaybeJob = None,
    tag: Tag = None,
    every: All = False,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN", help="Resume by itself then: 2h, tomorrow 9:00, or an instant."
        ),
    ] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Why; it is shown.")] = None,
) -> int:
    """Pause a job: it runs nothing until it is resumed."""
    chosen = options.which(name, tag, every)
    until_ms = options.later_ms("--until", until)
    if chosen is None:
        return jobs.change_many("job.pause", tag, "paused", note=note, until=until_ms)
    return jobs.change("job.pause", chosen, "paused", note=note, until=until_ms)


@app.verb(
    "resume", "pb job resume backup", "pb job resume --all", "pb job resume backup --catch-up"
)
def resume(
    name: options.MaybeJob = None,
    tag: Tag = None,
    every: All = False,
    catch_up: Annotated[
        bool, typer.Option("--catch-up", help="Make up for missed times, as misfire says.")
    ] = False,
) -> int:
    """Let a paused job run again; nothing is caught up unless you say so."""
    chosen = options.which(name, tag, every)
    if chosen is None:
        return jobs.change_many("job.resume", tag, "resumed", catch_up=catch_up)
    return jobs.change("job.resume", chosen, "resumed", catch_up=catch_up)


@app.verb("run", "pb job run backup", "pb job run backup --follow", "pb job run report --with-deps")
def run(
    name: options.JobName,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it ends; its exit code is passed on.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show its output, and wait until it ends.")
    ] = False,
    with_deps: Annotated[
        bool,
        typer.Option("--with-deps", help="First the jobs it depends on, each to its end."),
    ] = False,
) -> int:
    """Run a job now; returns once the run has started."""
    if with_deps:
        from pb.cli.chain import run_chain

        return run_chain(name, follow=follow)
    return jobs.run_now(name, wait=wait, follow=follow)


@app.verb("retry", "pb job retry backup", "pb job retry 117 --follow")
def retry(
    which: options.JobOrRun,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it ends; its exit code is passed on.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show its output, and wait until it ends.")
    ] = False,
) -> int:
    """Try a run again, or a job's newest one: the same fire time, one attempt more."""
    return jobs.retry(which, wait=wait, follow=follow)


@app.verb("test", "pb job test backup")
def test(name: options.JobName) -> int:
    """Run a job once as the scheduler does, showing its environment, limits and output."""
    from pb.cli.trying import try_out

    return try_out(name)


@app.verb("cancel", "pb job cancel backup", "pb job cancel 117")
def cancel(which: options.JobOrRun) -> int:
    """Stop a run, or all runs of a job; returns when all their processes are gone."""
    return jobs.cancel(which)


@app.verb("deps", "pb job deps", "pb job deps backup", "pb job deps --dot | dot -Tsvg > jobs.svg")
def deps(
    name: options.MaybeJob = None,
    dot: Annotated[bool, typer.Option("--dot", help="For Graphviz.")] = False,
) -> int:
    """Show which jobs wait for which."""
    from pb.cli.deps import deps as show

    return show(name, dot=dot)


@app.verb("next", "pb job next", "pb job next backup -n 10")
def show_next(name: options.MaybeJob = None, count: options.Count = 5) -> int:
    """Show when jobs run next, in their own time zone and in UTC."""
    return job_views.show_next(name, count)


@app.verb(
    "history",
    "pb job history backup -n 50",
    "pb job history --failed --since 7d",
    "pb job history backup --csv > backup.csv",
    "pb job history backup --heatmap",
)
def show_history(
    name: options.MaybeJob = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many runs at most.")] = 20,
    state: Annotated[
        list[str] | None,
        typer.Option("--state", metavar="STATE", help="Only runs in this state. Repeatable."),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only runs that failed, timed out or were lost.")
    ] = False,
    trigger: Annotated[
        str | None, typer.Option(metavar="KIND", help="Only runs by cron, every, manual and so on.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only runs whose reason contains this.")
    ] = None,
    since: options.RunsSince = None,
    until: options.RunsUntil = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="As CSV (RFC 4180) with a header, every value in full.")
    ] = False,
    as_heatmap: Annotated[
        bool, typer.Option("--heatmap", help="As a calendar: days by hours, or weeks by days.")
    ] = False,
) -> int:
    """Show the newest runs, with outcome, duration and reason."""
    filters: dict[str, Any] = {
        "states": state or [],
        "failed": failed,
        "trigger": trigger,
        "reason": reason,
        "since": options.instant("--since", since),
        "until": options.instant("--until", until),
    }
    if as_heatmap:
        if as_csv or any(value for key, value in filters.items() if key != "since"):
            raise UsageError("--heatmap goes with a job's name and --since only")
        return history.show_heatmap(name, filters["since"])
    wanted = history.Asked(name=name, count=count, filters=filters)
    return history.show_csv(wanted) if as_csv else history.show(wanted)


@app.verb("stats", "pb job stats", "pb job stats backup")
def stats(name: options.MaybeJob = None) -> int:
    """Show success rate, durations and lateness: the last 7 days, and before."""
    return history.show_stats(name)


@app.verb("logs", "pb job logs backup", "pb job logs backup -f", "pb job logs 117 --grep error")
def show_logs(
    which: options.JobOrRun,
    lines: Annotated[
        int | None, typer.Option("--lines", "-n", min=0, help="The last lines (default: all).")
    ] = None,
    follow: options.Follow = False,
    since: options.Since = None,
    until: options.Until = None,
    grep: options.Grep = None,
    timestamps: options.Timestamps = False,
    raw: options.Raw = False,
) -> int:
    """Show the output of a run, or of a job's newest one."""
    wanted = logs.view(lines, follow, (since, until), grep, timestamps, raw)
    return jobs.show_logs(which, wanted)
