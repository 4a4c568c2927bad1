"""``pb job edit`` and ``pb service edit``: a definition in the editor, checked before it is saved;
no text is ever lost.

No typer here; the grammar is in ``pb.cli.job`` and ``pb.cli.service_defining``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pb.cli.asked import ANSWER_TIME, asked, session
from pb.cli.job_views import meaning
from pb.cli.jobs import hint_to_start
from pb.cli.problems import say_problems
from pb.cli.render import clean, emit, is_terminal, mark, note, out
from pb.core.lean import dataclass
from pb.errors import ConflictError, InvalidError, PbError, UnsupportedError, as_word

if TYPE_CHECKING:
    from pb.config.located import FileProblem
    from pb.core.fields import Field

Json = dict[str, Any]

EDITORS = ("sensible-editor", "editor", "nano", "vi")
"""Tried in this order where neither VISUAL nor EDITOR says."""


class Refused(InvalidError):  # noqa: N818 - what the text is, not what went wrong in pb
    """A text that cannot be saved, with its problems."""

    def __init__(self, problems: list[FileProblem]) -> None:
        super().__init__(str(problems[0]), hint=problems[0].hint)
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Kind:
    """What is edited: ``word`` is how its methods, tables and commands are called."""

    word: str

    @property
    def title(self) -> str:
        return self.word.capitalize()


JOB, SERVICE = Kind("job"), Kind("service")


def edit(name: str, kind: Kind = JOB) -> int:
    """Edit it until the text is good, or is left in a file that the error names."""
    shown = _fetch(name, kind)
    _refuse_files(name, shown["source"], kind)
    suffix, before = _text(shown, kind)
    path = Path(tempfile.mkdtemp(prefix="pb-edit-")) / f"{name}{suffix}"
    path.write_text(before, encoding="utf-8")
    try:
        answer = _until_good(name, path, shown, before, kind)
    except BaseException:
        if not path.exists() or path.read_text(encoding="utf-8", errors="replace") == before:
            shutil.rmtree(path.parent)
        else:
            note(f"Your text is kept in {clean(path)}")
        raise
    shutil.rmtree(path.parent)
    return _say(name, answer, shown["source"], kind)


def _fetch(name: str, kind: Kind) -> Json:
    with session() as talk:
        return talk.call(f"{kind.word}.show", {"name": name}, timeout=ANSWER_TIME)


def _refuse_files(name: str, source: str, kind: Kind) -> None:
    """What a file in ``jobs.d`` or ``services.d`` says would win again at once."""
    origin, _, place = source.partition(":")
    if origin == "file":
        raise ConflictError(
            f"{kind.title} {name!r} comes from {place}",
            hint="Edit that file: it is applied as soon as it is saved.",
        )


def _text(shown: Json, kind: Kind) -> tuple[str, str]:
    """The definition as TOML, above it what can be done, below it the keys that are not used;
    as JSON where TOML cannot say it (null)."""
    from pb.config.toml_write import job_table, service_table

    definition = shown["definition"]
    try:
        table = (job_table if kind is JOB else service_table)(definition)
    except UnsupportedError:
        whole = {f"{kind.word}s": [definition]}
        return ".json", json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
    head = [
        f"# {kind.title} {definition['name']}: save and leave the editor to change it.",
        "# Nothing changes when the text stays as it is, or when nothing is left of it.",
        "# What is wrong in it is told before anything is saved.",
    ]
    return ".toml", "\n".join(head) + "\n\n" + table + "\n" + _other_keys(definition, kind)


def _other_keys(definition: Json, kind: Kind) -> str:
    from pb.config.toml_write import value

    where = f"write them below [{kind.word}.…] itself."
    lines = [f"# Other keys, and what they are when left out; {where}"]
    fields, defaults, meanings = _keys(kind)
    for key, field in fields.items():
        if key not in definition and key in defaults:
            default = defaults[key]
            written = "" if default in (None, "") else value(field.write(default))
            lines.append(f"#   {f'{key} = {written}'.rstrip():34} {meanings.get(key, '')}".rstrip())
    return "\n".join(lines) + "\n"


def _keys(kind: Kind) -> tuple[Mapping[str, Field], Mapping[str, object], Mapping[str, str]]:
    """The keys of a definition: how each is written, its default, what it is for."""
    if kind is SERVICE:
        from pb.core.service_definition import DEFAULTS as SERVICE_DEFAULTS
        from pb.core.service_definition import FIELDS as SERVICE_FIELDS
        from pb.core.service_meanings import SERVICE_MEANINGS

        return SERVICE_FIELDS, SERVICE_DEFAULTS, SERVICE_MEANINGS
    from pb.core.definition import DEFAULTS, FIELDS
    from pb.core.meanings import MEANINGS

    return FIELDS, DEFAULTS, MEANINGS


def _until_good(name: str, path: Path, shown: Json, before: str, kind: Kind) -> Json | None:
    """The answer to the change; None when there is none. Raises Refused when given up."""
    while True:
        open_editor(path)
        text = path.read_text(encoding="utf-8", errors="replace")
        if text == before or not text.strip():
            return None
        try:
            return _save(name, path, text, shown, kind)
        except Refused as error:
            say_problems(error.problems, note)
            if not again():
                raise InvalidError(
                    f"{kind.title} {name!r} was not changed",
                    hint=f"Correct {path} and run: pb {kind.word} validate {as_word(path)}",
                ) from error


def _save(name: str, path: Path, text: str, shown: Json, kind: Kind) -> Json | None:
    """Check the text and save it, unless somebody else has changed it meanwhile."""
    wanted = _only_one(name, path, text, kind)
    now = _fetch(name, kind)
    if now["definition"] != shown["definition"]:
        raise ConflictError(
            f"{kind.title} {name!r} was changed by somebody else meanwhile",
            hint=f"See `pb {kind.word} show {name}`, and edit it again.",
        )
    if wanted == shown["definition"]:
        return None
    params = {"definition": wanted, "replace": True, "source": shown["source"]}
    try:
        with session() as talk:
            answer = talk.call(f"{kind.word}.add", params, timeout=ANSWER_TIME)
            return {**answer, "is_local": talk.is_local}
    except InvalidError as error:
        raise Refused([_problem(path, error.message, error.hint)]) from error


def _only_one(name: str, path: Path, text: str, kind: Kind) -> Json:
    """The one definition in the text; relative paths in it start from the current directory."""
    from pb.config.files import parse_definitions
    from pb.core.definition import job_dump
    from pb.core.service_definition import service_dump

    here = Path(os.path.abspath(path.name))
    found = parse_definitions(text, here)
    problems = [_problem(path, p.message, p.hint, p.line, p.key) for p in found.problems]
    named = [("job", job.name) for job in found.jobs]
    named += [("service", service.name) for service in found.services]
    if not problems and named != [(kind.word, name)]:
        listed = ", ".join(one for _, one in named)
        said = f"defines {listed}" if named else f"defines no {kind.word}"
        hint = f"Keep [{kind.word}.{name}], and only that."
        problems = [_problem(path, f"{said}, where {name} is edited", hint)]
    if problems:
        raise Refused(problems)
    return job_dump(found.jobs[0]) if kind is JOB else service_dump(found.services[0])


def _problem(
    path: Path, message: str, hint: str | None, line: int | None = None, key: str = ""
) -> FileProblem:
    from pb.config.located import FileProblem

    return FileProblem(str(path), line, key, message, hint)


def again() -> bool:
    """Whether to open the editor again; no terminal, no question."""
    if asked.as_json or not is_terminal(sys.stdin) or not is_terminal(sys.stderr):
        return False
    sys.stderr.write("Edit again? [Y/n] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    return bool(answer) and not answer.strip().lower().startswith("n")


def open_editor(path: Path) -> None:
    """Wait until the editor has ended. Raises PbError when it cannot start, or fails."""
    words = [*editor(), str(path)]
    try:
        with _left_to_the_editor():
            code = subprocess.call(words, stdout=sys.stderr if asked.as_json else None)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PbError(
            f"The editor {words[0]} cannot be started: {reason}",
            hint="Set VISUAL or EDITOR to one that can.",
        ) from error
    if code:
        raise PbError(f"The editor {words[0]} ended with exit code {code}; nothing was changed")


def editor() -> list[str]:
    """The words of VISUAL, else of EDITOR, else the first editor that is installed."""
    from shlex import split

    for variable in ("VISUAL", "EDITOR"):
        try:
            words = split(os.environ.get(variable, ""))
        except ValueError as error:
            raise PbError(f"{variable} cannot be split into words: {error}") from error
        if words:
            return words
    for word in EDITORS:
        if shutil.which(word):
            return [word]
    raise PbError("There is no editor", hint="Set EDITOR, such as: export EDITOR=nano")


@contextmanager
def _left_to_the_editor() -> Iterator[None]:
    """Ctrl-C in the editor is the editor's; a Python function is reset to the default by exec."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _say(name: str, answer: Json | None, source: str, kind: Kind) -> int:
    if asked.as_json:
        emit(
            {
                "changed": answer is not None,
                kind.word: None if answer is None else answer[kind.word],
            }
        )
        return 0
    who = f"{kind.title} '{clean(name)}'"
    if answer is None:
        out(f"{mark('ok')} {who} stays as it was.")
        return 0
    out(f"{mark('ok')} {who} changed.")
    origin, _, place = source.partition(":")
    if origin == "apply":
        note(f"note: It came from {clean(place)}; applying that file again takes this back.")
    if kind is SERVICE:
        from pb.cli.service_views import next_step

        next_step(answer["service"], is_local=answer["is_local"], is_new=False)
        return 0
    meaning(answer, answer["job"])
    if answer["is_local"]:
        hint_to_start()
    return 0
