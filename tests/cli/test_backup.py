"""``pb backup`` as a person has it: what it prints, its JSON, its exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.kit.cli import Cli


@pytest.fixture
def made(pb: Cli) -> Iterator[Cli]:
    assert pb("job", "add", "hello", "--every", "1h", "--", "true").code == 0
    yield pb
    if (pb.home / "scheduler.pid").exists():
        pb.end_everything()


def test_one_is_made_listed_verified_and_put_back(made: Cli) -> None:
    created = made("backup", "create")
    assert created.code == 0, created.all
    name = created.out.split("backups/")[1].split()[0]
    assert "1 job, 0 services, 0 runs" in created.out
    assert "verified" in created.out

    listed = made("backup", "list")
    assert name in listed.out
    assert "1 job, 0 services, 0 runs" in listed.out
    (made.home / "backups" / name.replace("pb-2", "pb-1")).write_bytes(b"")
    assert "cannot be read" in made("backup", "list").out
    verified = made("backup", "verify", "latest")
    assert f"{name} is whole" in verified.out
    assert made("job", "remove", "hello").code == 0

    restored = made("backup", "restore", name)
    assert restored.code == 0, restored.all
    assert "pony.db.kept-" in restored.out
    assert "pb scheduler start" in restored.err
    assert "hello" in made("job", "list").out


def test_the_same_as_json(made: Cli) -> None:
    assert made("backup", "list", "--json").json["backups"] == []
    name = made("backup", "create", "--json").json["backup"]["name"]
    assert [one["name"] for one in made("backup", "list", "--json").json["backups"]] == [name]
    assert made("backup", "verify", name, "--json").json["ok"] is True
    only = made("backup", "restore", name, "--definitions-only", "--json").json
    assert only["unchanged"] == ["hello"]
    whole = made("backup", "restore", name, "--json").json
    assert whole["jobs"] == 1
    assert made("backup", "set-aside", "--force", "--json").json["kept"].startswith(str(made.home))


def test_before_there_is_one_it_says_how_to_make_one(pb: Cli) -> None:
    listed = pb("backup", "list")
    assert (listed.code, "pb backup create" in listed.err) == (0, True)
    missing = pb("backup", "restore", "latest")
    assert (missing.code, "no backup" in missing.err) == (5, True)
    unknown = pb("backup", "verify", "nothing", "--json")
    assert (unknown.code, unknown.json["error"]["code"]) == (5, "not_found")


def test_a_running_scheduler_is_told_of_and_definitions_can_be_had_all_the_same(made: Cli) -> None:
    assert made("scheduler", "start").code == 0
    assert made("backup", "create").code == 0
    assert made("job", "remove", "hello").code == 0

    refused = made("backup", "restore", "latest")
    only = made("backup", "restore", "latest", "--definitions-only")

    assert refused.code == 1
    assert "pb scheduler stop" in refused.err
    assert only.code == 0, only.all
    assert "1 added: hello" in only.out
    assert "hello" in made("job", "list").out


def test_what_is_left_as_it_is_is_said(made: Cli) -> None:
    folder = made.home / "jobs.d"
    folder.mkdir(mode=0o700)
    mine = folder / "mine.json"
    mine.write_text(json.dumps({"jobs": [{"name": "mine", "command": ["true"]}]}))
    assert made("apply", str(mine)).code == 0
    assert made("backup", "create").code == 0
    mine.write_text(json.dumps({"jobs": [{"name": "mine", "command": ["false"]}]}))
    assert made("apply", str(mine)).code == 0

    only = made("backup", "restore", "latest", "--definitions-only")
    whole = made("backup", "restore", "latest")

    assert "mine was left as it is: it comes from" in only.err
    assert "jobs.d/mine.json differs from the backup's" in whole.err


def test_a_damaged_database_has_two_ways_out(made: Cli) -> None:
    (made.home / "pony.db").write_bytes(b"garbage" * 9999)
    told = made("job", "list")
    assert told.code == 1
    assert "pb backup restore latest" in told.err
    assert "pb backup set-aside" in told.err

    aside = made("backup", "set-aside")
    assert aside.code == 0, aside.all
    assert made("job", "list").code == 0
    refused = made("backup", "set-aside")
    assert (refused.code, "--force" in refused.err) == (1, True)


@pytest.mark.parametrize("how", ["gone", "emptied"])
def test_a_start_without_a_database_says_that_there_are_backups(made: Cli, how: str) -> None:
    made("backup", "create")
    database = made.home / "pony.db"
    for file in made.home.glob("pony.db-*"):
        file.unlink()
    database.unlink() if how == "gone" else database.write_bytes(b"")

    started = made("scheduler", "start")

    assert started.code == 0
    assert f"There is no database at {database}" in started.err
    assert "pb backup restore latest" in started.err
    assert made("scheduler", "stop").code == 0
    assert "no database" not in made("scheduler", "start").err
    assert made("scheduler", "stop").code == 0


def test_the_shell_completes_names(made: Cli) -> None:
    assert made("backup", "create").code == 0
    env = {"_PB_COMPLETE": "complete_bash", "COMP_WORDS": "pb backup verify p", "COMP_CWORD": "3"}
    assert "pb-2" in made(env=env).out
