"""Services as the lines of a Procfile."""

from __future__ import annotations

import re
from shlex import join, quote

from pb.config.exports.written import Note, Written, only_ours
from pb.core.service import RestartMode, Service

HAS = ""


def procfile(services: list[Service]) -> Written:
    """A line each; foreman runs them together and ends them together."""
    notes: list[Note] = []
    lines = [line(service, notes) for service in services]
    return Written("Procfile", "".join(f"{text}\n" for text in lines), tuple(notes))


def line(service: Service, notes: list[Note]) -> str:
    notes += only_ours(service, without=HAS)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", service.name)
    if name != service.name:
        notes.append(Note(service.name, "name", f"is called {name}"))
    if service.restart.mode is not RestartMode.NEVER:
        notes.append(Note(service.name, "restart", "when it ends, foreman ends all of them"))
    if service.replicas > 1:
        said = f"start so many: foreman start -c {name}={service.replicas}"
        notes.append(Note(service.name, "replicas", said))
    return f"{name}: {shell_line(service, notes)}"


def shell_line(service: Service, notes: list[Note]) -> str:
    """Directory and environment before the command, on the one line that there is."""
    command = service.command[0] if service.shell else join(service.command)
    if "\n" in command:
        notes.append(Note(service.name, "command", "has line breaks, which became semicolons"))
        command = "; ".join(part.strip() for part in command.splitlines() if part.strip())
    parts = [f"cd {quote(service.cwd)} &&"] if service.cwd and service.cwd != "~" else []
    parts += [f"export {name}={quote(value)};" for name, value in service.env.items()]
    return " ".join([*parts, command if service.shell else f"exec {command}"])
