"""How the machine is: made-up /proc and /sys trees, and this machine's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from pb.process import machine
from pb.process.machine import Power, free_space, is_online, is_up, load, power

ROUTES = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
NOWHERE = "0" * 32


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def supplies(root: Path, **kinds: dict[str, str]) -> Path:
    return written(
        root,
        {
            f"class/power_supply/{name}/{key}": text
            for name, facts in kinds.items()
            for key, text in facts.items()
        },
    )


AC, NO_AC = {"type": "Mains", "online": "1"}, {"type": "Mains", "online": "0"}
DRAINING = {"type": "Battery", "capacity": "42", "status": "Discharging"}
FULL = {"type": "Battery", "capacity": "100", "status": "Full"}
MOUSE = {**DRAINING, "scope": "Device", "capacity": "3"}


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ({}, Power(is_on_mains=True)),
        ({"AC": AC, "BAT0": DRAINING}, Power(is_on_mains=True)),
        ({"AC": NO_AC, "BAT0": DRAINING}, Power(is_on_mains=False, charge=42)),
        ({"AC": NO_AC, "BAT0": FULL}, Power(is_on_mains=True, charge=100)),
        ({"BAT0": DRAINING, "BAT1": FULL}, Power(is_on_mains=False, charge=100)),
        ({"mouse": MOUSE}, Power(is_on_mains=True)),
        ({"BAT0": {"type": "Battery", "status": "Discharging"}}, Power(is_on_mains=False)),
    ],
)
def test_power_comes_from_the_mains_or_from_a_battery_that_drains(
    tmp_path: Path, kinds: dict[str, dict[str, str]], expected: Power
) -> None:
    assert power(supplies(tmp_path, **kinds)) == expected


@pytest.mark.parametrize(
    ("route", "six", "online"),
    [
        ("", "", False),
        ("eth0 00000000 0102A8C0 0003 0 0 100 00000000 0 0 0", "", True),
        ("eth0 0002A8C0 00000000 0001 0 0 100 00FFFFFF 0 0 0", "", False),
        ("eth0 00000000 0102A8C0 0002 0 0 100 00000000 0 0 0", "", False),
        ("", f"{NOWHERE} 00 {NOWHERE} 00 {NOWHERE} 0400 1 0 00000003 eth0", True),
        ("", f"{NOWHERE} 00 {NOWHERE} 00 {NOWHERE} ffffffff 1 0 00200200 lo", False),
        ("cut short", "cut short", False),
    ],
)
def test_a_machine_is_online_when_it_has_a_default_route(
    tmp_path: Path, route: str, six: str, online: bool
) -> None:
    proc = written(tmp_path, {"net/route": ROUTES + route, "net/ipv6_route": six})

    assert is_online(proc) is online


@pytest.mark.parametrize(
    ("state", "flags", "up"),
    [
        ("up", "0x1003", True),
        ("down", "0x1003", False),
        ("unknown", "0x9", True),
        ("unknown", "0x8", False),
    ],
)
def test_an_interface_is_up_when_it_says_so_or_says_nothing_and_was_set_up(
    tmp_path: Path, state: str, flags: str, up: bool
) -> None:
    files = {"class/net/eth0/operstate": state, "class/net/eth0/flags": flags}

    assert is_up("eth0", written(tmp_path, files)) is up
    assert not is_up("eth1", tmp_path)


def test_this_machine_tells_its_load_memory_and_free_space(tmp_path: Path) -> None:
    assert (load() or 0) >= 0
    available = machine.available_memory()
    assert available is not None
    assert available > 1 << 20
    free = free_space(str(tmp_path))
    assert isinstance(free, int)
    assert free > 0
    assert free_space(str(tmp_path / "gone")) == "no such file or directory"


def test_a_machine_without_facts_says_nothing(tmp_path: Path) -> None:
    assert machine.available_memory(tmp_path) is None
    assert not is_online(tmp_path)
