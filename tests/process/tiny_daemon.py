"""The smallest daemon there is, for the tests of lifecycle and daemons: run with ``-m``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from pb.errors import ConflictError, InvalidError, PbError
from pb.paths import Home
from pb.process.lifecycle import DaemonSpec, become

ENDS = {signal.SIGTERM, signal.SIGINT}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True)
    parser.add_argument("--mode", required=True)
    parser.add_argument("--ready-fd", type=int)
    parser.add_argument("--lock-fd", type=int)
    parser.add_argument("--supervisor-pid", type=int)
    parser.add_argument("--behave", default="ready")
    asked = parser.parse_args()
    if asked.behave == "die":
        raise RuntimeError("the tiny daemon dies early")
    spec = DaemonSpec(
        service="scheduler",
        home=Home(Path(asked.home)),
        mode=asked.mode,
        db_path=Path(asked.home) / "pony.db",
        ready_fd=asked.ready_fd,
        lock_fd=asked.lock_fd,
        supervisor_pid=asked.supervisor_pid,
    )
    try:
        with become(spec) as running:
            live(running, asked.behave)
    except PbError as error:
        print(error.message, file=sys.stderr)
        return int(error.exit_code)
    return 0


def live(running, behave: str) -> None:
    if behave == "fail":
        raise InvalidError("The tiny setting is wrong", hint="Set it right.")
    if behave == "port":
        raise ConflictError("Port 1 is taken by somebody", hint="Choose another.")
    if behave == "die-late":
        print("\x1b[31mlast words", flush=True)
        os._exit(3)
    ends = {signal.SIGUSR2} if behave == "deaf" else ENDS
    signal.pthread_sigmask(signal.SIG_BLOCK, ends | ENDS)
    Path(running.path.parent, "umask").touch(mode=0o666)
    if behave == "never-ready":
        signal.sigwait(ends)
        return
    print("ready on", running.ready_fd, flush=True)
    running.ready(address="127.0.0.1:7", ports={"http": 7})
    if behave == "brief":
        return
    signal.sigwait(ends)
    if behave == "slow":
        time.sleep(3)
    print("ended in order", flush=True)


if __name__ == "__main__":
    sys.exit(main())
