"""The local zone, found as libc would find it, and zones by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pb.config.zones import local_zone_name, zone
from pb.errors import Exit, InvalidError

ZONES = Path("/usr/share/zoneinfo")
needs_zones = pytest.mark.skipif(
    not (ZONES / "Europe/Berlin").exists(), reason="no zone files on this machine"
)

TZ = [
    ("Europe/Berlin", "Europe/Berlin"),
    (":Europe/Berlin", "Europe/Berlin"),
    ("", "UTC"),
    (":", "UTC"),
    ("UTC", "UTC"),
    ("EST5EDT", "EST5EDT"),
]


@pytest.mark.parametrize(("tz", "name"), TZ)
def test_tz_names_the_zone(tmp_path: Path, tz: str, name: str) -> None:
    assert local_zone_name({"TZ": tz}, etc=tmp_path) == name


@needs_zones
@pytest.mark.parametrize("colon", ["", ":"])
def test_tz_may_be_a_path(tmp_path: Path, colon: str) -> None:
    tz = f"{colon}{ZONES}/Europe/Berlin"
    assert local_zone_name({"TZ": tz}, etc=tmp_path) == "Europe/Berlin"


@pytest.mark.parametrize("tz", ["Mars/Base", "CET-1CEST,M3.5.0,M10.5.0/3", "../x", "/etc/passwd"])
def test_a_tz_that_names_no_zone_is_an_error_and_not_utc(tmp_path: Path, tz: str) -> None:
    with pytest.raises(InvalidError, match="TZ: there is no time zone"):
        local_zone_name({"TZ": tz}, etc=tmp_path)


def test_the_link_in_etc_names_the_zone_whatever_the_old_file_says(tmp_path: Path) -> None:
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Asia/Tokyo")
    (tmp_path / "timezone").write_text("Europe/Berlin\n")
    assert local_zone_name({}, etc=tmp_path) == "Asia/Tokyo"


def test_the_file_names_the_zone_where_there_is_no_localtime(tmp_path: Path) -> None:
    (tmp_path / "timezone").write_text("Europe/Berlin\n")
    assert local_zone_name({}, etc=tmp_path) == "Europe/Berlin"


@needs_zones
def test_of_a_copy_the_file_names_the_zone_if_its_rules_are_those(tmp_path: Path) -> None:
    shutil.copy(ZONES / "Europe/Berlin", tmp_path / "localtime")
    (tmp_path / "timezone").write_text("Europe/Berlin\n")
    assert local_zone_name({}, etc=tmp_path) == "Europe/Berlin"


@needs_zones
@pytest.mark.parametrize("stale", [None, "Asia/Tokyo\n", "junk\n", "\xff"])
def test_a_copy_is_known_by_its_rules(tmp_path: Path, stale: str | None) -> None:
    shutil.copy(ZONES / "Europe/Berlin", tmp_path / "localtime")
    if stale:
        (tmp_path / "timezone").write_text(stale, encoding="latin-1")
    name = local_zone_name({}, etc=tmp_path)
    assert (ZONES / name).read_bytes() == (ZONES / "Europe/Berlin").read_bytes()
    assert name == "Europe/Berlin"


@needs_zones
@pytest.mark.parametrize(("written", "name"), [("Asia/Tokyo\n", "Asia/Tokyo"), ("junk\n", "UTC")])
def test_of_rules_that_no_zone_has_the_file_names_the_zone(
    tmp_path: Path, written: str, name: str
) -> None:
    rules = (ZONES / "Europe/Berlin").read_bytes()
    (tmp_path / "localtime").write_bytes(rules.replace(b"CEST,M3.5.0", b"CEST,M3.4.0"))
    (tmp_path / "timezone").write_text(written)
    assert local_zone_name({}, etc=tmp_path) == name


def test_without_anything_it_is_utc(tmp_path: Path) -> None:
    assert local_zone_name({}, etc=tmp_path) == "UTC"


def test_this_machine_has_a_local_zone() -> None:
    assert zone(local_zone_name({})).key == local_zone_name({})


def test_zones_by_name() -> None:
    assert zone("Europe/Berlin").key == "Europe/Berlin"
    assert zone("local").key == local_zone_name()


UNKNOWN = [
    ("Europe/Berlni", "Europe/Berlin"),
    ("europe/berlin", "Europe/Berlin"),
    ("Tokyo", "Asia/Tokyo"),
    ("sao paulo", "America/Sao_Paulo"),
    ("+02:00", "such as Europe/Berlin"),
    ("", "such as Europe/Berlin"),
]


@pytest.mark.parametrize(("name", "advice"), UNKNOWN)
def test_an_unknown_zone_is_an_error_with_the_nearest(name: str, advice: str) -> None:
    with pytest.raises(InvalidError) as caught:
        zone(name)
    assert caught.value.exit_code is Exit.INVALID
    assert advice in (caught.value.hint or "")
