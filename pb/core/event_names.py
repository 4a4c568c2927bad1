"""The names of events that jobs can react to, and which of them a name with ``*`` stands for.

``job.NAME.OUTCOME``, ``service.NAME.WHAT``, ``scheduler.WHAT``, ``system.WHAT``, ``user.WHAT``.
Pure. How the event log calls the same things is ``core.events``'.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from pb.core.fields import refusal, shown_text
from pb.errors import did_you_mean

JOB = (
    *("started", "succeeded", "failed", "timed_out", "cancelled"),
    *("skipped", "missed", "lost"),
)
SERVICE = (
    *("started", "ready", "adopted", "exited", "unhealthy", "healthy", "failed"),
    *("stopping", "stopped", "reset", "hook_failed", "removed", "invalid"),
)
SCHEDULER = (
    *("started", "stopping", "recovered", "reloaded", "restored", "gone", "fenced"),
    "clock_changed",
)
SYSTEM = (
    *("boot", "resumed", "clock_changed", "zone_changed", "network.up", "network.down"),
    *("power.ac", "power.battery", "battery.low", "disk.low", "mount", "unmount"),
    *("user.idle", "user.active"),
)

FAMILIES = ("job", "service", "scheduler", "system", "user")
LONGEST = 160

OWN_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
PATTERN = re.compile(r"[A-Za-z0-9_*-]+(\.[A-Za-z0-9_*-]+)*")


def told_as(kind: str, *, job: str | None, service: str | None) -> str | None:
    """The name of what the event log calls ``kind``; None for what nobody can react to."""
    family, _, what = kind.partition(".")
    if family == "run" and job is not None and what in JOB:
        return f"job.{job}.{what}"
    if family == "service" and service is not None and what in SERVICE:
        return f"service.{service}.{what}"
    return kind if family == "scheduler" and what in SCHEDULER else None


def read_own_name(value: object) -> str:
    """What somebody may emit: the part after ``user.``. Raises DefinitionError."""
    text = value if isinstance(value, str) else ""
    text = text.removeprefix("user.")
    if not OWN_NAME.fullmatch(text) or len(text) > LONGEST:
        raise refusal(
            f"{shown_text(str(value))} is not a name that an event can have",
            "Use letters, digits, - and _, in parts with dots between, such as import.done.",
        )
    return text


def read_pattern(value: object) -> str:
    """The name that an event trigger waits for. Raises DefinitionError."""
    hint = 'Such as "job.backup.failed", "service.*.failed" or "user.import.done".'
    text = value if isinstance(value, str) else ""
    if not PATTERN.fullmatch(text) or len(text) > LONGEST:
        raise refusal(f"{shown_text(str(value))} is not a name of events", hint)
    family, _, rest = text.partition(".")
    if family not in FAMILIES:
        near = did_you_mean(family, FAMILIES)
        raise refusal(f"there are no events called {shown_text(family)}.…", near or hint)
    if not rest:
        raise refusal(f"{shown_text(text)} is no whole name", hint)
    known = {"job": JOB, "service": SERVICE, "scheduler": SCHEDULER, "system": SYSTEM}
    if family in known:
        check_known(text, family, rest, known[family])
    return text


def check_known(text: str, family: str, rest: str, known: Iterable[str]) -> None:
    """Nobody shall wait for what never happens. Raises DefinitionError."""
    words = tuple(known)
    if family in ("job", "service"):
        subject, _, what = rest.rpartition(".")
        if not subject:
            raise refusal(
                f"{shown_text(text)} does not say which {family}",
                f"Write {family}.NAME.{words[0]}, or {family}.*.{words[0]} for any.",
            )
    else:
        what = rest
    whole = "name." if family in ("job", "service") else ""
    if not any(is_meant(f"{family}.{whole}{what}", f"{family}.{whole}{word}") for word in words):
        near = did_you_mean(what, words) or f"Known are {', '.join(words)}."
        raise refusal(f"no {family} event is called {shown_text(what)}", near)


def is_meant(pattern: str, name: str) -> bool:
    """Whether ``pattern`` stands for the event ``name``.

    The name of a job or service may have dots, so it is matched as a whole. Elsewhere a ``*``
    stands for anything in one part, as the last part for all that follows.
    """
    family, _, rest = pattern.partition(".")
    its_family, _, its_rest = name.partition(".")
    if family != its_family:
        return False
    if family in ("job", "service"):
        subject, _, what = rest.rpartition(".")
        its_subject, _, its_what = its_rest.rpartition(".")
        return is_match(what, its_what) and is_match(subject, its_subject)
    parts, its_parts = rest.split("."), its_rest.split(".")
    if parts[-1] == "*" and len(its_parts) >= len(parts):
        parts, its_parts = parts[:-1], its_parts[: len(parts) - 1]
    if len(parts) != len(its_parts):
        return False
    return all(is_match(one, its) for one, its in zip(parts, its_parts, strict=True))


def names_itself(pattern: str, job: str) -> bool:
    """Whether ``pattern`` names ``job`` in full: only then may a job react to itself."""
    family, _, rest = pattern.partition(".")
    return family == "job" and rest.rpartition(".")[0] == job


def subject_of(pattern: str) -> tuple[str, str]:
    """The family of a name, and the job or service that it is about, if any."""
    family, _, rest = pattern.partition(".")
    return family, rest.rpartition(".")[0] if family in ("job", "service") else ""


def is_match(pattern: str, text: str) -> bool:
    """``*`` in ``pattern`` stands for any text; everything else for itself."""
    return pattern == text or ("*" in pattern and compiled(pattern).fullmatch(text) is not None)


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str]:
    """Runs of ``*`` are one: else a hostile pattern could take very long."""
    parts = (re.escape(part) for part in re.split(r"\*+", pattern))
    return re.compile(".*".join(parts), re.DOTALL)


def passes(filters: Mapping[str, str], facts: Mapping[str, object]) -> bool:
    """Whether each fact that is asked for is there, and as asked; numbers as they are written."""
    return all(
        key in facts and is_match(want, spelled(facts[key])) for key, want in filters.items()
    )


def spelled(fact: object) -> str:
    """A fact as a filter writes it: ``true``, ``null``, ``3``."""
    if fact is None or isinstance(fact, bool):
        return {None: "null", True: "true", False: "false"}[fact]
    return str(fact)
