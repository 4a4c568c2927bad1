"""Each sense with files as the kernel writes them, and the watch with a real loop and mount."""

from __future__ import annotations

import asyncio
import os
import pty
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pb.core.reactive import Event
from pb.daemon import senses
from pb.daemon.messages import Message, Noticed
from pb.daemon.senses import SENSES, Disks, Idle, Mounts, Network, Plain, Supply, Suspend
from pb.daemon.systemwatch import SystemWatch
from pb.daemon.watchers import KindWatchers, Scene, Watched, kind_of_watcher, watcher_of
from pb.process import machine
from pb.process.mounts import MountBell, mount_of, mounts
from pb.process.terminals import idle_seconds
from tests.kit import eventually
from tests.kit.mounting import tmpfs
from tests.kit.scheduler import FakeClock, World

ROUTE = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
DEFAULT = "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"


def test_a_suspend_is_what_one_clock_has_counted_and_the_other_has_not() -> None:
    counts = iter([100.0, 100.2, 160.2, 160.2])
    sense = Suspend(lambda: next(counts))
    assert [sense.look() for _ in range(4)] == [[], [], [("resumed", {"seconds": 60.0})], []]
    assert senses.slept() >= -0.001


def test_the_network_is_up_when_there_is_a_default_route(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    route = tmp_path / "net" / "route"
    sense = Network(lambda: machine.is_online(tmp_path))
    seen = []
    for text in (ROUTE, ROUTE, ROUTE + DEFAULT, ROUTE + DEFAULT, ROUTE):
        route.write_text(text)
        sense.drain()
        seen.append(sense.look())
    sense.close()
    assert seen == [[], [], [("network.up", {})], [], [("network.down", {})]]


def supply(root: Path, *, online: int, status: str, capacity: int) -> None:
    files = {
        "AC/type": "Mains", "AC/online": str(online), "BAT0/type": "Battery",
        "BAT0/status": status, "BAT0/capacity": str(capacity),
    }  # fmt: skip
    for name, text in files.items():
        path = root / "class/power_supply" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


def test_power_comes_and_goes_and_a_battery_is_low_once(tmp_path: Path) -> None:
    sense = Supply(lambda: machine.power(tmp_path))
    seen = []
    for online, status, capacity in (
        (1, "Charging", 80),
        (0, "Discharging", 79),
        (0, "Discharging", 15),
        (0, "Discharging", 14),
        (0, "Discharging", 18),
        (0, "Discharging", 15),
        (1, "Charging", 15),
        (0, "Discharging", 12),
    ):
        supply(tmp_path, online=online, status=status, capacity=capacity)
        seen.append([word for word, _ in sense.look()])
    assert seen == [
        [],
        ["power.battery"],
        ["battery.low"],
        [],
        [],
        [],
        ["power.ac"],
        ["power.battery", "battery.low"],
    ]


def test_a_machine_without_a_battery_tells_nothing(tmp_path: Path) -> None:
    sense = Supply(lambda: machine.power(tmp_path))
    assert [sense.look(), sense.look()] == [[], []]


LINE = "{n} 27 0:{n} / {path} rw,relatime shared:1 - {kind} {source} rw\n"


def test_file_systems_come_and_go(tmp_path: Path) -> None:
    file = tmp_path / "mountinfo"
    root = LINE.format(n=1, path="/", kind="ext4", source="/dev/sda1")
    stick = LINE.format(n=2, path="/media/my\\040stick", kind="vfat", source="/dev/sdb1")
    file.write_text(root)
    sense = Mounts(file)
    assert sense.look() == []
    file.write_text(root + stick + "nonsense\n")
    facts = {"path": "/media/my stick", "kind": "vfat", "source": "/dev/sdb1"}
    assert sense.look() == [("mount", facts)]
    assert sense.look() == []
    file.write_text(root)
    assert sense.look() == [("unmount", facts)]
    sense.close()
    assert mounts(tmp_path / "none") == {}
    assert mount_of("1 2 3 / /x rw - tmpfs") is None


def test_where_nothing_rings_it_is_looked_at_once_in_a_while(tmp_path: Path) -> None:
    bell = MountBell(tmp_path / "none")
    assert bell.fileno() == -1
    bell.drain()
    bell.close()


def test_a_disk_is_low_once_when_it_fills(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk") as place:
        sense = Disks(place, tmp_path / "none")
        assert sense.look() == []
        filler = place / "filler"
        filler.write_bytes(b"x" * (1024 * 1000))
        ((word, facts),) = sense.look()
        assert (word, facts["path"]) == ("disk.low", str(place))
        assert facts["percent"] <= 5
        assert sense.look() == []
        filler.unlink()
        assert sense.look() == []
        filler.write_bytes(b"x" * (1024 * 1000))
        assert [word for word, _ in sense.look()] == ["disk.low"]


def test_disks_are_found_by_their_devices_each_once(tmp_path: Path) -> None:
    file = tmp_path / "mountinfo"
    file.write_text(
        LINE.format(n=1, path="/", kind="ext4", source="/dev/sda1")
        + LINE.format(n=2, path="/again", kind="ext4", source="/dev/sda1")
        + LINE.format(n=3, path="/proc", kind="proc", source="proc")
        + LINE.format(n=4, path="/cd", kind="iso9660", source="/dev/sr0").replace("rw,", "ro,")
        + LINE.format(n=5, path=str(tmp_path / "gone"), kind="ext4", source="/dev/sdz")
    )
    sense = Disks(tmp_path, file)
    assert list(sense._paths()) == ["/", str(tmp_path / "gone"), str(tmp_path)]
    assert sense.look() == []
    assert senses.share_free("/proc") is None


def test_a_user_is_idle_and_active_again() -> None:
    seconds = iter([5.0, 300.0, 601.0, None, 900.0, 100.0, 3.0])
    sense = Idle(lambda: next(seconds))
    seen = [[word for word, _ in sense.look()] for _ in range(7)]
    assert seen == [[], [], ["user.idle"], [], [], [], ["user.active"]]


def test_a_user_who_is_idle_from_the_start_is_told_of_only_when_he_comes_back() -> None:
    seconds = iter([700.0, 300.0, 2.0])
    sense = Idle(lambda: next(seconds))
    assert [[word for word, _ in sense.look()] for _ in range(3)] == [[], [], ["user.active"]]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Path]:
    """A real terminal of ours, alone in a directory like /dev."""
    main, side = pty.openpty()
    (tmp_path / "pts").mkdir()
    (tmp_path / "pts" / "7").symlink_to(os.ttyname(side))
    (tmp_path / "pts" / "8").symlink_to(tmp_path / "gone")
    (tmp_path / "tty1").write_text("no terminal")
    yield tmp_path
    os.close(main)
    os.close(side)


def test_a_terminal_tells_when_it_was_typed_into(terminal: Path) -> None:
    sessions = terminal / "sessions"
    os.utime(terminal / "pts" / "7", (1000, 1000))
    assert idle_seconds(1300, dev=terminal, sessions=sessions) == 300
    assert idle_seconds(900, dev=terminal, sessions=sessions) == 0
    assert idle_seconds(1300, uid=65_000, dev=terminal, sessions=sessions) is None


def test_with_an_active_graphical_session_nobody_can_tell(terminal: Path) -> None:
    sessions = terminal / "sessions"
    sessions.mkdir()
    uid = os.getuid()
    (sessions / "1").write_text(f"UID={uid}\nACTIVE=1\nTYPE=tty\n")
    (sessions / "2").write_text(f"UID={uid + 1}\nACTIVE=1\nTYPE=wayland\n")
    assert idle_seconds(1e10, dev=terminal, sessions=sessions) is not None
    (sessions / "3").write_text(f"UID={uid}\nACTIVE=1\nTYPE=wayland\n")
    assert idle_seconds(1e10, dev=terminal, sessions=sessions) is None


# -- the watch


class Bell(Plain):
    """A sense that a pipe wakes; each look tells how many there were."""

    every = 3600.0

    def __init__(self, *, is_slow: bool = False) -> None:
        self.is_slow = is_slow
        self.looks = 0
        self.closed = False
        self._read, self.write = os.pipe()

    def fileno(self) -> int:
        return self._read

    def drain(self) -> None:
        os.read(self._read, 100)

    def look(self) -> Any:
        self.looks += 1
        return [("resumed", {"looks": self.looks})]

    def close(self) -> None:
        self.closed = True
        os.close(self._read)
        os.close(self.write)


def on(*names: str) -> list[Watched]:
    return [Watched(name, Event(name=name)) for name in names]


def watch(make: Callable[[str], Any], told: list[Message]) -> SystemWatch:
    return SystemWatch(make=make, post=told.append, clock=FakeClock())


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not check():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("is_slow", [False, True])
def test_a_sense_looks_at_once_and_whenever_it_is_woken(is_slow: bool) -> None:
    async def live() -> None:
        told: list[Message] = []
        bell = Bell(is_slow=is_slow)
        watching = watch(lambda name: bell, told)
        watching.sync("job", on("system.resumed"))
        await until(lambda: len(told) == 1)
        os.write(bell.write, b"x")
        await until(lambda: len(told) == 2)
        assert [one.facts["looks"] for one in told if isinstance(one, Noticed)] == [1, 2]
        watching.close()
        assert bell.closed

    asyncio.run(live())


def test_a_look_that_hangs_is_alone_and_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    goes_on = threading.Event()

    class Hanging(Bell):
        def look(self) -> Any:
            super().look()
            goes_on.wait(30)
            return []

    async def live() -> None:
        bell = Hanging(is_slow=True)
        watching = SystemWatch(make=lambda name: bell, post=print, clock=FakeClock(), patience=0.05)
        watching.sync("job", on("system.disk.low"))
        await until(lambda: "do not answer" in caplog.text)
        os.write(bell.write, b"x")
        await asyncio.sleep(0.05)
        assert bell.looks == 1
        goes_on.set()
        watching.close()

    asyncio.run(live())


def test_only_what_a_job_waits_for_is_watched() -> None:
    made: list[str] = []

    def make(name: str) -> Plain:
        made.append(name)
        found = Plain()
        found.look = list  # type: ignore[attr-defined]
        return found

    async def live() -> None:
        watching = watch(make, [])
        watching.sync("clock", on("system.clock_changed", "system.boot"))
        assert made == []
        watching.sync("net", on("system.network.*"))
        watching.sync("power", on("system.battery.low", "system.network.up"))
        assert made == ["network", "supply"]
        watching.drop("net")
        watching.sync("all", on("system.*"))
        assert sorted(made) == sorted(SENSES)
        watching.close()

    asyncio.run(live())


def test_every_sense_looks_at_this_machine_without_a_word_of_trouble(tmp_path: Path) -> None:
    for name in SENSES:
        sense = senses.sense_called(name, tmp_path)
        assert sense.look() == []
        sense.close()
    with pytest.raises(LookupError):
        senses.sense_called("smell", tmp_path)


def test_a_real_mount_is_told_at_once(tmp_path: Path) -> None:
    told: list[Message] = []

    async def live() -> None:
        w = World(tmp_path / "home")
        scene = Scene(w.engine._context, w.clock, told.append)
        kept = KindWatchers(lambda kind: watcher_of(kind, scene))
        kept.sync("job", on("system.mount", "system.unmount"))
        thread = threading.Thread(target=mount_and_unmount)
        thread.start()
        await until(lambda: done.is_set() and (len(mine()) == 2 or not has_mounted))
        thread.join()
        kept.close()
        w.close()

    has_mounted: list[bool] = []
    done = threading.Event()

    def mount_and_unmount() -> None:
        try:
            with tmpfs(tmp_path / "stick"):
                has_mounted.append(True)
                eventually(lambda: len(mine()) == 1, timeout=20)
        except pytest.skip.Exception:
            pass
        finally:
            done.set()

    def mine() -> list[str]:
        place = str(tmp_path / "stick")
        found = [one for one in told if isinstance(one, Noticed) and one.facts["path"] == place]
        return [one.name for one in found]

    asyncio.run(live())
    if not has_mounted:
        pytest.skip("we may not mount here")
    assert mine() == ["system.mount", "system.unmount"]


def test_which_watcher_a_trigger_needs() -> None:
    assert kind_of_watcher(Event(name="system.mount")) == "system"
    assert kind_of_watcher(Event(name="job.a.failed")) is None
    scene = Scene(None, FakeClock(), print)  # type: ignore[arg-type]
    with pytest.raises(LookupError):
        watcher_of("smell", scene)


# -- what the engine notices itself


def test_a_boot_is_told_once_and_not_to_a_new_store(tmp_path: Path) -> None:
    w = World(tmp_path / "home")
    w.add(triggers=["event: system.boot"])
    same = w.crash()
    assert same.runs() == []
    booted = same.crash(boot_id="boot-2")
    assert booted.states() == ["running"]
    again = booted.crash(boot_id="boot-2")
    assert again.states() == ["running"]
    again.close()


def test_a_clock_that_is_set_is_an_event(tmp_path: Path) -> None:
    w = World(tmp_path / "home")
    w.add(triggers=["event: system.clock_changed"])
    w.clock.jump(-3600)
    w.settle()
    about = w.executor.events[w.runs()[0].id]
    assert about is not None
    assert about.event["seconds"] == -3600
    w.close()
