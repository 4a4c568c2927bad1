"""``pb service boot``: each way of being started at boot, with stand-ins for other programs."""

from __future__ import annotations

import plistlib
import subprocess
import tomllib
from pathlib import Path
from shlex import split
from typing import Any

import pytest

from pb.api.local import Local
from pb.config.settings import load_settings
from pb.paths import Home
from pb.process.boot import at_boot, way_named
from pb.process.boot_cron import path_of
from tests.kit.cli import Cli

CRONTAB = """\
#!/bin/sh
# Stands in for crontab(1): one table, in $FAKES.
case "$1" in
  -l) cat "$FAKES/table" 2>/dev/null || { echo "no crontab for me" >&2; exit 1; } ;;
  -) cat > "$FAKES/table"; echo written >> "$FAKES/calls" ;;
esac
"""
SYSTEMCTL = """\
#!/bin/sh
# Stands in for systemctl(1): remembers what is enabled, in $FAKES.
echo "systemctl $*" >> "$FAKES/calls"
shift
case "$1" in
  is-enabled) test -e "$FAKES/enabled-$2" ;;
  enable) touch "$FAKES/enabled-$2" ;;
  disable) rm -f "$FAKES/enabled-$2" ;;
esac
"""
LOGINCTL = """\
#!/bin/sh
# Stands in for loginctl(1).
echo "loginctl $*" >> "$FAKES/calls"
case "$1" in
  show-user) test -e "$FAKES/linger" && echo Linger=yes || echo Linger=no ;;
  enable-linger) test ! -e "$FAKES/forbidden" && touch "$FAKES/linger" ;;
esac
"""
FAILS = "#!/bin/sh\necho 'Failed to connect to bus' >&2\nexit 1\n"


@pytest.fixture
def fakes(pb: Cli, tmp_path: Path) -> Path:
    """A directory of stand-ins that comes first on the PATH, and a home directory of its own."""
    folder = tmp_path / "fakes"
    folder.mkdir()
    pb.env.update(PATH=f"{folder}:/usr/bin:/bin", HOME=str(tmp_path / "user"), FAKES=str(folder))
    (tmp_path / "user").mkdir()
    return folder


def put(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def calls(folder: Path) -> str:
    path = folder / "calls"
    return path.read_text() if path.exists() else ""


@pytest.fixture
def cron(fakes: Path) -> Path:
    put(fakes, "crontab", CRONTAB)
    put(fakes, "systemctl", FAILS)
    return fakes


@pytest.fixture
def systemd(fakes: Path) -> Path:
    put(fakes, "systemctl", SYSTEMCTL)
    put(fakes, "loginctl", LOGINCTL)
    return fakes


def test_cron_gets_one_marked_line_and_keeps_the_others(pb: Cli, cron: Path) -> None:
    (cron / "table").write_text("# mine\n30 2 * * * df -h\n")

    assert pb("service", "boot", "status").code == 3
    first = pb("service", "boot", "enable")
    again = pb("service", "boot", "enable")
    lines = (cron / "table").read_text().splitlines()

    assert (first.code, again.code) == (0, 0), first
    assert "cron: added a line to the crontab" in first.out
    assert "was so already" in again.out
    assert lines[:2] == ["# mine", "30 2 * * * df -h"]
    assert len(lines) == 3
    assert calls(cron).count("written") == 1
    words = split(lines[2].removeprefix("@reboot "), comments=True)
    assert words[0] == f"PATH={pb.env['PATH']}"
    assert words[1].startswith("/")
    assert words[2:9] == ["-P", "-m", "pb", "--home", str(pb.home), "service", "boot"]


def test_what_cron_had_is_what_it_has_after_disable(pb: Cli, cron: Path) -> None:
    (cron / "table").write_text("# mine\n")
    pb("service", "boot", "enable")
    ran = pb("service", "boot", "disable")

    assert "removed its line" in ran.out
    assert (cron / "table").read_text() == "# mine\n"
    assert "Nothing of pb" in pb("service", "boot", "disable").out


def test_a_line_of_an_older_pb_is_told_and_replaced_in_its_place(pb: Cli, cron: Path) -> None:
    pb("service", "boot", "enable")
    line = (cron / "table").read_text()
    old = line.replace(" -P ", " ").strip()
    (cron / "table").write_text(f"{old}\n0 1 * * * x\n{old}\n")
    status = pb("service", "boot", "status")

    assert status.code == 1
    assert "of another pb or was changed" in status.err
    assert "replaced its line" in pb("service", "boot", "enable").out
    assert (cron / "table").read_text() == f"{line}0 1 * * * x\n"


def test_another_path_in_another_shell_is_no_change(pb: Cli, cron: Path) -> None:
    pb("service", "boot", "enable")
    elsewhere = {"PATH": pb.env["PATH"] + ":/opt/new"}
    ways = pb("service", "boot", "status", "--json", env=elsewhere).json["ways"]
    pb("service", "boot", "enable", env=elsewhere)

    assert [way["current"] for way in ways if way["enabled"]] == [True]
    assert path_of((cron / "table").read_text()) == elsewhere["PATH"]


def test_a_crontab_that_cannot_be_read_is_left_alone(pb: Cli, cron: Path) -> None:
    put(cron, "crontab", "#!/bin/sh\necho 'you may not use this program' >&2\nexit 1\n")
    ran = pb("service", "boot", "enable", "--method", "cron")

    assert ran.code == 3, ran
    assert "you may not use this program" in ran.err


def test_the_line_runs_the_very_command_that_it_shows(pb: Cli, cron: Path) -> None:
    """cron hands everything after @reboot to a shell, ``\\%`` as ``%``."""
    pb.env["PATH"] += ":/with space/100%"
    pb("service", "boot", "enable")
    line = (cron / "table").read_text().strip().removeprefix("@reboot ").replace("\\%", "%")
    shown = line.replace(" service boot run >/dev/null 2>&1", " service boot status --json")
    ran = subprocess.run(
        ["/bin/sh", "-c", shown],
        env={"HOME": pb.env["HOME"], "FAKES": str(cron)}, cwd="/",
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert '"enabled": true' in ran.stdout, ran


def test_systemd_gets_a_unit_and_lingering(pb: Cli, systemd: Path) -> None:
    first = pb("service", "boot", "enable")
    again = pb("service", "boot", "enable")
    (unit,) = (Path(pb.env["HOME"]) / ".config/systemd/user").glob("pb-*.service")
    text = unit.read_text()

    assert (first.code, again.code) == (0, 0), first
    assert "turned on lingering" in first.out
    assert "was so already" in again.out
    assert f'"--home" "{pb.home}" "service" "boot" "run"' in text
    assert f'Environment="PATH={pb.env["PATH"]}"' in text
    assert calls(systemd).count(f"systemctl --user enable {unit.name}") == 1
    assert pb("service", "boot", "status").code == 0


def test_lingering_that_stays_off_is_told_with_the_command(pb: Cli, systemd: Path) -> None:
    (systemd / "forbidden").touch()
    ran = pb("service", "boot", "enable")

    assert ran.code == 0
    assert "sudo loginctl enable-linger" in ran.err
    assert pb("service", "boot", "status").code == 1


def test_disable_takes_the_unit_away(pb: Cli, systemd: Path) -> None:
    pb("service", "boot", "enable")
    ran = pb("service", "boot", "disable", "--json")

    assert ran.code == 0
    assert list(ran.json["done"]) == ["systemd"]
    assert not list((Path(pb.env["HOME"]) / ".config/systemd/user").iterdir())
    assert pb("service", "boot", "status").code == 3


def test_print_shows_what_would_be_written_and_writes_nothing(pb: Cli, systemd: Path) -> None:
    ran = pb("service", "boot", "enable", "--print")

    assert "[Service]\nType=oneshot\n" in ran.out
    assert not (Path(pb.env["HOME"]) / ".config").exists()
    assert "@reboot " in pb("service", "boot", "enable", "--print", "--method", "cron").out


def test_a_machine_that_has_no_way_is_told_what_to_run(pb: Cli, fakes: Path) -> None:
    put(fakes, "systemctl", FAILS)
    pb.env["PATH"] = str(fakes)
    ran = pb("service", "boot", "enable")

    assert ran.code == 3
    assert "service boot run" in ran.err
    assert pb("service", "boot", "enable", "--method", "tea").code == 2


def test_the_default_home_has_the_short_name(pb: Cli, systemd: Path) -> None:
    default = str(Path(pb.env["HOME"]) / ".ponybunny")
    pb("service", "boot", "enable", env={"PB_HOME": default})

    assert (Path(pb.env["HOME"]) / ".config/systemd/user/pb.service").is_file()


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    from shutil import which

    if which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    unit = tmp_path / "pb.service"
    home = Home(tmp_path / 'a "b" 100% $x')
    unit.write_text(way_named("systemd").text(at_boot(home)))
    ran = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )

    assert str(unit) not in ran.stderr, ran.stderr


def test_the_agent_of_macos_is_a_property_list_that_leaves_its_children_alive(
    tmp_path: Path,
) -> None:
    table = plistlib.loads(way_named("launchd").text(at_boot(Home(tmp_path))).encode())

    assert table["AbandonProcessGroup"] is True
    assert table["RunAtLoad"] is True
    assert table["ProgramArguments"][-3:] == ["service", "boot", "run"]


SERVICES = """\
[service.good]
command = "sleep 1000"
[service.missing]
command = ["no-such-program-at-all"]
[service.shell]
command = "exec no-such-shell-word --x"
shell = true
[service.unread]
command = "sleep 1000"
env_file = ["/no/such/file", "?/no/such/other"]
[service.nowhere]
command = "sleep 1000"
cwd = "/no/such/directory"
[service.off]
command = "sleep 1000"
enabled = false
"""
JOBS = """\
[job.there]
command = "df -h"
triggers = ["every: 1d"]
[job.gone]
command = ["no-such-job-program"]
triggers = ["every: 1d"]
"""


def applied(pb: Cli, services: str = SERVICES, jobs: str = JOBS) -> None:
    """A home with definitions; nothing is started for it."""
    home = Home(pb.home)
    home.ensure()
    tables = tomllib.loads(services + jobs)
    with Local(home, load_settings(home), face="cli") as talk:
        for name, table in tables.get("service", {}).items():
            talk.call("service.add", {"definition": {"name": name, **table}})
        wanted = [{"name": name, **table} for name, table in tables.get("job", {}).items()]
        talk.call("job.import", {"definitions": wanted})


def problems(document: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["message"] for one in document["problems"]}


def test_check_tells_what_would_start_and_what_would_fail(pb: Cli, cron: Path) -> None:
    applied(pb)
    before = sorted(path.name for path in pb.home.iterdir())
    ran = pb("service", "boot", "check", "--json")

    assert ran.code == 1
    found = ran.json
    assert found["would_start"] == ["scheduler", "gateway", "debug", "good"]
    assert problems(found) == {
        "missing": "Command not found: no-such-program-at-all",
        "shell": "Command not found: no-such-shell-word",
        "unread": "Cannot read the env_file /no/such/file: no such file or directory",
        "nowhere": "Working directory not found: /no/such/directory",
        "job gone": "Command not found: no-such-job-program",
    }
    assert found["left"] == [{"name": "off", "reason": "it is disabled"}]
    assert (found["enabled"], found["method"]) == (False, None)
    left = {name for name in before if not name.endswith(("-wal", "-shm"))}
    now = {p.name for p in pb.home.iterdir() if not p.name.endswith(("-wal", "-shm"))}
    assert now == left


def test_check_is_content_once_boot_is_enabled_and_all_would_start(pb: Cli, cron: Path) -> None:
    applied(pb, '[service.good]\ncommand = "sleep 1000"\n', "")
    before = pb("service", "boot", "check")
    pb("service", "boot", "enable")
    found = pb("service", "boot", "check", "--json").json

    assert "nothing starts pb at boot yet" in before.err
    assert (before.code, before.out.splitlines()[-1]) == (1, "4 would start, 0 would fail")
    assert (found["enabled"], found["method"], found["problems"]) == (True, "cron", [])


def test_a_boot_has_the_path_that_was_captured_and_not_the_shell_s(
    pb: Cli, cron: Path, tmp_path: Path
) -> None:
    """What works in a shell whose PATH has grown since would fail at boot."""
    applied(pb, '[service.tool]\ncommand = "my-tool"\n', "")
    pb("service", "boot", "enable")
    put(tmp_path, "my-tool", "#!/bin/sh\n")
    grown = {"PATH": f"{tmp_path}:{pb.env['PATH']}"}
    found = pb("service", "boot", "check", "--json", env=grown).json
    pb("service", "boot", "enable", env=grown)
    renewed = pb("service", "boot", "check", "--json").json

    assert problems(found) == {"tool": "Command not found: my-tool"}
    assert problems(renewed) == {}


def test_settings_of_the_shell_alone_are_told(pb: Cli, cron: Path) -> None:
    applied(pb, "", "")
    ran = pb("service", "boot", "check", env={"PB_GATEWAY__PORT": "0"})

    assert "PB_GATEWAY__PORT is set in this shell and will not be at boot" in ran.err


def test_a_home_that_cannot_be_used_fails_the_check(pb: Cli, cron: Path) -> None:
    missing = pb("service", "boot", "check", "--json").json
    pb.home.mkdir(mode=0o700)
    (pb.home / "config.toml").write_text("nonsense = 1\n")
    broken = pb("service", "boot", "check", "--json").json

    assert problems(missing).keys() == {"pb"}
    assert "nonsense" in problems(broken)["pb"]


def test_what_a_boot_runs_starts_the_daemons_and_running_already_is_fine(
    pb: Cli, cron: Path
) -> None:
    try:
        first = pb("service", "boot", "run", "--only-scheduler")
        again = pb("service", "boot", "run", "--only-scheduler")

        assert (first.code, again.code) == (0, 0), (first, again)
        assert not (pb.home / "gateway.pid").exists()
    finally:
        pb.end_everything()
