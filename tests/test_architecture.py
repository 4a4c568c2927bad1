"""The house rules that a machine can see (docs/architecture.md): each rule is a test.

The import law itself is import-linter's work (`lint-imports`); what stands here is the rest.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
FUNCTION_LINES = 60
MODULE_LINES = {"pb": 400, "tests": 600}
BANNED_WORDS = {"manager", "managers", "helper", "helpers", "util", "utils", "handler", "handlers"}
BANNED_NAMES = {"data", "info"}
HEAVY = {
    *(
        "typer",
        "click",
        "rich",
        "textual",
        "starlette",
        "uvicorn",
        "grpc",
        "google",
        "http",
        "httpx",
        "h11",
    ),
    *("anyio", "urllib.request", "email", "pydantic", "multiprocessing", "unittest", "pytest"),
    *("tarfile", "bz2", "lzma"),
}
"""What must never be paid for in the scheduler, which lives long and shall stay small."""


def modules(folder: str) -> list[Path]:
    return sorted(
        p for p in (TOP / folder).rglob("*.py") if not re.search(r"_pb2(_grpc)?$", p.stem)
    )


def ids(paths: list[Path]) -> list[str]:
    return [str(p.relative_to(TOP)) for p in paths]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def words_of(name: str) -> set[str]:
    return {w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def given_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every name that a module itself gives to something, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno


PB = modules("pb")
EVERYWHERE = PB + modules("tests")


@pytest.mark.parametrize("path", EVERYWHERE, ids=ids(EVERYWHERE))
def test_no_module_is_too_long(path: Path) -> None:
    limit = MODULE_LINES[path.relative_to(TOP).parts[0]]
    lines = path.read_text().count("\n")

    assert lines <= limit


@pytest.mark.parametrize("path", EVERYWHERE, ids=ids(EVERYWHERE))
def test_no_function_is_longer_than_60_lines(path: Path) -> None:
    long = {
        f.name: n
        for f in functions(ast.parse(path.read_text()))
        if (n := body_lines(f)) > FUNCTION_LINES
    }

    assert not long


@pytest.mark.parametrize("path", PB, ids=ids(PB))
def test_every_module_says_what_lives_in_it(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", PB, ids=ids(PB))
def test_no_banned_name_is_given_to_anything(path: Path) -> None:
    given = [(path.stem, 0), *given_names(ast.parse(path.read_text()))]
    banned = [g for g in given if g[0] in BANNED_NAMES or words_of(g[0]) & BANNED_WORDS]

    assert not banned


@pytest.mark.parametrize("path", PB, ids=ids(PB))
def test_every_function_is_annotated(path: Path) -> None:
    bare = [f.name for f in functions(ast.parse(path.read_text())) if f.returns is None]

    assert not bare


def test_no_test_sleeps_instead_of_waiting_for_something() -> None:
    """Programs that tests start (in strings and in files of their own) may sleep; tests may not."""
    tests = [p for p in modules("tests") if p.name.startswith(("test_", "conftest"))]

    assert [str(p) for p in tests if sleeps(ast.parse(p.read_text()))] == []


def sleeps(tree: ast.AST) -> bool:
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(ast.unparse(call) in ("time.sleep", "sleep") for call in calls)


def test_no_unfinished_work_is_left_in_the_source() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    unfinished = [str(p) for p in EVERYWHERE if p != Path(__file__) and marks.search(p.read_text())]

    assert not unfinished


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, capture_output=True, check=False)
    names = listed.stdout.decode().split("\0") if listed.returncode == 0 else []
    return [TOP / n for n in names if n and (TOP / n).is_file()] or EVERYWHERE


def test_no_file_names_a_machine_or_a_package_host() -> None:
    hosts = [r"pypi\.org", r"pythonhosted", r"npmjs", r"--(extra-)?index-url", r"--find-links"]
    pattern = re.compile("|".join([r"(?<![\w.])/(work|root|farm|opt/wheels|opt/pypi)/", *hosts]))
    named = [
        str(p)
        for p in tracked_files()
        if p != Path(__file__) and pattern.search(p.read_text(errors="replace"))
    ]

    assert not named


def imported_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter imports for ``statement``, by name."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("COV", "PYTHONPATH"))}
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", statement],
        cwd=TOP, env=clean, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines() if "|" in line}


def test_the_scheduler_imports_no_terminal_http_or_grpc_library() -> None:
    imported = imported_by("import pb.daemon.main")

    assert "pb.daemon.main" in imported
    assert not imported & HEAVY


def test_the_command_line_imports_nothing_heavy_before_it_knows_what_is_asked() -> None:
    imported = imported_by("import pb.cli.main")

    assert "pb.cli.main" in imported
    assert not imported & {
        "rich",
        "asyncio",
        "sqlite3",
        "grpc",
        "starlette",
        "uvicorn",
        "pydantic",
        "croniter",
    }
