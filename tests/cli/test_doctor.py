"""``pb doctor``: what is wrong is found, told with its cure, and the safe things mended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pb.paths import Home
from pb.store.store import Store
from tests.kit.cli import Cli


def findings(pb: Cli, *words: str, env: dict[str, str] | None = None) -> list[dict[str, Any]]:
    ran = pb("doctor", "--json", *words, env=env)
    found: list[dict[str, Any]] = ran.json["findings"]
    wrong = [one for one in found if one["level"] in ("warning", "problem")]
    assert ran.code == (1 if wrong else 0), ran
    assert ran.json["healthy"] is not bool(wrong)
    return found


def of(check: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in found if one["check"] == check]


def message(check: str, found: list[dict[str, Any]]) -> str:
    return " / ".join(f"{one['level']}: {one['message']}" for one in of(check, found))


@pytest.fixture
def made(pb: Cli) -> Cli:
    """A home with a database, and nothing running."""
    assert pb("job", "list").code == 0
    return pb


def test_a_home_that_is_not_there_is_a_note_and_is_not_made(pb: Cli) -> None:
    found = findings(pb)

    assert of("home", found)[0]["level"] == "note"
    assert of("home", found)[0]["hint"] == "pb scheduler start"
    assert not pb.home.exists()


def test_every_finding_has_a_level_and_every_bad_one_a_cure(made: Cli) -> None:
    (made.home / "gateway.pid").write_text("nonsense")
    for one in findings(made):
        assert one["level"] in ("ok", "note", "warning", "problem")
        assert one["hint"] or one["level"] in ("ok", "note"), one


def test_people_get_a_line_each_and_the_commands(made: Cli) -> None:
    made.home.chmod(0o755)
    ran = made("doctor")

    assert ran.code == 1
    assert (
        f"⚠ home: {made.home} is open to others (mode 0755)\n    chmod 700 {made.home}" in ran.out
    )
    assert "pb doctor --fix" in ran.err
    assert made("service", "doctor").code == 1


def test_open_permissions_are_mended(made: Cli) -> None:
    made.home.chmod(0o755)
    (made.home / "pony.db").chmod(0o644)
    (made.home / "config.toml").write_text("")
    (made.home / "config.toml").chmod(0o644)
    mended = findings(made, "--fix")

    assert "mended" in message("home", mended)
    assert made.home.stat().st_mode & 0o777 == 0o700
    assert (made.home / "pony.db").stat().st_mode & 0o777 == 0o600
    assert "ok: no file of it is open" in message("modes", findings(made))


def test_what_people_write_may_be_open_in_a_closed_home(made: Cli) -> None:
    (made.home / "config.toml").write_text("")
    (made.home / "config.toml").chmod(0o644)

    assert message("modes", findings(made)) == "ok: no file of it is open to others"


def dead_record(pb: Cli, name: str) -> None:
    """A PID file of a process that has ended, as a daemon writes it."""
    from dataclasses import replace

    from pb.process.identity import own
    from pb.process.pidfile import PidRecord, write_pid_file

    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                           capture_output=True, check=True)  # fmt: skip
    identity = replace(own(), pid=int(ended.stdout))
    record = PidRecord(pid=identity.pid, identity=identity, service=name, mode="background")
    write_pid_file(pb.home / f"{name}.pid", record)


def test_stale_pid_files_are_told_and_mended(made: Cli) -> None:
    dead_record(made, "gateway")
    dead_record(made, "web")
    found = of("pid files", findings(made))
    mended = findings(made, "--fix")

    assert [one["hint"] for one in found] == [
        f"rm {made.home}/gateway.pid",
        f"rm {made.home}/web.pid",
    ]
    assert message("pid files", mended).count("mended: removed") == 2
    assert not list(made.home.glob("*.pid"))


def test_a_pid_file_that_cannot_be_believed_is_left_alone(made: Cli) -> None:
    (made.home / "gateway.pid").write_text("nonsense")
    found = of("pid files", findings(made, "--fix"))

    assert [one["level"] for one in found] == ["problem"]
    assert (made.home / "gateway.pid").read_text() == "nonsense"


def test_faults_in_settings_and_definitions_name_file_and_line(made: Cli) -> None:
    (made.home / "jobs.d").mkdir()
    (made.home / "jobs.d" / "a.toml").write_text('[job.a]\ncommand = "x"\nodd = 1\n')
    assert f"{made.home}/jobs.d/a.toml:3: job.a.odd" in message("configuration", findings(made))
    (made.home / "config.toml").write_text("[gateway]\nport = -1\n")
    assert "gateway.port" in message("configuration", findings(made))


def test_faults_between_definitions_are_found_as_validate_finds_them(made: Cli) -> None:
    for folder, text in {
        "jobs.d": '[job.a]\ncommand = "x"\n[service.s]\ncommand = "x"\ndepends_on = ["t"]\n',
        "services.d": '[job.a]\ncommand = "x"\n[service.t]\ncommand = "x"\ndepends_on = ["s"]\n',
    }.items():
        (made.home / folder).mkdir()
        (made.home / folder / "a.toml").write_text(text)
    found = {one["message"] for one in of("configuration", findings(made))}
    known = made("job", "validate", "--json").json["problems"]

    assert len(known) == 2
    assert {
        f"{one['file']}:{one['line']}: {one['key']}: {one['message']}" for one in known
    } == found


def test_a_taken_port_names_its_owner(made: Cli) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = findings(made, env={"PB_GATEWAY__PORT": str(port)})

    said = message("ports", found)
    assert f"port {port} (gateway.port) is taken by" in said
    assert f"(PID {os.getpid()})" in said


def test_a_damaged_database_is_a_problem_and_stays_as_it_is(made: Cli) -> None:
    database = made.home / "pony.db"
    made("job", "add", "a", "--every", "1d", "--", "true")
    content = bytearray(database.read_bytes())
    content[4096 * 2 : 4096 * 4] = os.urandom(4096 * 2)
    database.write_bytes(content)
    found = of("database", findings(made))

    assert {one["level"] for one in found} == {"problem"}
    assert database.read_bytes() == bytes(content)


def test_backups_that_are_missing_old_or_damaged_are_told(made: Cli) -> None:
    assert "note: there is no backup in" in message("backups", findings(made))
    created = Path(made("backup", "create", "--json").json["backup"]["path"])
    assert message("backups", findings(made)) == f"ok: the newest is {created}"
    old = created.rename(created.with_name("pb-20200101T000000Z.tar.gz"))
    assert "warning: the newest backup is" in message("backups", findings(made))
    old.write_bytes(b"")
    assert "is damaged or no backup" in message("backups", findings(made))


def test_channels_that_do_not_exist_or_were_not_reached_are_told(made: Cli) -> None:
    (made.home / "config.toml").write_text('[notify.ops]\ntype = "command"\ncommand = ["true"]\n')
    made("job", "add", "backup", "--notify", "me", "--notify", "ops", "--", "true")
    (found,) = of("channels", findings(made))
    assert (found["level"], found["message"]) == (
        "warning",
        "job backup: there is no channel me",
    )
    made("job", "add", "backup", "--replace", "--notify", "ops", "--", "true")
    made("notify", "test", "ops")
    assert [one["level"] for one in of("channels", findings(made))] == ["ok"]
    (made.home / "config.toml").write_text('[notify.ops]\ntype = "command"\ncommand = ["false"]\n')
    made("notify", "test", "ops")
    (found,) = of("channels", findings(made))
    assert "ops was not reached" in found["message"]
    assert found["hint"] == "pb notify test ops"


def test_a_log_beyond_all_bounds_is_told(made: Cli) -> None:
    (made.home / "web.log").write_bytes(b"x" * 5000)
    found = findings(made, env={"PB_LOGS__MAX_SIZE": "1KiB"})

    assert "web.log has 4.9 KiB" in message("logs", found)


@pytest.fixture
def orphan(made: Cli) -> Iterator[subprocess.Popen[bytes]]:
    """A process with the marker of a run that no row knows."""
    with Store(Home(made.home).db, readonly=True) as store:
        marker = f"{store.store_id}/4711"
    process = subprocess.Popen(["/bin/sleep", "1000"], env={"PB_MARKER": marker})
    yield process
    process.kill()
    process.wait()


def test_a_process_left_over_from_a_run_is_told_and_not_touched(
    made: Cli, orphan: subprocess.Popen[bytes]
) -> None:
    (found,) = of("orphans", findings(made, "--fix"))

    assert found["message"] == f"process {orphan.pid} (sleep) is left over from run 4711"
    assert found["hint"] == f"kill {orphan.pid}"
    assert orphan.poll() is None


def test_another_home_is_noted_and_a_wrong_pb_home_warned_of(made: Cli, tmp_path: Path) -> None:
    other = Cli(home=tmp_path / "other", cwd=made.cwd)
    assert other("scheduler", "start").code == 0
    try:
        found = findings(made)
        assert f"runs for {other.home} (PID {other.pid()})" in message("other homes", found)
        mine = findings(other)
        assert f"runs for {other.home} " not in message("other homes", mine)
        assert f"ok: scheduler runs and answers (PID {other.pid()})" in message("daemons", mine)
        elsewhere = findings(other, env={"PONY_DB_PATH": str(tmp_path / "x.db")})
        assert f"settings say {tmp_path}/x.db" in message("environment", elsewhere)
    finally:
        other.end_everything()


def test_a_daemon_that_does_not_answer_is_a_problem(made: Cli) -> None:
    assert made("scheduler", "start").code == 0
    pid = made.pid()
    try:
        os.kill(pid, signal.SIGSTOP)
        found = findings(made)
        assert f"scheduler is alive (PID {pid}) and does not answer" in message("daemons", found)
    finally:
        os.kill(pid, signal.SIGCONT)
        made.end_everything()


def test_a_daemon_of_another_version_is_told(made: Cli) -> None:
    assert made("scheduler", "start").code == 0
    try:
        path = made.home / "scheduler.pid"
        record = json.loads(path.read_text())
        path.write_text(json.dumps({**record, "pbVersion": "0.0.1"}))
        found = findings(made)
        assert "scheduler is of pb 0.0.1" in message("daemons", found)
        path.write_text(json.dumps(record))
    finally:
        made.end_everything()


def test_the_pb_on_the_path_is_looked_at(made: Cli, tmp_path: Path) -> None:
    stranger = tmp_path / "bin"
    stranger.mkdir()
    (stranger / "pb").write_text("#!/bin/sh\necho protobuf\n")
    (stranger / "pb").chmod(0o755)
    other = {"PATH": f"{stranger}:/usr/bin:/bin"}
    assert f"{stranger}/pb is another program" in message("command", findings(made, env=other))
    nothing = {"PATH": str(tmp_path)}
    assert "note: pb is not on your PATH" in message("command", findings(made, env=nothing))
    script = "#!/no/such/python3\nfrom pb.cli.main import main\n"
    (stranger / "pb").write_text(script)
    assert "another installation" in message("command", findings(made, env=other))


def test_old_time_zone_data_is_told(made: Cli, tmp_path: Path) -> None:
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones" / "tzdata.zi").write_text("# version 2019c\n")
    old = findings(made, env={"PYTHONTZPATH": str(tmp_path / "zones")})
    none = findings(made, env={"PYTHONTZPATH": str(tmp_path)})

    assert "the time zone data of the system is of 2019" in message("time zones", old)
    assert "the Python package" in message("time zones", none)


def test_a_process_left_over_from_a_stopped_service_is_told(made: Cli) -> None:
    from pb.core.service import Desired
    from pb.core.supervision import Phase
    from pb.store.services import InstanceRow

    with Store(Home(made.home).db) as store, store.transaction():
        store.services.add(
            name="web", definition='{"name": "web", "command": ["x"]}', source="cli",
            enabled=True, desired=Desired.STOPPED, now=1,
        )  # fmt: skip
        row = InstanceRow(service="web", instance=0, phase=Phase.STOPPED, life=3)
        store.services.save([row])
        marker = f"{store.store_id}/s/web/0/3"
    process = subprocess.Popen(["/bin/sleep", "1000"], env={"PB_MARKER": marker})
    try:
        (found,) = of("orphans", findings(made))
        assert "is left over from service web" in found["message"]
        with Store(Home(made.home).db) as store, store.transaction():
            row.phase = Phase.RUNNING
            store.services.save([row])
        assert of("orphans", findings(made))[0]["level"] == "ok"
    finally:
        process.kill()
        process.wait()


def test_a_failed_service_is_a_problem_with_the_way_to_its_log(made: Cli) -> None:
    from pb.core.service import Desired
    from pb.core.supervision import Phase
    from pb.store.services import InstanceRow

    with Store(Home(made.home).db) as store, store.transaction():
        store.services.add(
            name="web", definition='{"name": "web", "command": ["x"]}', source="cli",
            enabled=True, desired=Desired.RUNNING, now=1,
        )  # fmt: skip
        row = InstanceRow(service="web", instance=0, phase=Phase.FAILED, reason="exit code 1")
        store.services.save([row])
    (found,) = of("services", findings(made))

    assert found["message"] == "web has failed (exit code 1)"
    assert found["hint"] == "pb service logs web, then: pb service reset web"
