"""What has to hold around a job: read, written back, refused, judged; and its flags."""

from __future__ import annotations

from typing import Any

import pytest

from pb.cli.definitions import definition
from pb.core.conditions import NO_CHARGE_IS_ENOUGH, Seen, address_of, unmet
from pb.core.definition import DefinitionError, job_dump, job_from
from pb.core.model import Conditions, Hours, Job
from pb.core.service import Tcp
from pb.errors import UsageError

GIB = 1 << 30
NIGHT, OFFICE = Hours(since=22 * 60, until=6 * 60), Hours(since=9 * 60, until=17 * 60 + 30)


def job(**conditions: Any) -> Job:
    return job_from({"name": "job", "command": ["true"], "conditions": conditions})


@pytest.mark.parametrize(
    ("keys", "read"),
    [
        ({"exec": ["test", "-d", "/mnt"]}, Conditions(exec=("test", "-d", "/mnt"))),
        ({"exec_timeout": "1m"}, Conditions(exec_timeout=60)),
        ({"load": 2.5}, Conditions(load=2.5)),
        ({"memory": "2GiB"}, Conditions(memory=2 * GIB)),
        ({"disk": {"/mnt": "10GiB", "~/x": "5B"}}, Conditions(disk={"/mnt": 10 * GIB, "~/x": 5})),
        ({"battery": 30}, Conditions(battery=30)),
        ({"battery": "mains"}, Conditions(battery=NO_CHARGE_IS_ENOUGH)),
        (
            {"network": ["online", "wlan0", "nas.local:22", "[::1]:80"]},
            Conditions(network=("online", "wlan0", "nas.local:22", "[::1]:80")),
        ),
        ({"hours": ["22:00-06:00", "09:00-17:30"]}, Conditions(hours=(NIGHT, OFFICE))),
        ({"hours": ["20:00-24:00"]}, Conditions(hours=(Hours(since=1200, until=1440),))),
        ({"load": 1.0, "wait": "2h"}, Conditions(load=1, wait=7200)),
    ],
)
def test_conditions_are_read_and_written_back(keys: dict[str, Any], read: Conditions) -> None:
    made = job(**keys)

    assert made.conditions == read
    assert job_dump(made)["conditions"] == keys
    assert job_from(job_dump(made)) == made


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ({"exec": "test -d '/a b'"}, {"exec": ["test", "-d", "/a b"]}),
        ({"network": "online"}, {"network": ["online"]}),
        ({"hours": "22-6"}, {"hours": ["22:00-06:00"]}),
        ({"disk": "/mnt:10GiB"}, {"disk": {"/mnt": "10GiB"}}),
        ({"disk": ["/mnt:10GiB", "/:1GiB"]}, {"disk": {"/mnt": "10GiB", "/": "1GiB"}}),
    ],
)
def test_what_is_written_short_means_the_same(short: dict[str, Any], long: dict[str, Any]) -> None:
    assert job(**short) == job(**long)


@pytest.mark.parametrize(
    ("keys", "place", "words"),
    [
        ({"exec": []}, "exec", "is empty"),
        ({"exec_timeout": 0}, "exec_timeout", "more than 0"),
        ({"load": 0}, "load", "more than 0"),
        ({"load": "2"}, "load", "should be a number"),
        ({"load": True}, "load", "should be a number"),
        ({"memory": "5 pages"}, "memory", "size"),
        ({"disk": {"mnt": "1GiB"}}, "disk.mnt", "not an absolute path"),
        ({"disk": {"/a b": 0}}, 'disk."/a b"', "more than 0"),
        ({"disk": "10GiB"}, "disk[0]", "not a path and a size"),
        ({"disk": 5}, "disk", "a table of paths"),
        ({"battery": 0}, "battery", "from 1 to 100"),
        ({"battery": "main"}, "battery", 'should be "mains" or a percentage'),
        ({"network": "a b"}, "network[0]", "nothing that a network has"),
        ({"network": ["online", "nas:99999"]}, "network[1]", "not a port"),
        ({"hours": "noon"}, "hours[0]", "not a part of the day"),
        ({"hours": "24:00-06:00"}, "hours[0]", "no day has"),
        ({"hours": "10:61-11"}, "hours[0]", "no day has"),
        ({"hours": "9-9"}, "hours[0]", "no time at all"),
        ({"wait": -5}, "wait", "cannot be"),
        ({"laod": 2}, "laod", "not a known key"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_place(
    keys: dict[str, Any], place: str, words: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        job(**keys)

    (problem,) = caught.value.problems
    assert problem.key == f"conditions.{place}"
    assert words in problem.message


@pytest.mark.parametrize(
    ("conditions", "seen", "reason"),
    [
        (Conditions(), Seen(), None),
        (Conditions(load=2), Seen(load=1.99), None),
        (Conditions(load=2), Seen(load=2.0), "load 2.00 is not below 2"),
        (Conditions(load=2), Seen(), "this system does not tell its load"),
        (Conditions(memory=GIB), Seen(memory=GIB), None),
        (Conditions(memory=GIB), Seen(memory=GIB >> 1), "512 MiB of memory available, less than"),
        (Conditions(memory=GIB), Seen(), "this system does not tell its memory"),
        (Conditions(disk={"/a": GIB}), Seen(free={"/a": GIB}), None),
        (Conditions(disk={"/a": GIB}), Seen(free={"/a": 5}), "/a: 5 B free, less than 1 GiB"),
        (Conditions(disk={"/a": 1}), Seen(free={"/a": "no such thing"}), "/a: no such thing"),
        (Conditions(disk={"/a": 1}), Seen(), "/a: was not looked at"),
        (Conditions(battery=30), Seen(is_on_mains=True), None),
        (Conditions(battery=30), Seen(is_on_mains=False, charge=30), None),
        (Conditions(battery=30), Seen(is_on_mains=False, charge=29), "battery at 29 %, less than"),
        (Conditions(battery=30), Seen(is_on_mains=False), "nobody knows its charge"),
        (Conditions(battery=NO_CHARGE_IS_ENOUGH), Seen(), None),
        (
            Conditions(battery=NO_CHARGE_IS_ENOUGH),
            Seen(is_on_mains=False, charge=100),
            "no mains power",
        ),
        (Conditions(hours=(NIGHT, OFFICE), load=1), Seen(minute=6 * 60, load=9), "06:00 is not in"),
    ],
)
def test_the_first_condition_that_does_not_hold_is_the_reason(
    conditions: Conditions, seen: Seen, reason: str | None
) -> None:
    found = unmet(conditions, seen)

    assert (found is None) is (reason is None)
    assert (reason or "") in (found or "")


@pytest.mark.parametrize(
    ("minute", "holds"),
    [(0, True), (359, True), (360, False), (539, False), (540, True), (1049, True), (1050, False)],
)
def test_a_part_of_the_day_begins_with_its_first_minute_and_ends_before_its_last(
    minute: int, holds: bool
) -> None:
    wanted = Conditions(hours=(NIGHT, OFFICE))

    assert (unmet(wanted, Seen(minute=minute)) is None) is holds


@pytest.mark.parametrize(
    ("flags", "conditions"),
    [
        ({"conditions": '{"load": 2}'}, {"load": 2}),
        ({"condition": ("load=2.5", "exec-timeout=5s")}, {"load": 2.5, "exec_timeout": "5s"}),
        ({"condition": ("network=online", "network=nas:22")}, {"network": ["online", "nas:22"]}),
        ({"conditions": '{"load": 2}', "condition": ("load=3",)}, {"load": 3}),
        ({"condition": ("disk=/mnt:10GiB", "wait=1.x")}, {"disk": "/mnt:10GiB", "wait": "1.x"}),
    ],
)
def test_flags_spell_conditions(flags: dict[str, Any], conditions: dict[str, Any]) -> None:
    assert definition("job", ["true"], flags)["conditions"] == conditions


def test_a_condition_without_a_value_is_refused_with_an_example() -> None:
    with pytest.raises(UsageError, match="--condition takes KEY=VALUE") as caught:
        definition("job", ["true"], {"condition": ("online",)})

    assert caught.value.hint == "Such as hours=22:00-06:00."


def test_only_an_entry_with_a_port_is_an_address() -> None:
    assert address_of("online") is None
    assert address_of("[::1]:80") == Tcp(host="::1", port=80)
