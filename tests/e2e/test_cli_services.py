"""``pb service`` with the three built-in daemons really running."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.kit import eventually
from tests.kit.cli import Cli

NAMES = ("scheduler", "gateway", "debug")


@pytest.fixture
def pb(tmp_path: Path) -> Iterator[Cli]:
    work = tmp_path / "work"
    work.mkdir()
    cli = Cli(home=tmp_path / "home", cwd=work)
    yield cli
    cli.end_everything()


def instance(pb: Cli, service: str) -> str:
    """The life of a daemon: a restart in place keeps its PID, but not this."""
    return str(json.loads((pb.home / f"{service}.pid").read_text())["instanceId"])


def test_start_all_ends_with_three_marks_and_twice_is_fine(pb: Cli) -> None:
    first = pb("service", "start", "all", timeout=40)
    assert first.code == 0, first
    assert "✓ All services started" in first.out
    status = pb("service", "status")
    assert status.code == 0, status
    assert status.out.count("✓ Running") == 3
    assert status.out.count("    Uptime: ") == 3
    assert status.out.count("    Address: http://127.0.0.1:") == 2
    pids = [pb.pid(name) for name in NAMES]
    second = pb("service", "start", "all", timeout=40)
    assert second.code == 0, second
    assert second.out.count("Running already") == 3
    assert [pb.pid(name) for name in NAMES] == pids
    services = pb("service", "status", "--json").json["services"]
    assert [(s["state"], s["health"]) for s in services] == [("running", "healthy")] * 3
    assert [s["pid"] for s in services] == pids
    stopped = pb("service", "stop", "all")
    assert stopped.code == 0, stopped
    titles = [line.split(":")[0] for line in stopped.out.splitlines()[:3]]
    assert titles == ["✓ Debug Server", "✓ Gateway", "✓ Scheduler"]
    assert pb("service", "status").code == 3


def test_one_that_fails_is_named_and_the_others_run(pb: Cli) -> None:
    taken = Cli(home=pb.home.parent / "other", cwd=pb.cwd)
    assert taken("debug", "web").code == 0
    port = taken("service", "status", "debug", "--json").json["services"][0]["address"]
    try:
        clash = {"PB_DEBUG__PORT": port.rpartition(":")[2]}
        ran = pb("service", "start", "all", env=clash, timeout=40)
    finally:
        taken.end_everything()
    assert ran.code == 1, ran
    assert "✓ Scheduler: Running" in ran.out
    assert "✓ Gateway: Running" in ran.out
    assert "✗ Debug Server: " in ran.out
    assert "1 of 3 services failed" in ran.err
    document = pb("service", "start", "all", "--json", timeout=40)
    assert document.code == 0
    assert document.json["ok"] is True
    actions = [service["action"] for service in document.json["services"]]
    assert actions == ["already_running", "already_running", "started"]


def test_the_gateway_says_where_it_listens_and_answers(pb: Cli) -> None:
    ran = pb("gateway", "start", "--port", "0")
    assert ran.code == 0, ran
    assert "  Address: http://127.0.0.1:" in ran.out
    status = pb("gateway", "status")
    assert status.code == 0
    assert "✓ Gateway is responding at http://127.0.0.1:" in status.out
    again = pb("gateway", "start")
    assert again.code == 1
    assert again.out.startswith("⚠ Gateway is already running\n  PID: ")
    pid = pb.pid("gateway")
    os.kill(pid, signal.SIGSTOP)
    try:
        assert pb("gateway", "status").code == 150
    finally:
        os.kill(pid, signal.SIGCONT)
    assert "listening" in pb("gateway", "logs").out
    assert pb("gateway", "stop").out == "✓ Gateway stopped\n"


def test_a_link_of_the_dashboard_lets_in_once(pb: Cli) -> None:
    assert pb("debug", "link").code == 7
    assert pb("debug", "web").code == 0
    address, _, ticket = pb("debug", "link").out.strip().partition("/#ticket=")
    headers = {"x-pb-page": "1"}
    with httpx.Client(base_url=address, trust_env=False) as browser:
        answers = [
            browser.post("/login", json={"ticket": ticket}, headers=headers).status_code
            for _ in range(2)
        ]
        assert browser.get("/state").status_code == 200

    assert answers == [200, 403]
    assert pb("debug", "link", "--json").json["seconds"] == 60


def test_the_debug_server_is_started_once(pb: Cli) -> None:
    assert pb("debug", "web").code == 0
    again = pb("debug", "web")
    assert again.code == 0
    assert again.out.startswith("✓ Debug Server is running already: http://127.0.0.1:")
    assert pb("debug", "status").code == 0
    assert pb("service", "status").code == 3


def test_ps_shows_the_process(pb: Cli) -> None:
    assert pb("scheduler", "start").code == 0
    ran = pb("service", "ps")
    assert ran.code == 0
    assert f"    PID: {pb.pid()}\n" in ran.out
    assert "    Memory: " in ran.out
    (document, *_) = pb("service", "ps", "--json").json["services"]
    assert document["rss_bytes"] > 1_000_000
    assert document["threads"] >= 1


def test_restart_gives_each_a_new_life(pb: Cli) -> None:
    assert pb("service", "start", "scheduler", "debug").code == 0
    before = {instance(pb, name) for name in ("scheduler", "debug")}
    ran = pb("service", "restart", "scheduler", "debug", timeout=40)
    assert ran.code == 0, ran
    assert not before & {instance(pb, name) for name in ("scheduler", "debug")}
    assert eventually(lambda: pb("service", "status", "scheduler", "debug").code == 0)


def test_a_start_from_a_pipe_returns(pb: Cli) -> None:
    """The caller's pipe is not kept open by what was started: ``out=$(pb …)`` returns."""
    assert pb("service", "start", "all", timeout=30).code == 0
