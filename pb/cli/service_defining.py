"""``pb service``: the grammar of adding, changing and removing the user's own services."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pb.cli import options, outcomes, service_views
from pb.cli.flag_options import options_of
from pb.cli.service_family import app
from pb.cli.service_flags import FLAGS, service_definition
from pb.cli.tree import Verb
from pb.errors import UsageError


class AddVerb(Verb):
    """``pb service add``: its options are the table of a definition's flags."""

    def __init__(self, name: str | None, **attrs: Any) -> None:
        super().__init__(name, **attrs)
        self.params[2:2] = options_of(FLAGS)


@app.verb(
    "add",
    "pb service add web -- python3 -m http.server 8000",
    "pb service add api --ready http://127.0.0.1:8000/health --env PORT=8000 -- ./api",
    "pb service add worker --replicas 3 --depends-on db --restart on-failure -- ./worker",
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
        bool, typer.Option("--replace", help="Change the service of that name, if there is one.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would mean; change nothing.")
    ] = False,
) -> int:
    """Add a service; a running scheduler starts it at once, and keeps it running.

    With --shell the command is one text for /bin/sh. Exit 1 when it was added and did not start.
    """
    if not command:
        raise UsageError(
            f"Service {name!r} has no command",
            hint=f"Put it last: pb service add {name} … -- COMMAND",
        )
    wanted = service_definition(name, command, context.ensure_object(dict))
    if dry_run:
        return service_views.show_draft(wanted)
    return service_views.add(wanted, replace=replace)


@app.verb("show", "pb service show web", "pb service show web --all")
def show(
    name: options.OwnService,
    every: Annotated[
        bool, typer.Option("--all", help="Also the values that are defaults.")
    ] = False,
) -> int:
    """Show one service whole: where each value comes from, what was changed, its last ends."""
    from pb.cli import service_show

    return service_show.show(name, every=every)


@app.verb("edit", "pb service edit web", "EDITOR='code --wait' pb service edit web")
def edit(name: options.OwnService) -> int:
    """Change a service's definition in your editor; it is checked before it is saved.

    A running service takes it up with its next restart.
    """
    from pb.cli import editing

    return editing.edit(name, editing.SERVICE)


@app.verb("validate", "pb service validate", "pb service validate services.toml more/")
def validate(
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE|DIR]...", help="Files and directories (default: services.d, jobs.d)."
        ),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of a service instead.")
    ] = False,
) -> int:
    """Check definition files: what they mean, or what is wrong, with file, line and key."""
    from pb.cli import validating

    return validating.show_schema("service") if schema else validating.validate(places or [])


@app.verb("remove", "pb service remove web", "pb service remove web --purge-logs")
def remove(
    names: options.OwnServices,
    purge_logs: Annotated[
        bool, typer.Option("--purge-logs", help="Delete its logs too; else they stay.")
    ] = False,
) -> int:
    """Stop services and forget them; returns when nothing of them is left."""
    from pb.cli import service_changes

    return outcomes.report(service_changes.remove(names, purge_logs=purge_logs))


@app.verb("enable", "pb service enable web")
def enable(names: options.OwnServices) -> int:
    """Make services part of all, and start them after a boot; starts nothing now."""
    from pb.cli import service_changes

    return outcomes.report(service_changes.switch(names, enabled=True))


@app.verb("disable", "pb service disable web")
def disable(names: options.OwnServices) -> int:
    """Take services out of all, and leave them out after a boot; stops nothing now."""
    from pb.cli import service_changes

    return outcomes.report(service_changes.switch(names, enabled=False))


@app.verb("scale", "pb service scale worker=4", "pb service scale worker=4 web=2")
def scale(
    wanted: Annotated[
        list[str], typer.Argument(metavar="NAME=N...", help="A service, and how many instances.")
    ],
) -> int:
    """Run so many instances of a service; the highest numbers are stopped first."""
    from pb.cli import service_changes

    return outcomes.report(service_changes.scale(wanted))
