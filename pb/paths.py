"""The home and every path in it; nobody else joins a path or reads HOME (SPEC section 1).

Only names and checks live here; contents belong to the rooms that read and write them.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from pb.core.lean import dataclass
from pb.errors import PbError, PermissionDeniedError, as_word

BUILTINS = ("scheduler", "gateway", "debug")
"""The three daemons that pb itself is, in the order in which they start."""

SOCKET_PATH_LIMIT = 104 if os.uname().sysname == "Darwin" else 107
"""Bytes a Unix socket's path may have, without the final NUL (unix(7); macOS 104)."""

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "fuse.sshfs"}
)


@dataclass(frozen=True, slots=True)
class Home:
    """One home directory: the scheduler's whole world. ``root`` is absolute."""

    root: Path

    @property
    def db(self) -> Path:
        return self.root / "pony.db"

    @property
    def config(self) -> Path:
        return self.root / "config.toml"

    @property
    def token(self) -> Path:
        return self.root / "gateway.token"

    @property
    def backups(self) -> Path:
        return self.root / "backups"

    @property
    def jobs_dir(self) -> Path:
        return self.root / "jobs.d"

    @property
    def services_dir(self) -> Path:
        return self.root / "services.d"

    @property
    def digests_dir(self) -> Path:
        return self.root / "digests"

    @property
    def socket(self) -> Path:
        """A path over the socket limit, or a network file system, moves it (SPEC section 1).

        Clients take it from the PID file, so it may depend on the daemon's own environment.
        """
        path = self.root / "gateway.sock"
        if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT and not is_network_file_system(self.root):
            return path
        return self._elsewhere(os.environ.get("XDG_RUNTIME_DIR")) / "gateway.sock"

    def pid_file(self, service: str) -> Path:
        return self.root / f"{service}.pid"

    def lock(self, service: str) -> Path:
        """On a network file system ``flock`` may be a local affair, so locks move off it.

        Their place must be the same for everybody, whatever the environment or the alias.
        """
        if is_network_file_system(self.root):
            return self._elsewhere() / f"{service}.lock"
        return self.root / f"{service}.lock"

    def log(self, service: str) -> Path:
        return self.root / f"{service}.log"

    def texts(self, instance: str) -> tuple[str, str]:
        """Its log and its PID file as text: a list of a thousand needs no thousand Paths."""
        return f"{self.root}/{instance}.log", f"{self.root}/{instance}.pid"

    def error_log(self, instance: str) -> Path:
        """The standard error of an instance that keeps it apart (``log.split_stderr``)."""
        return self.root / f"{instance}.err.log"

    def exits(self, service: str) -> Path:
        """Where the guardian keeps exit statuses for the next scheduler."""
        return self.root / f"{service}.exits"

    def run_log(self, job: str | None, run_id: int) -> Path:
        """The output of one run; ``None`` stands for `pb run`, which belongs to no job."""
        return self.root / f"logs/jobs/{job or '_adhoc'}/{run_id}.log"

    def notify_socket(self, instance: str, *, is_shared: bool = False) -> Path:
        """Where one instance of a service speaks of itself, the same in each of its lives.

        ``is_shared``: it is another user's, whom this home is closed to (root only).
        """
        from hashlib import sha256

        path = self.root / "notify" / f"{instance}.sock"
        is_long = len(os.fsencode(path)) > SOCKET_PATH_LIMIT
        if not is_shared and not is_long and not is_network_file_system(self.root):
            return path
        name = f"{sha256(instance.encode()).hexdigest()[:16]}.sock"
        elsewhere = self._elsewhere()
        if not is_shared:
            return elsewhere / "notify" / name
        return Path("/run/pb-notify") / elsewhere.name / name

    def _elsewhere(self, wanted: str | None = None) -> Path:
        """This home's part of a short private directory of this user's."""
        from hashlib import sha256

        real = os.fsencode(os.path.realpath(self.root))
        return private_runtime_dir(wanted) / sha256(real).hexdigest()[:16]

    def ensure(self) -> None:
        """Create the home and its runtime directory, private, and refuse an unsafe one.

        Raises PermissionDeniedError when the directory is somebody else's or writable by others,
        and PbError when it cannot be made.
        """
        make_private_dir(self.root)
        for place in {self.socket.parent, self.lock("scheduler").parent} - {self.root}:
            make_private_dir(place.parent)
            make_private_dir(place)

    def exists(self) -> bool:
        return self.root.is_dir()


def find_home(flag: str | None = None) -> Home:
    """The home to use: the flag, else ``PB_HOME``, else ``.ponybunny`` in the user's home.

    Without ``HOME`` (or with an empty one, which would make ``~`` the root directory) the
    password database's home of this user is used.
    """
    chosen = flag or os.environ.get("PB_HOME")
    if chosen:
        return Home(Path(os.path.abspath(os.path.expanduser(chosen))))
    return Home(user_home() / ".ponybunny")


def user_home() -> Path:
    """The user's home directory: ``HOME`` when it is absolute, else the password database's."""
    home = os.environ.get("HOME", "")
    if os.path.isabs(home):
        return Path(home)
    import pwd

    return Path(pwd.getpwuid(os.geteuid()).pw_dir)


def private_runtime_dir(wanted: str | None = None) -> Path:
    """A short directory: ``wanted`` when it is private and short, ``/run/user``, else /tmp."""
    uid = os.geteuid()
    for base in (wanted, f"/run/user/{uid}"):
        if base and os.path.isabs(base) and len(os.fsencode(base)) <= 40:
            with contextlib.suppress(OSError):
                facts = os.stat(base)
                if facts.st_uid == uid and not facts.st_mode & 0o022:
                    return Path(base) / "pb"
    return Path(f"/tmp/pb-{uid}")  # noqa: S108 - its owner and mode are checked before use


def is_network_file_system(path: Path) -> bool:
    """Whether ``path`` (or its nearest existing parent) lies on a network file system (Linux)."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
            text = table.read()
    except OSError:
        return False
    if not any(f" - {kind} " in text for kind in NETWORK_FILE_SYSTEMS):
        return False
    real, best, found = os.path.realpath(path), "", ""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        mount = before.split()[4].replace("\\040", " ")
        inside = real == mount or real.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, found = mount, after.split()[0]
    return found in NETWORK_FILE_SYSTEMS


def make_private_dir(path: Path) -> None:
    """Create ``path`` with mode 0700, or check that an existing one is ours and closed to others.

    Raises PermissionDeniedError for a directory of somebody else's, one that others may write
    to, or a symbolic link to such; PbError when it cannot be created or is no directory.
    """
    try:
        with contextlib.suppress(FileExistsError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.mkdir(mode=0o700)
        facts = path.stat()
    except PermissionError as error:
        raise PermissionDeniedError(
            f"Cannot use {path}: permission denied", hint="Choose another home with PB_HOME."
        ) from error
    except OSError as error:
        raise PbError(
            f"Cannot use {path}: {(error.strerror or str(error)).lower()}",
            hint="Choose another home with PB_HOME.",
        ) from error
    check_private_dir(path, facts)


def check_private_dir(path: Path, facts: os.stat_result) -> None:
    """Refuse a directory that is not ours or that others may write to."""
    if not stat.S_ISDIR(facts.st_mode):
        raise PbError(f"{path} is not a directory", hint="Move it aside, or set PB_HOME.")
    if facts.st_uid != os.geteuid():
        raise PermissionDeniedError(
            f"{path} belongs to another user (uid {facts.st_uid})",
            hint="Use a home of your own: set PB_HOME.",
        )
    if facts.st_mode & 0o022:
        raise PermissionDeniedError(
            f"{path} can be written by others (mode {stat.S_IMODE(facts.st_mode):04o})",
            hint=f"Run: chmod 700 {as_word(path)}",
        )
