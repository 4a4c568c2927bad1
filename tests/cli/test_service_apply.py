"""Services through ``pb apply``, ``pb export`` and ``pb job validate``, as people run them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kit.cli import Cli

PROJECT = """\
[service.db]
command = ["postgres", "-D", "data"]
ready = {exec = "pg_isready -q"}
stop = "INT"

[service.web]
command = "python app.py"
env_file = "?.env"
depends_on = ["db:ready"]

[job.backup]
command = "./backup.sh"
triggers = ["every: 1h"]
"""


@pytest.fixture
def project(pb: Cli) -> Path:
    path = pb.cwd / "pb.toml"
    path.write_text(PROJECT)
    return path


def services(pb: Cli) -> dict[str, Any]:
    found = pb("export", "--json").json.get("services", [])
    return {service["name"]: service for service in found}


def test_a_projects_own_file_is_applied_without_naming_it(pb: Cli, project: Path) -> None:
    ran = pb("apply")

    assert ran.code == 0, ran
    assert ran.out.splitlines()[-1] == "3 added, 0 changed, 0 removed, 0 unchanged"
    assert "+ service db" in ran.out
    assert "+ backup" in ran.out
    assert services(pb)["web"] == {
        "name": "web",
        "command": ["python", "app.py"],
        "cwd": str(pb.cwd),
        "env_file": [f"?{pb.cwd}/.env"],
        "depends_on": [{"service": "db"}],
    }
    assert pb("apply").out == "0 added, 0 changed, 0 removed, 3 unchanged\n"


def test_where_there_is_no_such_file_it_says_so(pb: Cli) -> None:
    ran = pb("apply")

    assert (ran.code, "There is no pb.toml here" in ran.err) == (2, True)


def test_a_change_is_shown_key_by_key(pb: Cli, project: Path) -> None:
    pb("apply")
    project.write_text(PROJECT.replace('"INT"', '{signal = "INT", timeout = "1m"}'))
    dry = pb("apply", "--dry-run", "--json").json
    assert [(one["kind"], one["name"]) for one in dry["changed"]] == [("service", "db")]

    assert pb("apply").out.splitlines() == [
        "~ service db",
        '    + stop.timeout: "1m"',
        "0 added, 1 changed, 0 removed, 2 unchanged",
    ]
    assert services(pb)["db"]["stop"] == {"signal": "INT", "timeout": "1m"}


def test_secrets_are_not_shown_but_that_they_change_is(pb: Cli, project: Path) -> None:
    text = PROJECT.replace('"?.env"', '[]\nenv = {API_KEY = "abc", PORT = "80"}')
    project.write_text(text)
    first = pb("apply")
    assert '+ env: {"API_KEY": "***", "PORT": "80"}' in first.out
    project.write_text(text.replace("abc", "def").replace("80", "81"))
    second = pb("apply")

    assert second.out.splitlines()[1:-1] == [
        '    - env.API_KEY: "***"',
        '    + env.API_KEY: "***"',
        '    - env.PORT: "80"',
        '    + env.PORT: "81"',
    ]
    assert services(pb)["web"]["env"] == {"API_KEY": "def", "PORT": "81"}


def test_all_of_a_file_is_applied_or_nothing_whichever_kind_is_wrong(
    pb: Cli, project: Path
) -> None:
    project.write_text(PROJECT.replace('"db:ready"', '"bd"'))
    ran = pb("apply")

    assert ran.code == 6
    assert "web depends on 'bd', which does not exist" in ran.err
    assert pb("export", "--json").json["jobs"] == []
    assert services(pb) == {}

    project.write_text(PROJECT.replace("[job.backup]", '[job.backup]\ndepends_on = ["x"]'))
    assert pb("apply").code == 6
    assert services(pb) == {}


def test_a_circle_is_refused_with_its_path(pb: Cli, project: Path) -> None:
    project.write_text(PROJECT.replace('stop = "INT"', 'depends_on = ["web"]'))
    for words in (("--dry-run",), ()):
        ran = pb("apply", *words)
        assert (ran.code, "db → web → db" in ran.err) == (6, True), ran
    assert services(pb) == {}


def test_files_whose_services_depend_on_one_another_are_applied_in_any_order(pb: Cli) -> None:
    (pb.cwd / "a.toml").write_text('[service.a]\ncommand = "x"\ndepends_on = ["b"]\n')
    (pb.cwd / "b.toml").write_text('[service.b]\ncommand = "x"\n')

    assert pb("apply", "a.toml", "b.toml", "--dry-run").code == 0
    assert pb("apply", "a.toml", "b.toml").code == 0
    assert set(services(pb)) == {"a", "b"}


def test_prune_removes_only_what_came_from_there(pb: Cli, project: Path) -> None:
    (pb.cwd / "other.toml").write_text('[service.other]\ncommand = "x"\n')
    pb("apply", "pb.toml", "other.toml")
    project.write_text('[service.db]\ncommand = ["postgres"]\n')

    left = pb("apply")
    assert "service web is left alone: no file defines it any more" in left.out
    done = pb("apply", "--prune", "--json").json
    assert sorted((one["kind"], one["name"]) for one in done["removed"]) == [
        ("job", "backup"),
        ("service", "web"),
    ]
    assert set(services(pb)) == {"db", "other"}


def test_a_service_of_services_d_is_left_alone(pb: Cli, project: Path) -> None:
    folder = pb.home / "services.d"
    folder.mkdir(parents=True)
    pb.home.chmod(0o700)
    (folder / "mine.toml").write_text('[service.web]\ncommand = "mine"\n')
    assert pb("apply", str(folder)).code == 0
    ran = pb("apply")

    assert ran.code == 1
    assert f"service web is left alone: it comes from {folder}/mine.toml" in ran.out
    assert services(pb)["web"]["command"] == ["mine"]


def test_a_job_and_a_service_may_have_the_same_name(pb: Cli, project: Path) -> None:
    project.write_text('[job.x]\ncommand = "a"\n[service.x]\ncommand = "b"\n')
    pb("apply")
    project.write_text('[service.x]\ncommand = "b"\n')
    ran = pb("apply", "--prune")

    assert ran.out.splitlines()[-1] == "0 added, 0 changed, 1 removed, 1 unchanged"
    assert set(services(pb)) == {"x"}


@pytest.mark.parametrize("form", ["json", "toml"])
def test_an_export_is_applied_elsewhere_and_is_the_same(pb: Cli, project: Path, form: str) -> None:
    pb("apply")
    text = pb("export", "--format", form).out
    (pb.cwd / f"out.{form}").write_text(text)
    other = Cli(home=pb.home.parent / "other", cwd=pb.cwd)

    assert other("apply", f"out.{form}").code == 0
    assert other("export", "--format", form).out == text


def test_export_names_some_of_both_kinds(pb: Cli, project: Path) -> None:
    pb("apply")
    found = json.loads(pb("export", "web", "backup", "db").out)

    assert [one["name"] for one in found["services"]] == ["web", "db"]
    assert [one["name"] for one in found["jobs"]] == ["backup"]
    missing = pb("export", "wbe")
    assert (missing.code, "Did you mean web?" in missing.err) == (5, True)


def test_validate_says_what_each_service_means(pb: Cli, project: Path) -> None:
    ran = pb("job", "validate", "pb.toml")

    assert ran.code == 0, ran
    assert "  ready: once pg_isready exits with 0, within 1m" in ran.out
    assert "  after: db is ready" in ran.out
    assert ran.out.splitlines()[-1] == "1 job, 2 services, 0 problems in 1 file"
    shown = pb("job", "validate", "pb.toml", "--json").json["files"][0]
    assert [one["definition"]["name"] for one in shown["services"]] == ["db", "web"]


@pytest.mark.parametrize("word", ["job", "service"])
def test_validate_tells_of_a_circle_across_files(pb: Cli, word: str) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        text = f'[{word}.{name}]\ncommand = "x"\ndepends_on = ["{other}"]\n'
        (pb.cwd / f"{name}.toml").write_text(text)
    ran = pb("job", "validate", "a.toml", "b.toml")

    assert ran.code == 6
    assert f"{pb.cwd}/a.toml:1: a: would wait for itself for ever: a → b → a" in ran.out
    assert ran.out.splitlines()[-1].endswith("1 problem in 2 files")
    assert pb("job", "validate", "a.toml").code == 0


def test_validate_looks_at_both_folders(pb: Cli) -> None:
    for folder in ("jobs.d", "services.d"):
        (pb.home / folder).mkdir(parents=True)
        (pb.home / folder / "a.toml").write_text(f"[service.{folder[0]}]\nhealthcheck = 5\n")
    pb.home.chmod(0o700)
    ran = pb("job", "validate")

    assert ran.code == 6
    assert ran.out.count("healthcheck: is not a key of a service") == 2
