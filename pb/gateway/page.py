"""The OpenAPI document as a page for people: plain HTML, no script, nothing from elsewhere."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import Any

Json = dict[str, Any]

STYLE = (files("pb.gateway") / "static" / "docs.css").read_bytes()


def page(document: Json) -> bytes:
    """The whole page."""
    about = document["info"]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>pb {escape(about['version'])}: HTTP interface</title>",
        '<link rel="stylesheet" href="docs.css"></head><body><main>',
        f"<h1>pb {escape(about['version'])}: HTTP interface</h1>",
        f"<p>{marked(about['description'])}</p>",
        '<p>As a document for programs: <a href="openapi.json">openapi.json</a></p>',
    ]
    for tag in document["tags"]:
        found = [
            (verb, path, operation)
            for path, verbs in document["paths"].items()
            for verb, operation in verbs.items()
            if tag["name"] in operation["tags"]
        ]
        parts.append(f"<h2>{escape(tag['name'])}</h2>")
        parts += [section(verb, path, operation) for verb, path, operation in found]
    parts.append("</main></body></html>\n")
    return "\n".join(parts).encode()


def section(verb: str, path: str, operation: Json) -> str:
    """One verb on one path, with its parameters."""
    rows = [
        row(one["name"], one["in"], one["schema"], one.get("required", False))
        for one in operation.get("parameters", [])
    ]
    rows += list(body_rows(operation))
    table = (
        "<table><thead><tr><th>parameter</th><th>in</th><th>what</th></tr></thead><tbody>"
        + "".join(rows)
        + "</tbody></table>"
        if rows
        else ""
    )
    scope = operation.get("x-scope", "none")
    return (
        f'<section id="{escape(operation["operationId"])}">'
        f"<h3><b>{verb.upper()}</b> <code>{escape(path)}</code> "
        f"<small>scope: {escape(scope)}</small></h3>"
        f"<p>{escape(operation['summary'])}.</p><p>{marked(operation.get('description', ''))}</p>"
        f"{table}</section>"
    )


def body_rows(operation: Json) -> list[str]:
    if "requestBody" not in operation:
        return []
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return [row("(the whole)", "body", {"type": name}, True)]
    needed = schema.get("required", [])
    return [row(n, "body", rule, n in needed) for n, rule in schema.get("properties", {}).items()]


def row(name: str, where: str, schema: Json, needed: bool) -> str:
    star = " (needed)" if needed else ""
    return (
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(where)}</td>"
        f"<td>{escape(words(schema))}{star}</td></tr>"
    )


def words(schema: Json) -> str:
    """A schema in a few words."""
    kind = schema.get("type", "any")
    found = [" or ".join(kind) if isinstance(kind, list) else str(kind)]
    choices = schema.get("enum") or schema.get("items", {}).get("enum")
    if choices:
        found.append("one of " + ", ".join(map(str, choices)))
    if "minimum" in schema or "maximum" in schema:
        found.append(f"{schema.get('minimum', '')} to {schema.get('maximum', '')}")
    if "pattern" in schema:
        found.append(f"matches {schema['pattern']}")
    if "default" in schema:
        found.append(f"default {schema['default']}")
    return "; ".join(found)


def marked(text: str) -> str:
    """Text whose `code` is in backticks."""
    parts = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if at % 2 else p for at, p in enumerate(parts))
