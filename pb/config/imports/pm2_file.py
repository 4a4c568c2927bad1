"""Reading an ecosystem file: JSON, YAML, or a program that node runs as pm2 would.

Apps and the lines of their keys come out; what the keys mean is ``pm2``'s.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from tempfile import TemporaryFile

from pb.config.located import Document, DocumentError, parse_json
from pb.core.lean import dataclass

NODE_TIME = 15.0
"""Seconds that node may take for a configuration file."""

MAX_ANSWER = 1 << 20

PROGRAM = """
const { pathToFileURL } = require('url');
const [answer, path] = process.argv.slice(-2);
import(pathToFileURL(path).href)
  .then((m) => (m.default === undefined ? m : m.default))
  .then((c) => (typeof c === 'function' ? c() : c))
  .then((c) => { require('fs').writeSync(Number(answer), JSON.stringify(c)); process.exit(0); })
  .catch((e) => { console.error(String(e && e.message || e)); process.exit(1); });
"""
"""Hands the configuration over on a descriptor of its own: a file may print what it likes."""


COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.S)
TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', re.S)


@dataclass(frozen=True, slots=True)
class Ecosystem:
    """What a file says. ``lines`` has the line of each dotted path, as far as it is known."""

    apps: tuple[object, ...]
    others: tuple[str, ...]
    lines: Mapping[str, int]
    text: str
    place: str = "apps[{}]"

    def line_of(self, key: str) -> int | None:
        return self.lines.get(key) or first_line(self.text, key, 0)

    def line_in(self, index: int, key: str | None) -> int | None:
        """The line of an app's key: as it was parsed, else where the text names it."""
        place = self.place.format(index)
        path = f"{place}.{key}" if key and place else key or place
        if self.lines:
            return self.lines.get(path) or self.lines.get(place) or 1
        starts = self._starts()
        if index >= len(starts):
            return None
        begin = starts[index]
        end = starts[index + 1] if index + 1 < len(starts) else None
        found = first_line(self.text, key, begin, end) if key else None
        return found or self.text.count("\n", 0, begin) + 1

    def _starts(self) -> list[int]:
        """Where each app begins in the text of a program: at its ``name`` or ``script``."""
        starts, at = [], 0
        for app in self.apps:
            named = [str(app.get(k)) for k in ("name", "script")] if isinstance(app, dict) else []
            hits = [self.text.find(quote + word + quote, at) for word in named for quote in "'\"`"]
            hits = [hit for hit in hits if hit >= 0]
            if hits:
                at = self.text.rfind("\n", 0, min(hits)) + 1
            starts.append(at)
            at = min(hits) + 1 if hits else at
        return starts


def first_line(text: str, key: str, begin: int, end: int | None = None) -> int | None:
    match = re.compile(rf"(?<![\w$])['\"]?{re.escape(key)}['\"]?\s*:").search(
        text, begin, len(text) if end is None else end
    )
    return None if match is None else text.count("\n", 0, match.start()) + 1


def ecosystem(text: str, path: str) -> Ecosystem:
    """The file at ``path``. Raises DocumentError for one that cannot be read."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix in (".yml", ".yaml"):
        from pb.config.yaml_text import parse_yaml

        return sorted_out(parse_yaml(text), text)
    if suffix == ".json":
        plain = plain_json(text)
        is_list = plain.lstrip().startswith("[")
        return sorted_out(listed(plain) if is_list else parse_json(plain), text)
    return sorted_out(Document(run_with_node(path), {}), text)


def listed(text: str) -> Document:
    """A JSON list of apps without the object around it, which pm2 takes as well."""
    document = parse_json('{"apps":' + text + "}")
    return Document(document.value, document.lines)


def plain_json(text: str) -> str:
    """Without what pm2 takes besides, because it reads JSON as a program's literal: comments, and a
    comma before a closing bracket. Lines stay where they are."""
    return TRAILING_COMMA.sub(lambda match: match[1] or "", COMMENT.sub(blank, text))


def blank(match: re.Match[str]) -> str:
    return match[1] or "\n" * match[0].count("\n")


def sorted_out(document: Document, text: str) -> Ecosystem:
    """``{"apps": [...]}``, ``{"apps": {...}}`` or one app by itself."""
    value = document.value
    apps = value.get("apps")
    if apps is None and "script" in value:
        return Ecosystem((dict(value),), (), document.lines, text, "")
    if isinstance(apps, Mapping):
        others = tuple(key for key in value if key != "apps")
        return Ecosystem((dict(apps),), others, document.lines, text, "apps")
    if not isinstance(apps, list):
        raise DocumentError("has no apps", hint='Write {"apps": [{"script": "app.js"}]}.')
    return Ecosystem(tuple(apps), tuple(k for k in value if k != "apps"), document.lines, text)


def run_with_node(path: str) -> Mapping[str, object]:
    """What the program at ``path`` exports. Raises DocumentError."""
    from shutil import which

    node = which("node")
    if node is None:
        raise DocumentError(
            "is a program that only node can read, and there is no node on your PATH",
            hint="Write it as JSON where node is: node -p 'JSON.stringify(require(\"FILE\"))'",
        )
    answer = ask_node(node, path)
    try:
        value = json.loads(answer)
    except ValueError:
        raise DocumentError("exports nothing that can be read") from None
    if isinstance(value, list):
        return {"apps": value}
    if not isinstance(value, dict):
        raise DocumentError("should export an object", hint="Write module.exports = {apps: []}.")
    return value


def ask_node(node: str, path: str) -> bytes:
    """Run node with a file to write its answer into, and read that."""
    with TemporaryFile() as answer:
        number = answer.fileno()
        with subprocess.Popen(
            [node, "-e", PROGRAM, str(number), path], pass_fds=[number],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, cwd=os.path.dirname(path),
        ) as process:  # fmt: skip
            try:
                _, complaint = process.communicate(timeout=NODE_TIME)
            except subprocess.TimeoutExpired:
                process.kill()
                raise DocumentError(f"node did not end within {NODE_TIME:g} seconds") from None
        if process.returncode:
            said = complaint.decode(errors="replace").strip().splitlines()
            raise DocumentError(f"node cannot read it: {said[-1] if said else 'no reason given'}")
        answer.seek(0)
        return answer.read(MAX_ANSWER)
