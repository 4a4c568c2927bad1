"""The generated blocks of docs/ and the JSON Schema: `python -m tests.docs.generate` renews them.

A block stands between `<!-- generated: NAME -->` and `<!-- end -->`; everything else in a page is
written by people and left alone. A test compares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
WIDTH = 96


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def commands() -> Iterator[tuple[str, Any, Any]]:
    """Every command with its words, in the order of the help."""
    from pb.cli.tree import root

    tree = root()
    context = tree.make_context("pb", [], resilient_parsing=True, terminal_width=WIDTH)
    yield from below(tree, context)


def below(group: Any, context: Any) -> Iterator[tuple[str, Any, Any]]:
    yield context.command_path, group, context
    for name in getattr(group, "list_commands", lambda _: [])(context):
        command = group.get_command(context, name)
        inner = command.make_context(
            name, [], parent=context, resilient_parsing=True, terminal_width=WIDTH
        )
        yield from below(command, inner)


def cli() -> str:
    pages = []
    for words, command, context in commands():
        text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
        pages.append(f"## `{words}`\n\n```text\n{text.strip()}\n```")
    return "\n\n".join(pages)


def errors() -> str:
    from pb.errors import BY_CODE

    rows = [
        (f"`{code}`", str(int(kind.exit_code)), (kind.__doc__ or "").strip().splitlines()[0])
        for code, kind in BY_CODE.items()
    ]
    return table(("code", "exit code", "when"), rows)


def events() -> str:
    from pb.core.events import EVENT_TYPES

    return table(("type", "what happened"), [(f"`{t}`", text) for t, text in EVENT_TYPES.items()])


def methods() -> str:
    from pb.api import METHODS
    from pb.api.registry import REQUIRED

    rows = []
    for name, method in METHODS.items():
        takes = [f"`{k}`" if p.default is REQUIRED else f"`{k}`?" for k, p in method.params.items()]
        where = "also without the scheduler" if method.call else "the scheduler only"
        rows.append((f"`{name}`", " ".join(takes) or "-", method.access, where, method.summary))
    return table(("method", "parameters", "scope", "answered by", "what it does"), rows)


def http() -> str:
    from pb.gateway.openapi import document

    rows = [
        (
            f"`{verb.upper()} {path}`",
            query_of(operation),
            operation.get("x-scope", "none"),
            operation["summary"],
        )
        for path, verbs in document()["paths"].items()
        for verb, operation in verbs.items()
    ]
    return table(("request", "parameters", "scope", "what it does"), rows)


def rpcs() -> str:
    from pb.api import METHODS
    from pb.gateway.proto import scheduler_pb2
    from pb.gateway.rpc_calls import METHODS_OF

    [service] = scheduler_pb2.DESCRIPTOR.services_by_name.values()
    rows = []
    for rpc in service.methods:
        method = METHODS[METHODS_OF[rpc.name]]
        takes = " ".join(f"`{field.name}`" for field in rpc.input_type.fields) or "-"
        stream = "stream of " if rpc.server_streaming else ""
        tells = " ".join(f"`{field.name}`" for field in rpc.output_type.fields)
        rows.append((f"`{rpc.name}`", takes, method.access, stream + tells))
    return table(("method", "request", "scope", "answer"), rows)


def rpc_codes() -> str:
    from pb.gateway.rpc_words import CODES

    codes = dict.fromkeys(CODES.values())
    rows = [(f"`{s}`", " ".join(f"`{c}`" for c in CODES if CODES[c] == s)) for s in codes]
    return table(("status", "`pb-code`"), rows)


def query_of(operation: Any) -> str:
    """The parameters of a request that are not in its path."""
    words = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = body.get("schema", {})
    if "$ref" in schema:
        return "a definition"
    return " ".join(f"`{word}`" for word in [*words, *schema.get("properties", {})]) or "-"


def settings() -> str:
    from pb.config.setting_meanings import AT_START
    from pb.config.settings import Settings

    rows = [
        (
            f"`{key}`",
            written(value),
            f"`PB_{key.upper().replace('.', '__')}`",
            ", ".join(AT_START[key]) if key in AT_START else "at once",
        )
        for key, value in leaves(Settings(), "")
    ]
    return table(("setting", "default", "environment", "counts at the start of"), rows)


def written(value: object) -> str:
    """A default as config.toml would have it; ``-`` for what is not there."""
    if value is None:
        return "-"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"


def setting_meanings() -> str:
    from pb.config.setting_meanings import FLAGS, MEANINGS
    from pb.config.settings import OTHER_NAMES

    others = {setting: f"`{name}`" for name, setting in OTHER_NAMES.items()}
    lines = []
    for name, text in MEANINGS.items():
        also = [word for word in (others.get(name), name in FLAGS and f"`{FLAGS[name]}`") if word]
        lines.append(f"- **`{name}`**: {text}" + (f" Also {', '.join(also)}." if also else ""))
    return "\n".join(lines)


def leaves(section: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Every setting by its dotted path, with its default."""
    for field in fields(section):
        value = getattr(section, field.name)
        if is_dataclass(value):
            yield from leaves(value, f"{prefix}{field.name}.")
        elif field.name != "origins":
            yield prefix + field.name, value


def supervision() -> str:
    """The table of services as a diagram of what leads from one phase to another."""
    from pb.core.supervision import STATES, TABLE

    arrows: dict[tuple[str, str], list[str]] = {}
    for (phase, event), cell in TABLE.items():
        if cell.phase not in (None, phase):
            arrows.setdefault((phase, str(cell.phase)), []).append(event)
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> stopped"]
    lines += [f"    {a} --> {b}: {', '.join(why)}" for (a, b), why in arrows.items()]
    shown = ", ".join(f"{phase} ({state})" for phase, state in STATES.items() if phase != state)
    return "\n".join([*lines, "```", "", f"What people see of phases with another name: {shown}."])


def events_of_services() -> str:
    from pb.core.supervision import MEANINGS

    return table(("event", "it means that"), [(f"`{e}`", text) for e, text in MEANINGS.items()])


def decisions() -> str:
    records = sorted((DOCS / "decisions").glob("*.md"))
    lines = []
    for record in records:
        title = re.sub(r"^# (\d+[.:]) ", "", record.read_text().splitlines()[0])
        lines.append(f"- [{record.name[:4]}: {title}](decisions/{record.name})")
    return "\n".join(lines)


BLOCKS: dict[str, Callable[[], str]] = {
    "cli": cli,
    "decisions": decisions,
    "errors": errors,
    "events": events,
    "http": http,
    "methods": methods,
    "rpc_codes": rpc_codes,
    "rpcs": rpcs,
    "service_events": events_of_services,
    "settings": settings,
    "setting_meanings": setting_meanings,
    "supervision": supervision,
}


def renewed(text: str) -> str:
    """A page with its generated blocks written anew."""
    return BLOCK.sub(lambda found: f"{found[1]}{BLOCKS[found[2]]()}\n{found[3]}", text)


def pages() -> list[Path]:
    return sorted(p for p in DOCS.rglob("*.md") if BLOCK.search(p.read_text()))


def schema(kind: str = "job") -> str:
    """The text of a published JSON Schema."""
    from json import dumps

    from pb.config.schema import job_schema
    from pb.config.service_schema import service_schema

    made = {"job": job_schema, "service": service_schema}[kind]()
    return dumps(made, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    from pb.config.schema_file import KINDS, place

    for kind in KINDS:
        place(kind).write_text(schema(kind))
    for page in pages():
        page.write_text(renewed(page.read_text()))
        print(page.relative_to(DOCS.parent))
