"""Real programs as services: ready, healthy, depended on, killed, rotated and stopped.

One scheduler for all of them; a program that is not installed is skipped with a word.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.test_rotation import segments
from tests.kit import eventually
from tests.kit.command import Pb, is_running, kill
from tests.kit.fleet import Fleet

AT_ONCE = 50
"""Requests between two looks at whether its log, which grows by each, was rotated."""

ASGI = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

def answer(request):
    return PlainTextResponse("well")

app = Starlette(routes=[Route("/{rest:path}", answer)])
"""

NODE = """
require("http").createServer((request, response) => {
    console.log(`asked for ${request.url} by somebody who is going to fill this log with that`);
    response.end("well");
}).listen(Number(process.env.PORT), "127.0.0.1");
"""

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log /dev/stderr;
{user}
events {{}}
http {{
    access_log /dev/stdout;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "well"; }} }}
}}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a program may put things, and the port that it listens on."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


# -- the programs: what is needed, how it is defined, and whether it answers


def found(*names: str) -> str:
    """The first program of these that is there; else the test is skipped."""
    beside = [str(path) for path in Path("/usr/lib/postgresql").glob("*/bin")]
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", *beside])
    for name in names:
        program = shutil.which(name, path=path)
        if program is not None:
            return program
    pytest.skip(f"{names[0]} is not installed")


def postgres(place: Place) -> dict[str, Any]:
    server, folder = found("postgres"), place.folder
    beside = Path(os.path.realpath(server)).parent
    tools = {"initdb": str(beside / "initdb"), "ready": str(beside / "pg_isready")}
    definition: dict[str, Any] = {"cwd": str(folder)}
    become: dict[str, Any] = {}
    if os.geteuid() == 0:  # it refuses to be root's
        try:
            account = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("there is no user postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        definition["user"] = "postgres"
        become = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    subprocess.run(
        [tools["initdb"], "-D", str(folder / "data"), "-A", "trust", "--no-sync"],
        check=True, capture_output=True, cwd=folder, **become,
    )  # fmt: skip
    listen = ["-p", str(place.port), "-k", str(folder), "-h", "127.0.0.1", "-F"]
    ask = [tools["ready"], "-q", "-h", "127.0.0.1", "-p", str(place.port)]
    return {
        **definition,
        "command": [server, "-D", str(folder / "data"), *listen, "-c", "log_connections=on"],
        "ready": {"exec": ask},
        "health": {"exec": ask, "interval": "1s"},
        "stop": {"signal": "INT", "timeout": "20s"},
    }


def redis(place: Place) -> dict[str, Any]:
    ask = [found("redis-cli"), "-p", str(place.port), "ping"]
    words = ["--port", str(place.port), "--save", "", "--dir", str(place.folder)]
    return {
        "command": [found("redis-server"), *words, "--loglevel", "verbose"],
        "ready": {"log": "Ready to accept connections"},
        "health": {"exec": ask, "interval": "1s"},
    }


def memcached(place: Place) -> dict[str, Any]:
    user = ["-u", "root"] if os.geteuid() == 0 else []
    words = ["-l", "127.0.0.1", "-p", str(place.port), "-vv", *user]
    return {
        "command": [found("memcached"), *words],
        "ready": {"tcp": place.port},
        "health": {"tcp": place.port, "interval": "1s"},
    }


def nginx(place: Place) -> dict[str, Any]:
    config = place.folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(NGINX.format(folder=place.folder, port=place.port, user=user))
    return {
        "command": [found("nginx"), "-e", "/dev/stderr", "-c", str(config)],
        "ready": {"http": place.url},
        "health": {"http": place.url, "interval": "1s"},
        "stop": {"signal": "QUIT"},
        "reload": {"signal": "HUP"},
    }


def uvicorn(place: Place) -> dict[str, Any]:
    (place.folder / "shop.py").write_text(ASGI)
    words = ["--host", "127.0.0.1", "--port", str(place.port)]
    return {
        "command": [sys.executable, "-m", "uvicorn", "shop:app", *words],
        "cwd": str(place.folder),
        "ready": {"http": place.url},
        "health": {"http": place.url, "interval": "1s"},
    }


def node(place: Place) -> dict[str, Any]:
    (place.folder / "shop.js").write_text(NODE)
    return {
        "command": [found("node"), str(place.folder / "shop.js")],
        "env": {"PORT": str(place.port)},
        "ready": {"http": place.url},
        "health": {"http": place.url, "interval": "1s"},
    }


def by_http(place: Place, number: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", f"/{number}/{'x' * 80}")
        return connection.getresponse().read() == b"well"


def by_line(question: bytes, answer: bytes) -> Callable[[Place, int], bool]:
    def ask(place: Place, _number: int) -> bool:
        with socket.create_connection(("127.0.0.1", place.port), timeout=10) as sock:
            sock.sendall(question)
            return sock.recv(1024).startswith(answer)

    return ask


PROGRAMS: dict[str, tuple[Callable[[Place], dict[str, Any]], Callable[[Place, int], bool]]] = {
    "postgres": (postgres, by_line(b"\0\0\0\x08\x04\xd2\x16\x2f", b"N")),  # "no TLS here"
    "redis": (redis, by_line(b"PING\r\n", b"+PONG")),
    "memcached": (memcached, by_line(b"version\r\n", b"VERSION")),
    "nginx": (nginx, by_http),
    "uvicorn": (uvicorn, by_http),
    "node": (node, by_http),
}


# -- the scheduler that keeps them


@pytest.fixture(scope="module")
def pb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pb]:
    made = Pb(tmp_path_factory.mktemp("real") / "home").unmeasured()
    made.ok("scheduler", "start")
    yield made
    made.close()


@pytest.fixture
def place() -> Iterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="pb-real-"))  # others may enter: it is nobody's home
    folder.chmod(0o755)
    yield Place(folder, free_port())
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_kept_running_and_ends_well(pb: Pb, place: Place, name: str) -> None:
    define, ask = PROGRAMS[name]
    definition = define(place)
    fleet = Fleet(pb)
    rules = {"restart": {"delay": "10ms"}, "log": {"max_size": "64KiB", "keep": 1000}}
    after = {"name": f"after-{name}", "command": ["/bin/sleep", "1000"], "depends_on": [name]}
    fleet.apply([{"name": name, **rules, **definition}, after])
    try:
        check_ready(pb, fleet, name)
        assert ask(place, 0)
        check_killed(fleet, name)
        check_rotated(pb, fleet, name, lambda number: ask(place, number))
        check_stopped(fleet, name, place)
    finally:
        fleet.stop(f"after-{name}", name, force=True)


def check_ready(pb: Pb, fleet: Fleet, name: str) -> None:
    """``pb service start`` waits until it is ready; who depends on it comes after that."""
    ran = pb.ok("service", "start", f"after-{name}", "--json", timeout=90)
    assert ran.json["ok"] is True
    views = fleet.until("running", name, f"after-{name}")
    assert views[name]["ready_at"] <= views[f"after-{name}"]["started_at"]
    fleet.call("wait", names=[name], timeout=60, **{"for": "healthy"})
    assert fleet.view(name)["health"] == "healthy"


def check_killed(fleet: Fleet, name: str) -> None:
    """After SIGKILL of its leader there is another one, ready, and none of the old tree."""
    before = fleet.view(name)
    kill(before["pid"], signal.SIGKILL)
    now = eventually(
        lambda: (
            (view := fleet.view(name))["pid"] not in (before["pid"], None)
            and view["state"] == "running"
            and view
        ),
        timeout=60,
    )
    assert (now["restarts"], now["last_exit"]["signal"]) == (1, "SIGKILL")
    assert not is_running(before["pid"])


def check_rotated(pb: Pb, fleet: Fleet, name: str, ask: Callable[[int], bool]) -> None:
    """Its log is rotated while it writes, and the program has not noticed."""
    pid, log = fleet.view(name)["pid"], pb.home / f"{name}.log"
    eventually(
        lambda: all(ask(number) for number in range(AT_ONCE)) and len(segments(log)) > 1,
        timeout=60,
        interval=0,
    )
    assert fleet.view(name)["pid"] == pid
    assert ask(0)
    shown = pb.ok("service", "logs", name, "-n", "20").out
    assert len(shown.splitlines()) >= 20


def check_stopped(fleet: Fleet, name: str, place: Place) -> None:
    """It ends by its own signal, in time, and gives its port back."""
    pid = fleet.view(name)["pid"]
    ended = {one["name"]: one for one in fleet.stop(f"after-{name}", name)}
    assert ended[name]["action"] == "stopped", ended[name]
    assert not is_running(pid)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", place.port))
