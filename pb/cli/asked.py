"""What was asked of every command alike: which home, ``--debug``, ``--json``.

One value for the process, filled in by the command line's edge; verbs read it and open the
home, the settings and the session from here. Nothing is printed here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pb.core.lean import dataclass
from pb.errors import UnsupportedError, UsageError
from pb.paths import Home, find_home

if TYPE_CHECKING:
    from pb.api import Session
    from pb.config.settings import Settings

ANSWER_TIME = 4.0
"""Seconds the scheduler has for an answer: with all else, no command waits longer than 5."""


@dataclass(slots=True)
class Asked:
    """The global options. ``home_flag`` None: ``PB_HOME``, else the default home; ``url_flag``
    None: ``PB_URL``, if a home was not named."""

    home_flag: str | None = None
    url_flag: str | None = None
    token_file: str | None = None
    trust: str | None = None
    debug: bool = False
    as_json: bool = False


asked = Asked()


def reset(argv: list[str]) -> None:
    """Take ``--json`` and ``--debug`` from the raw words, so that usage errors obey them too."""
    words = argv[: argv.index("--")] if "--" in argv else argv
    asked.home_flag = asked.url_flag = asked.token_file = asked.trust = None
    asked.as_json = "--json" in words
    asked.debug = "--debug" in words or is_true(os.environ.get("PB_DEBUG", ""))


def is_true(text: str) -> bool:
    return text.strip().lower() in {"1", "true", "yes", "on"}


def elsewhere() -> str | None:
    """The URL of the gateway that is asked in place of this machine's scheduler, if one is."""
    if asked.url_flag is not None and asked.home_flag is not None:
        raise UsageError("--url and --home exclude each other", hint="Choose one.")
    if asked.home_flag is not None:
        return None
    return asked.url_flag or os.environ.get("PB_URL") or None


def refuse_elsewhere(why: str = "That works on the machine itself, not through a gateway") -> None:
    """Raises UnsupportedError where another gateway is asked."""
    if elsewhere() is None:
        return
    hint = "Run it there, without --url."
    if asked.url_flag is None:
        hint = "Run it there. For this machine, unset PB_URL or name the home: --home DIR."
    raise UnsupportedError(why, hint=hint)


def home() -> Home:
    """The home of this machine. Raises UnsupportedError where another gateway is asked."""
    refuse_elsewhere()
    return find_home(asked.home_flag)


def check_settings() -> None:
    """Refuse a bad configuration before anything is done; elsewhere the scheduler does that."""
    if elsewhere() is None:
        settings()


def settings(flags: Mapping[str, object] | None = None) -> Settings:
    """The settings of this home; raises InvalidError for a configuration that cannot be read."""
    from pb.config.settings import load_settings

    return load_settings(home(), flags=flags)


def session(*, local_ok: bool = True) -> Session:
    """A conversation with the scheduler, or with the store itself when none runs; or with the
    gateway that was named."""
    if elsewhere() is not None:
        from pb.cli.elsewhere import Elsewhere

        return Elsewhere()
    from pb.api import session as open_session

    return open_session(home(), local_ok=local_ok)
