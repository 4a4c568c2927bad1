"""Hooks and other commands of a service, with real processes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from pb.core.service import Service
from pb.daemon.messages import CommandEnded, InstanceKey
from pb.daemon.service_errands import ServiceErrands
from tests.kit.stage import Stage, play

KEY = InstanceKey("web", 0, 7)


def errands_of(stage: Stage) -> ServiceErrands:
    return ServiceErrands(errands=stage.errands, post=stage.told.append)


def run(stage: Stage, hook: str, *argv: str, timeout: float = 10) -> ServiceErrands:
    what = stage.what(Service(name="web", command=("true",), env={"COLOUR": "blue"}), KEY)
    errands = errands_of(stage)
    errands.run(KEY, hook, argv, what, timeout, {"exit_code": 1})
    return errands


@pytest.mark.parametrize(
    ("argv", "code", "reason"),
    [
        (("true",), 0, None),
        (("sh", "-c", "exit 3"), 3, "exit code 3"),
        (("sh", "-c", "kill -9 $$"), None, "was killed by SIGKILL"),
        (("no-such-command",), None, "Command not found: no-such-command"),
    ],
)
def test_the_end_of_a_command_is_told(
    tmp_path: Path, argv: tuple[str, ...], code: int | None, reason: str | None
) -> None:
    async def scene(stage: Stage) -> None:
        run(stage, "post_start", *argv)
        ended = await stage.hear(CommandEnded)
        assert ended == CommandEnded(KEY, "post_start", code, reason)

    play(tmp_path, scene)


@pytest.mark.parametrize(("hook", "end"), [("pre_start", "/7"), ("post_stop", "/7/post_stop")])
def test_a_hook_runs_in_the_surroundings_of_its_service(
    tmp_path: Path, hook: str, end: str
) -> None:
    script = 'echo "$COLOUR"; echo "$PB_EVENT"; echo "$PB_MARKER"; pwd; echo oops >&2'

    async def scene(stage: Stage) -> None:
        run(stage, hook, "sh", "-c", script)
        await stage.hear(CommandEnded)
        colour, event, marker, cwd, error = stage.home.log("web").read_text().splitlines()
        assert (colour, cwd, error) == ("blue", str(tmp_path), "oops")
        assert json.loads(event) == {
            "event": hook,
            "service": "web",
            "instance": 0,
            "exit_code": 1,
        }
        assert marker.endswith(end)

    play(tmp_path, scene)


def test_a_command_that_takes_too_long_is_killed_with_all_it_has_started(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        run(stage, "stop", "sh", "-c", "trap '' TERM; sleep 600 & sleep 600", timeout=0.3)
        ended = await stage.hear(CommandEnded)
        assert (ended.exit_code, ended.reason) == (None, "took more than 0.3 seconds")
        await stage.until(lambda: not stage.watching.left())

    play(tmp_path, scene)


def test_a_command_that_is_cancelled_is_killed_and_nobody_is_told(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        errands = run(stage, "post_start", "sh", "-c", "touch up; sleep 600")
        await stage.until((tmp_path / "up").exists)
        errands.cancel(KEY)
        await stage.until(lambda: not stage.watching.left())
        await stage.until(lambda: len(asyncio.all_tasks()) == 1)

    assert play(tmp_path, scene).told == []
