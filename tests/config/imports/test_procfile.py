"""Procfiles: a shell command a line, foreman's ports, the ``.env`` beside it."""

from __future__ import annotations

from pathlib import Path

from pb.config.imports.found import Imported
from pb.config.imports.procfile import read_procfile
from tests.config.imports.kit import AROUND, jobs, report, services

TEXT = """\
# the parts of a shop
web: bundle exec puma -p $PORT
worker:  rake jobs:work | tee log
release: ./migrate
not a line
web: again
"""


def read(folder: Path, text: str = TEXT) -> Imported:
    return read_procfile(text, path=str(folder / "Procfile"), around=AROUND)


def test_each_line_is_a_service_for_a_shell_with_its_port(tmp_path: Path) -> None:
    found = read(tmp_path)

    assert services(found) == {
        "web": {
            "name": "web",
            "command": "bundle exec puma -p $PORT",
            "shell": True,
            "cwd": str(tmp_path),
            "env": {"PORT": "5000"},
        },
        "worker": {
            "name": "worker",
            "command": "rake jobs:work | tee log",
            "shell": True,
            "cwd": str(tmp_path),
            "env": {"PORT": "5100"},
        },
    }
    assert jobs(found)["release"]["command"] == "./migrate"


def test_the_rest_is_told_with_its_line(tmp_path: Path) -> None:
    assert report(read(tmp_path)) == [
        ("changed", None, ""),
        ("changed", 4, "release"),
        ("refused", 5, ""),
        ("refused", 6, "web"),
    ]


def test_the_env_file_beside_it_is_read_at_each_start_and_counts_for_the_ports(
    tmp_path: Path,
) -> None:
    (tmp_path / ".env").write_text("PORT=3000\nSECRET=x\n")
    found = services(read(tmp_path))

    assert {name: (s["env"], s["env_file"]) for name, s in found.items()} == {
        "web": ({"PORT": "3000"}, [str(tmp_path / ".env")]),
        "worker": ({"PORT": "3100"}, [str(tmp_path / ".env")]),
    }


def test_foreman_s_own_options_are_told(tmp_path: Path) -> None:
    (tmp_path / ".foreman").write_text("port: 3000\n")
    (remark,) = read(tmp_path, "web: x\n").remarks

    assert (remark.file, remark.fate) == (str(tmp_path / ".foreman"), "left_out")


def test_an_env_file_that_cannot_be_trusted_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=3000\n")
    (tmp_path / ".env").chmod(0o666)
    found = read(tmp_path, "web: x\n")

    assert services(found)["web"]["env"] == {"PORT": "5000"}
    assert "written by everybody" in found.remarks[0].message
