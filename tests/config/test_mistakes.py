"""Every kind of mistake in a definition file is told with its place, a sentence and a hint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

from pb.config.files import FileProblem, read_definitions
from pb.config.located import DocumentError, parse_json, parse_toml
from pb.config.schema import job_schema
from tests.config.mistakes import MISTAKES as JOB_MISTAKES
from tests.config.mistakes import Mistake
from tests.config.service_mistakes import SERVICE_MISTAKES
from tests.kit.cli import Cli

MISTAKES = {
    **JOB_MISTAKES,
    **{f"service: {kind}": mistake for kind, mistake in SERVICE_MISTAKES.items()},
}
PUBLISHED_AS = job_schema()["$id"]
KNOWN = Registry().with_resource(PUBLISHED_AS, Resource.from_contents(job_schema()))
FILE = jsonschema.Draft202012Validator({"$ref": f"{PUBLISHED_AS}#/$defs/file"}, registry=KNOWN)


def only_problem(mistake: Mistake, path: Path) -> FileProblem:
    path.write_text(mistake.text)
    [problem] = read_definitions(path).problems
    return problem


def test_there_are_at_least_fifty_kinds() -> None:
    assert len(JOB_MISTAKES) >= 50
    assert len(SERVICE_MISTAKES) >= 50


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_place_sentence_and_hint(mistake: Mistake, tmp_path: Path) -> None:
    problem = only_problem(mistake, tmp_path / f"a{mistake.suffix}")

    assert (problem.line, problem.key) == (mistake.line, mistake.key)
    assert mistake.said in problem.message
    assert problem.message
    assert "\n" not in problem.message
    assert problem.hint
    assert mistake.hint in problem.hint


def as_json(written: Any) -> dict[str, Any]:
    """What a TOML file says, as a JSON file would say it."""
    document: dict[str, Any] = {}
    for key, tables in written.items():
        known = {"job": "jobs", "service": "services"}.get(key, key)
        document[known] = [
            {"name": name, **table} if isinstance(table, dict) else table
            for name, table in tables.items()
        ]
    return document if "services" not in written else written


def is_schema_content(mistake: Mistake) -> bool:
    """Whether the JSON Schema accepts what the file says."""
    if mistake.suffix == ".json":
        document = dict(parse_json(mistake.text).value)
    else:
        document = as_json(parse_toml(mistake.text).value)
    return bool(FILE.is_valid(document))


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_the_schema_sees_every_mistake_that_is_no_matter_of_meaning(mistake: Mistake) -> None:
    try:
        accepted = is_schema_content(mistake)
    except DocumentError:
        assert not mistake.key
    else:
        assert accepted is not mistake.in_schema


def test_the_command_tells_all_of_them_at_once(tmp_path: Path) -> None:
    pb = Cli(home=tmp_path / "home", cwd=tmp_path)
    folder = tmp_path / "wrong"
    folder.mkdir()
    files = {}
    for number, (kind, mistake) in enumerate(MISTAKES.items()):
        path = folder / f"{number:03d}{mistake.suffix}"
        path.write_text(mistake.text)
        files[str(path)] = kind

    ran = pb("job", "validate", "wrong", "--json")

    told = {files[p["file"]]: p for p in ran.json["problems"] if " too" not in p["message"]}
    assert ran.code == 6
    assert set(told) == set(MISTAKES)
    for kind, mistake in MISTAKES.items():
        assert (told[kind]["line"], told[kind]["key"]) == (mistake.line, mistake.key)
        assert told[kind]["hint"]
