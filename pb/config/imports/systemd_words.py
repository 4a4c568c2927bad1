"""The small languages inside unit files: specifiers, quoted words, command lines, times.

Text only; what a key means is ``systemd``'s, when a timer fires is ``systemd_calendar``'s.
"""

from __future__ import annotations

import os
import re

from pb.config.imports.found import Entry, Surroundings
from pb.core.lean import dataclass
from pb.errors import InvalidError

ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
TIME_PART = re.compile(r"([0-9.]+)\s*([a-zA-Zµ]*)\s*")
TIMES = {
    **dict.fromkeys(("usec", "us", "µs"), 1e-6),
    **dict.fromkeys(("msec", "ms"), 1e-3),
    **dict.fromkeys(("", "seconds", "second", "sec", "s"), 1.0),
    **dict.fromkeys(("minutes", "minute", "min", "m"), 60.0),
    **dict.fromkeys(("hours", "hour", "hr", "h"), 3600.0),
    **dict.fromkeys(("days", "day", "d"), 86_400.0),
    **dict.fromkeys(("weeks", "week", "w"), 604_800.0),
    **dict.fromkeys(("months", "month", "M"), 30.44 * 86_400.0),
    **dict.fromkeys(("years", "year", "y"), 365.25 * 86_400.0),
}
"""systemd.time(7)."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """One Exec line: its argv, the text that a shell would need, and its prefix.

    ``may_fail`` is the prefix ``-``; ``needs_shell`` that variables stand in it.
    """

    argv: tuple[str, ...]
    shell: str
    prefix: str

    @property
    def may_fail(self) -> bool:
        return "-" in self.prefix

    @property
    def needs_shell(self) -> bool:
        return any(VARIABLE.search(word.replace("$$", "")) for word in self.argv)

    @property
    def plain(self) -> list[str]:
        """The argv with ``$$`` as the dollar that it stands for."""
        return [word.replace("$$", "$") for word in self.argv]


def specified(text: str, unit: str, around: Surroundings, is_user: bool) -> str:
    """``text`` with its specifiers replaced (systemd.unit(5), "Specifiers").

    Raises InvalidError for one that has no value outside of systemd.
    """
    name, _, kind = unit.rpartition(".")
    prefix, at, instance = name.partition("@")
    home = os.path.expanduser("~") if is_user else "/root"
    runtime = around.env.get("XDG_RUNTIME_DIR", f"/run/user/{os.geteuid()}") if is_user else "/run"
    values = {
        "%": "%", "n": unit, "N": name, "p": prefix, "P": unescaped(prefix), "j": prefix,
        "h": home, "u": around.user, "U": str(os.geteuid()), "t": runtime, "H": os.uname().nodename,
        "T": "/tmp", "V": "/var/tmp",  # noqa: S108 - what systemd says, not a file of ours
        "S": f"{home}/.local/state" if is_user else "/var/lib",
        "C": f"{home}/.cache" if is_user else "/var/cache",
        "E": f"{home}/.config" if is_user else "/etc",
        "L": f"{home}/.local/state/log" if is_user else "/var/log",
    }  # fmt: skip
    if at and instance:
        values |= {"i": instance, "I": unescaped(instance)}

    def value(match: re.Match[str]) -> str:
        if match[1] in values:
            return values[match[1]]
        if match[1] in "iI":
            hint = f"Name an instance: pb import systemd {prefix}@NAME.{kind}"
            raise InvalidError("is a template's, and no instance was named", hint=hint)
        raise InvalidError(f"%{match[1]} has no value outside of systemd")

    return re.sub(r"%(.)", value, text)


def unescaped(text: str) -> str:
    """The inverse of systemd-escape(1)."""
    return re.sub(r"\\x([0-9a-fA-F]{2})", lambda m: chr(int(m[1], 16)), text.replace("-", "/"))


def split_words(text: str) -> list[str]:
    """Words with systemd's quotes and C escapes. Raises InvalidError for an open quote."""
    words, word, quote, at = [], "", "", 0
    is_open = False
    while at < len(text):
        char = text[at]
        if char == "\\" and at + 1 < len(text):
            part, at = escape_at(text, at + 1)
            word, is_open = word + part, True
            continue
        if quote:
            quote, word = ("", word) if char == quote else (quote, word + char)
        elif char in "\"'" and not is_open:
            quote, is_open = char, True
        elif char.isspace():
            if is_open:
                words.append(word)
            word, is_open = "", False
        else:
            word, is_open = word + char, True
        at += 1
    if quote:
        raise InvalidError("has a quote that is not closed")
    return [*words, word] if is_open else words


def escape_at(text: str, at: int) -> tuple[str, int]:
    """What the escape whose letter stands at ``at`` means, and where the text goes on."""
    hexadecimal = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})").match(text, at)
    if hexadecimal:
        return chr(int(hexadecimal[1] or hexadecimal[2], 16)), hexadecimal.end()
    char = text[at]
    return ESCAPES.get(char, char if char in "\\\"'" else "\\" + char), at + 1


def command_line(text: str) -> CommandLine:
    """An Exec line (systemd.service(5), "Command lines"). Raises InvalidError."""
    prefix = re.match(r"[-@:+!|]*", text)
    start = prefix[0] if prefix else ""
    words = split_words(text[len(start) :])
    if "@" in start and len(words) > 1:
        del words[1]  # argv[0], which pb does not set apart
    if not words:
        raise InvalidError("names no program")
    if ":" in start:
        words = [word.replace("$", "$$") for word in words]
    return CommandLine(tuple(words), " ".join(map(for_shell, words)), start)


def for_shell(word: str) -> str:
    """A word for ``sh``: ``$NAME`` alone is split there as systemd splits it, ``${NAME}`` not."""
    from shlex import quote

    if re.fullmatch(r"\$\w+", word):
        return word
    if not VARIABLE.search(word.replace("$$", "")):
        return quote(word.replace("$$", "$"))
    hidden = word.replace("$$", "\0")
    parts = VARIABLE.split(hidden)
    shown = ""
    for plain, braced, bare in zip(
        parts[::3], [*parts[1::3], None], [*parts[2::3], None], strict=True
    ):
        safe = re.sub(r'([\\"`$])', r"\\\1", plain).replace("\0", "\\$")
        shown += safe + (f"${{{braced or bare}}}" if braced or bare else "")
    return f'"{shown}"'


def assignments(text: str) -> dict[str, str]:
    """The words of ``Environment=``."""
    found = {}
    for word in split_words(text):
        name, equals, value = word.partition("=")
        if not equals:
            raise InvalidError(f"{word[:60]!r} is not NAME=value, so it was left out")
        found[name] = value
    return found


def span(entry: Entry) -> float | None:
    """Seconds of a systemd time span; None for ``infinity``. Raises InvalidError."""
    text = entry.text.strip()
    if text == "infinity":
        return None
    parts = list(TIME_PART.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text:
        raise InvalidError(f"{text[:60]!r} is not a time, so it was left out")
    try:
        return round(sum(float(part[1]) * TIMES[part[2]] for part in parts), 6)
    except (KeyError, ValueError):
        raise InvalidError(f"{text[:60]!r} is not a time, so it was left out") from None
