"""The socket on which a service speaks of itself: sd_notify(3), the receiving end.

One Unix datagram socket for an instance. The kernel says who sends (SO_PASSCRED, unix(7)); what
is sent is not judged here.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

from pb.core.lean import dataclass
from pb.errors import PbError
from pb.paths import make_private_dir

LIMIT = 4096
"""Bytes of one message; what is longer is cut, as systemd does."""

CREDENTIALS = struct.Struct("3i")
"""struct ucred: pid, uid, gid."""

DESCRIPTORS = 64
"""Descriptors in one message that there is room for: BARRIER=1 sends one, FDSTORE=1 some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message: its assignments, and who sent it. ``pid`` 0: the system does not tell."""

    fields: Mapping[str, str]
    pid: int | None
    uid: int | None


class NotifySocket:
    """The receiving end at ``path``, bound anew: a sender that goes on sending is heard again."""

    def __init__(self, path: Path) -> None:
        """Raises PbError when it cannot be bound."""
        self.path = path
        make_private_dir(path.parent)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            if hasattr(socket, "SO_PASSCRED"):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._socket.bind(os.fspath(path))
            path.chmod(0o600)
        except OSError as error:
            self._socket.close()
            reason = (error.strerror or str(error)).lower()
            raise PbError(f"Cannot listen on {path}: {reason}") from error

    def give_to(self, uid: int) -> None:
        """Let another user's service reach it and write to it; root may do that. Raises PbError."""
        try:
            for folder in (self.path.parent, self.path.parent.parent):
                folder.chmod(0o711)
            os.chown(self.path, uid, -1)
        except OSError as error:
            self.close(unlink=True)
            reason = (error.strerror or str(error)).lower()
            raise PbError(f"Cannot give {self.path} to user {uid}: {reason}") from error

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self) -> Said | None:
        """The next message; None when there is none."""
        room = socket.CMSG_SPACE(CREDENTIALS.size) + socket.CMSG_SPACE(4 * DESCRIPTORS)
        try:
            content, extra, _flags, _address = self._socket.recvmsg(LIMIT, room)
        except (BlockingIOError, InterruptedError):
            return None
        pid, uid = credentials(extra)
        return Said(fields=assignments(content), pid=pid, uid=uid)

    def close(self, *, unlink: bool) -> None:
        self._socket.close()
        if unlink:
            with contextlib.suppress(OSError):
                self.path.unlink()


def credentials(extra: list[tuple[int, int, bytes]]) -> tuple[int | None, int | None]:
    """The sender's pid and uid. Descriptors that came along are closed: that is what a sender
    waits for (sd_notify_barrier(3))."""
    pid: int | None = None
    uid: int | None = None
    for level, kind, content in extra:
        if level != socket.SOL_SOCKET:
            continue
        if kind == socket.SCM_RIGHTS:
            fds = array.array("i")
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
            for fd in fds:
                os.close(fd)
        elif kind == getattr(socket, "SCM_CREDENTIALS", None):
            pid, uid, _ = CREDENTIALS.unpack(content[: CREDENTIALS.size])
    return pid, uid


def assignments(content: bytes) -> dict[str, str]:
    """``NAME=value`` lines; the last of a name counts."""
    pairs = (line.partition("=") for line in content.decode("utf-8", "replace").split("\n"))
    return {name: value for name, is_there, value in pairs if is_there and name}
