"""Where each value of a service comes from, and that secrets are not among what is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pb.config.files import read_definitions
from pb.config.origins import service_values
from pb.core.service import Service
from pb.core.service_definition import service_from

TOML = """\
[service.web]
command = "serve --token abc"
env = {PORT = "80", API_KEY = "abc"}
restart = "on-failure"
cwd = "app"

[service.web.ready]
tcp = 8000
timeout = "1m"
"""


def origins(service: Service, source: str) -> dict[str, tuple[object, str]]:
    return {v.key: (v.value, v.origin) for v in service_values(service, source)}


def read(path: Path, text: str) -> Service:
    path.write_text(text)
    [service] = read_definitions(path).services
    return service


def test_each_value_is_told_with_its_line_or_as_a_default(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    found = origins(read(path, TOML), f"file:{path}")

    assert found["command"] == (["serve", "--token", "***"], f"{path}:2")
    assert found["env.PORT"] == ("80", f"{path}:3")
    assert found["env.API_KEY"] == ("***", f"{path}:3")
    assert found["restart.mode"] == ("on-failure", f"{path}:4")
    assert found["restart.delay"] == ("100ms", "default")
    assert found["cwd"] == (f"{tmp_path}/app", f"{path}:5")
    assert found["ready.tcp"] == (8000, f"{path}:8")
    assert found["ready.timeout"] == ("1m", f"{path}:9")  # written, although it is the default
    assert found["ready.interval"] == ("250ms", "default")
    assert found["stop.signal"] == ("TERM", "default")
    assert found["health"] == (None, "default")
    assert "ready.log" not in found


def test_what_a_project_means_by_itself_comes_from_its_table(tmp_path: Path) -> None:
    path = tmp_path / "pb.toml"
    found = origins(read(path, '\n[service.web]\ncommand = "x"\n'), f"apply:{path}")

    assert found["cwd"] == (str(tmp_path), f"{path}:2")


def test_a_json_file_has_lines_too(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    services = [{"name": "other", "command": ["x"]}, {"name": "web", "command": ["x"], "nice": 5}]
    service = service_from(services[1])
    path.write_text(json.dumps({"services": services}, indent=1))

    assert origins(service, f"file:{path}")["nice"] == (5, f"{path}:14")


def test_what_has_changed_in_the_file_since_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    service = read(path, TOML)
    path.write_text(TOML.replace("8000", "9000"))
    found = origins(service, f"apply:{path}")

    assert found["ready.tcp"] == (8000, f"{path}:8, changed since")
    assert found["command"][1] == f"{path}:2"


@pytest.mark.parametrize("text", [None, "oops", "[service.other]\ncommand = 'x'\n", "service = 5"])
def test_without_such_a_file_the_source_is_all_that_is_known(
    tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "a.toml"
    service = read(path, TOML)
    path.unlink()
    if text is not None:
        path.write_text(text)
    found = origins(service, f"apply:{path}")

    assert found["command"][1] == f"apply:{path}"
    assert found["restart.delay"] == ("100ms", "default")


def test_a_service_from_the_command_line_says_so() -> None:
    service = service_from({"name": "web", "command": ["x"], "restart": "never", "shell": False})
    found = origins(service, "cli")

    assert found["restart.mode"] == ("never", "cli")
    assert found["shell"] == (False, "default")
    assert found["command"] == (["x"], "cli")
