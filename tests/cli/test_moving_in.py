"""``pb import supervisor|pm2|procfile|systemd|compose``: shown, written, and told."""

from __future__ import annotations

import tomllib

from pb.core.definition import job_from
from pb.core.service_definition import service_from
from tests.kit.cli import Cli

SUPERVISOR = """\
[program:web]
command=/bin/sleep 1000
stdout_logfile=/tmp/web.log
[program:db]
command=/bin/sleep 1000
autostart=false
"""
COMPOSE = """\
services:
  web: {command: /bin/sleep 1000, depends_on: [db]}
  db: {command: /bin/sleep 1000}
"""


def test_a_dry_run_shows_what_would_be_added_and_the_report(pb: Cli) -> None:
    (pb.cwd / "s.conf").write_text(SUPERVISOR)
    ran = pb("import", "supervisor", "s.conf", "--dry-run")

    assert ran.code == 0, ran
    assert "web would be added (/bin/sleep 1000)" in ran.out
    assert ran.out.splitlines()[-1] == (
        "2 would be imported, 0 skipped, 0 refused; of their keys 0 changed, 1 left out"
    )
    assert f"{pb.cwd}/s.conf:3: web.stdout_logfile: left out: pb keeps the output" in ran.err
    assert "    Read it with: pb service logs web" in ran.err
    assert not pb.home.exists()


def test_something_that_could_not_be_taken_is_exit_code_6(pb: Cli) -> None:
    (pb.cwd / "Procfile").write_text("web: sleep 1\nnonsense\n")
    ran = pb("import", "procfile", "--dry-run")

    assert ran.code == 6, ran
    assert f"{pb.cwd}/Procfile:2: refused: is not a line" in ran.err
    assert "1 would be imported, 0 skipped, 1 refused" in ran.out


def test_json_has_the_definitions_and_the_report(pb: Cli) -> None:
    (pb.cwd / "s.conf").write_text(SUPERVISOR)
    ran = pb("import", "supervisor", "s.conf", "--dry-run", "--json").json

    assert ran["added"] == ["web", "db"]
    assert [service_from(one).name for one in ran["services"]] == ["web", "db"]
    assert ran["jobs"] == []
    (remark,) = ran["report"]
    assert remark["fate"] == "left_out"
    assert (remark["file"], remark["line"]) == (f"{pb.cwd}/s.conf", 3)
    assert (remark["key"], remark["hint"]) == (
        "web.stdout_logfile",
        "Read it with: pb service logs web",
    )


def test_a_definition_file_is_written_with_other_names(pb: Cli) -> None:
    (pb.cwd / "compose.yaml").write_text(COMPOSE)
    ran = pb("import", "compose", "--write", "shop.toml", "--prefix", "shop-", "--disabled")

    assert ran.code == 0, ran
    assert "shop-web written" in ran.out
    tables = tomllib.loads((pb.cwd / "shop.toml").read_text())["service"]
    found = {name: service_from(table, name=name) for name, table in tables.items()}
    assert set(found) == {"shop-web", "shop-db"}
    assert found["shop-web"].depends_on[0].service == "shop-db"
    assert not found["shop-web"].enabled
    assert pb("import", "compose", "--write", "shop.toml").code == 1
    assert pb("import", "compose", "--write", "shop.toml", "--replace").code == 0


def test_stdout_gets_the_file_and_nothing_else(pb: Cli) -> None:
    (pb.cwd / "a.service").write_text("[Service]\nType=oneshot\nExecStart=/bin/true\n")
    ran = pb("import", "systemd", "./a.service", "--write", "-")

    assert ran.code == 0, ran
    job = tomllib.loads(ran.out)["job"]["a"]
    assert job_from(job, name="a").command == ("/bin/true",)
    assert "1 written" in ran.err


def test_a_file_that_is_not_there_is_not_found(pb: Cli) -> None:
    for kind in ("supervisor", "pm2", "procfile", "systemd", "compose"):
        ran = pb("import", kind, "nowhere.service")
        assert (ran.code, "nowhere.service" in ran.err) == (5, True), ran


def test_a_file_that_is_none_is_refused(pb: Cli) -> None:
    (pb.cwd / "x").write_bytes(b"\xff\xfe")
    assert "not UTF-8" in pb("import", "supervisor", "x").err
    assert pb("import", "compose", str(pb.cwd)).code == 6
    assert pb("import", "procfile", "x", "--write", "x.json").code == 6
