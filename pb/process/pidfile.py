"""The PID file: what a daemon says of itself, written atomically and read with distrust.

The lock decides who runs; this only tells people. Nothing here signals or judges liveness.
Keys and their spelling are fixed (SPEC section 1); they are camel case here and nowhere else.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import TypeGuard

from pb.core.lean import dataclass
from pb.errors import PbError
from pb.process.identity import MAX_PID, Identity, is_thread

FORMAT_VERSION = 1
EMBEDDED = "embedded"
"""The mode of a daemon that lives inside another program's process."""
MAX_BYTES = 64 * 1024
NO_PORTS: Mapping[str, int] = MappingProxyType({})
READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class PidFileError(PbError):
    """A PID file that cannot be believed; it is left as it is."""

    code = "pid_file"


@dataclass(frozen=True, slots=True, kw_only=True)
class PidRecord:
    """One daemon's life as its PID file tells it.

    ``identity`` is None for a bare integer (written by hand, or by something else), which then
    proves nothing. ``started_at_ms`` is milliseconds since 1970. Paths are absolute strings.
    """

    pid: int
    identity: Identity | None = None
    service: str | None = None
    mode: str | None = None
    started_at_ms: int | None = None
    db_path: str | None = None
    socket_path: str | None = None
    log_path: str | None = None
    address: str | None = None
    ports: Mapping[str, int] = field(default_factory=lambda: NO_PORTS)
    supervisor_pid: int | None = None
    instance_id: str | None = None
    pb_version: str | None = None


TEXTS = {
    "service": "service",
    "mode": "mode",
    "dbPath": "db_path",
    "socketPath": "socket_path",
    "logPath": "log_path",
    "address": "address",
    "instanceId": "instance_id",
    "pbVersion": "pb_version",
}
"""Keys that hold a string or null, and the field each is read into."""


def write_pid_file(path: Path, record: PidRecord, *, durable: bool = True) -> None:
    """Write the file as one JSON line, 0600, so that a reader sees the old one or the new one.

    The temporary file is random and exclusive, flushed before it is renamed; then the directory
    is flushed. ``durable`` False leaves the flushing out: what a power cut ends needs no file after
    it. Raises PbError when the disk is full, read-only or refuses.
    """
    text = json.dumps(_dump(record), ensure_ascii=False) + "\n"
    temporary = f"{path.parent}/.{path.name}.{os.urandom(8).hex()}"
    try:
        _write_new(temporary, text.encode(), durable=durable)
        os.replace(temporary, path)
        if durable:
            _flush_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise PbError(
            f"Cannot write {path}: {(error.strerror or str(error)).lower()}",
            hint="Check the space on the disk and the rights of the home.",
        ) from error


def _write_new(path: str, content: bytes, *, durable: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        if durable:
            os.fsync(file.fileno())


def _flush_directory(path: Path) -> None:
    """Make a rename or removal last; some network file systems cannot, and say EINVAL."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)


def _dump(record: PidRecord) -> dict[str, object]:
    identity = record.identity
    return {
        "pid": record.pid,
        "startedAt": record.started_at_ms,
        "dbPath": record.db_path,
        "socketPath": record.socket_path,
        "mode": record.mode,
        "version": FORMAT_VERSION,
        "service": record.service,
        "startTicks": identity and identity.start_ticks,
        "bootId": identity and identity.boot_id,
        "pidNamespace": identity and identity.pid_namespace,
        "host": identity and identity.host,
        "logPath": record.log_path,
        "supervisorPid": record.supervisor_pid,
        "instanceId": record.instance_id,
        "pbVersion": record.pb_version,
        "address": record.address,
        "ports": dict(record.ports),
    }


def read_pid_file(path: Path) -> PidRecord | None:
    """What the file says, or None when there is none.

    Raises PidFileError, with a sentence and a hint, for everything else that may lie there: a
    directory, FIFO or symbolic link, somebody else's file, garbage, a PID that no daemon can
    have (0, negative, 1, huge; without an identity also a thread's and our own).
    """
    content = _read_bytes(path)
    if content is None:
        return None
    return _believable(path, _parse(path, content))


def remove_pid_file(path: Path, record: PidRecord, *, durable: bool = True) -> bool:
    """Remove the file if it still is that record's; False when it is gone or another's.

    The caller holds the daemon's lock, so nobody writes a new one between the look and the act.
    """
    try:
        content = _read_bytes(path)
        if content is None or not _is_same_life(_parse(path, content), record):
            return False
        os.unlink(path)
        if durable:
            _flush_directory(path.parent)
    except PidFileError:
        return False
    except FileNotFoundError:
        return False
    except OSError as error:
        raise PbError(
            f"Cannot remove {path}: {(error.strerror or str(error)).lower()}",
            hint=f"Remove {path} by hand.",
        ) from error
    return True


def _is_same_life(one: PidRecord, other: PidRecord) -> bool:
    """Same PID and instance; the identities too, unless one was never written (a bare number)."""
    unknown = one.identity is None or other.identity is None
    same = (one.pid, one.instance_id) == (other.pid, other.instance_id)
    return same and (unknown or one.identity == other.identity)


def _read_bytes(path: Path) -> bytes | None:
    try:
        fd = os.open(path, READ_FLAGS)
    except FileNotFoundError:
        return None
    except OSError as error:
        # O_NOFOLLOW on a symbolic link gives ELOOP, whose own words would puzzle.
        reason = "it is a symbolic link" if path.is_symlink() else error.strerror or str(error)
        raise _refused(path, f"cannot be read: {reason.lower()}") from error
    try:
        return _read_plain(path, fd)
    except OSError as error:
        raise _refused(path, f"cannot be read: {(error.strerror or str(error)).lower()}") from error
    finally:
        os.close(fd)


def _read_plain(path: Path, fd: int) -> bytes:
    facts = os.fstat(fd)
    if not stat.S_ISREG(facts.st_mode):
        raise _refused(path, "is not a plain file")
    if facts.st_uid != os.geteuid():
        raise _refused(path, f"belongs to another user (uid {facts.st_uid})")
    content = os.read(fd, MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise _refused(path, f"is larger than {MAX_BYTES // 1024} KiB")
    return content


def _parse(path: Path, content: bytes) -> PidRecord:
    if not content.strip():
        raise _refused(path, "is empty")
    try:
        value = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise _refused(path, "holds neither JSON nor a number") from error
    if not isinstance(value, dict):
        return PidRecord(pid=_pid(path, value))
    return PidRecord(
        pid=_pid(path, value.get("pid")),
        identity=_identity(path, value),
        started_at_ms=_number(path, value, "startedAt"),
        supervisor_pid=_supervisor(path, value),
        ports=_ports(path, value.get("ports")),
        **{name: _text(path, value, key) for key, name in TEXTS.items()},
    )


def _believable(path: Path, record: PidRecord) -> PidRecord:
    """Refuse a bare number that names us or a thread; a full record that does is merely stale.

    After a container's restart its old daemon's PID may well be ours, and later a thread's.
    """
    if record.identity is None and record.pid == os.getpid():
        raise _refused(path, f"names the very process that reads it ({record.pid})")
    if record.identity is None and is_thread(record.pid):
        raise _refused(path, f"names a thread, not a process ({record.pid})")
    return record


def _pid(path: Path, value: object) -> int:
    if not _is_int(value):
        raise _refused(path, "holds no PID that is a whole number")
    if value == 1:
        raise _refused(path, "names process 1, which is never a daemon of ours")
    if not 1 < value <= MAX_PID:
        raise _refused(path, f"names a PID that cannot be ({_short(value)})")
    return value


def _short(number: int) -> str:
    return str(number) if abs(number) < 10**20 else "far too large"


def _supervisor(path: Path, value: Mapping[str, object]) -> int | None:
    return None if value.get("supervisorPid") is None else _pid(path, value["supervisorPid"])


def _identity(path: Path, value: Mapping[str, object]) -> Identity | None:
    """The identity, or None when any of its four keys is missing: half of one proves nothing."""
    ticks, namespace = _number(path, value, "startTicks"), _number(path, value, "pidNamespace")
    boot, host = _text(path, value, "bootId"), _text(path, value, "host")
    if ticks is None or namespace is None or boot is None or host is None:
        return None
    return Identity(
        pid=_pid(path, value.get("pid")),
        start_ticks=ticks,
        boot_id=boot,
        pid_namespace=namespace,
        host=host,
    )


def _number(path: Path, value: Mapping[str, object], key: str) -> int | None:
    found = value.get(key)
    if found is None or _is_int(found):
        return found
    raise _refused(path, f"has a {key} that is not a whole number")


def _text(path: Path, value: Mapping[str, object], key: str) -> str | None:
    found = value.get(key)
    if found is None or isinstance(found, str):
        return found
    raise _refused(path, f"has a {key} that is not text")


def _ports(path: Path, value: object) -> Mapping[str, int]:
    if value is None:
        return NO_PORTS
    if isinstance(value, dict) and all(_is_int(port) for port in value.values()):
        return MappingProxyType(value)
    raise _refused(path, "has ports that are not whole numbers by name")


def _is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _refused(path: Path, what: str) -> PidFileError:
    return PidFileError(
        f"The PID file {path} {what}",
        hint=f"If its daemon does not run, move it aside: mv {path} {path}.bad",
    )
