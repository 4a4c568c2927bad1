"""``pb export systemd|launchd|supervisor|procfile``: printed, written, and what is lost told."""

from __future__ import annotations

import plistlib

import pytest

from tests.kit.cli import Cli

COMPOSE = """\
services:
  web: {command: /bin/sleep 1000, depends_on: [db], environment: {A: "1"}}
  db: {command: /bin/sleep 1000}
"""


@pytest.fixture
def shop(pb: Cli) -> Cli:
    """A home with two services."""
    (pb.cwd / "compose.yaml").write_text(COMPOSE)
    ran = pb("import", "compose")
    assert ran.code == 0, ran
    assert "2 imported" in ran.out
    return pb


def test_imported_services_are_skipped_unless_replaced(shop: Cli) -> None:
    again = shop("import", "compose", "--json").json
    replaced = shop("import", "compose", "--replace", "--json").json

    assert (again["added"], sorted(s["name"] for s in again["skipped"])) == ([], ["db", "web"])
    assert sorted(replaced["replaced"]) == ["db", "web"]


def test_units_are_printed_with_their_names_and_what_is_lost_is_told(shop: Cli) -> None:
    ran = shop("export", "systemd")

    assert ran.code == 0, ran
    assert "# db.service" in ran.out
    assert "Requires=db.service\nAfter=db.service\n" in ran.out
    assert shop("export", "systemd", "web").out.startswith("[Unit]\n")
    assert "web: depends_on: it does not wait for db" in shop("export", "launchd", "web").err


def test_files_are_written_into_a_directory_and_none_is_replaced(shop: Cli) -> None:
    first = shop("export", "launchd", "--output", "agents")
    again = shop("export", "launchd", "--output", "agents")

    assert (first.code, again.code) == (0, 1)
    table = plistlib.loads((shop.cwd / "agents" / "pb.web.plist").read_bytes())
    assert table["EnvironmentVariables"]["A"] == "1"
    assert "already" in again.err


def test_json_has_each_file_and_note(shop: Cli) -> None:
    (file,) = shop("export", "supervisor", "--json").json["files"]

    assert file["file"] == "pb.conf"
    assert "[program:web]" in file["text"]
    assert {"service", "key", "message"} == set(file["notes"][0])


def test_a_procfile_comes_back(shop: Cli) -> None:
    ran = shop("export", "procfile", "web")

    assert ran.out == f"web: cd {shop.cwd} && export A=1; exec /bin/sleep 1000\n"


def test_a_service_that_is_not_there_is_not_found(shop: Cli) -> None:
    assert shop("export", "systemd", "wen").code == 5
