"""Python functions as jobs, and what any run hands back through PB_OUTPUT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kit.command import BY_HAND, Pb

MODULE = """
import asyncio, os, sys

class Shop:
    @staticmethod
    def count(): return 7

def add(a, b=1): print("adding"); return {"sum": a + b}
async def later(x):
    await asyncio.sleep(0.01)
    return [x, os.environ.get("PB_CALL"), sys.argv, os.path.basename(os.getcwd())]
def nothing(): pass
def fails(): inner()
def inner(): raise ValueError("no such shop")
def leaves(code): sys.exit(code)
def says(): sys.exit("closed today")
def strange(): return {1, 2}
def huge(): return "x" * 70_000
"""


@pytest.fixture
def shop(pb: Pb, tmp_path: Path) -> Pb:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "shop.py").write_text(MODULE)
    pb.ok("scheduler", "start")
    return pb


def ran(pb: Pb, *words: str) -> dict[str, Any]:
    """Add a job, run it to its end, and answer the run, whole."""
    work = pb.home.parent / "work"
    pb.ok("job", "add", "j", *BY_HAND, "--cwd", str(work), *words)
    answer = pb("job", "run", "j", "--wait", "--json").json
    run: dict[str, Any] = pb.ok("job", "show", "j", "--json").json["runs"][0]
    assert answer["run"]["output"] == run["output"]
    return run


def log(pb: Pb) -> str:
    return Path(pb.history("j")[0]["log_path"]).read_text()


def test_a_function_is_called_and_its_result_is_kept(shop: Pb) -> None:
    run = ran(shop, "--python", "shop:add", "--args", "[1]", "--kwargs", '{"b": 5}')

    assert (run["state"], run["exit_code"], run["output"]) == ("succeeded", 0, {"sum": 6})
    assert log(shop) == "adding\n"
    assert 'Last output: {"sum": 6}' in shop.ok("job", "show", "j").out
    assert not list(Path(run["log_path"]).parent.glob("*.output"))


def test_an_async_function_is_awaited_in_its_directory_without_a_trace_of_the_call(
    shop: Pb,
) -> None:
    run = ran(shop, "--python", "shop:later", "--args", '["é"]')

    assert run["output"] == ["é", None, ["shop:later"], "work"]


def test_a_function_may_be_inside_a_class(shop: Pb) -> None:
    assert ran(shop, "--python", "shop:Shop.count")["output"] == 7


def test_no_result_is_none(shop: Pb) -> None:
    run = ran(shop, "--python", "shop:nothing")

    assert (run["state"], run["output"]) == ("succeeded", None)


FAILING = [
    ("shop:fails", "[]", 1, "ValueError: no such shop"),
    ("shop:leaves", "[3]", 3, "exit code 3"),
    ("shop:says", "[]", 1, "closed today"),
    ("nowhere:f", "[]", 1, "ModuleNotFoundError: No module named 'nowhere'"),
    ("shop:missing", "[]", 1, "AttributeError: module 'shop' has no attribute 'missing'"),
    ("shop:add", "[]", 1, "TypeError: add() missing 1 required positional argument: 'a'"),
    ("shop:MODULE.x", "[]", 1, "AttributeError: module 'shop' has no attribute 'MODULE'"),
]


@pytest.mark.parametrize(("function", "args", "code", "reason"), FAILING)
def test_what_goes_wrong_is_the_reason(
    shop: Pb, function: str, args: str, code: int, reason: str
) -> None:
    run = ran(shop, "--python", function, "--args", args)

    assert (run["state"], run["exit_code"], run["reason"]) == ("failed", code, reason)
    assert run["output"] is None


def test_the_traceback_is_in_the_log_and_begins_in_the_function(shop: Pb) -> None:
    ran(shop, "--python", "shop:fails")

    assert log(shop).startswith("Traceback (most recent call last):\n")
    assert "in inner" in log(shop)
    assert "runner.py" not in log(shop)


def test_a_call_that_asks_for_zero_exits_has_succeeded(shop: Pb) -> None:
    assert ran(shop, "--python", "shop:leaves", "--args", "[0]")["state"] == "succeeded"


@pytest.mark.parametrize(
    ("function", "said"), [("strange", "it is no JSON"), ("huge", "68 KiB, more than 64 KiB")]
)
def test_a_result_that_cannot_be_kept_is_told_in_the_log(
    shop: Pb, function: str, said: str
) -> None:
    run = ran(shop, "--python", f"shop:{function}")

    assert (run["state"], run["output"]) == ("succeeded", None)
    assert said in log(shop)


def test_another_interpreter_may_call_it(shop: Pb, tmp_path: Path) -> None:
    import sys

    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\necho by another\nexec "{sys.executable}" "$@"\n')
    other.chmod(0o700)

    run = ran(shop, "--interpreter", str(other), "--python", "shop:add", "--args", "[1]")

    assert run["output"] == {"sum": 2}
    assert log(shop) == "by another\nadding\n"


OUTPUTS = [
    ('echo "{\\"rows\\": [1, null]}" > "$PB_OUTPUT"', {"rows": [1, None]}, ""),
    ('echo no json > "$PB_OUTPUT"', None, "PB_OUTPUT is not kept: it is not JSON"),
    ('echo NaN > "$PB_OUTPUT"', None, "PB_OUTPUT is not kept: it is not JSON"),
    ('echo "\\"\\\\ud800\\"" > "$PB_OUTPUT"', None, "PB_OUTPUT is not kept"),
    ('mkdir "$PB_OUTPUT"', None, "PB_OUTPUT is not kept"),
    ('ln -s /etc/hostname "$PB_OUTPUT"', None, "PB_OUTPUT is not kept"),
    (': > "$PB_OUTPUT"', None, ""),
    ("true", None, ""),
]


@pytest.mark.parametrize(("script", "output", "said"), OUTPUTS)
def test_a_command_hands_back_json(shop: Pb, script: str, output: Any, said: str) -> None:
    run = ran(shop, "--shell", "--", script)

    assert (run["state"], run["output"]) == ("succeeded", output)
    assert said in log(shop)
    assert bool(log(shop)) is bool(said)


def test_a_run_that_failed_hands_back_what_it_had_written(shop: Pb) -> None:
    run = ran(shop, "--shell", "--", 'echo 5 > "$PB_OUTPUT"; exit 9')

    assert (run["state"], run["exit_code"], run["output"]) == ("failed", 9, 5)


def test_a_python_job_comes_from_a_file_and_a_home_path_is_followed(pb: Pb, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "shop.py").write_text(MODULE)
    jobs = pb.home / "jobs.d"
    jobs.mkdir(parents=True)
    job = {"name": "j", "python": "shop:add", "args": [2], "cwd": "~/work", "triggers": []}
    (jobs / "a.json").write_text(json.dumps({"schema_version": "1.0.0", "jobs": [job]}))
    pb.home.chmod(0o700)
    home = Pb(pb.home, {"HOME": str(tmp_path)})
    home.ok("scheduler", "start")

    assert home.ok("job", "run", "j", "--wait", "--json").json["run"]["output"] == {"sum": 3}
