"""Those who keep services running: pb, and supervisor, circus, pm2 and runit where they are here.

Each is given the same services (``sleep``, and one that writes down when it begins), its logs in
its own folder, and its default settings otherwise.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from pb.api import session
from pb.paths import Home
from tests.benchmarks.measure import timed, until
from tests.kit.command import Pb, command

GROUP = "many"
PROBE = "probe"
"""The service that is killed: it writes the time of each of its starts."""


class Keeper(ABC):
    """One manager in a folder of its own. ``nap`` is the number that its services sleep for."""

    name = ""

    def __init__(self, home: Path, nap: int) -> None:
        self.home, self.nap = home, nap
        self.mark = home / "mark"
        self.environment = dict(os.environ)

    @property
    def sleep(self) -> list[str]:
        return ["/bin/sleep", str(self.nap)]

    @property
    def probe(self) -> list[str]:
        words = f"date +%s.%N >> {self.mark}; exec sleep 77777"
        return ["/bin/sh", "-c", words]

    def running(self) -> int:
        """How many of its sleeping services there are."""
        wanted, found = "\0".join([*self.sleep, ""]).encode(), 0
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                found += Path(f"/proc/{entry}/cmdline").read_bytes() == wanted
            except OSError:
                continue
        return found

    def prepare(self) -> str | None:
        """Whether it can be measured; a word why not."""
        return None

    @abstractmethod
    def open(self, count: int) -> None:
        """Start the manager, with so many services that do not run yet, and the probe, which
        does."""

    @abstractmethod
    def start(self) -> None:
        """Run the command that starts all."""

    @abstractmethod
    def stop(self) -> None:
        """Run the command that stops all."""

    @property
    @abstractmethod
    def status(self) -> list[str]:
        """The command that tells of all."""

    @abstractmethod
    def pids(self) -> list[int]:
        """Its own processes."""

    @abstractmethod
    def close(self) -> None:
        """End it and all its services."""

    def probed(self) -> int:
        """The PID of the probe."""
        wanted = b"sleep\x0077777\0"
        for entry in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{entry}/cmdline").read_bytes() == wanted:
                    return int(entry)
        return 0

    def run(self, words: Sequence[str]) -> None:
        timed(words, self.environment, fails=True)


class PonyBunny(Keeper):
    name = "pb"

    def open(self, count: int) -> None:
        self.pb = Pb(self.home / "home")
        self.environment = self.pb.environment
        self.pb.ok("scheduler", "start")
        many = [
            {"name": f"s{n}", "command": self.sleep, "groups": [GROUP], "enabled": False}
            for n in range(count)
        ]
        probe = {
            "name": PROBE,
            "command": self.probe,
            "restart": {"delay": 0, "max_restarts": 10_000},
        }
        with session(Home(self.pb.home)) as asked:
            asked.call(
                "service.apply",
                {"definitions": [*many, probe], "source": "benchmark"},
                timeout=120,
            )

    def start(self) -> None:
        self.run([*command(), "service", "start", GROUP])

    def stop(self) -> None:
        self.run([*command(), "service", "stop", GROUP])

    @property
    def status(self) -> list[str]:
        return [*command(), "service", "status"]

    def pids(self) -> list[int]:
        return [self.pb.pid()]

    def close(self) -> None:
        self.pb.close()


class PythonPeer(Keeper):
    """One that pip installs; taken from PATH where it is there."""

    package = ("",)
    daemon = ""

    def prepare(self) -> str | None:
        self.bin = ""
        if shutil.which(self.daemon):
            return None
        venv = self.home / "venv"
        for words in (
            [sys.executable, "-m", "venv", str(venv)],
            [str(venv / "bin/pip"), "install", "-q", *self.package],
        ):
            if subprocess.run(words, capture_output=True, check=False).returncode:
                return "it could not be installed"
        self.bin = f"{venv}/bin/"
        return None


class Supervisor(PythonPeer):
    name = "supervisor"
    package = ("supervisor", "setuptools<81")
    daemon = "supervisord"

    def open(self, count: int) -> None:
        home = self.home
        text = f"[supervisord]\nlogfile={home}/log\npidfile={home}/pid\nchildlogdir={home}\n"
        text += f"minfds=20000\n[unix_http_server]\nfile={home}/sock\n[rpcinterface:supervisor]\n"
        text += "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
        text += f"[supervisorctl]\nserverurl=unix://{home}/sock\n"
        for n in range(count):
            text += f"[program:s{n}]\ncommand={' '.join(self.sleep)}\nautostart=false\n"
        script = home / "probe.sh"
        script.write_text(self.probe[2] + "\n")
        text += f"[program:{PROBE}]\ncommand=/bin/sh {script}\nstartsecs=0\nautorestart=true\n"
        text += f"[group:{GROUP}]\nprograms={','.join(f's{n}' for n in range(count))}\n"
        (home / "conf").write_text(text)
        timed([f"{self.bin}supervisord", "-c", str(home / "conf")], self.environment)
        until((home / "sock").exists)

    def control(self, *words: str) -> list[str]:
        return [f"{self.bin}supervisorctl", "-c", str(self.home / "conf"), *words]

    def start(self) -> None:
        self.run(self.control("start", f"{GROUP}:*"))

    def stop(self) -> None:
        self.run(self.control("stop", f"{GROUP}:*"))

    @property
    def status(self) -> list[str]:
        return self.control("status")

    def pids(self) -> list[int]:
        return [int((self.home / "pid").read_text())]

    def close(self) -> None:
        self.run(self.control("shutdown"))


class Circus(PythonPeer):
    name = "circus"
    package = ("circus",)
    daemon = "circusd"

    @property
    def endpoint(self) -> str:
        return f"ipc://{self.home}/endpoint"

    def open(self, count: int) -> None:
        text = f"[circus]\nendpoint={self.endpoint}\npubsub_endpoint=ipc://{self.home}/pubsub\n"
        for n in range(count):
            text += f"[watcher:s{n}]\ncmd={' '.join(self.sleep)}\n"
        script = self.home / "probe.sh"
        script.write_text(self.probe[2] + "\n")
        text += f"[watcher:{PROBE}]\ncmd=/bin/sh {script}\n"
        (self.home / "circus.ini").write_text(text)
        words = ["--daemon", "--pidfile", str(self.home / "pid"), "--log-output"]
        self.run([f"{self.bin}circusd", *words, f"{self.home}/log", f"{self.home}/circus.ini"])
        # It starts by command only what it would start by itself.
        until(lambda: self.running() == count, timeout=180, interval=0.1)
        self.stop()
        until(lambda: self.running() == 0, timeout=180, interval=0.1)

    def control(self, *words: str) -> list[str]:
        patience = ["--timeout", "120"]
        return [f"{self.bin}circusctl", *patience, "--endpoint", self.endpoint, *words]

    def start(self) -> None:
        self.run(self.control("start", "s*", "--match", "glob"))

    def stop(self) -> None:
        self.run(self.control("stop", "s*", "--match", "glob"))

    @property
    def status(self) -> list[str]:
        return self.control("status")

    def pids(self) -> list[int]:
        return [int((self.home / "pid").read_text())]

    def close(self) -> None:
        self.run(self.control("quit"))


class Pm2(Keeper):
    name = "pm2"

    def prepare(self) -> str | None:
        self.environment["PM2_HOME"] = str(self.home)
        return None if shutil.which("pm2") else "it is not on PATH"

    def open(self, count: int) -> None:
        app = {"script": "/bin/sleep", "args": str(self.nap), "interpreter": "none"}
        apps = [{**app, "name": f"s{n}"} for n in range(count)]
        script = self.home / "probe.sh"
        script.write_text("#!/bin/sh\n" + self.probe[2] + "\n")
        script.chmod(0o755)
        probe = {"name": PROBE, "script": str(script), "interpreter": "none"}
        (self.home / "many.json").write_text(json.dumps({"apps": apps}))
        (self.home / "probe.json").write_text(json.dumps({"apps": [probe]}))
        self.run(["pm2", "start", str(self.home / "probe.json")])

    def start(self) -> None:
        self.run(["pm2", "start", str(self.home / "many.json")])

    def stop(self) -> None:
        self.run(["pm2", "stop", str(self.home / "many.json")])

    @property
    def status(self) -> list[str]:
        return ["pm2", "list"]

    def pids(self) -> list[int]:
        return [int((self.home / "pm2.pid").read_text())]

    def close(self) -> None:
        self.run(["pm2", "kill"])


class Runit(Keeper):
    """A process of its own watches each service; its memory is that of all of them."""

    name = "runit"

    def prepare(self) -> str | None:
        return None if shutil.which("runsvdir") else "it is not installed"

    def open(self, count: int) -> None:
        self.folder, self.spare = self.home / "run", self.home / "spare"
        self.folder.mkdir()
        self.spare.mkdir()
        for n in range(count):
            self._service(self.spare / f"s{n}", " ".join(["exec", *self.sleep]))
        self._service(self.folder / PROBE, self.probe[2])
        self.process = subprocess.Popen(["runsvdir", str(self.folder)], start_new_session=True)

    def _service(self, folder: Path, words: str) -> None:
        folder.mkdir()
        (folder / "run").write_text(f"#!/bin/sh\n{words}\n")
        (folder / "run").chmod(0o755)

    def names(self) -> list[str]:
        return [str(path) for path in self.folder.iterdir()]

    def start(self) -> None:
        """The first time they are put where it looks; then it is told."""
        if any(self.spare.iterdir()):
            for path in list(self.spare.iterdir()):
                path.rename(self.folder / path.name)
            return
        self.run(["sv", "up", *(n for n in self.names() if not n.endswith(PROBE))])

    def stop(self) -> None:
        self.run(["sv", "down", *(n for n in self.names() if not n.endswith(PROBE))])

    @property
    def status(self) -> list[str]:
        return ["sv", "status", *self.names()]

    def pids(self) -> list[int]:
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [self.process.pid, *map(int, listed.split())]

    def close(self) -> None:
        self.process.send_signal(signal.SIGHUP)
        self.process.wait(60)


KEEPERS: tuple[type[Keeper], ...] = (PonyBunny, Supervisor, Circus, Pm2, Runit)


def available(folder: Path, *, alone: bool) -> tuple[list[type[Keeper]], list[str]]:
    """Whom to measure, and a word for each that is not here."""
    found: list[type[Keeper]] = []
    words = ["systemd is skipped: it runs nothing for a benchmark without its own session"]
    for kind in KEEPERS[:1] if alone else KEEPERS:
        trial = kind(folder / f"try-{kind.name}", 0)
        trial.home.mkdir(parents=True)
        problem = trial.prepare()
        if problem is None:
            found.append(kind)
        else:
            words.append(f"{kind.name} is skipped: {problem}")
    return found, [] if alone else words
