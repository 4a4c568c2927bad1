"""Commands, the desktop, Apprise, and what is wrong before anything is sent."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import psutil
import pytest

from pb.core.channels import channel_from
from pb.courier.desktop import environment, words_of
from pb.courier.main import channel_of
from pb.courier.message import Message, UndeliveredError
from tests.courier.sending import FAILURE, Post, notice
from tests.kit import eventually
from tests.kit.servers import WebServer


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def program(folder: Path, name: str, script: str) -> Path:
    """A program of that name, alone in a directory for PATH."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_command_gets_json_and_the_short_of_it_by_name(post: Post, tmp_path: Path) -> None:
    script = (
        "import json,os,sys; d={k:v for k,v in os.environ.items() if k.startswith('PB_')};"
        f"json.dump([json.load(sys.stdin),d],open({str(tmp_path / 'got')!r},'w')); print('paged')"
    )

    sent = post(notice(), notice(id=8), type="command", command=python(script))

    assert (sent.code, sent.answer) == (0, "paged")
    document, env = json.loads((tmp_path / "got").read_text())
    assert document["count"] == 2
    assert (env["PB_OCCASION"], env["PB_JOB"], env["PB_RUN_ID"]) == ("failure", "backup", "12")
    assert (env["PB_EXIT_CODE"], env["PB_COUNT"], env["PB_DELIVERY"]) == ("3", "2", "s1-7")
    assert env["PB_TEXT"] == "Job backup failed: exit code 3"
    assert "PB_SERVICE" not in env


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import sys; print('no modem'); sys.exit(4)", "exit code 4: no modem"),
        ("import sys; sys.exit(4)", "exit code 4"),
        ("import os; os.kill(os.getpid(), 9)", "was killed by signal 9"),
    ],
)
def test_a_command_that_fails_is_a_failure(post: Post, script: str, said: str) -> None:
    sent = post(type="command", command=python(script))

    assert (sent.code, sent.answer) == (1, said)


def test_a_command_that_says_nothing_and_reads_nothing_is_fine(post: Post) -> None:
    assert post(type="command", command=["true"]).answer == "exit code 0"


def test_a_command_that_is_not_there_is_named(post: Post) -> None:
    sent = post(type="command", command=["/nowhere/pager"])

    assert sent.answer == "cannot run /nowhere/pager: no such file or directory"


def test_a_command_that_does_not_end_is_killed_with_its_children(
    post: Post, tmp_path: Path
) -> None:
    script = f"echo $$ > {tmp_path}/pid; sleep 1000 & sleep 1000"

    sent = post(type="command", command=["sh", "-c", script], timeout="1s")

    assert (sent.code, sent.answer) == (1, "did not come to an end within 1 s")
    group = int((tmp_path / "pid").read_text())
    eventually(lambda: not any(is_alive(one, group) for one in psutil.process_iter()))


def is_alive(process: psutil.Process, group: int) -> bool:
    """A zombie whose parent has not looked yet is dead."""
    try:
        dead = process.status() == psutil.STATUS_ZOMBIE
        return not dead and os.getpgid(process.pid) == group
    except (psutil.NoSuchProcess, ProcessLookupError):
        return False


def test_the_desktop_shows_it_by_notify_send(post: Post, tmp_path: Path) -> None:
    program(tmp_path / "bin", "notify-send", f'printf "%s\\n" "$@" > {tmp_path}/got')
    post.env["PATH"] = f"{tmp_path}/bin:{os.environ['PATH']}"

    sent = post(notice(text="Job <b> & co failed"), type="desktop")

    assert (sent.code, sent.answer) == (0, "shown")
    lines = (tmp_path / "got").read_text().splitlines()
    assert lines[:4] == ["--app-name=pb", "--urgency=critical", "--icon=dialog-error", "--"]
    assert lines[-1] == "Job &lt;b&gt; &amp; co failed"


def test_without_a_desktop_it_says_so(post: Post, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    post.env["PATH"] = str(tmp_path / "none")
    absent = post(type="desktop")
    program(tmp_path / "bin", "notify-send", "echo 'no bus' >&2; exit 1")
    post.env["PATH"] = f"{tmp_path}/bin:{os.environ['PATH']}"
    failing = post(type="desktop")

    assert absent.answer == "notify-send is not installed"
    assert (failing.code, failing.answer) == (1, "notify-send: no bus")


def test_on_macos_it_is_osascript_whose_words_are_no_script(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    words = words_of(message(text='" & (do shell script "x")'))

    assert words[:2] == ["osascript", "-e"]
    assert words[-1] == '" & (do shell script "x")'
    assert "do shell" not in words[2]


def test_a_recovery_is_shown_quietly_and_with_ones_own_icon() -> None:
    words = words_of(message(occasion="recovery", icon="smile"))

    assert words[2:4] == ["--urgency=normal", "--icon=smile"]


def test_the_sessions_bus_is_found_where_systemd_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.exists", lambda path: True)
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    assert environment()["DBUS_SESSION_BUS_ADDRESS"] == f"unix:path=/run/user/{os.getuid()}/bus"

    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "mine")
    assert environment()["DBUS_SESSION_BUS_ADDRESS"] == "mine"


def message(*, text: str = "Job x failed", occasion: str = "failure", **options: str) -> Message:
    return Message(
        channel=channel_from("it", {"type": "desktop", **options}),
        notices=[{**FAILURE, "text": text, "occasion": occasion}],
        host="here",
        subject="[pb here] something",
        text=text,
        key="s1-7",
    )


def test_apprise_reaches_its_targets(post: Post) -> None:
    with WebServer() as web:
        sent = post(type="apprise", urls=[f"json://127.0.0.1:{web.port}/x"])

    assert (sent.code, sent.answer) == (0, "sent"), sent
    document = json.loads(web.requests[0].body)
    assert document["title"].endswith("Job backup failed: exit code 3")
    assert document["type"] == "failure"


def test_what_apprise_does_not_reach_or_know_is_told(post: Post) -> None:
    with WebServer() as web:
        web.status = 500
        failing = post(type="apprise", urls=f"json://127.0.0.1:{web.port}/KEY")
    unknown = post(type="apprise", urls=["nosuch://secret"])

    assert failing.code == 1
    assert "500" in failing.answer
    assert unknown.answer == "urls[0]: is no address that apprise knows"


def test_without_apprise_it_says_what_to_install(post: Post, tmp_path: Path) -> None:
    (tmp_path / "lib" / "apprise").mkdir(parents=True)
    (tmp_path / "lib" / "apprise" / "__init__.py").write_text("raise ImportError")
    post.env["PYTHONPATH"] = os.pathsep.join([str(tmp_path / "lib"), *sys.path])

    sent = post(type="apprise", urls=["json://127.0.0.1:1"])

    assert sent.answer.endswith("pip install 'ponybunny[apprise]'")


def test_a_channel_that_is_gone_is_named(post: Post) -> None:
    sent = post(channel="gone")

    assert (sent.code, sent.answer) == (1, "there is no channel 'gone' in the settings")


def test_settings_that_cannot_be_read_are_told(post: Post) -> None:
    post.home.config.write_text("[notify.x]\ntype = 'mial'\n")

    sent = post(type="desktop")

    assert sent.code == 1
    assert "notify.x.type" in sent.answer


def test_a_log_that_is_gone_keeps_no_notice_back(post: Post) -> None:
    sent = post(notice(log_path="/nowhere/run.log"), type="command", command=["cat"])

    assert sent.code == 0


def test_a_channel_of_the_file_is_found(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    post.home.config.write_text("[notify.x]\ntype = 'desktop'\n")
    monkeypatch.setenv("PB_HOME", str(post.home.root))

    assert channel_of("x").type == "desktop"
    with pytest.raises(UndeliveredError):
        channel_of("y")
