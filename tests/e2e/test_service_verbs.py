"""The smaller verbs of ``pb service``, on services that really run."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_own_services import SLEEP, add, view
from tests.kit import eventually
from tests.kit.cli import Cli

NOTES_SIGNALS = (
    "import signal, time\n"
    "for word in ('HUP', 'USR1'):\n"
    "    signal.signal(getattr(signal, 'SIG' + word),\n"
    "                  lambda n, _: print(signal.Signals(n).name, flush=True))\n"
    "print('up', flush=True)\n"
    "while True: time.sleep(60)\n"
)


@pytest.fixture
def pb(tmp_path: Path) -> Iterator[Cli]:
    work = tmp_path / "work"
    work.mkdir()
    cli = Cli(home=tmp_path / "home", cwd=work)
    assert cli("scheduler", "start").code == 0
    yield cli
    cli.end_everything()


def editor(pb: Cli, script: str) -> dict[str, str]:
    """An editor that is a Python script with the file's path in ``path``."""
    program = pb.cwd / "editor.py"
    program.write_text(f"import sys; path = sys.argv[1]; text = open(path).read()\n{script}")
    return {"EDITOR": f"{sys.executable} {program}"}


def test_waiting_ends_when_it_is_so_or_says_what_is(pb: Cli) -> None:
    add(pb, "web", "--ready", "file:ready", command=("sh", "-c", "touch ready; sleep 3600"))
    ready = pb("service", "wait", "web", "scheduler")
    assert (ready.code, ready.out.count("Ready")) == (0, 2), ready
    late = pb("service", "wait", "web", "--for", "stopped", "--timeout", "100ms")
    assert late.code == 1
    assert "✗ web: Not stopped within 0.1 s: it is running" in late.out
    assert pb("service", "stop", "web").code == 0
    assert pb("service", "wait", "web", "--for", "stopped").code == 0
    assert pb("service", "wait", "web", "--for", "redy").code == 2
    assert pb("service", "wait", "nobody").code == 5


def test_a_signal_reaches_the_main_process_and_is_seen_in_the_log(pb: Cli) -> None:
    add(pb, "web", "--reload", "HUP", command=(sys.executable, "-c", NOTES_SIGNALS))
    assert eventually(lambda: "up" in pb("service", "logs", "web").out)
    sent = pb("service", "signal", "web", "usr1")
    assert sent.out == "✓ SIGUSR1 was sent to 1 process of web\n"
    assert eventually(lambda: "SIGUSR1" in pb("service", "logs", "web").out)
    assert pb("service", "reload", "web").out == "✓ web: Reloaded\n"
    assert eventually(lambda: "SIGHUP" in pb("service", "logs", "web").out)
    assert pb("service", "signal", "web", "SIGNONE").code == 6
    assert pb("service", "reload", "gateway").code == 3


def test_a_command_runs_in_the_environment_of_the_service(pb: Cli) -> None:
    folder = pb.cwd / "place"
    folder.mkdir()
    add(pb, "web", "--cwd", str(folder), "--env", "COLOUR=blue", "--umask", "027")
    ran = pb("service", "exec", "web", "--", "sh", "-c", "pwd; echo $COLOUR; umask; exit 7")
    assert (ran.code, ran.out) == (7, f"{folder}\nblue\n0027\n")
    ended = pb("service", "exec", "web", "sh", "-c", "kill -9 $$")
    assert ended.code == -signal.SIGKILL
    assert pb("service", "exec", "web", "--", "nosuchthing").code == 1
    assert pb("service", "exec", "web", "--").code == 2


def test_show_tells_the_origin_of_values_and_no_secret(pb: Cli) -> None:
    add(pb, "web", "--env", "API_KEY=abc", "--restart-delay", "2s")
    shown = pb("service", "show", "web")
    assert shown.code == 0, shown
    assert "  restart.delay = 2s  (cli)" in shown.out
    assert "  env.API_KEY = ***  (cli)" in shown.out
    assert "restart.factor" not in shown.out
    assert "  restart.factor = 2  (default)" in pb("service", "show", "web", "--all").out
    pb("service", "add", "web", "--replace", "--env", "API_KEY=abd", "--", *SLEEP)
    changed = pb("service", "show", "web")
    assert "Changed since it was started" in changed.out
    assert "    - restart.delay: 2s" in changed.out
    assert not {"abc", "abd"} & set(changed.out.split())
    os.kill(view(pb, "web")["pid"], signal.SIGKILL)
    assert eventually(lambda: pb("service", "show", "web", "--json").json["exits"])
    document = pb("service", "show", "web", "--json").json
    assert "abc" not in str(document)
    assert "abd" not in str(document)
    assert document["exits"][0]["type"] == "service.exited"


def test_a_definition_is_edited_and_a_bad_one_is_kept_out(pb: Cli) -> None:
    add(pb, "web", "--env", "A=1")
    good = editor(pb, "open(path, 'w').write(text.replace('\"1\"', '\"2\"'))")
    edited = pb("service", "edit", "web", env=good)
    assert edited.code == 0, edited
    assert "✓ Service 'web' changed." in edited.out
    assert pb("service", "show", "web", "--json").json["definition"]["env"] == {"A": "2"}
    bad = editor(pb, "open(path, 'w').write(text + 'nonsense = 1\\n')")
    refused = pb("service", "edit", "web", env=bad)
    assert refused.code == 6
    assert "Service 'web' was not changed" in refused.err
    same = pb("service", "edit", "web", env={"EDITOR": "true"})
    assert "stays as it was" in same.out


def test_files_are_validated_and_the_schema_is_printed(pb: Cli) -> None:
    file = pb.cwd / "services.toml"
    file.write_text('[service.web]\ncommand = "serve"\nrestrat = "never"\n')
    refused = pb("service", "validate", str(file))
    assert refused.code == 6
    assert "services.toml:3" in refused.out
    assert pb("service", "validate", "--schema").json["title"]


def test_events_are_told_and_followed_across_a_restart_of_the_scheduler(pb: Cli) -> None:
    add(pb, "web")
    add(pb, "other")
    told = pb("service", "events", "web")
    assert told.code == 0
    assert "Service web started (PID " in told.out
    assert "other" not in told.out
    log = pb.cwd / "events"
    with log.open("wb") as file:
        following = pb.start("service", "events", "-f", "-n", "1", "--json", stdout=file)
    try:
        assert eventually(lambda: "service." in log.read_text())
        assert pb("scheduler", "restart").code == 0
        assert pb("service", "stop", "web").code == 0
        assert eventually(lambda: '"service.stopped"' in log.read_text(), timeout=30)
    finally:
        following.send_signal(signal.SIGINT)
    assert following.wait(10) == 130


def test_ps_shows_the_processes_as_trees_with_ports_and_those_that_went_apart(pb: Cli) -> None:
    server = (
        "import os, socket, subprocess, sys, time\n"
        "subprocess.Popen(['setsid', 'sleep', '3600'])\n"
        "s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)\n"
        "time.sleep(3600)\n"
    )
    add(pb, "web", command=(sys.executable, "-c", server))
    assert eventually(lambda: pb("service", "logs", "web").out)
    port = int(pb("service", "logs", "web").out)
    assert eventually(lambda: len(tree(pb)["processes"]) == 2)
    document = tree(pb)
    leader, child = document["processes"]
    assert document["ports"] == leader["ports"] == [port]
    assert (leader["pid"], child["parent"]) == (document["pid"], leader["pid"])
    assert document["rss_bytes"] == leader["rss_bytes"] + child["rss_bytes"]
    shown = pb("service", "ps", "web").out
    assert "✓ web: running, 2 processes, " in shown
    assert "└─ sleep 3600" in shown
    assert view(pb, "web")["ports"] == [port]
    for columns in (40, 80):
        drawn = pb.on_terminal("service", "ps", "web", columns=columns, env={"NO_COLOR": "1"})
        assert max(map(len, drawn.out.splitlines())) <= columns, drawn.out


def tree(pb: Cli) -> dict[str, Any]:
    (document,) = pb("service", "ps", "web", "--json").json["services"]
    return dict(document)


def test_watching_draws_again_until_ctrl_c(pb: Cli) -> None:
    assert pb("service", "status", "--watch").code == 2
    log = pb.cwd / "documents"
    with log.open("wb") as file:
        watching = pb.start("service", "status", "--watch", "--json", stdout=file)
    try:
        assert eventually(lambda: len(log.read_text().splitlines()) >= 2, timeout=30)
    finally:
        watching.send_signal(signal.SIGINT)
    assert watching.wait(10) == 130
    assert json.loads(log.read_text().splitlines()[0])["services"][0]["name"] == "scheduler"
