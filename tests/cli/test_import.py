"""``pb import crontab``: lines become jobs, the others are named with their reasons."""

from __future__ import annotations

from tests.kit.cli import Cli

TABLE = """\
SHELL=/bin/sh
MAILTO=me
# Clean up at night
30 2 * * * find /tmp -name '*.bak' -delete
@hourly df -h
61 * * * * true
"""


def test_each_line_becomes_a_job_and_a_wrong_one_is_named(pb: Cli) -> None:
    (pb.cwd / "tab").write_text(TABLE)
    ran = pb("import", "crontab", "tab")
    assert ran.code == 6, ran
    assert ran.out.splitlines()[-1] == "2 imported, 0 skipped, 1 not understood"
    assert f"{pb.cwd}/tab:6: " in ran.err
    assert "61" in ran.err
    jobs = pb("job", "list", "--json").json["jobs"]
    assert len(jobs) == 2
    assert all(job["next_run"] for job in jobs)


def test_stdin_is_read_and_a_dry_run_changes_nothing(pb: Cli) -> None:
    ran = pb("import", "crontab", "-", "--dry-run", stdin="*/5 * * * * true\n")
    assert ran.code == 0, ran
    assert "1 would be imported" in ran.out
    assert pb("job", "list", "--json").json["jobs"] == []


def test_jobs_that_exist_are_skipped_unless_replaced(pb: Cli) -> None:
    (pb.cwd / "tab").write_text("*/5 * * * * true\n")
    assert pb("import", "crontab", "tab").code == 0
    again = pb("import", "crontab", "tab", "--json").json
    assert (again["added"], len(again["skipped"])) == ([], 1)
    replaced = pb("import", "crontab", "tab", "--replace", "--json").json
    assert (len(replaced["replaced"]), replaced["skipped"]) == (1, [])
    assert set(replaced) >= {"schema", "added", "replaced", "skipped", "problems", "notes"}


def test_a_system_table_has_a_user_column(pb: Cli) -> None:
    (pb.cwd / "tab").write_text("0 3 * * * root /bin/true --x\n")
    assert pb("import", "crontab", "tab", "--system").code == 0
    (job,) = pb("job", "list", "--json").json["jobs"]
    definition = pb("job", "show", job["name"], "--json").json["definition"]
    assert "root" not in str(definition["command"])


def test_a_line_of_bytes_that_are_not_text_is_refused_alone(pb: Cli) -> None:
    (pb.cwd / "tab").write_bytes(b"0 3 * * * true\n0 4 * * * echo \xff\xfe\n")
    ran = pb("import", "crontab", "tab")
    assert ran.code == 6
    assert "tab:2: command: is not valid UTF-8 text" in ran.err
    assert "1 imported" in ran.out + ran.err
