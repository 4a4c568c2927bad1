"""``services.d`` while the scheduler runs: what is saved there runs, what is removed is stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
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
    for path in (*(cli.home / "services.d").glob("*"), *(cli.home / "jobs.d").glob("*")):
        path.unlink()
    eventually(lambda: not any(is_up(cli, name) for name in ("one", "two", "three")))
    cli.end_everything()


def pid(pb: Cli, name: str) -> int | None:
    try:
        found: int = json.loads((pb.home / f"{name}.pid").read_text())["pid"]
    except FileNotFoundError:
        return None
    return found


def is_up(pb: Cli, name: str) -> bool:
    number = pid(pb, name)
    return number is not None and psutil.pid_exists(number)


def table(name: str, more: str = "") -> str:
    return f'[service.{name}]\ncommand = "sleep 1000"\n{more}\n'


def notice(pb: Cli) -> str | None:
    found: str | None = pb("scheduler", "status", "--json").json["notice"]
    return found


def test_a_service_runs_as_soon_as_its_file_is_saved_until_it_is_gone(pb: Cli) -> None:
    folder = pb.home / "services.d"
    folder.mkdir()
    (folder / "a.toml").write_text(table("one") + table("two", 'depends_on = ["one"]'))
    eventually(lambda: is_up(pb, "one") and is_up(pb, "two"))
    kept = pid(pb, "one")

    (folder / "a.toml").write_text(table("one", 'description = "x"'))
    eventually(lambda: not is_up(pb, "two"))
    assert pid(pb, "one") == kept  # a change waits for its next restart

    (folder / "a.toml").unlink()
    eventually(lambda: not is_up(pb, "one"))
    assert "services" not in pb("export", "--json").json


def test_a_file_that_went_while_no_scheduler_ran_stops_its_services(pb: Cli) -> None:
    folder = pb.home / "services.d"
    folder.mkdir()
    (folder / "a.toml").write_text(table("one"))
    (folder / "b.toml").write_text(table("two"))
    eventually(lambda: is_up(pb, "one") and is_up(pb, "two"))
    kept = pid(pb, "two")
    assert pb("scheduler", "stop").code == 0
    assert is_up(pb, "one")

    (folder / "a.toml").unlink()
    assert pb("scheduler", "start").code == 0
    eventually(lambda: not is_up(pb, "one"))
    assert pid(pb, "two") == kept


def test_a_broken_file_is_told_and_stops_nothing(pb: Cli) -> None:
    folder = pb.home / "jobs.d"
    folder.mkdir()
    (folder / "a.toml").write_text(table("one"))
    eventually(lambda: is_up(pb, "one"))
    kept = pid(pb, "one")
    (folder / "a.toml").write_text(table("one", "autorestart = true"))
    said = f"{folder}/a.toml:3: service.one.autorestart: is not a key of a service"

    assert eventually(lambda: notice(pb)) == f"{said}; see `pb job validate`"
    assert pid(pb, "one") == kept
    assert is_up(pb, "one")


def test_what_is_applied_by_hand_runs_and_is_stopped_when_it_is_pruned(pb: Cli) -> None:
    (pb.cwd / "pb.toml").write_text(table("three"))
    assert pb("apply").code == 0
    eventually(lambda: is_up(pb, "three"))
    number = pid(pb, "three")
    assert number is not None
    assert psutil.Process(number).cwd() == str(pb.cwd)

    (pb.cwd / "pb.toml").write_text("")
    assert "- service three" in pb("apply", "--prune").out
    eventually(lambda: not is_up(pb, "three"))
