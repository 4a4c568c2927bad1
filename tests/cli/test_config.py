"""``pb config``: one value, the whole file, and what a running scheduler makes of it."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pb.config.setting_meanings import AT_START, MEANINGS, taken, value_of
from pb.config.settings import SETTINGS, Settings, load_settings
from pb.paths import Home
from tests.config.test_settings import VALUES
from tests.kit.cli import Cli


@pytest.fixture
def made(pb: Cli) -> Iterator[Cli]:
    pb.home.mkdir(mode=0o700)
    yield pb
    if (pb.home / "scheduler.pid").exists():
        pb.end_everything()


def config(pb: Cli) -> Path:
    return pb.home / "config.toml"


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_has_a_meaning_and_can_be_set_from_text(tmp_path: Path, setting: str) -> None:
    from pb.cli.config_change import as_written
    from pb.config.toml_edit import with_value

    section, _, key = setting.partition(".")
    text = with_value("", section, key, as_written(setting, VALUES[setting][1]))
    (tmp_path / "config.toml").write_text(text)

    assert value_of(load_settings(Home(tmp_path), environ={}), setting) == VALUES[setting][2]
    assert MEANINGS[setting].endswith((".", ")"))


def test_meanings_and_moments_are_of_settings_that_there_are() -> None:
    assert MEANINGS.keys() == SETTINGS.keys()
    assert set(AT_START) < SETTINGS.keys()


def test_one_value_is_set_and_read_and_taken_out_and_the_rest_stays(made: Cli) -> None:
    config(made).write_text('# mine\n[logs]\nkeep = 7   # seven\n\n[gateway]\nhost = "::1"\n')
    config(made).chmod(0o640)

    assert made("config", "set", "logs.keep", "3").code == 0
    assert made("config", "set", "logs.max_size", "20MiB").code == 0
    assert config(made).read_text() == (
        '# mine\n[logs]\nkeep = 3   # seven\nmax_size = "20MiB"\n\n[gateway]\nhost = "::1"\n'
    )
    assert stat.S_IMODE(config(made).stat().st_mode) == 0o640
    assert made("config", "get", "logs.max_size").out == f"{20 * 2**20}\n"
    shown = made("config", "get", "logs.max_size", "--json").json
    assert (shown["value"], shown["origin"]) == (20 * 2**20, f"{config(made)}:4")
    unset = made("config", "unset", "logs.max_size", "--json").json
    assert unset["changed"] is True
    assert "max_size" not in config(made).read_text()
    assert (
        made("config", "unset", "logs.max_size").out == "✓ logs.max_size = 10485760 (as before)\n"
    )
    assert os.listdir(made.home) == ["config.toml"]


def test_what_scripts_read_is_what_the_environment_takes(made: Cli) -> None:
    for setting in ("scheduler.queues", "gateway.names", "logs.compress", "scheduler.max_running"):
        assert made("config", "set", setting, VALUES[setting][1]).code == 0
    said = {
        name: made("config", "get", name).out.strip()
        for name in ("scheduler.queues", "gateway.names")
    }

    assert said == {"scheduler.queues": "disk=2,net=4", "gateway.names": "a.example,::2"}
    assert made("config", "get", "logs.compress").out == "false\n"
    assert made("config", "get", "gateway.tls_cert").out == ""


def test_lists_and_tables_may_be_written_as_the_file_has_them(made: Cli) -> None:
    assert made("config", "set", "gateway.names", '["a.example", "::2"]').code == 0
    assert made("config", "set", "scheduler.queues", "{disk = 2, net = 4}").code == 0
    assert made("config", "set", "notify.default", '{to = ["ops"], on = ["failure"]}').code == 0
    assert made("config", "get", "gateway.names").out == "a.example,::2\n"
    assert made("config", "get", "scheduler.queues").out == "disk=2,net=4\n"
    assert made("config", "get", "notify.default", "--json").json["value"]["to"] == ["ops"]
    refused = made("config", "set", "gateway.names", '["a.example"')
    assert (refused.code, "neither a list nor a table" in refused.err) == (6, True)


def test_channels_are_shown_one_a_line_and_those_that_do_not_exist_are_named(made: Cli) -> None:
    config(made).write_text(
        'notify.default = ["ops"]\nmaintenance.digests_to = ["op"]\n'
        '[notify.ops]\ntype = "webhook"\nurl = "https://example.org/secret"\n'
        '[notify.hc]\ntype = "ping"\nurl = "https://example.org/secret"\n'
    )
    shown = made("config", "show").out.splitlines()
    (ops,) = [line for line in shown if line.startswith("notify.ops ")]
    assert ops.endswith('= {"type": "webhook", "url": "https://example.org/***"}')
    assert not [line for line in shown if line.startswith("notify.channels")]
    assert set(json.loads(made("config", "get", "notify.channels").out)) == {"ops", "hc"}
    said = made("config", "validate")
    assert (said.code, "no channel 'op'. Did you mean ops?" in said.err) == (0, True)
    assert "there is no channel 'x'" in made("config", "set", "notify.default", "ops,x").err
    refused = made("config", "set", "notify.hc.url", "https://example.org")
    assert (refused.code, "pb config edit" in refused.err) == (5, True)


def test_of_several_who_change_settings_at_once_none_is_lost(made: Cli) -> None:
    wanted = {"logs.keep": "7", "backup.keep": "3", "retention.keep_days": "9"}
    wanted |= {"scheduler.max_running": "12", "gateway.rate_limit": "99"}
    with ThreadPoolExecutor(len(wanted)) as pool:
        said = pool.map(lambda one: made("config", "set", *one).code, wanted.items())
    assert list(said) == [0] * len(wanted)
    kept = made("config", "show", "--json").json["settings"]
    assert {name: str(kept[name]) for name in wanted} == wanted


def test_what_was_changed_while_somebody_edited_is_not_overwritten(
    made: Cli, tmp_path: Path
) -> None:
    config(made).write_text("[logs]\nkeep = 2\n")
    editor = tmp_path / "editor"
    editor.write_text(f"#!/bin/sh\necho '# mine' >> $1\necho '# theirs' >> {config(made)}\n")
    editor.chmod(0o755)
    refused = made("config", "edit", env={"EDITOR": str(editor)})
    assert (refused.code, "was changed meanwhile" in refused.err) == (1, True)
    assert config(made).read_text() == "[logs]\nkeep = 2\n# theirs\n"
    (draft,) = made.home.glob(".config-*.toml")
    assert draft.read_text().endswith("# mine\n")


def test_the_whole_list_speaks_as_one_value_does(made: Cli) -> None:
    assert made("config", "set", "logs.compress", "false").code == 0
    lines = made("config", "show").out.splitlines()
    shown = {name.strip(): value for name, _, value in (line.partition(" = ") for line in lines)}

    assert shown["logs.compress"] == "false"
    assert (shown["gateway.tls_cert"], shown["scheduler.queues"]) == ("-", "-")
    assert not {"True", "False", "None", "{}", "()"} & set(shown.values())


def test_a_link_to_a_file_elsewhere_stays_a_link(made: Cli, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_text("[logs]\nkeep = 7\n")
    config(made).symlink_to(real)

    assert made("config", "set", "logs.keep", "3").code == 0
    assert config(made).is_symlink()
    assert real.read_text() == "[logs]\nkeep = 3\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("set", "gateway.prot", "1"), 5, "gateway.port"),
        (("get", "port"), 5, "gateway.port or debug.port"),
        (("get", "nonsense"), 5, "pb config show"),
        (("set", "gateway.port", "many"), 6, "whole number"),
        (("set", "logs.max_size", "1"), 6, "at least 1KiB"),
        (("validate", "/no/such/file"), 5, "no file"),
    ],
)
def test_a_mistake_is_a_sentence_and_changes_nothing(
    made: Cli, words: tuple[str, ...], code: int, said: str
) -> None:
    config(made).write_text("[logs]\nkeep = 7\n")
    ran = made("config", *words)

    assert (ran.code, said in ran.err) == (code, True), ran.all
    assert config(made).read_text() == "[logs]\nkeep = 7\n"


def test_a_file_that_is_wrong_elsewhere_is_not_touched(made: Cli) -> None:
    config(made).write_text("[logs]\nkeep = 'x'\n")
    ran = made("config", "set", "gateway.port", "0")

    assert ran.code == 6
    assert f"{config(made)}:2: logs.keep" in ran.err
    assert config(made).read_text() == "[logs]\nkeep = 'x'\n"
    assert made("config", "validate").code == 6
    assert os.listdir(made.home) == ["config.toml"]


def test_validate_says_how_much_is_given(made: Cli, tmp_path: Path) -> None:
    assert "is not there; the defaults count" in made("config", "validate").out
    other = tmp_path / "other.toml"
    other.write_text("[logs]\nkeep = 2\n")
    assert f"✓ {other} is good (" in made("config", "validate", str(other)).out
    assert made("config", "validate", str(other), "--json").json["settings"]["logs.keep"]


def test_the_environment_that_wins_is_named(made: Cli) -> None:
    ran = made("config", "set", "gateway.port", "4", env={"PB_GATEWAY__PORT": "5"})

    assert "gateway.port = 5" in ran.out
    assert "PB_GATEWAY__PORT says so, and wins" in ran.err


def editor(tmp_path: Path, script: str) -> dict[str, str]:
    program = tmp_path / "editor.py"
    program.write_text(f"import sys\npath = sys.argv[1]\n{script}\n")
    return {"VISUAL": f"{sys.executable} {program}", "EDITOR": "/bin/false"}


def test_the_editor_s_text_counts_when_it_is_good(made: Cli, tmp_path: Path) -> None:
    config(made).write_text("[logs]\nkeep = 7\n")
    ran = made(
        "config", "edit", env=editor(tmp_path, "open(path, 'a').write('max_size = 5000\\n')")
    )

    assert ran.code == 0, ran.all
    assert config(made).read_text() == "[logs]\nkeep = 7\nmax_size = 5000\n"
    assert os.listdir(made.home) == ["config.toml"]


def test_a_bad_text_is_kept_and_the_old_one_counts(made: Cli, tmp_path: Path) -> None:
    config(made).write_text("[logs]\nkeep = 7\n")
    ran = made(
        "config", "edit", env=editor(tmp_path, "open(path, 'w').write('[logs]\\nkep = 1\\n')")
    )

    assert ran.code == 6
    assert "kep: is not a known setting" in ran.err
    assert config(made).read_text() == "[logs]\nkeep = 7\n"
    draft = next(path for path in made.home.iterdir() if path.name.startswith(".config-"))
    assert draft.name in ran.err
    assert draft.read_text() == "[logs]\nkep = 1\n"


def test_an_editor_that_changes_nothing_or_fails_leaves_nothing(made: Cli, tmp_path: Path) -> None:
    same = made("config", "edit", env=editor(tmp_path, "pass"))
    failed = made("config", "edit", env=editor(tmp_path, "sys.exit(3)"))

    assert "stays as it was" in same.out
    assert failed.code == 1
    assert "exit code 3" in failed.err
    assert os.listdir(made.home) == []


def test_somebody_at_a_terminal_may_mend_it(made: Cli, tmp_path: Path) -> None:
    script = (
        "bad = '[logs]\\nkep = 1\\n'\n"
        "text = open(path).read()\n"
        "open(path, 'w').write(text.replace('kep', 'keep') if text == bad else bad)"
    )
    ran = made.on_terminal("config", "edit", env=editor(tmp_path, script), typed="y\n")

    assert ran.code == 0, ran.out
    assert config(made).read_text() == "[logs]\nkeep = 1\n"


def test_a_running_scheduler_takes_what_it_can_and_says_what_has_to_wait(made: Cli) -> None:
    assert made("scheduler", "start").code == 0

    now = made("config", "set", "scheduler.queues", "disk=3")
    later = made("config", "set", "scheduler.lease", "20")
    as_json = made("config", "set", "gateway.tls", "true", "--json").json

    assert "It counts from now on." in now.err
    assert "It counts after: pb scheduler restart" in later.err
    assert as_json["at_start"] == ["scheduler.lease", "gateway.tls"]
    assert (
        made(
            "job", "add", "x", "--queue", "disk", "--at", "2099-01-01T00:00:00Z", "--", "true"
        ).code
        == 0
    )
    config(made).write_text("[scheduler]\nqueues = {disk = 4}\nlease = 20\n")
    reloaded = made("scheduler", "reload")
    assert (reloaded.code, "changed: scheduler.queues" in reloaded.out) == (0, True)
    assert "scheduler.lease: It counts after: pb scheduler restart" in reloaded.err
    config(made).write_text("[scheduler]\nqueues = 4\n")
    assert made("scheduler", "reload").code == 6
    config(made).unlink()
    log = (made.home / "scheduler.log").read_text()
    assert log.count("Settings that count now: scheduler.queues") == 2


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_scheduler_takes_every_setting_now_or_names_it(tmp_path: Path, setting: str) -> None:
    section, _, key = setting.partition(".")
    (tmp_path / "config.toml").write_text(f"[{section}]\n{key} = {VALUES[setting][0]}\n")
    fresh = load_settings(Home(tmp_path), environ={})

    found = taken(Settings(), fresh)

    assert (found.at_once, found.at_start) == (
        ((), (setting,)) if setting in AT_START else ((setting,), ())
    )
    waits = "scheduler" in AT_START.get(setting, ())
    assert value_of(found.settings, setting) == value_of(Settings() if waits else fresh, setting)
