"""YAML with lines: what a compose file or a pm2 process file says, and where each key stands.

Read with PyYAML's safe loader, which is imported here and nowhere else; no tag makes an object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pb.config.located import MAX_DEPTH, Document, DocumentError
from pb.core.fields import join_key

MOST_NODES = 100_000
"""Values in a document, aliases counted each time: a few lines can stand for billions."""


def parse_yaml(text: str) -> Document:
    """A YAML mapping with its lines. Raises DocumentError for anything else."""
    from yaml import SafeLoader, YAMLError

    try:
        loader = SafeLoader(text)
        try:
            node = loader.get_single_node()
            reader = YamlReader(loader)
            value = reader.read(node, "", 0) if node is not None else {}
        finally:
            loader.dispose()
    except (YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or str(error) or "cannot be read"
        line = mark.line + 1 if mark is not None else None
        raise DocumentError(f"is not YAML: {said}", line=line) from None
    if not isinstance(value, Mapping):
        raise DocumentError("should be a YAML mapping", line=1, hint="Start it with a key.")
    return Document(value, reader.lines)


class YamlReader:
    """One document's nodes on their way to values."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader
        self.lines: dict[str, int] = {}
        self.count = 0

    def read(self, node: Any, place: str, depth: int) -> Any:
        from yaml import MappingNode, ScalarNode

        self.count += 1
        line = node.start_mark.line + 1
        if depth > MAX_DEPTH:
            raise DocumentError(f"nests deeper than {MAX_DEPTH} levels", line=line)
        if self.count > MOST_NODES:
            raise DocumentError("holds too many values", line=line)
        self.lines.setdefault(place, line)
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if isinstance(node, MappingNode):
            return self._mapping(node, place, depth)
        return [self.read(n, f"{place}[{i}]", depth + 1) for i, n in enumerate(node.value)]

    def _scalar(self, node: Any) -> Any:
        """Dates, times and base-60 numbers stay the text they are: people mean them so."""
        tag = node.tag.rpartition(":")[2]
        if tag in ("timestamp", "binary") or (tag in ("int", "float") and ":" in node.value):
            return node.value
        return self.loader.construct_object(node)

    def _mapping(self, node: Any, place: str, depth: int) -> dict[str, Any]:
        self.loader.flatten_mapping(node)
        table: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            path = join_key(place, key)
            self.lines[path] = key_node.start_mark.line + 1
            table[key] = self.read(value_node, path, depth + 1)
        return table
