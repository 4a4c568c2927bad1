"""What a service is started with: another user's home and name, and where its output goes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pb.api.surroundings import spawn_of
from pb.core.service import Service, ServiceLog
from pb.errors import PbError
from pb.paths import Home
from pb.process.spawn import Spawn

ENVIRON = {"HOME": "/home/me", "USER": "me", "NOTIFY_SOCKET": "/run/not-ours", "PATH": os.defpath}


def spawned(tmp_path: Path, service: Service, number: int = 0) -> Spawn:
    return spawn_of(
        service, number, home=Home(tmp_path), environ=ENVIRON, marker="m/s/web/0/1", more={}
    )


def test_another_user_has_a_home_and_a_name_of_its_own(tmp_path: Path) -> None:
    what = spawned(tmp_path, Service(name="web", command=("true",), user="root"))

    assert what.user == "root"
    assert {what.env[name] for name in ("USER", "LOGNAME")} == {"root"}
    assert what.env["HOME"] == what.cwd == "/root"
    assert "NOTIFY_SOCKET" not in what.env


@pytest.mark.parametrize("name", ["PB_EVENT_VALUE", "PB_EVENT_PATH", "PB_RUN_ID", "PB_MARKER"])
def test_nothing_of_a_run_that_started_the_scheduler_gets_into_a_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(ENVIRON, name, "of a run")

    what = spawned(tmp_path, Service(name="web", command=("true",)))

    assert what.env.get(name) != "of a run"


def test_a_user_that_does_not_exist_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PbError, match="There is no user nobody-at-all"):
        spawned(tmp_path, Service(name="web", command=("true",), user="nobody-at-all"))


@pytest.mark.parametrize("number", [0, 2])
def test_standard_error_is_apart_when_that_was_asked_for(tmp_path: Path, number: int) -> None:
    one = Service(name="web", command=("true",), log=ServiceLog(split_stderr=True))
    end = "" if number == 0 else "@2"

    assert spawned(tmp_path, Service(name="web", command=("true",)), number).err_path is None
    assert spawned(tmp_path, one, number).err_path == tmp_path / f"web{end}.err.log"
