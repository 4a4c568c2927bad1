"""``pb completion``: the script that teaches a shell to complete pb's words."""

from __future__ import annotations

from typing import Annotated

import typer

from pb.cli.asked import asked
from pb.cli.render import emit, out
from pb.cli.tree import single
from pb.errors import UsageError, did_you_mean

SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")

app, command = single(
    "completion",
    'eval "$(pb completion bash)"          # in ~/.bashrc',
    'eval "$(pb completion zsh)"           # in ~/.zshrc, after compinit',
    "pb completion fish > ~/.config/fish/completions/pb.fish",
)


@command
def completion(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help=", ".join(SHELLS) + ".")],
) -> int:
    """Print the completion script for a shell."""
    if shell not in SHELLS:
        hint = did_you_mean(shell, SHELLS) or f"Shells: {', '.join(SHELLS)}."
        raise UsageError(f"There is no completion for the shell {shell!r}", hint=hint)
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    script = get_completion_script(prog_name="pb", complete_var="_PB_COMPLETE", shell=shell)
    if asked.as_json:
        emit({"shell": shell, "script": script})
    else:
        out(script)
    return 0
