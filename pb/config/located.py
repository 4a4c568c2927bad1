"""What a user's file says and on which line: reading it safely, JSON and TOML with positions.

A ``Document`` maps the dotted path of each key to its line. What the keys mean is for ``files`` and
``settings``; nothing here knows a job or a setting.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from pb.core.lean import dataclass
from pb.errors import InvalidError, PermissionDeniedError, as_word

MAX_BYTES = 1 << 20
"""No file that a person writes is longer; a reader need not find out how a bigger one ends."""

MAX_DEPTH = 32
"""How deep lists and tables may nest, below every limit of the interpreter's stack."""


@dataclass(frozen=True, slots=True)
class FileProblem:
    """One thing wrong in a file. ``line`` counts from 1, None where no line is to blame."""

    file: str
    line: int | None
    key: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Document:
    """A file's value, and the line of every key and list item by its dotted path."""

    value: Mapping[str, object]
    lines: Mapping[str, int]

    def line_of(self, path: str) -> int:
        """The line of ``path``, or of the nearest thing around it that has one."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 1)


class DocumentError(InvalidError):
    """A file that cannot be read as what it should be; ``line`` says where that shows."""

    def __init__(self, message: str, *, line: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.line = line


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a regular file of at most 1 MiB in UTF-8, a byte order mark left out.

    Raises DocumentError for anything else, without ever waiting on a FIFO or a device, and
    PermissionDeniedError where the file may not be read.
    """
    try:
        # O_NONBLOCK: opening a FIFO that nobody writes would wait for ever (open(2)).
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        raise PermissionDeniedError(
            "permission denied", hint=f"Make it readable: chmod u+r {as_word(path)}"
        ) from None
    except (OSError, ValueError) as error:
        raise DocumentError(reason(error)) from None
    try:
        return decoded(contents(fd))
    finally:
        os.close(fd)


def reason(error: OSError | ValueError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def contents(fd: int) -> bytes:
    facts = os.fstat(fd)
    if not stat.S_ISREG(facts.st_mode):
        what = "a directory" if stat.S_ISDIR(facts.st_mode) else "not a regular file"
        raise DocumentError(f"is {what}", hint="Name a file.")
    chunks, size = [], 0
    while chunk := os.read(fd, MAX_BYTES + 1 - size):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BYTES:
            raise DocumentError("is larger than 1 MiB", hint="Split it into several files.")
    return b"".join(chunks)


def decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DocumentError("is not UTF-8 text", line=line, hint="Save it as UTF-8.") from None


def parse_json(text: str) -> Document:
    """A JSON object (RFC 8259) with its lines; DocumentError also for a key given twice."""
    from pb.config.json_text import JsonReader

    reader = JsonReader(text)
    value = reader.document()
    if not isinstance(value, dict):
        raise DocumentError("should be a JSON object", line=1, hint='Start it with "{".')
    return Document(value, reader.lines)


def parse_toml(text: str) -> Document:
    """A TOML document with its lines; dates in it become the text that they were written as."""
    from pb.config.toml_text import toml_document

    return toml_document(text)
