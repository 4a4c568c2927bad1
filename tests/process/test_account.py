"""Starting something as another user: only root may, and everybody else gets a sentence."""

from __future__ import annotations

import os
import pwd
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from pb.core.model import Limits
from pb.process.account import account_of
from pb.process.spawn import Spawn, SpawnError, spawn
from tests.kit import eventually
from tests.kit.users import NOBODY, unprivileged

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")


def what(root: Path, *argv: str, user: str | None = None) -> Spawn:
    return Spawn(argv=argv, env={"PATH": os.defpath}, cwd="/", log_path=root / "web.log", user=user)


def output(spawned: Spawn) -> list[str]:
    pid = spawn(spawned).pid
    os.waitpid(pid, 0)
    return spawned.log_path.read_text().split()


@as_root
def test_it_has_the_user_and_the_groups_of_that_user_and_no_others(tmp_path: Path) -> None:
    account = pwd.getpwuid(NOBODY)
    groups = {str(group) for group in os.getgrouplist(account.pw_name, account.pw_gid)}
    script = "id -u; id -g; echo $(id -G)"

    uid, gid, *all_groups = output(what(tmp_path, "sh", "-c", script, user=account.pw_name))

    assert (uid, gid, set(all_groups)) == (str(NOBODY), str(account.pw_gid), groups)


@as_root
def test_a_number_will_do_also_one_that_nobody_has(tmp_path: Path) -> None:
    assert output(what(tmp_path, "id", "-u", user="54321")) == ["54321"]
    assert output(what(tmp_path, "id", "-G", user="54321"))[1:] == ["54321"]


@as_root
def test_its_log_is_its_own_so_that_it_can_open_its_standard_error_again(tmp_path: Path) -> None:
    one = what(tmp_path, "sh", "-c", "echo again > /dev/stderr", user="nobody")

    assert output(one) == ["again"]
    assert one.log_path.stat().st_uid == NOBODY
    assert one.log_path.stat().st_mode & 0o777 == 0o600


@as_root
def test_limits_and_identity_are_as_ever(tmp_path: Path) -> None:
    one = replace(
        what(tmp_path, "sh", "-c", "ulimit -n; id -u; sleep 600", user="nobody"),
        limits=Limits(open_files=64, nice=5),
    )

    leader = spawn(one)
    try:
        assert os.getsid(leader.pid) == leader.pid
        assert os.getpriority(os.PRIO_PROCESS, leader.pid) == 5
        eventually(lambda: one.log_path.read_text().split() == ["64", str(NOBODY)])
        assert os.stat(f"/proc/{leader.pid}").st_uid == NOBODY
    finally:
        os.killpg(leader.pid, signal.SIGKILL)
        os.waitpid(leader.pid, 0)


def test_nobody_but_root_may(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    somebody = "daemon" if os.geteuid() == 0 else "root"
    with unprivileged(), pytest.raises(SpawnError) as caught:
        spawn(what(tmp_path, "true", user=somebody))

    assert caught.value.message == f"Only root can start a program as user {somebody}"


def test_oneself_is_no_other_user(tmp_path: Path) -> None:
    assert output(what(tmp_path, "id", "-u", user=str(os.geteuid()))) == [str(os.geteuid())]


def test_a_user_that_does_not_exist_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SpawnError) as caught:
        spawn(what(tmp_path, "true", user="no-such-user"))

    assert caught.value.message == "There is no user no-such-user"


def test_an_account_knows_its_environment() -> None:
    root = account_of("root")

    assert root.environment["LOGNAME"] == root.environment["USER"] == "root"
    assert account_of("0") == root
