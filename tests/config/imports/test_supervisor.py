"""supervisord.conf: every key of a program, groups, includes, and what is supervisor's own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from shutil import which

import pytest

from pb.config.imports.found import Imported, Surroundings
from pb.config.imports.supervisor import read_supervisor
from tests.config.imports.kit import AROUND, ROOT, report, said, services

EVERY_KEY = """\
; a configuration with every key
[unix_http_server]
file=/run/supervisor.sock
[supervisord]
logfile=/var/log/supervisord.log
environment=SHARED="yes",KEY2="of all"
[program:web]
command=/usr/bin/python3 -m http.server %(ENV_PORT)s --directory '%(here)s/a b' ; the server
process_name=%(program_name)s
numprocs=1
numprocs_start=0
directory=srv
umask=027
priority=10
autostart=false
autorestart=unexpected
startsecs=5
startretries=7
exitcodes=0,2
stopsignal=INT
stopwaitsecs=20
stopasgroup=true
killasgroup=true
user=nobody
redirect_stderr=true
stdout_logfile=/var/log/web.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
stdout_capture_maxbytes=1MB
stdout_events_enabled=false
stdout_syslog=false
stderr_logfile=/var/log/web.err
stderr_logfile_maxbytes=1MB
stderr_logfile_backups=10
stderr_capture_maxbytes=1MB
stderr_events_enabled=true
stderr_syslog=true
environment=A="1, two",B='x=y',KEY2=mine,URL=http://h:80/p
serverurl=AUTO
"""


def read(text: str, *, around: Surroundings = AROUND, path: str = "/etc/s/s.conf") -> Imported:
    return read_supervisor(text, path=path, around=around)


def with_port(**more: str) -> Surroundings:
    return Surroundings(env={**AROUND.env, "PORT": "8000", **more}, user="me")


def test_every_key_of_a_program_is_carried_over_or_told() -> None:
    found = read(EVERY_KEY, around=with_port())

    assert services(found)["web"] == {
        "name": "web",
        "command": ["/usr/bin/python3", "-m", "http.server", "8000", "--directory", "/etc/s/a b"],
        "cwd": "/etc/s/srv",
        "env": {"SHARED": "yes", "KEY2": "mine", "A": "1, two", "B": "x=y", "URL": "http://h:80/p"},
        "umask": "027",
        "enabled": False,
        "restart": {"mode": "on-failure", "success_exit_codes": [0, 2], "max_restarts": 7},
        "stop": {"signal": "INT", "timeout": "20s", "scope": "group"},
        "ready": {"delay": "5s"},
        "log": {"max_size": "10MiB", "keep": 3},
    }
    assert report(found) == [
        ("left_out", 2, "[unix_http_server]"),
        ("left_out", 4, "[supervisord]"),
        ("changed", 8, "command"),
        ("left_out", 14, "web.priority"),
        ("changed", 18, "web.startretries"),
        ("changed", 24, "web.user"),
        ("left_out", 26, "web.stdout_logfile"),
        ("left_out", 29, "web.stdout_capture_maxbytes"),
        ("left_out", 32, "web.stderr_logfile"),
        ("left_out", 33, "web.stderr_logfile_maxbytes"),
        ("left_out", 34, "web.stderr_logfile_backups"),
        ("left_out", 35, "web.stderr_capture_maxbytes"),
        ("left_out", 36, "web.stderr_events_enabled"),
        ("left_out", 37, "web.stderr_syslog"),
        ("left_out", 39, "web.serverurl"),
    ]


def test_what_a_program_leaves_out_is_as_supervisor_has_it() -> None:
    found = read("[program:a]\ncommand=sleep 9\n")

    assert services(found)["a"] == {
        "name": "a",
        "command": ["sleep", "9"],
        "umask": "022",
        "restart": {"mode": "on-failure"},
        "stop": {"scope": "main"},
    }
    assert found.remarks == ()


@pytest.mark.parametrize(
    ("word", "mode"), [("true", "always"), ("false", "never"), ("unexpected", "on-failure")]
)
def test_autorestart_is_the_mode(word: str, mode: str) -> None:
    found = read(f"[program:a]\ncommand=a\nautorestart={word}\n")

    assert services(found)["a"].get("restart", {"mode": "always"}).get("mode", "always") == mode


@pytest.mark.parametrize(
    ("keys", "is_split"),
    [
        ("redirect_stderr=true\nstderr_logfile=/x", False),
        ("redirect_stderr=false", True),
        ("stderr_logfile=/x\nredirect_stderr=true", False),
        ("stderr_logfile=/x", True),
        ("stderr_logfile=NONE", False),
        ("stdout_logfile=/x", False),
    ],
)
def test_errors_have_a_log_of_their_own_where_they_had_one(keys: str, is_split: bool) -> None:
    found = read(f"[program:a]\ncommand=a\n{keys}\n")

    assert services(found)["a"].get("log", {}).get("split_stderr", False) is is_split


def test_root_keeps_the_user_of_a_program() -> None:
    found = read("[program:a]\ncommand=a\nuser=nobody\n", around=ROOT)

    assert services(found)["a"]["user"] == "nobody"
    assert found.remarks == ()


def test_processes_that_differ_in_their_names_only_are_replicas() -> None:
    text = "[program:w]\ncommand=w\nnumprocs=3\nprocess_name=%(program_name)s_%(process_num)02d\n"
    found = read(text)

    assert services(found)["w"]["replicas"] == 3
    assert "w@1" in said(found, "w.numprocs")


def test_processes_that_differ_in_their_commands_are_services_of_their_own() -> None:
    text = "[program:w]\ncommand=w --port 80%(process_num)02d\nnumprocs=2\nnumprocs_start=5\n"
    text += "process_name=%(program_name)s_%(process_num)02d\n[group:g]\nprograms=w\n"
    found = read(text)

    assert {n: (s["command"][2], s["groups"]) for n, s in services(found).items()} == {
        "w_05": ("8005", ["w", "g"]),
        "w_06": ("8006", ["w", "g"]),
    }


def test_a_priority_names_whom_the_program_came_after() -> None:
    text = "[program:db]\ncommand=db\npriority=1\n[program:web]\ncommand=web\npriority=2\n"
    found = read(text)

    assert 'depends_on = ["db"]' in said(found, "web.priority")
    assert "depends_on" not in said(found, "db.priority")


def test_included_files_are_read_and_named(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "b.conf").write_text("[program:b]\ncommand=b\nnonsense=1\n")
    path = str(tmp_path / "s.conf")
    found = read("[include]\nfiles = conf.d/*.conf none/*.ini\n", path=path)

    assert set(services(found)) == {"b"}
    assert {(r.file, r.line, r.key) for r in found.remarks} == {
        (path, 2, "files"),
        (str(tmp_path / "conf.d" / "b.conf"), 3, "b.nonsense"),
    }


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[eventlistener:e]\ncommand=e\n", 1, "events"),
        ("[fcgi-program:f]\ncommand=f\nsocket=tcp://:9\n", 1, "FastCGI"),
        ("[program:p]\nautostart=true\n", 1, "no command"),
        ("[program:p]\ncommand=%(ENV_NOT_THERE)s\n", 2, "NOT_THERE=…"),
        ("[program:p]\ncommand=date +%d\n", 2, "%%"),
        ("[program:p]\ncommand=echo 'open\n", 1, "is missing"),
        ("command=a\n", 1, "neither a section nor a key"),
    ],
)
def test_what_cannot_be_taken_is_refused(text: str, line: int, words: str) -> None:
    found = read(text)

    assert found.services == ()
    refused = [r for r in found.remarks if r.fate == "refused"]
    assert [r.line for r in refused] == [line]
    assert words in f"{refused[0].message} {refused[0].hint}"


def test_values_that_are_none_are_left_out_and_the_program_is_kept() -> None:
    found = read("[program:a]\ncommand=a\nstopwaitsecs=soon\nautostart=perhaps\n")

    assert set(services(found)) == {"a"}
    assert report(found) == [
        ("left_out", 3, "a.stopwaitsecs"),
        ("left_out", 4, "a.autostart"),
    ]


def test_a_value_may_go_on_below_and_comments_end_it() -> None:
    text = '[program:a]\ncommand=a\n  --b   ; said\n# no\nenvironment=A="1",\n  B="2"\n'
    found = services(read(text))["a"]

    assert (found["command"], found["env"]) == (["a", "--b"], {"A": "1", "B": "2"})


def sample() -> str:
    command = which("echo_supervisord_conf")
    if command is None:
        pytest.skip("supervisor is not installed, whose own sample this reads")
    return subprocess.run([command], capture_output=True, text=True, check=True).stdout


def test_the_sample_of_supervisor_itself_has_no_program_and_only_its_own_settings() -> None:
    found = read(sample())

    assert found.services == ()
    assert {remark.fate for remark in found.remarks} == {"left_out"}
    assert all("supervisor itself" in remark.message for remark in found.remarks)


def test_every_key_that_the_sample_shows_is_known() -> None:
    """The sample with its program, its group and its listener no longer commented out."""
    shown = re.sub(r"^;(?=\[(program|group|eventlistener))", "", sample(), flags=re.M)
    shown = re.sub(r"^;(?=[a-z_]+=)", "", shown, flags=re.M)
    found = read(shown.replace("progname1,progname2", "theprogramname"))
    program = services(found)["theprogramname"]

    assert program["command"] == ["/bin/cat"]
    assert program["groups"] == ["thegroupname"]
    assert program["env"] == {"KEY": "value", "A": "1", "B": "2"}
    assert not [r for r in found.remarks if "not a key" in r.message]
    assert [r.key for r in found.remarks if r.fate == "refused"] == [
        "[eventlistener:theeventlistenername]"
    ]
