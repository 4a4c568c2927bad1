"""What peers keep is imported and runs: with the command, a scheduler, real processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from getpass import getuser
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from pb.api import session
from pb.paths import Home
from tests.kit import eventually
from tests.kit.command import Pb

SERVER = "import http.server, os; http.server.test(port=int(os.environ['PORT']), bind='127.0.0.1')"
NGINX = """\
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "ok"; }} }}
}}
"""


@pytest.fixture
def pb(tmp_path: Path) -> Iterator[Pb]:
    home = Pb(tmp_path / "home")
    yield home
    stop_services(home)
    home.close()


def services(pb: Pb) -> dict[str, dict[str, Any]]:
    """Every instance as the scheduler tells it."""
    with session(Home(pb.home)) as talk:
        return {one["name"]: one for one in talk.call("service.list")["services"]}


def stop_services(pb: Pb) -> None:
    if pb.home.is_dir() and (pb.home / "scheduler.pid").exists():
        with session(Home(pb.home), local_ok=False) as talk:
            names = [one["service"] for one in talk.call("service.list")["services"]]
            if names:
                params = {"names": sorted(set(names)), "force": True}
                talk.call("service.stop", params, timeout=60)


def states(pb: Pb) -> dict[str, str]:
    return {name: one["state"] for name, one in services(pb).items()}


def command_of(pb: Pb, name: str) -> list[str]:
    pid = services(pb)[name]["pid"]
    return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")


def environment_of(pb: Pb, name: str) -> dict[str, str]:
    pid = services(pb)[name]["pid"]
    entries = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def run(pb: Pb, *words: str, running: set[str], code: int = 0) -> dict[str, Any]:
    """Import, start the scheduler, and wait until those run; the document of the import."""
    ran = pb("import", *words, "--json")
    assert ran.code == code, ran.text
    pb.ok("scheduler", "start")
    eventually(lambda: {n for n, s in states(pb).items() if s == "running"} == running, timeout=60)
    found: dict[str, Any] = ran.json
    return found


def test_programs_of_supervisor_run(pb: Pb, tmp_path: Path) -> None:
    (tmp_path / "s.conf").write_text(
        "[supervisord]\nenvironment=SHARED=\"a b\"\n"
        "[program:cat]\ncommand=/bin/cat /dev/fd/0 %(program_name)s.fifo\ndirectory=%(here)s\n"
        "autorestart=true\nstopsignal=QUIT\n"
        "[program:many]\ncommand=/bin/sleep 1%(process_num)03d\nnumprocs=2\n"
        "process_name=%(program_name)s-%(process_num)d\n"
        "[program:off]\ncommand=/bin/sleep 1000\nautostart=false\n"
        "[group:both]\nprograms=cat,many\n"
    )  # fmt: skip
    os.mkfifo(tmp_path / "cat.fifo")
    run(pb, "supervisor", str(tmp_path / "s.conf"), running={"cat", "many-0", "many-1"})

    assert states(pb)["off"] == "stopped"
    assert command_of(pb, "many-1") == ["/bin/sleep", "1001"]
    assert environment_of(pb, "cat")["SHARED"] == "a b"
    assert os.readlink(f"/proc/{services(pb)['cat']['pid']}/cwd") == str(tmp_path)
    assert services(pb)["many-0"]["groups"] == ["many", "both"]


def test_the_program_of_supervisor_s_own_sample_runs(pb: Pb, tmp_path: Path) -> None:
    command = which("echo_supervisord_conf")
    if command is None:
        pytest.skip("supervisor is not installed, whose own sample this runs")
    sample = subprocess.run([command], capture_output=True, text=True, check=True).stdout
    before, header, after = sample.partition(";[program:theprogramname]")
    program, listener, rest = after.partition(";[eventlistener")
    assert header
    assert listener
    for key in ("command", "directory", "umask", "autostart", "stopsignal", "environment"):
        program = re.sub(rf"^;(?={key}=)", "", program, flags=re.M)
    shown = before + header[1:] + program + listener + rest
    # The sample's /bin/cat would end at once: pb's services read nothing.
    (tmp_path / "s.conf").write_text(shown.replace("/bin/cat", "/bin/sleep 1000"))
    found = run(pb, "supervisor", str(tmp_path / "s.conf"), running={"theprogramname"})

    assert {remark["fate"] for remark in found["report"]} == {"left_out"}
    assert command_of(pb, "theprogramname") == ["/bin/sleep", "1000"]


@pytest.mark.skipif(which("node") is None, reason="there is no node to run it with")
def test_apps_of_pm2_run(pb: Pb, tmp_path: Path) -> None:
    (tmp_path / "app.js").write_text(
        "console.log('up', process.env.NODE_ENV, process.argv.slice(2).join(' '));"
        "setInterval(() => {}, 1000);"
    )
    (tmp_path / "ecosystem.config.js").write_text(
        "module.exports = {apps: [{name: 'app', script: 'app.js', args: '--port 3000',"
        " env: {NODE_ENV: 'development'}, env_production: {NODE_ENV: 'production'},"
        " instances: 2, max_memory_restart: '500M', kill_timeout: 1600}]}"
    )
    path = str(tmp_path / "ecosystem.config.js")
    run(pb, "pm2", path, "--env", "production", running={"app", "app@1"})
    log = pb.home / "app.log"

    eventually(lambda: "up production --port 3000" in log.read_text(), timeout=60)


def test_lines_of_a_procfile_run_with_their_ports(pb: Pb, tmp_path: Path) -> None:
    from socket import create_connection, socket

    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / ".env").write_text(f"PORT={port}\nSECRET=shh\n")
    (tmp_path / "Procfile").write_text(
        f"web: exec {sys.executable} server.py\nclock: while true; do sleep 1; done\n"
    )
    run(pb, "procfile", str(tmp_path / "Procfile"), running={"web", "clock"})

    def answers() -> bool:
        with create_connection(("127.0.0.1", port), timeout=5):
            return True

    eventually(answers, timeout=60)
    assert environment_of(pb, "web")["SECRET"] == "shh"


def test_services_of_a_compose_file_run_in_their_order(pb: Pb, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(json.dumps({"services": {
        "web": {
            "build": ".",
            "command": ["/bin/sleep", "1000"],
            "depends_on": {
                "db": {"condition": "service_healthy"},
                "init": {"condition": "service_completed_successfully"},
            },
        },
        "db": {
            "command": ["/bin/sleep", "1001"],
            "healthcheck": {"test": ["CMD", "test", "-e", "ready"], "interval": "1s"},
        },
        "init": {"command": ["/usr/bin/touch", "ready"]},
        "cache": {"image": "redis:7"},
    }}))  # fmt: skip
    found = run(pb, "compose", str(tmp_path / "compose.yaml"), running={"web", "db"}, code=6)

    assert [r["key"] for r in found["report"] if r["fate"] == "refused"] == ["services.cache.image"]
    assert services(pb)["init"]["last_exit"]["code"] == 0


@pytest.mark.parametrize(
    ("unit", "program", "word"),
    [
        ("memcached", "memcached", b"version\r\n"),
        ("redis-server", "redis-server", b"PING\r\n"),
        ("nginx", "nginx", b"GET / HTTP/1.0\r\n\r\n"),
    ],
)
def test_units_of_debian_packages_run(
    pb: Pb, tmp_path: Path, unit: str, program: str, word: bytes
) -> None:
    """The package's unit as it is, but for a port, a directory and a user of the test's own.

    nginx's is of Type=forking: it is kept in the foreground.
    """
    source = Path(f"/lib/systemd/system/{unit}.service")
    path = which(program)
    if path is None or not source.exists():
        pytest.skip(f"the package with {unit}.service is not installed")
    from socket import create_connection, socket

    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    starts = {
        "memcached": f"{path} -l 127.0.0.1 -p {port} -u {getuser()}",
        "redis-server": f"{path} --port {port} --supervised systemd --dir {tmp_path}",
        "nginx": f"{path} -c {tmp_path}/nginx.conf -g 'daemon on; master_process on;'",
    }
    text = source.read_text()
    text = re.sub(r"^ExecStart=.*$", f"ExecStart={starts[unit]}", text, flags=re.M)
    text = re.sub(r"^(User|Group|ExecStartPre|ExecReload|ExecStop)=.*\n", "", text, flags=re.M)
    (tmp_path / "nginx.conf").write_text(NGINX.format(folder=tmp_path, port=port))
    (tmp_path / f"{unit}.service").write_text(text)
    found = run(pb, "systemd", str(tmp_path / f"{unit}.service"), running={unit})

    def answer() -> bytes:
        with create_connection(("127.0.0.1", port), timeout=5) as talk:
            talk.sendall(word)
            return talk.recv(100)

    eventually(lambda: answer()[:1] in (b"V", b"+", b"H"), timeout=60)
    assert not [r for r in found["report"] if r["fate"] == "refused"]
    assert services(pb)[unit]["ready_at"]
    assert services(pb)[unit]["restarts"] == 0
