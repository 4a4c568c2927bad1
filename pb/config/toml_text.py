"""TOML with line numbers: ``tomllib`` reads the values, a light pass beside it finds the lines.

The pass trusts that ``tomllib`` has accepted the text, so it only has to know where keys, tables
and list items begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, time

from pb.config.located import MAX_DEPTH, Document, DocumentError
from pb.core.fields import join_key
from pb.core.lean import dataclass

TOKEN = re.compile(
    r'(?P<text>"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\')'
    r"|(?P<comment>#[^\n]*)|(?P<line>\n)|(?P<mark>[\[\]{},=.])|(?P<bare>[^\s\[\]{},=.#\"']+)",
    re.DOTALL,
)
MAX_DOTS = 64
"""Parts of a dotted key; ``tomllib`` needs time for them that grows with their square."""

Token = tuple[str, str, int, int, int]
"""What it is, how it is spelled, its line, and where it begins and ends in the text."""

NOTHING: Token = ("end", "", 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Span:
    """Where a key and its value stand in the text: from the key's start to the value's end."""

    start: int
    value: int
    end: int


def toml_document(text: str) -> Document:
    """The document; DocumentError with the line where it is not TOML."""
    from tomllib import TOMLDecodeError, loads

    check_dots(text)
    try:
        value = loads(text)
    except RecursionError:
        raise DocumentError(f"is nested more than {MAX_DEPTH} deep") from None
    except TOMLDecodeError as error:
        raise syntax_error(str(error), text) from None
    except ValueError:  # a number over 4300 digits, a date that does not exist
        raise DocumentError("a number or date in it cannot be meant") from None
    return Document(plain_table(value, 0), TomlLines(text).found)


def check_dots(text: str) -> None:
    dots, before = 0, ""
    for what, spelled, line, *_ in tokens(text):
        dots = dots + 1 if spelled == "." else dots if before == "." else 0
        before = spelled if what == "mark" else ""
        if dots > MAX_DOTS:
            raise DocumentError("a key has too many parts", line=line)


def syntax_error(message: str, text: str) -> DocumentError:
    """``tomllib`` ends its message with ``(at line 2, column 1)`` or ``(at end of document)``."""
    sentence, _, place = message.rpartition(" (at ")
    number = place.removeprefix("line ").partition(",")[0]
    line = int(number) if number.isdecimal() else text.rstrip().count("\n") + 1
    return DocumentError(f"is not TOML: {sentence[:1].lower()}{sentence[1:]}", line=line)


def plain_table(table: dict[str, object], depth: int) -> dict[str, object]:
    return {key: plain(value, depth + 1) for key, value in table.items()}


def plain(value: object, depth: int) -> object:
    """The value as JSON could hold it: dates and times become text."""
    if depth > MAX_DEPTH:
        raise DocumentError(f"is nested more than {MAX_DEPTH} deep")
    match value:
        case dict():
            return plain_table(value, depth)
        case list():
            return [plain(item, depth + 1) for item in value]
        case date() | time():
            return value.isoformat()
    return value


class TomlLines:
    """The line of each key, table and list item of a text that is known to be TOML.

    ``pairs`` are the places of keys with their values, ``headers`` those of tables' headers.
    """

    def __init__(self, text: str) -> None:
        self.found: dict[str, int] = {"": 1}
        self.pairs: dict[str, Span] = {}
        self.headers: dict[str, Span] = {}
        self._end = 0
        self._tables: dict[str, int] = {}
        self._tokens = tokens(text)
        self._now = NOTHING
        self._step()
        self._document()

    def _step(self) -> Token:
        last, self._now = self._now, next(self._tokens, NOTHING)
        self._end = last[4]
        return last

    def _skip_lines(self) -> None:
        while self._now[0] == "line":
            self._step()

    def _document(self) -> None:
        table = ""
        while self._now[0] != "end":
            if self._now[0] == "line":
                self._step()
            elif self._now[1] == "[" and self._now[0] == "mark":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> str:
        """A table's header, whose path is its own or the next item's of a list of tables."""
        line, start, brackets = self._now[2], self._now[3], 0
        while self._now[1] == "[":
            self._step()
            brackets += 1
        path = self._key("", line)
        if brackets == 2:
            count = self._tables.get(path, 0)
            self._tables[path] = count + 1
            path = f"{path}[{count}]"
            self.found[path] = line
        while self._now[1] == "]":
            self._step()
        self.headers[path] = Span(start, start, self._end)
        return path

    def _key(self, path: str, line: int) -> str:
        """The path of a dotted key, each part of it noted where it first stands."""
        while self._now[0] in ("bare", "text"):
            name = key_name(self._step())
            path = join_key(path, name)
            self.found.setdefault(path, line)
            if count := self._tables.get(path):
                path = f"{path}[{count - 1}]" if self._now[1] == "." else path
            if self._now[1] == ".":
                self._step()
        return path

    def _pair(self, table: str) -> None:
        start = self._now[3]
        path = self._key(table, self._now[2])
        self._step()  # the equals sign
        value = self._now[3]
        self._value(path)
        self.pairs[path] = Span(start, value, self._end)

    def _value(self, path: str) -> None:
        opening = self._step()
        if opening[:2] == ("mark", "["):
            self._items(path)
        elif opening[:2] == ("mark", "{"):
            self._inline_table(path)
        else:
            while self._now[0] == "bare" or self._now[:2] == ("mark", "."):
                self._step()  # 1.5 and 07:32:00 1979 are several tokens

    def _items(self, path: str) -> None:
        count = 0
        while self._now[0] != "end":
            self._skip_lines()
            if self._now[1] == "]" and self._now[0] == "mark":
                self._step()
                return
            item = f"{path}[{count}]"
            self.found[item] = self._now[2]
            self._value(item)
            self._skip_lines()
            if self._now[1] == ",":
                self._step()
            count += 1

    def _inline_table(self, path: str) -> None:
        while self._now[0] != "end":
            self._skip_lines()
            if self._step_over("}"):
                return
            self._pair(path)
            self._skip_lines()
            self._step_over(",")

    def _step_over(self, mark: str) -> bool:
        if self._now[:2] == ("mark", mark):
            self._step()
            return True
        return False


def tokens(text: str) -> Iterator[Token]:
    """What the text consists of, white space and comments left out, each with its line."""
    line, counted = 1, 0
    for found in TOKEN.finditer(text):
        line += text.count("\n", counted, found.start())
        counted = found.start()
        if found.lastgroup and found.lastgroup != "comment":
            yield found.lastgroup, found[0], line, found.start(), found.end()


def key_name(token: Token) -> str:
    """The name that a key's token spells."""
    what, spelled, *_ = token
    if what == "bare":
        return spelled
    if spelled[0] == "'":
        return spelled[1:-1]
    from tomllib import loads

    return str(loads(f"key = {spelled}")["key"])
