"""Compose files: what runs without a container, and why the rest does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pb.config.imports.compose import read_compose
from pb.config.imports.found import Imported
from tests.config.imports.kit import AROUND, ROOT, report, said, services

TEXT = """\
name: shop
x-common: &common
  restart: unless-stopped
  init: true
services:
  web:
    <<: *common
    build: ./code
    command: /bin/sh serve.sh ${WEB_PORT:-8000} $$HOME ${NOT_SET}
    ports: ["80:8000"]
    environment:
      - A=1
      - DATA
    env_file:
      - web.env
      - path: local.env
        required: false
    depends_on:
      cache: {condition: service_healthy, restart: true}
      once: {condition: service_completed_successfully, required: false}
      db: {condition: service_started}
    healthcheck:
      test: ["CMD-SHELL", "curl -f http://localhost:8000"]
      interval: 1m30s
      timeout: 5s
      retries: 5
      start_period: 40s
    deploy:
      replicas: 2
      resources: {limits: {memory: 50M, cpus: '0.5'}}
    volumes: ["./x:/x"]
    ulimits: {nofile: {soft: 1024, hard: 4096}, core: 0}
  cache:
    image: redis:7
    entrypoint: ["/bin/sh"]
    command: -c 'sleep 100'
    working_dir: /not/here
    stop_grace_period: 1m
    stop_signal: SIGINT
    user: "1000:1000"
    mem_limit: 512m
    profiles: [side jobs]
    labels: {a: b}
  once:
    image: alpine
    command: ["/bin/true"]
    restart: on-failure:3
  db:
    image: postgres:17
  tool:
    image: tool
    command: no-such-program-here --x
  code:
    build: .
  other:
    extends: {service: web}
volumes: {data: {}}
"""


def read(folder: Path, text: str = TEXT, *, as_root: bool = False) -> Imported:
    path = str(folder / "compose.yaml")
    return read_compose(text, path=path, around=ROOT if as_root else AROUND)


def test_services_with_programs_that_are_here_are_carried_over(tmp_path: Path) -> None:
    found = services(read(tmp_path))

    assert found["web"] == {
        "name": "web",
        "command": ["/bin/sh", "serve.sh", "8000", "$HOME"],
        "cwd": str(tmp_path / "code"),
        "env": {"A": "1", "DATA": "/data"},
        "env_file": [str(tmp_path / "web.env"), f"?{tmp_path}/local.env"],
        "replicas": 2,
        "max_memory": "50MiB",
        "limits": {"open_files": 4096},
        "health": {
            "exec": ["/bin/sh", "-c", "curl -f http://localhost:8000"],
            "interval": "1m30s",
            "timeout": "5s",
            "failures": 5,
            "start_period": "40s",
            "action": "none",
        },
        "depends_on": [
            {"service": "cache", "condition": "healthy", "restart_with": True},
            {"service": "once", "condition": "completed"},
        ],
    }
    assert found["cache"] == {
        "name": "cache",
        "command": ["/bin/sh", "-c", "sleep 100"],
        "cwd": str(tmp_path),
        "max_memory": "512MiB",
        "enabled": False,
        "groups": ["side-jobs"],
        "restart": {"mode": "never"},
        "stop": {"signal": "INT", "timeout": "1m"},
    }
    assert found["once"]["restart"] == {"mode": "on-failure", "max_restarts": 3}


def test_everything_else_is_told_with_its_line(tmp_path: Path) -> None:
    found = read(tmp_path)

    assert report(found) == [
        ("changed", 6, "web.env"),
        ("left_out", 8, "web.build"),
        ("left_out", 10, "web.ports"),
        ("changed", 18, "web.depends_on.once"),
        ("left_out", 18, "web.depends_on.db"),
        ("changed", 22, "web.healthcheck"),
        ("changed", 28, "web.deploy.replicas"),
        ("changed", 28, "web.deploy.resources.limits.memory"),
        ("left_out", 28, "web.deploy.resources.limits.cpus"),
        ("left_out", 31, "web.volumes"),
        ("left_out", 32, "web.ulimits.core"),
        ("left_out", 34, "cache.image"),
        ("changed", 37, "cache.working_dir"),
        ("changed", 40, "cache.user"),
        ("changed", 41, "cache.mem_limit"),
        ("changed", 42, "cache.profiles"),
        ("left_out", 43, "cache.labels"),
        ("left_out", 45, "once.image"),
        ("changed", 47, "once.restart"),
        ("refused", 49, "services.db.image"),
        ("refused", 50, "services.tool"),
        ("refused", 53, "services.code"),
        ("refused", 56, "services.other.extends"),
        ("left_out", 57, "volumes"),
    ]
    assert "nothing on 80" in said(found, "web.ports")
    assert "pb service add db" in said(found, "services.db.image")


def test_variables_are_taken_from_the_env_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ONE=1\nDATA=file\n")
    text = 'services:\n  a:\n    command: ["/bin/sh", "${ONE}", "${DATA}", "${TWO}", "${ONE:+x}"]\n'
    found = read(tmp_path, text)

    assert services(found)["a"]["command"] == ["/bin/sh", "1", "/data", "", "x"]
    assert "$TWO" in said(found, "a.env")


@pytest.mark.parametrize(("mark", "why"), [(":?", ""), ("?", ""), (":?say where", ": say where")])
def test_a_variable_that_must_be_set_is_asked_for(tmp_path: Path, mark: str, why: str) -> None:
    text = f'services:\n  a:\n    command: ["/bin/sh", "${{PORT_OF_A{mark}}}"]\n'
    found = read(tmp_path, text)

    assert services(found) == {}
    assert said(found, "services.a").startswith(
        f"refused: needs $PORT_OF_A, which is not set{why} "
    )
    assert "PORT_OF_A=…" in said(found, "services.a")

    (tmp_path / ".env").write_text("PORT_OF_A=80\n")
    assert services(read(tmp_path, text))["a"]["command"] == ["/bin/sh", "80"]


def test_services_that_would_wait_for_one_another_are_refused_with_the_circle(
    tmp_path: Path,
) -> None:
    needs = {"a": "b", "b": "c", "c": "a", "d": "e", "e": ""}
    lines = [f"  {n}: {{command: /bin/true, depends_on: [{o}]}}" for n, o in needs.items()]
    found = read(tmp_path, "\n".join(["services:", *lines]))
    refused = [r.message for r in found.remarks if r.fate == "refused"]

    assert set(services(found)) == {"d", "e"}
    assert refused[0] == "a would wait for itself: a → b → c → a"
    assert len(refused) == 3


def test_other_files_that_docker_would_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "compose.override.yml").write_text("services: {}\n")
    found = read(tmp_path, "include: [other.yaml]\nservices: {a: {command: /bin/true}}\n")

    assert [(r.fate, r.file, r.line) for r in found.remarks] == [
        ("left_out", str(tmp_path / "compose.override.yml"), None),
        ("refused", str(tmp_path / "compose.yaml"), 1),
    ]


def test_root_keeps_the_user(tmp_path: Path) -> None:
    text = 'services: {a: {command: /bin/true, user: "1000:1000"}}'

    assert services(read(tmp_path, text, as_root=True))["a"]["user"] == "1000"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services: [", "not YAML"),
        ("- a\n", "mapping"),
        ("a: 1\n", "no services"),
        ("services: {a: 3}\n", "not a table"),
        ("services: !!python/object:os.system {}\n", "no services"),
        ("a: &a [x, x]\nb: &b [*a, *a]\n" * 1 + "services: {a: {command: [*b]}}", ""),
    ],
)
def test_what_is_no_compose_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    found = read(tmp_path, text)

    assert found.services == ()
    assert any(words in remark.message for remark in found.remarks)


def test_a_few_lines_that_stand_for_billions_are_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    found = read(tmp_path, "\n".join(lines))

    assert "too many values" in found.remarks[0].message
