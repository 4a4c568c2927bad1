"""A job's name from a crontab line's command: the word that a person would call it by.

Only names: what the line means is ``crontab``'s. Shell text is looked at, never interpreted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from posixpath import basename

ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
SEPARATORS = frozenset({"&&", "||", ";", "|", "&", "|&", ";;"})
OPENING = frozenset({"(", "{", "!", "if", "then", "do", "while", "else", "((", "time", "exec"})
PREPARING = frozenset(
    {"cd", "test", "[", "[[", "sleep", "umask", "export", "set", "unset", ".", "source", "command"}
    | {"type", "which", "true", ":", "ulimit", "mkdir", "pushd", "trap", "fi", "done", "}", ")"}
)
"""Commands that prepare for the one that matters, and are passed over."""

WRAPPERS: dict[str, tuple[str, int]] = {
    "nice": ("n", 0),
    "ionice": ("cnp", 0),
    "chrt": ("p", 1),
    "nohup": ("", 0),
    "setsid": ("", 0),
    "chronic": ("", 0),
    "cronic": ("", 0),
    "flock": ("wE", 1),
    "timeout": ("ks", 1),
    "sudo": ("ugh", 0),
    "env": ("uCS", 0),
    "stdbuf": ("ioe", 0),
    "systemd-cat": ("tp", 0),
    "systemd-run": ("pu", 0),
    "caffeinate": ("tw", 0),
    "busybox": ("", 0),
}
"""Commands that run another: their options that take a value, and their own arguments."""

INTERPRETERS = re.compile(
    r"(?:python|pypy|perl|ruby|php|lua)[0-9.]*|node|deno|bash|sh|dash|zsh|ksh|fish|java|Rscript"
)
SHELLS = frozenset({"bash", "sh", "dash", "zsh", "ksh", "fish"})
LONGEST = 58
"""Leaves room for ``-12345`` within the 64 characters of a name."""


def job_name(command: str, taken: Collection[str]) -> str:
    """A name for the job that runs the shell text ``command``, different from all in ``taken``.

    ``cd /srv && nice -n 5 ./backup.sh -v`` is called ``backup.sh``, the next of them
    ``backup.sh-2``.
    """
    name = NOT_IN_NAMES.sub("-", calling_word(command)).strip("-._")[:LONGEST] or "job"
    if name not in taken:
        return name
    count = 2
    while f"{name}-{count}" in taken:
        count += 1
    return f"{name}-{count}"


def calling_word(command: str) -> str:
    """The word of ``command`` to name it by."""
    first = ""
    for words in simple_commands(command):
        word = name_of(words)
        first = first or basename(words[0])
        if word:
            return word
    return first


def simple_commands(command: str) -> Iterator[list[str]]:
    """The words of each simple command in turn, without assignments and redirections."""
    words: list[str] = []
    skip = False
    for token in shell_tokens(command):
        if token in SEPARATORS:
            if words:
                yield words
            words, skip = [], False
        elif skip or token[:1] in "<>" or token.startswith("&>"):
            if not skip and words and words[-1] in ("1", "2"):
                words.pop()  # the 2 of 2>file
            skip = not skip
        elif words or not (ASSIGNMENT.match(token) or token in OPENING):
            words.append(token)
    if words:
        yield words


def shell_tokens(command: str) -> list[str]:
    """The words and operators of shell text; plain words where its quotes do not match."""
    from shlex import shlex

    lexer = shlex(command.replace("\n", " ; "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:
        return command.split()


def name_of(words: list[str]) -> str:
    """The name that one simple command suggests, "" when it only prepares for another."""
    while words:
        called = basename(words[0])
        if called in PREPARING or not called:
            return ""
        if called not in WRAPPERS:
            return name_of_plain(called, words[1:])
        words = wrapped(called, words[1:])
        if words and words[0] == "-c":  # flock FILE -c 'TEXT'
            return calling_word(" ".join(words[1:2]))
    return ""


def wrapped(wrapper: str, words: list[str]) -> list[str]:
    """The command that a wrapper runs: its options, assignments and own arguments taken off."""
    valued, own = WRAPPERS[wrapper]
    index = 0
    while index < len(words):
        word = words[index]
        if word == "-c" and not own and wrapper == "flock":
            break
        if word.startswith("-") and len(word) > 1:
            has_value = len(word) == 2 and word[1] in valued
            index += 2 if has_value else 1
        elif ASSIGNMENT.match(word):
            index += 1
        elif own:
            own -= 1
            index += 1
        else:
            break
    return words[index:]


def name_of_plain(called: str, arguments: list[str]) -> str:
    if called == "run-parts":
        folders = [word for word in arguments if not word.startswith("-")]
        return basename(folders[-1].rstrip("/")) if folders else called
    if not INTERPRETERS.fullmatch(called):
        return called
    return script_of(called, arguments) or called


def script_of(interpreter: str, arguments: list[str]) -> str:
    """What an interpreter runs: a script's name, a module's, or a shell text's own name."""
    for index, word in enumerate(arguments):
        following = arguments[index + 1] if index + 1 < len(arguments) else ""
        if word in ("-m", "-jar"):
            return basename(following)
        if interpreter in SHELLS and word.startswith("-") and word.endswith("c"):
            return calling_word(following)
        if word in ("-c", "-e", "-r"):
            return ""
        if not word.startswith("-"):
            return basename(word)
    return ""
