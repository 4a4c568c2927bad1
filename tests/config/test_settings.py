"""Settings: each has an effect by every way of giving it, and no mistake is passed over."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pb.config.settings import OTHER_NAMES, SETTINGS, Settings, load_settings, variable
from pb.errors import Exit, InvalidError, PermissionDeniedError
from pb.paths import Home
from tests.kit.users import unprivileged

VALUES: dict[str, tuple[str, str, Any]] = {
    "scheduler.db": ('"/tmp/x.db"', "/tmp/x.db", "/tmp/x.db"),
    "scheduler.socket": ('"/tmp/x.sock"', "/tmp/x.sock", "/tmp/x.sock"),
    "scheduler.shutdown_timeout": ('"1m30s"', "90", 90.0),
    "scheduler.lease": ('"1m30s"', "90", 90.0),
    "scheduler.max_running": ("7", "7", 7),
    "scheduler.queues": ("{disk = 2, net = 4}", "disk=2, net=4", {"disk": 2, "net": 4}),
    "scheduler.timezone": ('"Europe/Berlin"', "Europe/Berlin", "Europe/Berlin"),
    "logs.max_size": ('"2MiB"', "2097152", 2 * 2**20),
    "logs.keep": ("2", "2", 2),
    "logs.compress": ("false", "no", False),
    "logs.level": ('"debug"', "Debug", "debug"),
    "logs.format": ('"json"', "json", "json"),
    "logs.system": ('"journal"', "journal", "journal"),
    "logs.socket": ('"/tmp/x.sock"', "/tmp/x.sock", "/tmp/x.sock"),
    "logs.syslog_format": ('"rfc5424"', "rfc5424", "rfc5424"),
    "retention.keep_runs": ("5", "5", 5),
    "retention.keep_days": ("400", "400", 400),
    "backup.directory": ('"/tmp/x"', "/tmp/x", "/tmp/x"),
    "backup.keep": ("2", "2", 2),
    "retention.hourly_days": ("9", "9", 9),
    "maintenance.rollups": ("false", "false", False),
    "maintenance.compaction": ("false", "no", False),
    "maintenance.retention": ("false", "0", False),
    "maintenance.backup": ("false", "off", False),
    "maintenance.digests": ("false", "false", False),
    "maintenance.digests_to": ('["me", "ops"]', "me, ops", ("me", "ops")),
    "gateway.host": ('"::1"', "::1", "::1"),
    "gateway.port": ("0", "0", 0),
    "gateway.grpc_port": ("1234", "1234", 1234),
    "gateway.tls": ("true", "yes", True),
    "gateway.tls_cert": ('"/tmp/x.crt"', "/tmp/x.crt", "/tmp/x.crt"),
    "gateway.tls_key": ('"/tmp/x.key"', "/tmp/x.key", "/tmp/x.key"),
    "gateway.names": ('["a.example", "::2"]', "A.example, ::2", ("a.example", "::2")),
    "gateway.rate_limit": ("100", "100", 100),
    "debug.host": ('"localhost"', "localhost", "localhost"),
    "debug.port": ("65535", "65535", 65535),
    "notify.default": ('["ops", "me"]', "ops, me", ["ops", "me"]),
    "notify.channels": (
        '{ops = {type = "ping", url = "http://[::1]/x"}}',
        '{"ops": {"type": "ping", "url": "http://[::1]/x"}}',
        {"ops": {"type": "ping", "url": "http://[::1]/x"}},
    ),
}
"""Each setting, another value than its default: in config.toml, as text, and what it means."""


def home_with(tmp_path: Path, config: str | bytes | None = None) -> Home:
    if config is not None:
        raw = config if isinstance(config, bytes) else config.encode()
        (tmp_path / "config.toml").write_bytes(raw)
    return Home(tmp_path)


def value_of(settings: Settings, setting: str) -> object:
    section, _, key = setting.partition(".")
    return getattr(getattr(settings, section), key)


def error_of(home: Home, environ: dict[str, str] | None = None, **flags: object) -> InvalidError:
    with pytest.raises(InvalidError) as caught:
        load_settings(home, environ=environ or {}, flags=flags)
    assert caught.value.exit_code is Exit.INVALID
    return caught.value


def test_the_table_of_values_has_every_setting() -> None:
    assert VALUES.keys() == SETTINGS.keys()


def test_without_a_file_everything_is_default(tmp_path: Path) -> None:
    settings = load_settings(home_with(tmp_path), environ={})
    assert settings.gateway.port == 18789
    assert settings.gateway.grpc_port == 50051
    assert settings.debug.port == 18790
    assert settings.scheduler.shutdown_timeout == 30.0
    assert settings.logs.max_size == 10 * 2**20
    assert settings.origins == dict.fromkeys(SETTINGS, "default")
    assert settings.db_path(Home(tmp_path)) == tmp_path / "pony.db"
    assert settings.socket_path(Home(tmp_path)) == Home(tmp_path).socket


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_file_sets_it_and_is_its_origin(tmp_path: Path, setting: str) -> None:
    section, _, key = setting.partition(".")
    home = home_with(tmp_path, f"# mine\n[{section}]\n{key} = {VALUES[setting][0]}\n")
    settings = load_settings(home, environ={})
    assert value_of(settings, setting) == VALUES[setting][2]
    assert value_of(settings, setting) != value_of(Settings(), setting)
    assert settings.origins[setting] == f"{home.config}:3"
    assert [s for s, origin in settings.origins.items() if origin != "default"] == [setting]


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_environment_sets_it_over_the_file(tmp_path: Path, setting: str) -> None:
    section, _, key = setting.partition(".")
    default = value_of(Settings(), setting)
    text = {str: f'"{default}"', bool: str(default).lower(), type(None): '"/tmp/other"'}
    text |= {dict: "{}", tuple: "[]"}
    home = home_with(tmp_path, f"[{section}]\n{key} = {text.get(type(default), default)}\n")
    name = "PB_" + setting.replace(".", "__").upper()
    settings = load_settings(home, environ={name: VALUES[setting][1]})
    assert value_of(settings, setting) == VALUES[setting][2]
    assert settings.origins[setting] == f"environment {name}"


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_flag_sets_it_over_the_environment(tmp_path: Path, setting: str) -> None:
    others = {"scheduler.queues": "a=1", "gateway.names": "x", "gateway.tls": "no"}
    others |= {"notify.default": "x", "notify.channels": '{"x": {"type": "desktop"}}'}
    others |= {"maintenance.digests_to": "x"}
    default = value_of(Settings(), setting) or others.get(setting, "/tmp/x")
    environ = {variable(setting): str(default)}
    for given in (VALUES[setting][1], VALUES[setting][2]):
        settings = load_settings(home_with(tmp_path), environ=environ, flags={setting: given})
        assert value_of(settings, setting) == VALUES[setting][2]
        assert settings.origins[setting] == "flag"


@pytest.mark.parametrize(("name", "setting"), OTHER_NAMES.items())
def test_an_older_name_is_honoured_and_its_pb_name_wins(
    tmp_path: Path, name: str, setting: str
) -> None:
    home, text = home_with(tmp_path), VALUES[setting][1]
    settings = load_settings(home, environ={name: text})
    assert value_of(settings, setting) == VALUES[setting][2]
    assert settings.origins[setting] == f"environment {name}"
    other = {"port": "99", "host": "other", "db": "/o", "socket": "/o"}[setting.split(".")[1]]
    settings = load_settings(home, environ={variable(setting): other, name: text})
    assert str(value_of(settings, setting)) == other


def test_a_flag_that_was_not_given_and_an_empty_variable_are_nothing(tmp_path: Path) -> None:
    settings = load_settings(
        home_with(tmp_path), environ={"PB_GATEWAY__PORT": ""}, flags={"gateway.port": None}
    )
    assert settings.gateway.port == 18789


def test_variables_that_are_no_settings_are_left_alone(tmp_path: Path) -> None:
    names = ("HOME", "DEBUG", "JOB", "RUN_ID", "ATTEMPT", "FIRE_TIME", "MARKER", "TOKEN", "URL")
    environ = {f"PB_{name}": "x" for name in names} | {"PONY_SCHEDULER_BACKGROUND": "1"}
    assert load_settings(home_with(tmp_path), environ=environ).origins["debug.port"] == "default"


WRONG_FILES = [
    ("[gatway]\nport = 1", "F:1: gatway: is not a known section", "gateway"),
    ("[gateway]\n\nprot = 1", "F:3: gateway.prot: is not a known setting", "port"),
    ('[logs]\n["a\\u001b b"]\nx = 1', 'F:2: "a\\x1b b": is not a known section', ""),
    ("[gateway]\nport = '%s'" % ("x" * 5000), "F:2: gateway.port: should be", ""),
    ("gateway = 5", "F:1: gateway: should be a section", "[gateway]"),
    ("gateway.port = 1.5", "F:1: gateway.port: should be a whole number from 0 to 65535", ""),
    ('[gateway]\nport = "18789"', "F:2: gateway.port: should be a whole number", ""),
    ("[gateway]\nport = 65536", "F:2: gateway.port: should be a whole number", ""),
    ("[gateway]\nport = -1", "F:2: gateway.port: should be a whole number", ""),
    ("[gateway]\nport = true", "F:2: gateway.port: should be a whole number", ""),
    ('[gateway]\nhost = ""', "F:2: gateway.host: should be a host", ""),
    ('[gateway]\nhost = "localhost:80"', "F:2: gateway.host: should be a host", "without a port"),
    ("[gateway]\nhost = 5", "F:2: gateway.host: should be a host", ""),
    ("[gateway]\nhost = ['x']", "F:2: gateway.host: should be a host", ""),
    ("[logs]\ncompress = 1", "F:2: logs.compress: should be true or false, not 1", ""),
    ('[logs]\ncompress = "true"', "F:2: logs.compress: should be true or false", ""),
    ('[logs]\nmax_size = "10 parsecs"', "F:2: logs.max_size: ", ""),
    ("[logs]\nmax_size = 1.5", "F:2: logs.max_size: should be a size", "10MiB"),
    ("[logs]\nmax_size = 5", "F:2: logs.max_size: should be at least 1KiB", ""),
    ("[logs]\nkeep = 0", "F:2: logs.keep: should be a whole number from 1", ""),
    ("[retention]\nkeep_runs = 0", "F:2: retention.keep_runs: should be a whole number from 1", ""),
    ("[retention]\nkeep_days = '1d'", "F:2: retention.keep_days: should be a whole number", ""),
    ('[scheduler]\nlease = "100ms"', "F:2: scheduler.lease: should be from 1s to 1h", ""),
    ('[scheduler]\nshutdown_timeout = "-1s"', "F:2: scheduler.shutdown_timeout: ", ""),
    (
        '[scheduler]\ntimezone = "Berlin"',
        "F:2: scheduler.timezone: there is no time zone",
        "Europe",
    ),
    ('[scheduler]\ndb = ""', "F:2: scheduler.db: is empty", ""),
    ('[scheduler]\nsocket = "/%s"' % ("x" * 107), "F:2: scheduler.socket: is 108 bytes", "shorter"),
    ("[scheduler\n", "F:1: is not TOML", ""),
    ("a = 1\na = 2\n", "F:2: is not TOML", ""),
    (b"a = 1\n\xff\xfe", "F:2: is not UTF-8", "UTF-8"),
    (b"\0\0\0\0", "F:1: is not TOML", ""),
    (b"#" * ((1 << 20) + 1), "F: is larger than 1 MiB", ""),
]


@pytest.mark.parametrize(("config", "said", "advice"), WRONG_FILES)
def test_a_wrong_file_is_an_error_with_its_line_and_never_the_defaults(
    tmp_path: Path, config: str | bytes, said: str, advice: str
) -> None:
    home = home_with(tmp_path, config)
    error = error_of(home)
    assert error.message.replace(str(home.config), "F").startswith(said)
    assert advice in (error.hint or "")
    assert len(error.message) < 400


def test_a_config_that_is_no_file_is_an_error(tmp_path: Path) -> None:
    home = Home(tmp_path)
    os.mkfifo(home.config)
    assert "not a regular file" in error_of(home).message
    home.config.unlink()
    home.config.mkdir()
    assert "is a directory" in error_of(home).message
    home.config.rmdir()
    home.config.symlink_to(tmp_path / "gone")
    assert "no such file" in error_of(home).message


def test_a_config_that_may_not_be_read_is_an_error_and_not_the_defaults(tmp_path: Path) -> None:
    home = home_with(tmp_path, "[gateway]\nport = 1\n")
    home.config.chmod(0)
    denied = pytest.raises(PermissionDeniedError, match=f"^{home.config}: permission denied")
    with unprivileged(), denied as caught:
        load_settings(home, environ={})
    assert caught.value.hint == f"Make it readable: chmod u+r {home.config}"


WRONG_VARIABLES = [
    ("PB_GATEWAY__PORT", "http", "environment PB_GATEWAY__PORT: should be a whole number"),
    ("PB_GATEWAY__PORT", "99999999999999999999999", "environment PB_GATEWAY__PORT: should be a w"),
    ("PONY_GATEWAY_PORT", "1.5", "environment PONY_GATEWAY_PORT: should be a whole number"),
    ("DEBUG_SERVER_PORT", "-1", "environment DEBUG_SERVER_PORT: should be a whole number"),
    ("PB_LOGS__COMPRESS", "maybe", "environment PB_LOGS__COMPRESS: should be true or false"),
    ("PB_GATEWAY__PROT", "1", "environment PB_GATEWAY__PROT: is not a known setting"),
    ("PB_GATEWY__PORT", "", "environment PB_GATEWY__PORT: is not a known setting"),
    ("PB_SCHEDULER__TIMEZONE", "Mars", "environment PB_SCHEDULER__TIMEZONE: there is no time zone"),
]


@pytest.mark.parametrize(("name", "value", "said"), WRONG_VARIABLES)
def test_a_wrong_variable_is_an_error_that_names_it(
    tmp_path: Path, name: str, value: str, said: str
) -> None:
    error = error_of(home_with(tmp_path), {name: value})
    assert error.message.startswith(said)


def test_a_misspelled_variable_comes_with_the_right_one(tmp_path: Path) -> None:
    error = error_of(home_with(tmp_path), {"PB_GATEWAY__PROT": "1"})
    assert "PB_GATEWAY__PORT" in (error.hint or "")


def test_a_wrong_flag_is_an_error_that_names_it(tmp_path: Path) -> None:
    error = error_of(home_with(tmp_path), None, **{"gateway.grpc_port": "x"})
    assert error.message.startswith("flag --grpc-port: should be a whole number")
    error = error_of(home_with(tmp_path), None, **{"gateway.prot": 1})
    assert "is not a known setting" in error.message


def test_all_problems_are_told_even_of_a_value_that_is_overridden(tmp_path: Path) -> None:
    home = home_with(tmp_path, "[gateway]\nport = 'x'\nhostt = 1\n")
    error = error_of(home, {"PB_GATEWAY__PORT": "1", "PB_X__Y": "1"})
    assert error.message.count("; ") == 2


def test_relative_paths_mean_the_config_files_directory(tmp_path: Path) -> None:
    home = home_with(tmp_path, '[scheduler]\ndb = "sub/x.db"\n')
    assert load_settings(home, environ={}).db_path(home) == tmp_path / "sub/x.db"
    settings = load_settings(home, environ={"PONY_DB_PATH": "y.db"})
    assert settings.db_path(home) == Path.cwd() / "y.db"


@pytest.mark.parametrize(("written", "meant"), [("~/x.db", "x.db"), ("~", ".")])
def test_a_path_may_begin_at_the_users_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, meant: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    home = home_with(tmp_path, f'[scheduler]\ndb = "{written}"\n')
    assert load_settings(home, environ={}).db_path(home) == tmp_path / "me" / meant


def test_a_removed_working_directory_matters_only_to_relative_paths(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    code = (
        "import os, sys; from pathlib import Path; from pb.paths import Home\n"
        "from pb.config.settings import load_settings\n"
        "os.rmdir(os.getcwd())\n"
        "home = Home(Path('/nowhere'))\n"
        "print(load_settings(home, environ={'PONY_DB_PATH': '/a'}).scheduler.db)\n"
        "try: load_settings(home, environ={'PONY_DB_PATH': 'a'})\n"
        "except Exception as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "gone",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "/a",
        "environment PONY_DB_PATH: 'a' is not an absolute path",
    ]


def test_loading_defaults_imports_no_parser(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pb.paths import Home\n"
        "from pb.config.settings import load_settings\n"
        "load_settings(Home(Path(sys.argv[1])))\n"
        "print([m for m in ('tomllib', 'json', 'zoneinfo', 'difflib') if m in sys.modules])\n"
    )
    unmeasured = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env=unmeasured,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("{disk = 0}", "the queue disk: should be a whole number from 1"),
        ('{disk = "two"}', "the queue disk: should be a whole number"),
        ("3", "should be a table of slots, not 3"),
    ],
)
def test_slots_that_cannot_be_meant_are_refused(tmp_path: Path, value: str, words: str) -> None:
    home = home_with(tmp_path, f"[scheduler]\nqueues = {value}\n")
    with pytest.raises(InvalidError, match=words):
        load_settings(home, environ={})
