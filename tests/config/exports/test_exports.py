"""Services as files of systemd, launchd, supervisor and foreman, and read back from them."""

from __future__ import annotations

import plistlib
import subprocess
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from pb.config.exports.launchd import launch_agents
from pb.config.exports.procfile import procfile
from pb.config.exports.supervisor import supervisor_file
from pb.config.exports.systemd import systemd_units
from pb.config.exports.written import Written
from pb.config.imports.procfile import read_procfile
from pb.config.imports.supervisor import read_supervisor
from pb.config.imports.systemd import read_units
from pb.core.service import Service
from pb.core.service_definition import service_from
from tests.config.imports.kit import AROUND, ROOT, services
from tests.kit import eventually

WEB: dict[str, Any] = {
    "name": "web",
    "description": "The web, 100 % of it",
    "command": ["/bin/sh", "-c", "echo \"$HOME\" 50% $$ \\ 'x'; exec sleep 1000", ""],
    "cwd": "/srv",
    "env": {"A": "two words", "B": 'with "quotes" and 100%', "C": "$HOME"},
    "env_file": ["/etc/web", "?~/web.local"],
    "umask": "027",
    "nice": 5,
    "limits": {"open_files": 4096, "processes": 64},
    "max_memory": "512MiB",
    "restart": {
        "mode": "on-failure",
        "success_exit_codes": [0, 143],
        "delay": "1s500ms",
        "factor": 1.0,
        "max_delay": "1s500ms",
        "max_restarts": 4,
        "window": "2m",
    },
    "stop": {"signal": "INT", "timeout": "20s", "command": ["/bin/true", "drain"]},
    "reload": {"signal": "HUP"},
    "ready": {"notify": True, "timeout": "20s"},
    "health": {"watchdog": "30s"},
    "hooks": {
        "pre_start": ["/bin/true", "a b"],
        "post_start": ["/bin/true"],
        "post_stop": ["/bin/true"],
    },
    "depends_on": [{"service": "db", "restart_with": True}],
}
DB: dict[str, Any] = {
    "name": "db",
    "command": ["/bin/sleep", "1000"],
    "umask": "077",
    "enabled": False,
    "ready": {"notify": True},
    "restart": {"delay": "100ms", "factor": 1.0, "max_delay": "100ms"},
}


def made(*definitions: dict[str, Any]) -> list[Service]:
    return [service_from(definition) for definition in definitions]


def keys(written: Written) -> set[str]:
    return {note.key for note in written.notes}


def test_a_unit_is_read_back_as_the_same_service() -> None:
    files = systemd_units(made(WEB, DB), find=which)
    units = {f.file: ((f"/home/me/.config/systemd/user/{f.file}", f.text),) for f in files}
    found = read_units(units, around=AROUND)

    assert [remark for remark in found.remarks if remark.fate == "refused"] == []
    assert {**services(found)["web"], "env_file": None} == {**WEB, "env_file": None}
    assert services(found)["web"]["env_file"][0] == "/etc/web"
    back = services(found)["db"]
    assert service_from(back).ready == service_from(DB).ready
    assert {k: back[k] for k in ("command", "enabled", "umask")} == {
        k: DB[k] for k in ("command", "enabled", "umask")
    }
    assert [keys(file) for file in files] == [set(), set()]


@pytest.mark.skipif(which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_finds_nothing_wrong_with_a_unit(tmp_path: Path) -> None:
    several = {"name": "many", "command": ["/bin/sleep", "${PB_INSTANCE}"], "replicas": 2}
    plain = {"name": "plain", "command": "/bin/sleep 1000", "shell": True, "env": {"A": "%"}}
    for file in systemd_units(made(WEB, DB, several, plain), find=which, system=True):
        (tmp_path / file.file).write_text(file.text)
    names = ["web.service", "db.service", "many@1.service", "plain.service"]
    ran = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / name) for name in names)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert str(tmp_path) not in ran.stderr, ran.stderr
    assert ran.returncode == 0, ran.stderr


def test_what_a_unit_cannot_say_is_told() -> None:
    service = {
        "name": "a",
        "command": "no-such-program-at-all",
        "user": "nobody",
        "watch": ["/srv"],
        "groups": ["g"],
        "ready": {"tcp": 80},
        "health": {"http": "http://127.0.0.1/"},
        "hooks": {"on_failed": ["tell"]},
        "depends_on": ["b:healthy"],
    }
    (file,) = systemd_units(made(service), find=which)

    assert keys(file) == {
        *("ready", "health", "hooks.on_failed", "watch", "groups", "restart.factor"),
        *("depends_on", "ExecStart", "user"),
    }
    assert "Requires=b.service" in file.text


def test_instances_are_a_template_and_find_their_number() -> None:
    service = {"name": "w", "command": ["/bin/w", "80${PB_INSTANCE}"], "replicas": 2}
    (file,) = systemd_units(made(service), find=which)

    assert file.file == "w@.service"
    assert "ExecStart=/bin/w 80%i\n" in file.text
    assert "Environment=PB_INSTANCE=%i\n" in file.text


def test_a_supervisor_configuration_is_read_back_as_the_same_services() -> None:
    web = {
        "name": "web",
        "command": ["/bin/web", "a b", "100%"],
        "cwd": "/srv",
        "env": {"A": "two words", "B": "100%", "C": 'with "quotes" in it'},
        "umask": "027",
        "user": "nobody",
        "groups": ["shop"],
        "enabled": False,
        "restart": {"mode": "on-failure", "success_exit_codes": [0, 2], "max_restarts": 4},
        "stop": {"signal": "INT", "timeout": "20s", "scope": "main"},
        "ready": {"delay": "5s"},
        "log": {"max_size": "1MiB", "keep": 3},
    }
    file = supervisor_file(made(web))
    found = read_supervisor(file.text, path="/etc/s.conf", around=ROOT)

    assert [remark for remark in found.remarks if remark.fate == "refused"] == []
    assert services(found)["web"] == web


def test_instances_find_their_number_under_supervisor_too() -> None:
    service = {"name": "w", "command": ["/bin/w", "80${PB_INSTANCE}"], "replicas": 2}
    file = supervisor_file(made(service))
    found = services(read_supervisor(file.text, path="/etc/s.conf", around=ROOT))

    assert [found[f"w_{n}"]["command"] for n in range(2)] == [["/bin/w", "800"], ["/bin/w", "801"]]
    assert 'PB_INSTANCE="%(process_num)d"' in file.text


@pytest.mark.skipif(which("supervisord") is None, reason="supervisor is not installed")
def test_supervisor_itself_runs_what_was_exported(tmp_path: Path) -> None:
    script = 'echo "[100% $A $PB_INSTANCE $PWD]"; exec sleep 1000'
    web = {"name": "web", "command": ["/bin/sh", "-c", script], "replicas": 2, "groups": ["g"]}
    web |= {"env": {"A": "two 'words' here"}, "cwd": str(tmp_path), "log": {"max_size": "1MiB"}}
    off = {"name": "off", "command": ["/bin/sleep", "1"], "enabled": False}
    home = {"name": "home", "command": ["/bin/sleep", "1000"]}
    (tmp_path / "pb.conf").write_text(supervisor_file(made(web, off, home)).text)
    (tmp_path / "s.conf").write_text(SUPERVISORD.format(folder=tmp_path))
    argv = ["-c", str(tmp_path / "s.conf")]
    daemon = subprocess.Popen(["supervisord", "-n", *argv], stdout=subprocess.DEVNULL)
    try:
        seen = eventually(lambda: states_of(argv, running=3), timeout=60)
        assert "off STOPPED" in seen
        logs = [path.read_text() for path in sorted(tmp_path.glob("web_*stdout*.log"))]
        assert logs == [f"[100% two 'words' here {n} {tmp_path}]\n" for n in range(2)]
    finally:
        daemon.terminate()
        daemon.wait(30)


SUPERVISORD = """\
[unix_http_server]
file={folder}/s.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{folder}/s.sock
[supervisord]
nodaemon=true
logfile={folder}/s.log
pidfile={folder}/s.pid
childlogdir={folder}
[include]
files={folder}/pb.conf
"""


def states_of(argv: list[str], running: int) -> str | None:
    """What supervisorctl tells, once so many run."""
    ran = subprocess.run(
        ["supervisorctl", *argv, "status"], capture_output=True, text=True, check=False
    )
    words = [" ".join(line.split()[:2]) for line in ran.stdout.splitlines()]
    told = "\n".join(words)
    return told if told.count("RUNNING") == running else None


def test_supervisor_starts_what_others_need_first_and_is_told_what_it_lacks() -> None:
    file = supervisor_file(made(WEB, DB))

    assert file.text.index("priority=110") < file.text.index("priority=100")
    assert {"hooks", "reload", "max_memory", "env_file", "ready", "depends_on"} <= keys(file)


def test_a_line_break_that_supervisor_cannot_have_is_told() -> None:
    service = {"name": "a", "command": "one\ntwo ; three", "shell": True, "env": {"A": "\"'"}}
    file = supervisor_file(made(service))

    assert {"command", "env"} <= keys(file)
    assert "A=" not in file.text.replace("PATH=", "")


def test_a_launch_agent_is_a_property_list() -> None:
    files = launch_agents(
        made({**WEB, "replicas": 2}), find=which, home=Path("/Users/me"), path="/bin:/usr/bin"
    )
    first, second = (plistlib.loads(file.text.encode()) for file in files)

    assert [file.file for file in files] == ["pb.web.plist", "pb.web@1.plist"]
    assert first["Label"] == "pb.web"
    assert first["ProgramArguments"] == WEB["command"]
    assert first["EnvironmentVariables"]["PATH"] == "/bin:/usr/bin"
    assert first["KeepAlive"] == {"SuccessfulExit": False}
    assert (first["Umask"], first["Nice"], first["ExitTimeOut"]) == (0o027, 5, 20)
    assert first["HardResourceLimits"] == {"NumberOfFiles": 4096, "NumberOfProcesses": 64}
    assert second["EnvironmentVariables"]["PB_INSTANCE"] == "1"
    assert {"stop.signal", "hooks", "depends_on", "reload"} <= keys(files[0])
    assert keys(files[1]) == set()


@pytest.mark.skipif(which("plutil") is None, reason="plutil is macOS's")
def test_macos_finds_nothing_wrong_with_a_launch_agent(tmp_path: Path) -> None:
    (file,) = launch_agents(made(WEB), find=which, home=tmp_path, path="/bin")
    (tmp_path / file.file).write_text(file.text)

    subprocess.run(["plutil", "-lint", str(tmp_path / file.file)], check=True)


def test_a_procfile_is_read_back_and_runs_the_same() -> None:
    web = {"name": "web", "command": ["/bin/echo", "a  b"], "env": {"X": "1 2"}, "cwd": "/"}
    file = procfile(made(web, {"name": "w.x", "command": "echo $PWD", "shell": True}))
    found = services(read_procfile(file.text, path="/srv/Procfile", around=AROUND))
    ran = subprocess.run(
        ["/bin/sh", "-c", found["web"]["command"]], capture_output=True, text=True, check=True
    )

    assert found["web"]["command"] == "cd / && export X='1 2'; exec /bin/echo 'a  b'"
    assert ran.stdout == "a  b\n"
    assert found["w-x"]["command"] == "echo $PWD"
    assert {"name", "restart"} <= keys(file)
