"""Rotation of a run's log while the run writes at full speed."""

from __future__ import annotations

import gzip
import re
import signal
from pathlib import Path

import pytest

from tests.kit import eventually
from tests.kit.command import BY_HAND, Pb, kill

LINES = 300_000
PADDING = "x" * 60
SHELL = f"""
i=0
while [ $i -lt {LINES} ]; do i=$((i + 1)); echo "$i {PADDING}"; done
"""
SEGMENT = 1024 * 1024


def configure(pb: Pb, keep: int) -> None:
    pb.home.mkdir(mode=0o700)
    (pb.home / "config.toml").write_text(
        f'[logs]\nmax_size = "1MiB"\nkeep = {keep}\ncompress = true\n'
    )
    pb.ok("job", "add", "writer", *BY_HAND, "--", "/bin/sh", "-c", SHELL)


def segments(log: Path) -> list[Path]:
    """The run's log and its archive, oldest first."""
    archived = [
        p
        for p in log.parent.iterdir()
        if re.fullmatch(re.escape(log.name) + r"\.\d+(\.gz)?", p.name)
    ]
    number = re.compile(r"\.(\d+)(?:\.gz)?$")
    return [*sorted(archived, key=lambda p: -int(number.search(p.name)[1])), log]  # type: ignore[index]


def content(path: Path) -> bytes:
    """What a segment holds; a punched hole reads as NULs and holds nothing."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return raw.lstrip(b"\0")


def state(pb: Pb) -> str:
    return str(pb.history("writer")[0]["state"])


def check_complete(pb: Pb) -> None:
    parts = segments(Path(pb.history("writer")[0]["log_path"]))
    numbers = [int(line.split()[0]) for line in b"".join(map(content, parts)).splitlines()]
    assert len(parts) > 3, "it was never rotated"
    assert len(numbers) == LINES
    assert numbers == list(range(1, LINES + 1))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_line_is_lost_doubled_or_torn_by_rotation(pb: Pb) -> None:
    configure(pb, keep=100)
    pb.ok("scheduler", "start")

    pb.ok("job", "run", "writer", "--wait", timeout=180)

    check_complete(pb)
    shown = pb.ok("job", "logs", "writer", "-n", "5").out.splitlines()
    assert [line.split()[0] for line in shown] == [str(n) for n in range(LINES - 4, LINES + 1)]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nor_when_the_scheduler_is_killed_again_and_again_meanwhile(pb: Pb) -> None:
    configure(pb, keep=100)
    pb.ok("scheduler", "start")
    pb.ok("job", "run", "writer")

    kills = 0
    while state(pb) == "running":
        kill(pb.pid(), signal.SIGKILL)
        kills += 1
        pb.ok("scheduler", "start")
    eventually(lambda: state(pb) not in ("running", "starting"), timeout=60)

    assert kills >= 1
    check_complete(pb)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_disk_never_holds_more_than_the_configured_total_and_one_segment(pb: Pb) -> None:
    configure(pb, keep=3)
    pb.ok("scheduler", "start")
    folder = pb.home / "logs" / "jobs" / "writer"
    client = pb.popen("job", "run", "writer", "--wait")

    most = 0
    while client.poll() is None:
        if folder.is_dir():
            most = max(most, sum(map(held, folder.iterdir())))
    said, _ = client.communicate()

    assert client.returncode == 0, said
    assert most > SEGMENT
    assert most <= (3 + 1 + 1) * SEGMENT, f"{most / SEGMENT:.1f} MiB"


def held(path: Path) -> int:
    """Bytes on disk, holes not counted."""
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0
