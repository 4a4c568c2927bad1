"""The flags of a service: one for every key, and together they spell its definition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pb.cli.service_flags import FLAGS, TABLES, service_definition
from pb.core.service import ServiceDependency, Tcp, Watch
from pb.core.service_definition import FIELDS, service_from
from pb.core.service_policies import TABLES as KEYS
from pb.errors import PbError, UsageError


def defined(**given: Any) -> dict[str, Any]:
    found = service_definition("web", ["true"], given)
    return {key: value for key, value in found.items() if key not in ("name", "command", "cwd")}


def test_every_key_of_a_definition_has_a_flag() -> None:
    flags = {flag.key for flag in FLAGS}
    whole = {key for key in FIELDS if key not in {"name", "command", "enabled"}}
    parts = {
        f"{table}.{key}"
        for table in TABLES
        for key in KEYS[table]
        if table not in ("ready", "health") or key in ("timeout", "interval", "watchdog")
    }

    assert whole - flags - {"watch"} == set()
    assert parts - flags - {"restart.mode", "reload.signal"} == set()


def test_a_flag_is_spelled_as_its_key() -> None:
    spelled = {one.key: one.names for one in FLAGS if "." not in one.key and one.key != "disabled"}

    assert [
        key for key, names in spelled.items() if f"--{key.replace('_', '-')}" not in names
    ] == []


def test_they_are_options_of_a_verb() -> None:
    import typer
    from typer.core import TyperCommand

    from pb.cli.flag_options import options_of

    command = TyperCommand("add", params=[*options_of(FLAGS)])
    context = typer.Context(command, obj={})
    words = ["--restart-delay", "1s", "--restart-factor", "1.5", "--watch", "a", "--watch", "b"]
    command.parse_args(context, [*words, "--log-uncompressed"])
    given = context.obj

    assert (given["restart.delay"], given["restart.factor"]) == ("1s", 1.5)
    assert (list(given["watch.paths"]), given["log.compress"]) == (["a", "b"], True)
    assert given["replicas"] is None


SPELLED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"env": ("A=1", "B=x=y")}, {"env": {"A": "1", "B": "x=y"}}),
    ({"env_file": ("/a", "?/b", "~/c")}, {"env_file": ["/a", "?/b", "~/c"]}),
    ({"disabled": True, "essential": True}, {"enabled": False, "essential": True}),
    ({"restart": "never"}, {"restart": {"mode": "never"}}),
    (
        {"restart": "on-failure", "restart.delay": "1s", "restart.max_restarts": 0},
        {"restart": {"mode": "on-failure", "delay": "1s", "max_restarts": 0}},
    ),
    (
        {"restart": '{"mode": "never", "delay": 5}', "restart.delay": "1s"},
        {"restart": {"mode": "never", "delay": "1s"}},
    ),
    ({"stop": "INT", "stop.timeout": "1m"}, {"stop": {"signal": "INT", "timeout": "1m"}}),
    ({"reload": "HUP"}, {"reload": {"signal": "HUP"}}),
    ({"reload.command": "nginx -s reload"}, {"reload": {"command": "nginx -s reload"}}),
    (
        {"ready": "tcp: 8000", "ready.timeout": "5s"},
        {"ready": {"tcp": "8000", "timeout": "5s"}},
    ),
    ({"ready": "notify"}, {"ready": {"notify": True}}),
    ({"ready": "http://x/"}, {"ready": {"http": "http://x/"}}),
    ({"health": "exec: a b", "health.failures": 1}, {"health": {"exec": "a b", "failures": 1}}),
    ({"health.watchdog": "30s"}, {"health": {"watchdog": "30s"}}),
    (
        {"depends_on": ("db:healthy", '{"service": "c"}')},
        {"depends_on": ["db:healthy", {"service": "c"}]},
    ),
    ({"log.compress": True, "log.keep": 3}, {"log": {"compress": False, "keep": 3}}),
    ({"hooks.pre_start": "./migrate"}, {"hooks": {"pre_start": "./migrate"}}),
    ({"limit": ("open_files=10",)}, {"limits": {"open_files": 10}}),
    ({"nice": 0, "replicas": 2}, {"nice": 0, "replicas": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("given", "spelled"), SPELLED)
def test_flags_spell_a_definition_that_can_be_read(
    given: dict[str, Any], spelled: dict[str, Any]
) -> None:
    assert defined(**given) == spelled
    service_from(service_definition("web", ["true"], given))


def test_relative_paths_mean_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"watch.paths": ("src",), "env_file": ("?.env",), "ready": "file: run/ready"}
    found = service_definition("web", ["true"], given)

    assert found["cwd"] == str(tmp_path)
    assert found["env_file"] == [f"?{tmp_path}/.env"]
    assert found["ready"] == {"file": f"{tmp_path}/run/ready"}
    assert service_from(found).watch == Watch(paths=(f"{tmp_path}/src",))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"restart": "{mode"}, "--restart is not JSON"),
        ({"hooks": "./migrate"}, "--hooks is not JSON"),
        ({"env": ("A",)}, "--env takes NAME=VALUE"),
        ({"ready": "8000"}, "not a check"),
        ({"depends_on": ("{",)}, "--depends-on is not JSON"),
    ],
)
def test_what_cannot_be_meant_is_told(given: dict[str, Any], said: str) -> None:
    with pytest.raises((UsageError, PbError), match=said):
        defined(**given)


def test_the_words_of_flags_mean_what_they_mean_in_files() -> None:
    given = {"ready": "tcp:8000", "depends_on": ("db",)}
    service = service_from(service_definition("web", ["true"], given))

    assert service.ready is not None
    assert service.ready.check == Tcp(port=8000)
    assert service.depends_on == (ServiceDependency(service="db"),)
