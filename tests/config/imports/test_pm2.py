"""pm2's ecosystem files: every common key, as a program, as JSON and as YAML."""

from __future__ import annotations

import json
import os
from pathlib import Path
from shutil import which

import pytest

from pb.config.imports.found import Imported
from pb.config.imports.pm2 import read_pm2
from tests.config.imports.kit import AROUND, ROOT, report, said, services

PROGRAM = """\
// every common key
console.log('a configuration may print')
module.exports = {
  apps: [{
    name: 'api',
    script: './server.js',
    args: ['--verbose', 'a b'],
    node_args: '--max-old-space-size=200',
    cwd: 'app',
    instances: 2,
    exec_mode: 'cluster',
    watch: ['src', 'lib/**'],
    watch_delay: 1500,
    ignore_watch: ['node_modules'],
    max_memory_restart: '300M',
    env: { PORT: 3000, DEBUG: true, EMPTY: null },
    env_production: { NODE_ENV: 'production' },
    env_staging: { NODE_ENV: 'staging' },
    min_uptime: '10s',
    max_restarts: 5,
    restart_delay: 4000,
    kill_timeout: 3000,
    wait_ready: true,
    listen_timeout: 8000,
    cron_restart: '0 3 * * *',
    error_file: 'err.log',
    out_file: 'out.log',
    log_date_format: 'YYYY-MM-DD',
    merge_logs: true,
    stop_exit_codes: [0, 143],
    namespace: 'the shop',
    autorestart: true,
    uid: 'nobody',
    nonsense: 1,
  }, {
    name: 'worker',
    script: 'worker.py',
    exp_backoff_restart_delay: 100,
    autostart: false,
  }, {
    script: 'npm',
    args: 'run "job one"',
    autorestart: false,
  }],
  deploy: { production: { user: 'node' } },
}
"""
needs_node = pytest.mark.skipif(which("node") is None, reason="there is no node to read it with")


def read(folder: Path, text: str, name: str, environment: str | None = None) -> Imported:
    (folder / name).write_text(text)
    path = str(folder / name)
    return read_pm2(text, path=path, around=AROUND, environment=environment)


@needs_node
def test_every_common_key_of_a_program_is_carried_over_or_told(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "server.js").touch()
    found = read(tmp_path, PROGRAM, "ecosystem.config.js", "production")
    app = str(tmp_path / "app")

    assert services(found)["api"] == {
        "name": "api",
        "command": ["node", "--max-old-space-size=200", f"{app}/server.js", "--verbose", "a b"],
        "cwd": app,
        "env": {"PORT": "3000", "DEBUG": "true", "NODE_ENV": "production"},
        "max_memory": "300MiB",
        "replicas": 2,
        "groups": ["the-shop"],
        "restart": {
            "mode": "on-failure",
            "success_exit_codes": [0, 143],
            "delay": "4s",
            "factor": 1.0,
            "max_delay": "4s",
            "reset_after": "10s",
            "max_restarts": 5,
        },
        "stop": {"signal": "INT", "timeout": "3s"},
        "log": {"split_stderr": True},
        "watch": {"paths": [f"{app}/src"], "settle": "1s500ms"},
    }
    assert report(found) == [
        ("changed", 10, "api.instances"),
        ("changed", 11, "api.exec_mode"),
        ("left_out", 12, "api.watch"),
        ("left_out", 14, "api.ignore_watch"),
        ("left_out", 18, "api.env_staging"),
        ("changed", 19, "api.min_uptime"),
        ("changed", 20, "api.max_restarts"),
        ("left_out", 23, "api.wait_ready"),
        ("left_out", 24, "api.listen_timeout"),
        ("left_out", 25, "api.cron_restart"),
        ("left_out", 26, "api.error_file"),
        ("left_out", 27, "api.out_file"),
        ("left_out", 28, "api.log_date_format"),
        ("changed", 33, "api.uid"),
        ("left_out", 34, "api.nonsense"),
        ("left_out", 45, "deploy"),
    ]
    assert "pb service restart api" in said(found, "api.cron_restart")
    assert "tcp = 3000" in said(found, "api.wait_ready")


@needs_node
def test_the_other_apps_of_a_file_have_their_own_defaults(tmp_path: Path) -> None:
    found = services(read(tmp_path, PROGRAM, "ecosystem.config.cjs"))

    assert found["worker"] == {
        "name": "worker",
        "command": ["python3", str(tmp_path / "worker.py")],
        "cwd": str(tmp_path),
        "enabled": False,
        "restart": {"factor": 1.5, "max_delay": "15s"},
        "stop": {"signal": "INT"},
    }
    assert found["npm"]["command"] == ["npm", "run", "job one"]
    assert found["npm"]["restart"] == {"mode": "never"}


def test_one_file_for_both_streams_is_one_log(tmp_path: Path) -> None:
    one = app(tmp_path, script="/bin/a", error_file="a.log", out_file="a.log")
    two = app(tmp_path, script="/bin/a", error_file="a.err")

    assert "log" not in one
    assert two["log"] == {"split_stderr": True}


@needs_node
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("module.exports = {apps: [", "node cannot read it"),
        ("throw new Error('on purpose')", "on purpose"),
        ("module.exports = 3", "export an object"),
        ("module.exports = {}", "no apps"),
        ("module.exports = {apps: [{name: 'x'}]}", "has no script"),
    ],
)
def test_a_program_that_fails_is_refused_with_what_it_said(
    tmp_path: Path, text: str, words: str
) -> None:
    found = read(tmp_path, text, "ecosystem.config.js")

    assert found.services == ()
    assert [remark.fate for remark in found.remarks] == ["refused"]
    assert words in found.remarks[0].message


def test_without_node_a_program_is_refused_and_json_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program = read(tmp_path, PROGRAM, "ecosystem.config.js")
    plain = read(tmp_path, '{"apps": [{"script": "./a"}]}', "ecosystem.json")

    assert "no node on your PATH" in program.remarks[0].message
    assert services(plain)["a"]["command"] == [str(tmp_path / "a")]


def test_json_has_exact_lines_and_may_have_comments(tmp_path: Path) -> None:
    text = '{\n  // of the shop\n  "apps": [\n    {"name": "a",\n     "script": "http://x",\n'
    text += '     "gid": 7}\n  ]\n}\n'
    found = read(tmp_path, text, "process.json")

    assert report(found) == [("left_out", 6, "a.gid")]


def test_json_may_have_what_a_program_may(tmp_path: Path) -> None:
    text = (
        '{ // all of them\n  "apps": [\n    {"name": "a,]", /* the\n shop */ "script": "/bin/a",\n'
    )
    text += '     "gid": 7,},\n  ],\n}\n'
    found = read(tmp_path, text, "process.json")

    assert [one["command"] for one in services(found).values()] == [["/bin/a"]]
    assert [(remark.line, remark.key) for remark in found.remarks if "gid" in remark.key] == [
        (5, "a.gid")
    ]
    wrong = read(tmp_path, '{"apps": [\n  {"name": 1 2}]}', "process.json")
    assert [(remark.fate, remark.line) for remark in wrong.remarks] == [("refused", 2)]


@pytest.mark.parametrize(
    "text",
    [
        '[{"name": "a", "script": "/bin/a"}]',
        '// one\n[{"name": "a", "script": "/bin/a"},]',
        '{"apps": {"name": "a", "script": "/bin/a"}}',
        '{"name": "a", "script": "/bin/a"}',
    ],
)
def test_the_list_may_be_left_out(tmp_path: Path, text: str) -> None:
    assert services(read(tmp_path, text, "process.json"))["a"]["command"] == ["/bin/a"]


def test_yaml_is_read_with_its_lines(tmp_path: Path) -> None:
    text = "apps:\n  - name: a\n    script: /bin/a\n    instances: 2\n"
    found = read(tmp_path, text, "process.yml")

    assert services(found)["a"]["replicas"] == 2
    assert report(found) == [("changed", 4, "a.instances")]


def app(tmp_path: Path, **keys: object) -> dict[str, object]:
    text = json.dumps({"apps": [{"name": "a", **keys}]})
    return services(read(tmp_path, text, "process.json"))["a"]


@pytest.mark.parametrize(
    ("keys", "command"),
    [
        ({"script": "a.py"}, ["python3", "{}/a.py"]),
        ({"script": "a.js", "interpreter": "bun"}, ["bun", "{}/a.js"]),
        ({"script": "a.sh", "interpreter": "none"}, ["{}/a.sh"]),
        ({"script": "serve", "args": "-s 'my build'"}, ["serve", "-s", "my build"]),
        ({"script": "npm run x && y"}, "npm run x && y"),
    ],
)
def test_the_command_is_what_pm2_would_run(
    tmp_path: Path, keys: dict[str, object], command: list[str] | str
) -> None:
    wanted = command if isinstance(command, str) else [w.format(tmp_path) for w in command]

    assert app(tmp_path, **keys)["command"] == wanted


def test_values_of_the_environment_are_text(tmp_path: Path) -> None:
    env = {"A": {"b": [1]}, "C": 2.0, "D": None, "E": True}

    assert app(tmp_path, script="/bin/a", env=env)["env"] == {
        "A": '{"b": [1]}',
        "C": "2",
        "E": "true",
    }


def test_an_environment_that_no_app_has_is_told(tmp_path: Path) -> None:
    text = '{"apps": [{"script": "/bin/a", "env": {"A": "1"}}]}'
    found = read(tmp_path, text, "p.json", "prodution")

    assert report(found) == [("left_out", None, "env_prodution")]
    assert services(found)["a"]["env"] == {"A": "1"}


def test_as_many_as_there_are_processors_is_a_number_of_now(tmp_path: Path) -> None:
    count = os.cpu_count() or 1

    assert app(tmp_path, script="/bin/a", instances="max").get("replicas", 1) == count


def test_root_keeps_the_user(tmp_path: Path) -> None:
    text = '{"apps": [{"script": "/bin/a", "user": "nobody"}]}'
    found = read_pm2(text, path=str(tmp_path / "p.json"), around=ROOT)

    assert services(found)["a"]["user"] == "nobody"


@pytest.mark.parametrize("text", ["", "[", '{"apps": 3}', '{"apps": ["x"]}', '{"apps":[{"a":1}]}'])
def test_what_is_no_ecosystem_is_refused(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text, "process.json")

    assert found.services == ()
    assert {remark.fate for remark in found.remarks} == {"refused"}
