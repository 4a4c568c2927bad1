"""``pb config``: the settings, where each came from, and changing them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from pb.cli.asked import ANSWER_TIME, asked, elsewhere, home, session, settings
from pb.cli.render import clean, emit, mark, note, out
from pb.cli.tree import Verbs
from pb.errors import NotFoundError

app = Verbs("Show and change the settings, and say where they come from.")


def setting_names(incomplete: str) -> list[str]:
    from pb.config.settings import SETTINGS

    return [name for name in SETTINGS if name.startswith(incomplete)]


Key = Annotated[
    str,
    typer.Argument(
        metavar="KEY", help="The setting, such as gateway.port.", autocompletion=setting_names
    ),
]


@app.verb("show", "pb config show", "pb config show --origin")
def show(
    origin: Annotated[bool, typer.Option("--origin", help="Say where each came from.")] = False,
) -> int:
    """Show every setting with its value."""
    values, origins = _values()
    if asked.as_json:
        whole: dict[str, Any] = {"settings": values}
        emit({**whole, "origins": origins} if origin else whole)
        return 0
    channels = values.pop("notify.channels")
    rows = [(name, value, origins[name]) for name, value in values.items()]
    rows += [
        (f"notify.{name}", json.dumps(channel, ensure_ascii=False), origins["notify.channels"])
        for name, channel in channels.items()
    ]
    widest = max(len(name) for name, _, _ in rows)
    for name, value, came_from in rows:
        said = clean(shown(value))
        out(f"{name:<{widest}} = {said}{f'  ({clean(came_from)})' if origin else ''}")
    return 0


def shown(value: object) -> str:
    """A value for people: ``true``, ``a, b``, and ``-`` for none."""
    from pb.cli.config_change import plainly

    return "-" if value is None else plainly(value) or "-"


def _values() -> tuple[dict[str, Any], dict[str, str]]:
    """Every setting's value, and where it came from; elsewhere as the scheduler has them."""
    if elsewhere() is not None:
        with session() as talk:
            answer = talk.call("config.show", timeout=ANSWER_TIME)
        return answer["settings"], answer["origins"]
    found = settings()
    return {name: _value(found, name) for name in found.origins}, dict(found.origins)


def _value(found: object, name: str) -> object:
    """A setting's value; the database and the socket as the paths they come to."""
    section, _, key = name.partition(".")
    value = getattr(getattr(found, section), key)
    if value is None and name == "scheduler.db":
        return str(home().db)
    if value is None and name == "scheduler.socket":
        return str(home().socket)
    if name == "notify.channels":
        from pb.api.configuration import shown_channels

        return shown_channels(value)
    return value


@app.verb("path", "pb config path")
def path() -> int:
    """Print where the configuration file is, or would be."""
    file = home().config
    if asked.as_json:
        emit({"path": str(file), "exists": file.exists()})
    else:
        out(str(file))
    return 0


@app.verb("get", "pb config get gateway.port")
def get(key: Key) -> int:
    """Print one setting's value, and nothing else."""
    from pb.cli.config_change import known, plainly

    found = settings()
    value = _value(found, known(key))
    if asked.as_json:
        emit({"setting": key, "value": value, "origin": found.origins[key]})
    elif value is not None:
        out(clean(plainly(value)))
    return 0


@app.verb(
    "set",
    "pb config set gateway.port 0",
    "pb config set logs.max_size 20MiB",
    "pb config set scheduler.queues backup=1,network=4",
)
def set_(
    key: Key, value: Annotated[str, typer.Argument(metavar="VALUE", help="Its new value.")]
) -> int:
    """Change one setting in config.toml; comments and layout stay.

    A running scheduler takes it at once, where that is possible; else it is said what has to be
    restarted. A bad value is refused, and the file stays as it is.
    """
    from pb.cli.config_change import put

    return put(key, value)


@app.verb("unset", "pb config unset gateway.port")
def unset(key: Key) -> int:
    """Take one setting out of config.toml: the default counts again."""
    from pb.cli.config_change import drop

    return drop(key)


@app.verb("edit", "pb config edit")
def edit() -> int:
    """Open config.toml in your editor (VISUAL, EDITOR); it is checked before it counts.

    As long as something is wrong in it, the old file stays.
    """
    from pb.cli.config_change import edit as edited

    return edited()


@app.verb("validate", "pb config validate", "pb config validate /etc/pb/config.toml")
def validate(
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="Another file to check.")
    ] = None,
) -> int:
    """Check config.toml and the environment, or another file. Exit 6 for problems."""
    from pb.cli.config_change import strangers
    from pb.config.settings import load_settings

    path = home().config if file is None else Path(os.path.abspath(file))
    if file is not None and not path.exists():
        raise NotFoundError(f"There is no file {path}")
    found = load_settings(home(), file=path)
    said = {name: origin for name, origin in found.origins.items() if origin != "default"}
    remarks = strangers(found)
    if asked.as_json:
        whole = {"file": str(path), "exists": path.exists(), "ok": True, "settings": said}
        emit({**whole, "remarks": remarks})
        return 0
    there = "is good" if path.exists() else "is not there; the defaults count"
    out(f"{mark('ok')} {clean(path)} {there} ({len(said)} of {len(found.origins)} settings given)")
    for remark in remarks:
        note(f"{mark('warn')} {clean(remark)}")
    return 0
