"""``jobs.d`` while the scheduler runs: what is saved there is applied, what is broken is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import eventually
from tests.kit.cli import Cli


@pytest.fixture
def pb(tmp_path: Path) -> Iterator[Cli]:
    work = tmp_path / "work"
    work.mkdir()
    cli = Cli(home=tmp_path / "home", cwd=work)
    ran = cli("scheduler", "start")
    assert ran.code == 0, ran
    yield cli
    cli.end_everything()


def names(pb: Cli) -> set[str]:
    return {job["name"] for job in pb("job", "list", "--json").json["jobs"]}


def notice(pb: Cli) -> str | None:
    found: str | None = pb("scheduler", "status", "--json").json["notice"]
    return found


def test_a_file_is_applied_as_soon_as_it_is_saved(pb: Cli) -> None:
    folder = pb.home / "jobs.d"
    folder.mkdir()
    began = time.monotonic()
    (folder / "a.toml").write_text('[job.a]\ncommand = "true"\ntriggers = ["every: 1s"]\n')
    eventually(lambda: pb("job", "history", "a", "--json").json["runs"])
    assert time.monotonic() - began < 10

    (folder / "a.toml").write_text('[job.b]\ncommand = "true"\n')
    eventually(lambda: names(pb) == {"b"})
    (folder / "a.toml").unlink()
    eventually(lambda: names(pb) == set())


def test_a_broken_file_is_told_everywhere_and_takes_nobody_down(pb: Cli) -> None:
    folder = pb.home / "jobs.d"
    folder.mkdir()
    (folder / "good.toml").write_text('[job.good]\ncommand = "true"\n')
    eventually(lambda: names(pb) == {"good"})
    (folder / "bad.toml").write_text('[job.bad]\ncommand = "true"\ntiemout = "1h"\n')
    said = f"{folder}/bad.toml:3: job.bad.tiemout: is not a known key"

    assert eventually(lambda: notice(pb)) == f"{said}; see `pb job validate`"
    assert said in pb("scheduler", "status").err
    assert said in pb("scheduler", "logs").out
    assert said in pb("job", "validate").out
    assert names(pb) == {"good"}

    (folder / "bad.toml").write_text('[job.bad]\ncommand = "true"\ntimeout = "1h"\n')
    eventually(lambda: notice(pb) is None)
    assert names(pb) == {"good", "bad"}


def test_apply_edit_and_export_work_with_the_scheduler_running(pb: Cli) -> None:
    (pb.cwd / "jobs.toml").write_text('[job.a]\ncommand = "true"\ntriggers = ["every: 1h"]\n')
    assert pb("apply", "jobs.toml").code == 0
    before = pb("job", "list", "--json").json["jobs"][0]["next_run"]
    editor = pb.cwd / "editor"
    editor.write_text('#!/bin/sh\nsed -i s/1h/1s/ "$1"\n')
    editor.chmod(0o755)
    ran = pb("job", "edit", "a", env={"VISUAL": str(editor)})

    assert (ran.code, "takes this back" in ran.err) == (0, True)
    assert pb("job", "list", "--json").json["jobs"][0]["next_run"] < before
    assert pb("export", "--format", "toml").out.count('every = "1s"') == 1
    (pb.cwd / "jobs.toml").write_text("")
    assert "- a" in pb("apply", "jobs.toml", "--prune").out
    assert names(pb) == set()
