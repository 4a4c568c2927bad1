"""``pb init``: a home to begin with, and nothing that is there is touched."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

from pb.config.settings import SETTINGS, Settings, load_settings
from pb.paths import Home
from tests.kit.cli import Cli


def test_every_setting_stands_in_the_file_with_its_default(pb: Cli) -> None:
    assert pb("init").code == 0
    home = Home(pb.home)
    text = home.config.read_text()
    assert home.config.stat().st_mode & 0o777 == 0o600
    before = load_settings(home, environ={})
    assert all(getattr(before, name) == getattr(Settings(), name) for name in ("logs", "gateway"))
    home.config.write_text("\n".join(line.removeprefix("# ") for line in text.splitlines()[2:]))

    found = tomllib.loads(home.config.read_text())
    assert {f"{section}.{key}" for section in found for key in found[section]} == set(SETTINGS)
    after = load_settings(home, environ={})
    assert after.db_path(home) == before.db_path(home)
    # Of a certificate and of the system's log there is no default; the file proposes a place.
    gateway = replace(after.gateway, tls_cert=None, tls_key=None)
    logs = replace(after.logs, socket=None)
    assert (logs, after.retention, gateway) == (
        before.logs,
        before.retention,
        before.gateway,
    )


def test_the_examples_are_good_definitions(pb: Cli) -> None:
    made = pb("init", "--examples", "--json").json
    assert [Path(path).name for path in made["created"]] == ["config.toml", "examples.toml"]

    ran = pb("job", "validate")
    assert ran.code == 0, ran
    assert "4 jobs, 0 problems" in ran.out


def test_what_is_there_stays_as_it_is(pb: Cli) -> None:
    pb("init", "--examples")
    home = Home(pb.home)
    home.config.write_text("[logs]\nkeep = 7\n")
    ran = pb("init", "--examples")

    assert ran.code == 0
    assert ran.out.count("was there, and is as it was") == 2
    assert home.config.read_text() == "[logs]\nkeep = 7\n"
    assert "pb service start all" in ran.err
