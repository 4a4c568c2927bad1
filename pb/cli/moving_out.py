"""``pb export systemd|launchd|supervisor|procfile``: services as the files of other programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pb.cli.asked import asked, session
from pb.cli.render import clean, emit, mark, note, out
from pb.errors import ConflictError, PbError

if TYPE_CHECKING:
    from pb.config.exports.written import Written
    from pb.core.service import Service

PEERS = ("systemd", "launchd", "supervisor", "procfile")


def export_to(peer: str, names: list[str], *, folder: str | None, system: bool) -> int:
    """Print the files for ``peer``, or write them into ``folder``; what it lacks is told."""
    files = written_for(peer, chosen(names), system)
    if folder is not None:
        paths = [put(Path(folder), file) for file in files]
    if asked.as_json:
        emit({"files": [document(file) for file in files]})
        return 0
    if folder is not None:
        for path in paths:
            out(f"{mark('ok')} {clean(path)} written")
    else:
        show(files)
    for file in files:
        for one in file.notes:
            note(f"{mark('warn', sys.stderr)} {clean(one)}")
    return 0


def chosen(names: list[str]) -> list[Service]:
    from pb.core.service_definition import service_from

    with session() as talk:
        params = {"names": list(dict.fromkeys(names))}
        found = talk.call("service.export", params, timeout=30.0)["services"]
    return [service_from(definition) for definition in found]


def written_for(peer: str, services: list[Service], system: bool) -> list[Written]:
    from shutil import which

    from pb.config.exports import launchd, procfile, supervisor, systemd
    from pb.paths import user_home

    match peer:
        case "systemd":
            return systemd.systemd_units(services, find=which, system=system)
        case "launchd":
            path = os.environ.get("PATH", os.defpath)
            return launchd.launch_agents(services, find=which, home=user_home(), path=path)
        case "supervisor":
            return [supervisor.supervisor_file(services)]
    return [procfile.procfile(services)]


def show(files: list[Written]) -> None:
    """The text of each file; several have their names above."""
    for number, file in enumerate(files):
        if len(files) > 1:
            out(f"{chr(10) if number else ''}# {file.file}")
        out(file.text.rstrip("\n"))


def put(folder: Path, file: Written) -> Path:
    """Write one file, never over another. Raises ConflictError, PbError."""
    path = folder / file.file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(file.text)
    except FileExistsError:
        hint = "Move it aside, or choose another directory."
        raise ConflictError(f"There is a file {path} already", hint=hint) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PbError(f"Cannot write {path}: {reason}") from error
    return path


def document(file: Written) -> dict[str, object]:
    notes = [{"service": n.service, "key": n.key, "message": n.message} for n in file.notes]
    return {"file": file.file, "text": file.text, "notes": notes}
