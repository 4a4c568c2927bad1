"""Changing ``config.toml``: one value in place, or the whole file in the editor; checked first.

No typer here; the grammar is in ``pb.cli.config``. The old file stays until the new one is good.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pb.cli.asked import asked, home
from pb.cli.render import clean, emit, mark, note, out
from pb.errors import ConflictError, InvalidError, NotFoundError, PbError, did_you_mean

if TYPE_CHECKING:
    from pb.config.settings import Settings

Json = dict[str, Any]


def known(name: str) -> str:
    """The setting of that name. Raises NotFoundError that suggests the nearest."""
    from pb.config.settings import SETTINGS

    if name in SETTINGS:
        return name
    if name.startswith("notify."):
        hint = "Channels are shown by pb notify list, and changed in the file: pb config edit"
        raise NotFoundError(f"There is no setting {name!r}", hint=hint)
    raise NotFoundError(f"There is no setting {name!r}", hint=nearest(name, list(SETTINGS)))


def nearest(name: str, settings: list[str]) -> str:
    """What was meant, perhaps: the whole name, or its last part alone."""
    from difflib import get_close_matches

    near = did_you_mean(name[:64], settings)
    keys = get_close_matches(name[:64], [one.partition(".")[2] for one in settings], n=1)
    found = [one for one in settings if one.partition(".")[2] in keys][:3]
    if near is None and found:
        near = f"Did you mean {' or '.join(found)}?"
    return near or "See them all: pb config show"


def plainly(value: object) -> str:
    """A value as a script reads it, and as the environment would have it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping) and any(
        isinstance(one, Mapping | list) for one in value.values()
    ):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return ",".join(f"{name}={slots}" for name, slots in value.items())
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def put(name: str, value: str) -> int:
    """``pb config set``."""
    from pb.config.toml_edit import with_value

    section, _, key = known(name).partition(".")
    written = as_written(name, value)
    return _change(name, lambda text: with_value(text, section, key, written))


def drop(name: str) -> int:
    """``pb config unset``."""
    from pb.config.toml_edit import without

    section, _, key = known(name).partition(".")
    return _change(name, lambda text: without(text, section, key))


def as_written(name: str, value: str) -> object:
    """What the file shall say: the value that the text means, or the text where it reads better
    (``"1m30s"``, ``"20MiB"``, ``~/x``). Raises InvalidError."""
    from pb.config.setting_values import Given
    from pb.config.settings import SETTINGS

    try:
        read = SETTINGS[name](Given(value, "flag", name, is_text=True))
    except InvalidError as error:
        raise InvalidError(f"{name}: {error.message}", hint=error.hint) from error
    if isinstance(read, bool):
        return read
    if isinstance(read, int | float):
        text = value.strip()
        return int(text) if text.isascii() and text.isdecimal() else text
    if isinstance(read, str) and value.startswith("~"):
        return value
    return list(read) if isinstance(read, tuple) else read


def _change(name: str, edit: Callable[[str], str]) -> int:
    with alone():
        before = text_of(home().config)
        after = edit(before)
        if after != before:
            save(after)
    answer = {"setting": name, "changed": after != before, **effect()}
    if asked.as_json:
        emit(answer)
        return 0
    _say(name, answer)
    return 0


@contextmanager
def alone() -> Iterator[None]:
    """Nobody else changes this home's settings meanwhile: what one has written, the next reads."""
    home().ensure()
    folder = os.open(home().root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a file system without locks: as it was before there were any
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def text_of(path: Path) -> str:
    """The file's text; nothing where there is none yet. Raises InvalidError, PermissionDenied."""
    from pb.config.located import parse_toml
    from pb.config.settings import read_config

    if not os.path.lexists(path):
        return ""
    read_config(path)  # what is no TOML is told with its place, and left alone
    with open(path, encoding="utf-8-sig", newline="") as file:
        text = file.read()
    parse_toml(text)
    return text


def save(text: str) -> None:
    """Put the text into the place of ``config.toml``, once it is known to be good."""
    home().ensure()
    target = Path(os.path.realpath(home().config))
    draft = write_draft(text, target)
    try:
        check(draft, shown_as=home().config)
        if target.exists():
            os.chmod(draft, target.stat().st_mode & 0o777)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def write_draft(text: str, target: Path) -> Path:
    """A private file beside the target."""
    fd, name = tempfile.mkstemp(prefix=".config-", suffix=".toml", dir=target.parent)
    with open(fd, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)


def check(draft: Path, *, shown_as: Path) -> Settings:
    """The settings that ``draft`` would give; errors name the file that it is to be."""
    from pb.config.settings import load_settings

    try:
        return load_settings(home(), file=draft)
    except InvalidError as error:
        message = error.message.replace(str(draft), str(shown_as))
        raise InvalidError(message, hint=error.hint) from error


# -- what it means


def effect() -> Json:
    """Have a running scheduler read its settings anew; what counts now, and what waits for whom."""
    from pb.api import session
    from pb.process.status import look

    if look(home(), "scheduler").state != "running":
        return {"at_once": [], "at_start": [], "problem": None, "running": False}
    try:
        with session(home(), local_ok=False) as talk:
            told = talk.call("scheduler.reload", timeout=30.0).get("settings", {})
    except PbError as error:
        return {"at_once": [], "at_start": [], "problem": error.message, "running": True}
    return {**told, "problem": None, "running": True}


def _say(name: str, answer: Json) -> None:
    from pb.config.setting_meanings import value_of
    from pb.config.settings import load_settings

    found = load_settings(home())
    origin = found.origins[name]
    state = "" if answer["changed"] else " (as before)"
    out(f"{mark('ok')} {name} = {clean(plainly(value_of(found, name)))}{state}")
    if not origin.startswith(("default", str(home().config))):
        note(f"note: {clean(origin)} says so, and wins over the file.")
    elif answer["problem"]:
        note(f"{mark('warn')} The scheduler has not taken it: {clean(answer['problem'])}")
    elif answer["changed"]:
        note(when(name, is_running=answer["running"]))
    for remark in strangers(found):
        if remark.startswith(f"{name}:"):
            note(f"{mark('warn')} {clean(remark)}")


def strangers(found: Settings) -> list[str]:
    """Channels that settings name and that do not exist, a sentence each."""
    from pb.core.notify import read_notify

    channels = found.notify.channels
    usual = read_notify(found.notify.default)
    named = {
        "notify.default": (usual.to if usual else None) or (),
        "maintenance.digests_to": found.maintenance.digests_to,
    }
    return [
        f"{name}: there is no channel {one!r}. {did_you_mean(one, list(channels)) or ''}".rstrip()
        for name, ones in named.items()
        for one in ones
        if one not in channels
    ]


def when(name: str, *, is_running: bool) -> str:
    """When a change counts, and what makes it."""
    from pb.config.setting_meanings import AT_START, RESTART
    from pb.process.status import look

    daemons = AT_START.get(name)
    if daemons is None:
        return "It counts from now on." if is_running else "It counts from the next start on."
    up = [one for one in daemons if look(home(), one).state == "running"]
    if not up:
        return "It counts from the next start on."
    return f"It counts after: {'; '.join(RESTART[one] for one in up)}"


# -- the whole file


def edit() -> int:
    """``pb config edit``: the old file stays until the new one is good."""
    from pb.cli.init import configuration

    home().ensure()
    target = Path(os.path.realpath(home().config))
    there = text_of_any(target)
    before = configuration(home()) if there is None else there
    draft = write_draft(before, target)
    is_changed = _until_good(draft, before)
    if is_changed:
        with alone():
            if text_of_any(target) != there:
                raise ConflictError(
                    f"{home().config} was changed meanwhile, and stays so",
                    hint=f"Your text is in {draft}; see: diff {home().config} {draft}",
                )
            if there is not None:
                os.chmod(draft, target.stat().st_mode & 0o777)
            os.replace(draft, target)
    answer = {"changed": is_changed, **(effect() if is_changed else {})}
    if asked.as_json:
        emit(answer)
        return 0
    out(f"{mark('ok')} {clean(home().config)} {'changed' if is_changed else 'stays as it was'}")
    _say_all(answer)
    return 0


def text_of_any(path: Path) -> str | None:
    """The file's text whatever it says, so that it can be mended; None where there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _until_good(draft: Path, before: str) -> bool:
    """Whether the text was changed. A bad one is kept, and said where, when it is given up."""
    from pb.cli.editing import again, open_editor

    while True:
        try:
            open_editor(draft)
        except PbError:
            draft.unlink(missing_ok=True)
            raise
        if text_of_any(draft) in (before, None):
            draft.unlink(missing_ok=True)
            return False
        try:
            check(draft, shown_as=draft)
            return True
        except PbError as error:
            note(f"{mark('bad')} {clean(error.message)}")
            if not again():
                raise InvalidError(
                    f"{home().config} was not changed: {error.message}",
                    hint=f"Your text is in {draft}; the old settings stay.",
                ) from error


def _say_all(answer: Json) -> None:
    from pb.config.setting_meanings import AT_START, RESTART

    if answer.get("problem"):
        note(f"{mark('warn')} The scheduler has not taken it: {clean(answer['problem'])}")
    if answer.get("at_once"):
        note(f"From now on: {', '.join(answer['at_once'])}")
    for name in answer.get("at_start", ()):
        note(f"After {RESTART[AT_START[name][0]]}: {name}")
