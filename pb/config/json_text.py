"""JSON with line numbers: the grammar of RFC 8259, and nothing it does not have.

The standard library's parser tells no positions and takes the last of two equal keys; this one
notes the line of each key and list item and refuses doubles, depth and what is not JSON.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from json import JSONDecodeError, loads

from pb.config.located import MAX_DEPTH, DocumentError
from pb.core.fields import join_key, shown_text

SPACE = re.compile(r"[ \t\n\r]*")
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
WORDS = {"true": True, "false": False, "null": None}


class JsonReader:
    """One pass over one text; ``lines`` fills as ``document`` reads."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[str, int] = {}
        self._ends = [index for index, char in enumerate(text) if char == "\n"]

    def document(self) -> object:
        value = self._value("", 0)
        if self._next():
            raise self._error("there is more after the end of the document")
        return value

    def _line(self, at: int) -> int:
        return bisect_right(self._ends, at - 1) + 1

    def _error(self, message: str, hint: str | None = None, at: int | None = None) -> DocumentError:
        return DocumentError(message, line=self._line(self.at if at is None else at), hint=hint)

    def _next(self) -> str:
        """The next character that is not white space, "" at the end."""
        found = SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.text[self.at : self.at + 1]

    def _value(self, path: str, depth: int) -> object:
        if depth > MAX_DEPTH:
            raise self._error(f"is nested more than {MAX_DEPTH} deep")
        char = self._next()
        self.lines.setdefault(path, self._line(self.at))
        match char:
            case "{":
                return self._object(path, depth)
            case "[":
                return self._list(path, depth)
            case '"':
                return self._string()
        if found := NUMBER.match(self.text, self.at):
            return self._number(found)
        return self._word()

    def _object(self, path: str, depth: int) -> dict[str, object]:
        self.at += 1
        table: dict[str, object] = {}
        if self._next() == "}":
            self.at += 1
            return table
        while True:
            key, place = self._key(path, table)
            if self._next() != ":":
                raise self._error(f'":" is missing after {shown_text(key)}')
            self.at += 1
            self.lines[place] = self._line(self.at)
            table[key] = self._value(place, depth + 1)
            if self._ends_with("}"):
                return table

    def _key(self, path: str, table: dict[str, object]) -> tuple[str, str]:
        if self._next() != '"':
            raise self._error("a key in double quotes is missing", self._comma_hint())
        start = self.at
        key = self._string()
        place = join_key(path, key)
        if key in table:
            first = self.lines.get(place, 1)
            raise self._error(f"{place} is given twice, first on line {first}", at=start)
        return key, place

    def _list(self, path: str, depth: int) -> list[object]:
        self.at += 1
        items: list[object] = []
        if self._next() == "]":
            self.at += 1
            return items
        while True:
            items.append(self._value(f"{path}[{len(items)}]", depth + 1))
            if self._ends_with("]"):
                return items

    def _ends_with(self, end: str) -> bool:
        """Step over a comma (False) or the end of a list or object (True)."""
        char = self._next()
        if char not in (",", end) or not char:
            raise self._error(f'"," or "{end}" is missing')
        self.at += 1
        return char == end

    def _string(self) -> str:
        found = STRING.match(self.text, self.at)
        if found is None:
            raise self._error("a text in double quotes is not closed on its line")
        try:
            value = str(loads(found[0]))
        except JSONDecodeError as error:
            raise self._error(f"a text is wrong: {error.msg.removesuffix(' at').lower()}") from None
        self.at = found.end()
        return value

    def _number(self, found: re.Match[str]) -> int | float:
        self.at = found.end()
        try:
            return float(found[0]) if found[1] or found[2] else int(found[0])
        except ValueError:  # over 4300 digits: sys.get_int_max_str_digits
            raise self._error("a number is too long", at=found.start()) from None

    def _word(self) -> bool | None:
        found = WORD.match(self.text, self.at)
        word = found[0] if found else self.text[self.at : self.at + 1]
        if word not in WORDS:
            what = f"{shown_text(word)} is not JSON" if word else "the document ends too early"
            raise self._error(what, self._comma_hint())
        self.at += len(word)
        return WORDS[word]

    def _comma_hint(self) -> str | None:
        rest = self.text[self.at : self.at + 2]
        if rest[:1] in ("}", "]") and self.text[: self.at].rstrip()[-1:] == ",":
            return "Remove the comma before it."
        if rest[:1] == "'":
            return "Use double quotes."
        return (
            "JSON has no comments; use a .toml file."
            if rest in ("//", "/*") or rest[:1] == "#"
            else None
        )
