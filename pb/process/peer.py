"""Whose process is at the other end of a loopback TCP connection, as the Linux kernel tells it.

Read only: no connection is touched. Where the kernel's tables are missing the answer is an error,
never a guess.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address

from pb.errors import UnsupportedError

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
"""One line a socket of this network namespace (proc_net_tcp in the kernel's documentation)."""

Address = tuple[str, int]


def peer_uid(peer: Address, own: Address, tables: tuple[str, ...] = TABLES) -> int | None:
    """The user id that owns the socket at ``peer`` connected to ``own``; None when there is none.

    A socket that its process has closed already is listed with uid 0 and inode 0 whoever owned it
    (sock_i_uid in the kernel), so such a line is no proof and is passed over.
    Raises UnsupportedError where no table can be read.
    """
    wanted = (key_of(peer), key_of(own))
    for local, remote, uid, inode in connections(tables):
        if (local, remote) == wanted and inode != "0":
            return int(uid)
    return None


def connections(tables: tuple[str, ...]) -> Iterator[tuple[str, str, str, str]]:
    """Every TCP socket as (local, remote, uid, inode), addresses spelled as ``key_of`` does."""
    readable = 0
    for table in tables:
        try:
            with open(table, encoding="ascii") as lines:
                text = lines.read()
        except OSError:
            continue
        readable += 1
        for line in text.splitlines()[1:]:
            fields = line.split()
            yield normal(fields[1]), normal(fields[2]), fields[7], fields[9]
    if not readable:
        raise UnsupportedError("This system does not tell who owns a TCP connection")


def normal(address: str) -> str:
    """An IPv4 address that an IPv6 socket maps (``::ffff:127.0.0.1``), as the IPv4 table has it."""
    mapped = word(b"\x00\x00\xff\xff")
    prefix = "0" * 16 + mapped
    return address[24:] if address.startswith(prefix) and len(address) > 32 else address


def key_of(address: Address) -> str:
    """An address as the tables spell it: 32-bit words in the host's byte order, then the port."""
    ip = ip_address(address[0].partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    packed = ip.packed
    words = (word(packed[i : i + 4]) for i in range(0, len(packed), 4))
    return f"{''.join(words)}:{address[1]:04X}"


def word(four: bytes) -> str:
    return f"{socket.ntohl(int.from_bytes(four, 'big')):08X}"


def user_name(uid: int) -> str:
    """The user's name, or the number where the system knows none (a container's made-up uid)."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
