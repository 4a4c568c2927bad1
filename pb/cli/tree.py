"""The tree of commands: what families there are, and how typer is made to build only one of them.

Only names, summaries and the grammar common to all verbs live here; what a verb does lives in its
family's module, which is imported when it is named and not before.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from pb.cli.asked import asked
from pb.errors import UsageError, did_you_mean

FAMILIES: dict[str, tuple[str, str]] = {
    "scheduler": ("pb.cli.scheduler", "Start, stop and ask the scheduler."),
    "service": ("pb.cli.service", "Start, stop and ask all services, or some of them."),
    "job": ("pb.cli.job", "Add, run, pause and inspect jobs."),
    "schedule": ("pb.cli.schedule", "Show the coming hours as a timeline."),
    "stats": ("pb.cli.stats", "Show how runs went by hour, day, week or month."),
    "digest": ("pb.cli.digest", "Show what happened in a day or a week."),
    "retention": ("pb.cli.retention", "Show which runs would be let go; deletes nothing."),
    "cron": ("pb.cli.cron", "Check and explain cron expressions."),
    "run": ("pb.cli.run", "Run a command now, in the foreground, and record it."),
    "apply": ("pb.cli.applying", "Make jobs what definition files say; shows what changes."),
    "export": ("pb.cli.exporting", "Print jobs as a definition file."),
    "import": ("pb.cli.moving_in", "Import what cron, supervisor, pm2 and others keep."),
    "gateway": ("pb.cli.gateway", "Start, stop and ask the gateway."),
    "debug": ("pb.cli.debug", "See and steer everything: in this terminal, or in a browser."),
    "event": ("pb.cli.event", "Tell jobs that something has happened; see what has."),
    "metric": ("pb.cli.metric", "Show what a job can wait for with --when."),
    "top": ("pb.cli.top", "Show what runs and what it uses, live."),
    "notify": ("pb.cli.notify", "See who is told when something fails, and try it."),
    "audit": ("pb.cli.audit", "Show who has changed what."),
    "backup": ("pb.cli.backup", "Make, verify and put back backups."),
    "init": ("pb.cli.init", "Make a home with a configuration file, and examples."),
    "config": ("pb.cli.config", "Show and change the settings."),
    "doctor": ("pb.cli.doctor", "Look for what is wrong, and say what mends it."),
    "completion": ("pb.cli.completion", "Print a completion script for a shell."),
    "version": ("pb.cli.version", "Print the version."),
}
"""Every first word of a command: the module that knows it, and its line in ``pb --help``."""


def global_options() -> list[TyperOption]:
    """What every command takes; those about another gateway are told of by ``pb --help`` only."""
    return [
        TyperOption(
            param_decls=["--home"],
            metavar="DIR",
            help="The home to use (default: PB_HOME, else ~/.ponybunny).",
            expose_value=False,
            callback=_take_home,
        ),
        _value("--url", "URL", "Ask this gateway instead, elsewhere (also PB_URL).", "url_flag"),
        _value(
            "--token-file", "FILE", "The file with its token (also PB_TOKEN_FILE).", "token_file"
        ),
        _value(
            "--trust",
            "FILE|SHA-256",
            "The certificate that is trusted (also PB_TRUST).",
            "trust",
        ),
        _switch("--json", "Print one JSON document.", "as_json"),
        _switch("--debug", "Show tracebacks (also PB_DEBUG=1).", "debug"),
    ]


def _value(name: str, metavar: str, help_text: str, field: str) -> TyperOption:
    def take(_context: Any, _parameter: Any, value: str | None) -> None:
        if value:
            setattr(asked, field, value)

    return TyperOption(
        param_decls=[name],
        metavar=metavar,
        help=help_text,
        expose_value=False,
        callback=take,
        hidden=True,
    )


def _switch(name: str, help_text: str, field: str) -> TyperOption:
    def take(_context: Any, _parameter: Any, value: bool) -> None:
        if value:
            setattr(asked, field, True)

    return TyperOption(
        param_decls=[name],
        is_flag=True,
        default=False,
        help=help_text,
        expose_value=False,
        callback=take,
    )


def _take_home(_context: Any, _parameter: Any, value: str | None) -> None:
    if value:
        asked.home_flag = value


class Verb(TyperCommand):
    """A command: with the global options, and examples below its help."""

    def __init__(self, name: str | None, **attrs: Any) -> None:
        attrs["rich_markup_mode"] = None
        super().__init__(name, **attrs)
        self.params.extend(global_options())

    def get_short_help_str(self, limit: int = 45) -> str:
        """The first sentence, whole: a line that ends in dots tells nobody anything."""
        return super().get_short_help_str(200)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        if self.epilog:
            formatter.write("\nExamples:\n")
            for line in self.epilog.splitlines():
                formatter.write(f"  {line}\n")


class Family(TyperGroup):
    """A group of verbs: with the global options, and a suggestion for a misspelt verb."""

    def __init__(self, **attrs: Any) -> None:
        attrs["rich_markup_mode"] = None
        super().__init__(**attrs)
        self.params.extend(global_options())

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        if not args and not ctx.resilient_parsing and not self.invoke_without_command:
            verbs = ", ".join(self.list_commands(ctx))
            raise UsageError(
                f"{ctx.command_path} needs one of: {verbs}",
                hint=f"Run `{ctx.command_path} --help` to see what each does.",
            )
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        word = args[0]
        if word.startswith("-") or ctx.resilient_parsing or self.get_command(ctx, word):
            return super().resolve_command(ctx, args)
        near = did_you_mean(word, tuple(self.list_commands(ctx)))
        raise UsageError(
            f"No such command: {ctx.command_path} {word}",
            hint=near or f"Run `{ctx.command_path} --help` for the commands there are.",
        )


class Root(Family):
    """``pb`` itself: knows every family by name, and imports one only when it is asked for."""

    names_only = False

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        for option in self.params:
            option.hidden = False  # type: ignore[attr-defined]  # here, where all are told

    def list_commands(self, ctx: Any) -> list[str]:
        return list(FAMILIES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in FAMILIES:
            return None
        if self.names_only:
            return Verb(cmd_name, help=FAMILIES[cmd_name][1])
        module = import_module(FAMILIES[cmd_name][0])
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in FAMILIES.items()])

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete a first word from the table alone; nothing else is imported for it."""
        self.names_only = True
        return super().shell_complete(ctx, incomplete)


def root() -> Root:
    return Root(
        name="pb",
        help="A rootless service manager and job scheduler.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )


class Verbs(typer.Typer):
    """A family under construction: ``@verbs.verb("name", "example", ...)`` declares a command."""

    """``alone`` is what the family does without a verb."""

    def __init__(self, summary: str, alone: Callable[[], int] | None = None) -> None:
        super().__init__(cls=Family, help=summary, add_completion=False, rich_markup_mode=None)

        def without_verb(context: typer.Context) -> int:
            return alone() if alone and context.invoked_subcommand is None else 0

        self.callback(help=summary, invoke_without_command=alone is not None)(without_verb)

    def verb(
        self, name: str, *examples: str, cls: type[TyperCommand] = Verb, **settings: Any
    ) -> Callable[[Callable[..., int]], Callable[..., int]]:
        """Declare a command. Its function's docstring is its help; it returns the exit code."""
        return self.command(name, cls=cls, epilog="\n".join(examples), **settings)


def single(
    name: str, *examples: str, **settings: Any
) -> tuple[typer.Typer, Callable[[Callable[..., int]], Callable[..., int]]]:
    """A first word that is a command itself, not a family: the application and its decorator."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    return app, app.command(name, cls=Verb, epilog="\n".join(examples), **settings)
