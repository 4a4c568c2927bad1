"""``pb export``: jobs and services as a definition file that ``pb apply`` reads back."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pb.cli.asked import asked, session
from pb.cli.moving_out import PEERS, export_to
from pb.cli.options import job_names
from pb.cli.render import emit, out
from pb.cli.tree import single
from pb.errors import NotFoundError, UsageError, did_you_mean

Json = dict[str, Any]

VERSION = "1.0.0"
TIME = 30.0

app, command = single(
    "export",
    "pb export > jobs.json",
    "pb export backup digest --format toml > jobs.toml",
    "pb export systemd web --output ~/.config/systemd/user",
)


@command
def export(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Jobs and services (default: all).",
            autocompletion=job_names,
        ),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="json|toml", help="How to write it (default: json)."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", metavar="DIR", help="With a peer: write its files there."),
    ] = None,
    system: Annotated[
        bool, typer.Option("--system", help="With systemd: units for the machine, not the user.")
    ] = False,
) -> int:
    """Print the definitions of jobs and services, as a file that `pb apply` reads back.

    A name that both a job and a service have stands for both. With systemd, launchd, supervisor
    or procfile as the first word: services, as that program's own files (for a job or service of
    such a name, add --format json).
    """
    if names and names[0] in PEERS and format_ is None:
        return export_to(names[0], names[1:], folder=output, system=system)
    format_ = format_ or "json"
    if format_ not in ("json", "toml"):
        raise UsageError(f"--format is json or toml, not {format_!r}")
    if asked.as_json and format_ == "toml":
        raise UsageError("--json and --format toml exclude each other", hint="Choose one.")
    document = {"schema_version": VERSION, **exported(list(dict.fromkeys(names or [])))}
    if asked.as_json:
        emit(document)
    elif format_ == "toml":
        from pb.config.toml_write import toml_file

        text = toml_file(VERSION, document["jobs"], document.get("services", ()))
        out(text.rstrip("\n"))
    else:
        from json import dumps

        out(dumps(document, indent=2))
    return 0


def exported(names: list[str]) -> Json:
    """The jobs and services of these names in their order, or all; ``services`` only where there
    are any. Raises NotFoundError."""
    with session() as talk:
        jobs, services = (
            talk.call(f"{word}.export", {"names": []}, timeout=TIME)[f"{word}s"]
            for word in ("job", "service")
        )
    known = {one["name"] for one in [*jobs, *services]}
    missing = next((name for name in names if name not in known), None)
    if missing is not None:
        raise NotFoundError(
            f"There is no job and no service {missing!r}",
            hint=did_you_mean(missing, sorted(known)) or "List them: pb job list",
        )
    found = {"jobs": chosen(jobs, names), "services": chosen(services, names)}
    return found if found["services"] else {"jobs": found["jobs"]}


def chosen(definitions: list[Json], names: list[str]) -> list[Json]:
    if not names:
        return definitions
    by_name = {one["name"]: one for one in definitions}
    return [by_name[name] for name in names if name in by_name]
