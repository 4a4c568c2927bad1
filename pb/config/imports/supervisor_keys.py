"""The keys of supervisor's ``[program:x]``: how each is carried over, in the manual's order."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from pb.config.imports.found import Draft, Entry, Take, flag, nothing, omit, whole
from pb.core.durations import format_size, parse_size
from pb.errors import InvalidError

LOG_HINT = "Read it with: pb service logs NAME"


def environment(text: str) -> dict[str, str]:
    """``KEY="value",KEY2=value`` as supervisor reads it: shlex tokens, quotes taken off."""
    import shlex

    try:
        lexer = shlex.shlex(text)
        lexer.wordchars += "/.+-():"
        tokens = list(lexer)
    except ValueError as error:
        raise InvalidError(f"cannot be read: {str(error).lower()}", hint="Close quotes.") from None
    found: dict[str, str] = {}
    for at in range(0, len(tokens), 4):
        name, equals, value = (*tokens[at : at + 3], "", "", "")[:3]
        if equals != "=":
            raise InvalidError("cannot be read", hint='Write it like KEY="value",KEY2="value".')
        found[name] = value.strip("'\"")
    return found


def take_command(draft: Draft, entry: Entry) -> None:
    import shlex

    try:
        draft.put("command", shlex.split(entry.text))
    except ValueError as error:
        raise InvalidError(f"cannot be split into words: {str(error).lower()}") from None


def take_environment(draft: Draft, entry: Entry) -> None:
    draft.put("env", {**draft.definition.get("env", {}), **environment(entry.text)})


def take_autorestart(draft: Draft, entry: Entry) -> None:
    if entry.text.lower() == "unexpected":
        draft.put("restart.mode", "on-failure")
    else:
        draft.put("restart.mode", "always" if flag(entry) else "never")


def take_exitcodes(draft: Draft, entry: Entry) -> None:
    parts = [part.strip() for part in entry.text.split(",") if part.strip()]
    draft.put("restart.success_exit_codes", [whole(Entry("", None, "", p)) for p in parts])


def take_startsecs(draft: Draft, entry: Entry) -> None:
    if seconds := whole(entry):
        draft.put("ready.delay", f"{seconds}s")


def take_startretries(draft: Draft, entry: Entry) -> None:
    draft.put("restart.max_restarts", whole(entry))
    draft.change(entry, "counts every end within restart.window, not only those while starting")


def take_maxbytes(draft: Draft, entry: Entry) -> None:
    # supervisor counts KB, MB and GB by 1024 (its datatypes.SuffixMultiplier).
    size = parse_size(re.sub(r"(?i)([kmg])b$", r"\1", entry.text.strip()))
    if size == 0:
        draft.leave_out(
            entry, "pb always rotates its logs", "Make log.max_size as large as you like."
        )
    else:
        draft.put("log.max_size", format_size(size))


def take_user(draft: Draft, entry: Entry) -> None:
    around = draft.found.around
    if around.is_root:
        draft.put("user", entry.text)
    elif entry.text not in (around.user, str(os.geteuid())):
        message = f"it will run as you ({around.user}), not as {entry.text}: pb is not root"
        draft.change(entry, message)


def take_umask(draft: Draft, entry: Entry) -> None:
    draft.put("umask", entry.text.zfill(3))


def take_log(draft: Draft, entry: Entry) -> None:
    if entry.text.upper() != "AUTO":
        draft.leave_out(entry, f"pb keeps the output itself, not in {entry.text}", log_hint(draft))


def log_hint(draft: Draft) -> str:
    return LOG_HINT.replace("NAME", draft.name)


def take_redirect(draft: Draft, entry: Entry) -> None:
    draft.put("log.split_stderr", not flag(entry))


def take_error_log(draft: Draft, entry: Entry) -> None:
    """A file for errors asks for a log of their own, unless they are redirected anyway."""
    if entry.text.upper() == "AUTO":
        return
    if draft.get("log.split_stderr") is None:
        draft.put("log.split_stderr", entry.text.upper() != "NONE")
    said = f"pb keeps errors itself, not in {entry.text}"
    draft.leave_out(entry, said, f"Read them with: pb service logs {draft.name}")


def take_kill(draft: Draft, entry: Entry) -> None:
    if not flag(entry):
        draft.change(entry, "pb kills whatever is left of the tree in any case")


ONE_LOG = omit("both logs have the bounds that standard output has")
EVENTS = omit("pb has no event listeners", "See: pb service events -f --json")


def take_syslog(draft: Draft, entry: Entry) -> None:
    if flag(entry):
        draft.leave_out(entry, "pb keeps the output in its own log")


def take_events(draft: Draft, entry: Entry) -> None:
    if flag(entry):
        EVENTS(draft, entry)


def take_backups(draft: Draft, entry: Entry) -> None:
    if count := whole(entry):
        draft.put("log.keep", count)
    else:
        draft.leave_out(entry, "pb keeps one old log at least", "Write log.keep = 1.")


KEYS: Mapping[str, Take] = {
    "command": take_command,
    "process_name": nothing,
    "numprocs": nothing,
    "numprocs_start": nothing,
    "priority": lambda draft, entry: draft.put("priority", whole(entry)),
    "autostart": lambda draft, entry: draft.put("enabled", flag(entry)),
    "autorestart": take_autorestart,
    "startsecs": take_startsecs,
    "startretries": take_startretries,
    "exitcodes": take_exitcodes,
    "stopsignal": lambda draft, entry: draft.put("stop.signal", entry.text.upper()),
    "stopwaitsecs": lambda draft, entry: draft.put("stop.timeout", f"{whole(entry)}s"),
    "stopasgroup": lambda draft, entry: draft.put("stop.scope", "group" if flag(entry) else "main"),
    "killasgroup": take_kill,
    "user": take_user,
    "redirect_stderr": take_redirect,
    "stdout_logfile": take_log,
    "stdout_logfile_maxbytes": take_maxbytes,
    "stdout_logfile_backups": take_backups,
    "stdout_capture_maxbytes": EVENTS,
    "stdout_events_enabled": take_events,
    "stdout_syslog": take_syslog,
    "stderr_logfile": take_error_log,
    "stderr_logfile_maxbytes": ONE_LOG,
    "stderr_logfile_backups": ONE_LOG,
    "stderr_capture_maxbytes": EVENTS,
    "stderr_events_enabled": take_events,
    "stderr_syslog": take_syslog,
    "environment": take_environment,
    "directory": lambda draft, entry: draft.put("cwd", entry.text),
    "umask": take_umask,
    "serverurl": omit("a program cannot reach supervisor through pb"),
}
"""Every key of ``[program:x]``, in the order of supervisor's documentation."""
