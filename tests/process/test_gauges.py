"""What the machine measures of itself: files as /proc has them, and this machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pb.process import gauges
from pb.process.gauges import Moment, Share, Speed, quick_gauge, slow_gauge

STAT = "cpu  {user} 0 50 {idle} 10 0 0 0 0 0\ncpu0 1 2 3\n"


def proc(tmp_path: Path, **files: str) -> Moment:
    for name, text in files.items():
        place = tmp_path / name.replace("_", "/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return Moment(tmp_path)


def test_the_processors_are_as_busy_as_since_the_last_look(tmp_path: Path) -> None:
    gauge = quick_gauge("cpu.percent")
    assert gauge is not None
    assert gauge(proc(tmp_path, stat=STAT.format(user=100, idle=1000))) is None
    assert gauge(proc(tmp_path, stat=STAT.format(user=175, idle=1025))) == 75
    assert gauge(proc(tmp_path, stat=STAT.format(user=175, idle=1025))) is None
    assert gauge(proc(tmp_path, stat="nothing")) is None


def test_memory_and_swap_are_what_the_kernel_says(tmp_path: Path) -> None:
    text = "MemTotal: 1000 kB\nMemAvailable: 250 kB\nSwapTotal: 200 kB\nSwapFree: 150 kB\nodd\n"
    moment = proc(tmp_path, meminfo=text)
    found = {kind: quick_gauge(kind) for kind in ("mem.percent", "mem.available", "swap.percent")}
    assert {kind: look(moment) for kind, look in found.items() if look} == {
        "mem.percent": 75, "mem.available": 250 * 1024, "swap.percent": 25,
    }  # fmt: skip
    bare = proc(tmp_path / "bare", meminfo="SwapTotal: 0 kB\nSwapFree: 0 kB\n")
    assert [look(bare) for look in found.values() if look] == [None, None, 0]
    assert gauges.swap_percent(Moment(tmp_path / "none")) is None


def test_a_rate_is_what_was_added_a_second_and_unknown_after_a_counter_began_anew(
    tmp_path: Path,
) -> None:
    dev = "Inter-|\n face |\n    lo: 999 0 0 0 0 0 0 0 999\n  eth0: {rx} 1 0 0 0 0 0 0 {tx} 5\n"
    received, sent = quick_gauge("net.rx_rate"), quick_gauge("net.tx_rate")
    assert received is not None
    assert sent is not None
    found = []
    for second, (rx, tx) in enumerate([(1000, 50), (3000, 50), (10, 60)]):
        moment = proc(tmp_path, net_dev=dev.format(rx=rx, tx=tx))
        moment.at = 100.0 + 2 * second
        found.append((received(moment), sent(moment)))
    assert found == [(None, None), (1000, 0), (None, 5)]
    lost = Speed(lambda moment: None)
    assert lost(moment) is None


def test_a_share_is_never_beyond_its_bounds() -> None:
    counts = iter([(0.0, 0.0), (20.0, 10.0), (10.0, 20.0), None, (1.0, 1.0)])
    share = Share(lambda moment: next(counts))
    assert [share(Moment()) for _ in range(5)] == [None, 100, 0, None, None]


def test_every_quick_metric_of_this_machine_can_be_read() -> None:
    for kind in ("load1", "load5", "load15", "mem.percent", "mem.available", "swap.percent"):
        look = quick_gauge(kind)
        assert look is not None
        value = look(Moment())
        assert value is not None
        assert value >= 0
    assert quick_gauge("colour") is None
    assert slow_gauge("colour", "") is None
    assert len(Moment().table().rows) > 1


def test_disks_are_measured_as_df_does(tmp_path: Path) -> None:
    percent, free = slow_gauge("disk.percent", str(tmp_path)), slow_gauge("disk.free", "/nowhere")
    assert percent is not None
    assert free is not None
    value = percent()
    assert value is not None
    assert 0 <= value <= 100
    assert free() is None
    assert gauges.disk_percent("/nowhere") is None
    assert gauges.disk_free(str(tmp_path)) is not None
    assert gauges.disk_percent("/proc") is None


def test_files_are_measured_one_by_one_and_together(tmp_path: Path) -> None:
    for name, size in (("a.csv", 10), ("b.csv", 20), ("c.txt", 40)):
        (tmp_path / name).write_bytes(b"x" * size)
    (tmp_path / "d.csv").mkdir()
    os.utime(tmp_path / "a.csv", (time.time() - 1000,) * 2)
    os.utime(tmp_path / "b.csv", (time.time() - 50,) * 2)
    every, one, none = f"{tmp_path}/*.csv", f"{tmp_path}/a.csv", f"{tmp_path}/none"
    assert [gauges.file_size(path) for path in (every, one, none)] == [30, 10, None]
    assert [gauges.file_count(path) for path in (every, one, none)] == [2, 1, 0]
    assert gauges.file_count(str(tmp_path)) == 4
    assert gauges.file_size(f"{tmp_path}/*.none") == 0
    newest, old = gauges.file_age(every), gauges.file_age(one)
    assert newest is not None
    assert old is not None
    assert 50 <= newest < 900
    assert 1000 <= old < 1900
    assert gauges.file_age(none) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_directory_that_is_closed_cannot_be_counted(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    assert gauges.file_count(str(closed)) is None


def test_sensors_and_batteries_are_read_where_there_are_any(tmp_path: Path) -> None:
    assert gauges.hottest(tmp_path) is None
    assert gauges.battery_percent(tmp_path) is None
    zone = tmp_path / "class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("-5000\n")
    assert gauges.hottest(tmp_path) == -5
    sensor = tmp_path / "class/hwmon/hwmon3"
    sensor.mkdir(parents=True)
    (sensor / "temp1_input").write_text("45500\n")
    (sensor / "temp2_input").write_text("odd\n")
    assert gauges.hottest(tmp_path) == 45.5
    for name, kind, scope, percent in (
        ("BAT0", "Battery", "System", "80"),
        ("BAT1", "Battery", "", "55"),
        ("mouse", "Battery", "Device", "99"),
        ("AC", "Mains", "", ""),
    ):
        supply = tmp_path / "class/power_supply" / name
        supply.mkdir(parents=True)
        (supply / "type").write_text(kind)
        (supply / "scope").write_text(scope)
        (supply / "capacity").write_text(percent)
    assert gauges.battery_percent(tmp_path) == 80


def test_elsewhere_psutil_is_asked_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "IS_LINUX", False)
    moment = Moment()
    busy = gauges.busy_and_all(moment)
    assert busy is not None
    assert 0 < busy[0] <= busy[1]
    for kind in ("mem.percent", "mem.available", "swap.percent"):
        look = quick_gauge(kind)
        assert look is not None
        value = look(moment)
        assert value is not None
        assert value >= 0
    for place in (0, 8):
        count = gauges.network(place)(moment)
        assert count is None or count >= 0
    charge, degrees = gauges.battery_percent(), gauges.hottest()
    assert charge is None or 0 <= charge <= 100
    assert degrees is None or degrees > -273
