"""Commands: the message as JSON on standard input, and the short of it in the environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess

from pb.courier.message import Message, UndeliveredError

ALONE = ("occasion", "job", "service", "run_id", "exit_code", "state")
"""What a command gets by name, of the first notice."""


def send(message: Message) -> str:
    """The last line that it has written. Raises UndeliveredError unless it exits with 0."""
    argv = list(message.option("command"))
    document = json.dumps(message.document()).encode()
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(message),
            cwd=os.path.expanduser("~"),
            process_group=0,
        )
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UndeliveredError(f"cannot run {argv[0]}: {reason}") from error
    try:
        said, _ = process.communicate(document)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
        process.wait()
        raise
    words = last_line(said)
    if process.returncode == 0:
        return words or "exit code 0"
    code = process.returncode
    how = f"exit code {code}" if code > 0 else f"was killed by signal {-code}"
    raise UndeliveredError(f"{how}: {words}" if words else how)


def environment(message: Message) -> dict[str, str]:
    first = message.notices[0]
    found = {f"PB_{key.upper()}": first.get(key) for key in ALONE}
    found |= {
        "PB_SUBJECT": message.subject,
        "PB_TEXT": first["text"],
        "PB_COUNT": len(message.notices),
        "PB_DELIVERY": message.key,
    }
    given = {key: str(value) for key, value in found.items() if value is not None}
    return {**os.environ, **given}


def last_line(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""
