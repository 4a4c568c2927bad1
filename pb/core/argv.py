"""Commands as users write them: an argv, or one text that is split as a shell splits it. Pure."""

from __future__ import annotations

from pb.core.fields import mismatch, read_c_text, read_each, refusal


def read_command(value: object) -> tuple[str, ...] | str:
    """An argv, or text whose meaning depends on ``shell`` and is settled with it."""
    if isinstance(value, str):
        text = read_c_text(value)
        if not text.strip():
            raise refusal("is empty", "Say what to run.")
        return text
    if not isinstance(value, list | tuple):
        raise mismatch("a list of arguments", value, 'Write it like ["df", "-h"].')
    words: tuple[str, ...] = read_each(read_c_text, '["df", "-h"]')(value)
    if not words or not words[0]:
        raise refusal("is empty", "Say what to run.")
    return words


def words_of(command: tuple[str, ...] | str) -> tuple[str, ...]:
    """The argv: text is split into words as a shell would, and nothing in it is expanded."""
    if not isinstance(command, str):
        return command
    from shlex import split

    try:
        words = tuple(split(command))
    except ValueError as error:
        hint = "Close the quotes, or write a list of arguments."
        raise refusal(f"cannot be split into words: {str(error).lower()}", hint) from None
    if not words or not words[0]:
        raise refusal("is empty", "Say what to run.")
    return words


def read_argv(value: object) -> tuple[str, ...]:
    """A command: a list of arguments, or one text that is split as a shell would split it."""
    return words_of(read_command(value))
