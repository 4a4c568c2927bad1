"""The smallest guardian there is: detaches, holds the lock, runs the tiny daemon, forwards TERM."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

from pb.paths import Home
from pb.process.lifecycle import detach
from pb.process.lock import Lock
from pb.process.signals import reset_signals


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True)
    parser.add_argument("--mode", required=True)
    parser.add_argument("--ready-fd", type=int, required=True)
    parser.add_argument("--behave", default="ready")
    asked = parser.parse_args()
    home = Home(Path(asked.home))
    lock = Lock(home.lock("scheduler"))
    assert lock.acquire()
    detach(home.root, home.log("scheduler"), keep=(lock.fd, asked.ready_fd))
    reset_signals(for_python=True)
    watched = {signal.SIGTERM, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    child = start(asked, lock.fd)
    os.close(asked.ready_fd)
    while signal.sigwait(watched) != signal.SIGTERM:
        child.poll()
    child.terminate()
    child.wait()
    return 0


def start(asked: argparse.Namespace, lock_fd: int | None) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "tests.process.tiny_daemon", "--home", asked.home]
    argv += ["--mode", "daemon", "--ready-fd", str(asked.ready_fd), "--lock-fd", str(lock_fd)]
    argv += ["--supervisor-pid", str(os.getpid()), "--behave", asked.behave]
    return subprocess.Popen(argv, pass_fds=(asked.ready_fd, lock_fd))


if __name__ == "__main__":
    sys.exit(main())
