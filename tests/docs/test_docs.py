"""The documentation is true: whatever pb has is in docs/, and what is generated is current."""

from __future__ import annotations

import re
from dataclasses import fields
from enum import IntEnum
from pathlib import Path

import pytest

from pb.core.definition import FIELDS
from pb.core.model import Limits, Misfire
from pb.errors import Exit, StatusExit
from tests.docs.generate import DOCS, commands, leaves, pages, renewed

TOP = DOCS.parent
PAGES = sorted([*DOCS.rglob("*.md"), TOP / "README.md"])


def page(name: str) -> str:
    return (DOCS / name).read_text()


@pytest.mark.parametrize("path", pages(), ids=lambda p: p.name)
def test_generated_blocks_are_current(path: Path) -> None:
    """When this fails: `python -m tests.docs.generate`."""
    assert path.read_text() == renewed(path.read_text())


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(TOP)))
def test_no_link_between_pages_is_broken(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", path.read_text())

    assert [link for link in links if not (path.parent / link).exists()] == []


def test_every_page_is_reached_from_the_index() -> None:
    linked = {
        (DOCS / link).resolve() for link in re.findall(r"\]\(([^)#\s]+\.md)", page("index.md"))
    }

    assert [
        p.name for p in DOCS.rglob("*.md") if p.resolve() not in linked | {DOCS / "index.md"}
    ] == []


@pytest.mark.parametrize("codes", [Exit, StatusExit])
def test_every_exit_code_is_documented(codes: type[IntEnum]) -> None:
    documented = {
        int(n) for n in re.findall(r"^\| (\d+) \|", page("reference/exit-codes.md"), re.M)
    }

    assert {int(code) for code in codes} <= documented


def test_every_error_code_is_documented() -> None:
    code = re.compile(r"^    code(?:: str)? = \"(\w+)\"", re.M)
    known = {c for path in (TOP / "pb").rglob("*.py") for c in code.findall(path.read_text())}

    assert len(known) > 10
    assert [c for c in sorted(known) if f"`{c}`" not in page("reference/errors.md")] == []


TABLES = [field.name for table in (Misfire, Limits) for field in fields(table)]


@pytest.mark.parametrize("key", [*FIELDS, *TABLES])
def test_every_key_of_a_definition_is_documented(key: str) -> None:
    assert re.search(rf"^\| `{key}` \|", page("reference/definitions.md"), re.M)


def test_every_setting_has_a_sentence_of_its_own() -> None:
    from pb.config.settings import Settings

    text = page("reference/settings.md")
    silent = [key for key, _ in leaves(Settings(), "") if f"**`{key}`**" not in text]

    assert silent == []


def test_every_command_has_a_help_text_and_every_verb_an_example() -> None:
    found = list(commands())
    silent = [words for words, command, _ in found if not command.help]
    bare = [w for w, c, _ in found if not hasattr(c, "list_commands") and not c.epilog]

    assert len(found) > 30
    assert (silent, bare) == ([], [])


def test_the_commands_that_the_pages_show_exist() -> None:
    known = {words for words, _, _ in commands()}
    families = {words for words in known if any(w.startswith(words + " ") for w in known)}
    unknown = []
    for path in PAGES:
        for words in re.findall(
            r"^(?:\$ )?(?:\.venv/bin/)?(pb(?: [a-z-]+){1,2})", code_of(path), re.M
        ):
            first = " ".join(words.split()[:2])
            if words not in known and (first not in known or first in families - {"pb"}):
                unknown.append((path.name, words))

    assert unknown == []


def code_of(path: Path) -> str:
    return "\n".join(re.findall(r"^```(?:sh|console)\n(.*?)^```", path.read_text(), re.M | re.S))


def test_the_words_of_the_house_are_in_the_glossary() -> None:
    glossary = page("glossary.md").lower()
    words = (
        "job service run attempt trigger misfire grace coalesce overlap jitter desired state ready "
        "healthy queue priority engine executor store bus client capture retention recovery backoff"
    )
    words_of_two = ["fire time", "due", "restart policy", "start limit", "catch up", "home"]

    assert [w for w in [*words.split(), *words_of_two] if f"**{w}**" not in glossary] == []


def test_the_readme_has_its_two_commands_where_the_checks_look_for_them() -> None:
    readme = (TOP / "README.md").read_text()
    first = re.search(r"^```sh\n(.+)\n```", readme, re.M)
    second = re.search(r"^<!-- test command -->\n```sh\n(.+)\n```$", readme, re.M)

    assert first
    assert second
    assert first[1].endswith("pb service start all")
    assert second[1].endswith("pytest")
    assert "<!-- test command -->" in (TOP / ".ci" / "run").read_text()


def test_every_pinned_version_suits_what_the_project_asks_for() -> None:
    import tomllib

    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    pinned = re.findall(r"^([\w.-]+)==", (TOP / "requirements.lock").read_text(), re.M)
    names = {name.lower().replace("_", "-") for name in pinned}

    assert [a for a in asked if re.split(r"[<>=~!;\[ ]", a)[0].lower() not in names] == []
