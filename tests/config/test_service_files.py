"""Services in definition files: beside jobs, with lines, paths from the file, and names once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pb.config.files import read_definitions
from pb.config.folders import read_files
from pb.core.service import FileExists, RestartMode, ServiceDependency, Tcp, Watch

TOML = """\
[job.backup]
command = "restic backup"

[service.db]
command = ["postgres", "-D", "data"]

[service.db.ready]
exec = "pg_isready -q"
timeout = "30s"

[service.web]
command = "python app.py"
restart = "on-failure"
ready = {tcp = 8000}
depends_on = ["db", {service = "cache", condition = "started"}]

[service.cache]
command = "memcached"
"""


def written(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def test_a_toml_file_defines_services_beside_jobs(tmp_path: Path) -> None:
    found = read_definitions(written(tmp_path, "a.toml", TOML))

    assert found.problems == ()
    assert [job.name for job in found.jobs] == ["backup"]
    assert [service.name for service in found.services] == ["db", "web", "cache"]
    assert found.service_lines == {"db": 4, "web": 11, "cache": 17}
    assert found.lines == {"backup": 1}
    web = found.services[1]
    assert web.restart.mode is RestartMode.ON_FAILURE
    assert web.ready is not None
    assert web.ready.check == Tcp(port=8000)
    assert web.depends_on[0] == ServiceDependency(service="db")


def test_a_json_file_defines_services_in_a_list(tmp_path: Path) -> None:
    services = [{"name": "a", "command": ["x"]}, {"name": "b", "command": "y z"}]
    text = json.dumps({"services": services, "jobs": [{"name": "a", "command": "x"}]})
    found = read_definitions(written(tmp_path, "a.json", text))

    assert found.problems == ()
    assert [service.command for service in found.services] == [("x",), ("y", "z")]
    assert [job.name for job in found.jobs] == ["a"]


def test_a_broken_service_never_takes_the_others_down(tmp_path: Path) -> None:
    text = """\
{
  "services": [
    {"name": "good", "command": ["x"]},
    {"name": "bad", "comand": ["x"],
     "ready": {"tcp": 8000,
               "log": "("},
     "depends_on": [
       "db",
       {"service": "cache", "condition": "healty"}]},
    7,
    {"name": "good", "command": ["again"]},
    {"name": "all", "command": ["x"]}
  ]
}
"""
    found = read_definitions(written(tmp_path, "a.json", text))

    assert [(one.name, one.command[0]) for one in found.services] == [("good", "x")]
    assert [(p.line, p.key) for p in found.problems] == [
        (4, "services[1].comand"),
        (4, "services[1].command"),
        (6, "services[1].ready.log"),
        (9, "services[1].depends_on[1].condition"),
        (10, "services[2]"),
        (11, "services[3].name"),
        (12, "services[4].name"),
    ]
    assert all(problem.hint for problem in found.problems)


def test_relative_paths_mean_the_files_own_directory(tmp_path: Path) -> None:
    text = """\
[service.a]
command = "./run"
cwd = "app"
env_file = [".env", "?local.env", "?~/x", "/y"]
watch = {paths = ["src", "/z"], pattern = "*.py"}
ready = {file = "run/ready"}

[service.b]
command = "./run"
env_file = "?.env"
watch = "src"
ready = "file: ready"

[service.c]
command = "./run"
watch = ["src", "~/lib"]
"""
    a, b, c = read_definitions(written(tmp_path, "a.toml", text)).services
    here = str(tmp_path)

    assert a.cwd == f"{here}/app"
    assert a.env_file == (f"{here}/.env", f"?{here}/local.env", "?~/x", "/y")
    assert a.watch == Watch(paths=(f"{here}/src", "/z"), pattern="*.py")
    assert a.ready is not None
    assert a.ready.check == FileExists(path=f"{here}/run/ready")
    assert b.env_file == (f"?{here}/.env",)
    assert b.watch == Watch(paths=(f"{here}/src",))
    assert b.ready is not None
    assert b.ready.check == FileExists(path=f"{here}/ready")
    assert c.watch == Watch(paths=(f"{here}/src", "~/lib"))
    assert c.cwd is None


@pytest.mark.parametrize(("name", "is_project"), [("pb.toml", True), ("app.toml", False)])
def test_what_a_projects_own_file_defines_runs_in_the_project(
    tmp_path: Path, name: str, is_project: bool
) -> None:
    text = '[service.web]\ncommand = "./run"\n[job.j]\ncommand = "./j"\n'
    text += '[service.sub]\ncommand = "./run"\ncwd = "sub"\n'
    found = read_definitions(written(tmp_path, name, text))
    here = str(tmp_path) if is_project else None

    assert [one.cwd for one in found.services] == [here, f"{tmp_path}/sub"]
    assert [job.cwd for job in found.jobs] == [here]


@pytest.mark.parametrize("text", ["service = 5", "service = []", "[service]\na = 5"])
def test_service_tables_that_are_no_tables_are_told(tmp_path: Path, text: str) -> None:
    [problem] = read_definitions(written(tmp_path, "a.toml", text)).problems

    assert problem.key.startswith("service")
    assert "table" in problem.message


def test_a_name_belongs_to_the_first_of_two_files(tmp_path: Path) -> None:
    one = written(tmp_path, "1.toml", '[service.web]\ncommand = "a"\n')
    two = written(tmp_path, "2.toml", '\n[service.web]\ncommand = "b"\n[job.web]\ncommand = "c"\n')

    first, second = read_files([one, two])

    assert [service.command for service in first.found.services] == [("a",)]
    assert second.found.services == ()
    assert [job.name for job in second.found.jobs] == ["web"]
    [problem] = second.found.problems
    assert str(problem) == f"{two}:2: web: is defined in {one}:1 too"
