"""Jobs from the command line with no scheduler running: what is added, shown and told."""

from __future__ import annotations

import re
import subprocess
from datetime import datetime, timedelta

import pytest

from tests.kit.cli import Cli

JOB_KEYS = {
    "name",
    "state",
    "enabled",
    "paused",
    "triggers",
    "timezone",
    "next_run",
    "last_run",
    "last_result",
    "last_error",
    "last_duration_ms",
    "run_count",
    "success_count",
    "error_count",
    "skip_count",
    "running",
}
RUN_KEYS = {
    "run_id",
    "job",
    "fire_time",
    "trigger",
    "queued_at",
    "started_at",
    "finished_at",
    "state",
    "reason",
    "exit_code",
    "signal",
    "pid",
    "attempt",
    "log_path",
}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def add(pb: Cli, name: str = "a", *more: str) -> None:
    ran = pb("job", "add", name, "--cron", "30 2 * * *", *more, "--", "true")
    assert ran.code == 0, ran


def test_after_add_it_says_what_it_understood_and_when_it_runs(pb: Cli) -> None:
    words = ("--cron", "30 2 * * *", "--tz", "Europe/Berlin")
    ran = pb("job", "add", "backup", *words, "--", "true")
    assert ran.code == 0, ran
    lines = ran.out.splitlines()
    assert lines[0] == "✓ Job 'backup' added."
    assert lines[1] == "  At 02:30 every day"
    assert lines[2] == "  Next runs (Europe/Berlin):"
    zoned = r"    \w{3} \d{4}-\d\d-\d\d 02:30:00 CES?T \(\d{4}-\d\d-\d\dT0[01]:30:00Z\)"
    assert all(re.fullmatch(zoned, line) for line in lines[3:6]), lines[3:6]
    assert "does not exist (clocks go forward)" in ran.out
    assert "happens twice" in ran.out
    assert "hint: No scheduler is running, so nothing runs it yet: pb scheduler start" in ran.err


def test_every_key_of_a_definition_is_a_flag(pb: Cli) -> None:
    ran = pb(
        *("job", "add", "full", "--cron", "0 * * * *", "--every", "90m"),
        *("--at", "2099-01-01T12:00", "--on-startup", "--trigger", '{"type": "every", "every": 7}'),
        *("--trigger", "every: 3h", "--tz", "Europe/Paris", "--description", "all of it"),
        *("--cwd", "/", "--env", "A=1", "--env", "B=x=y", "--env-file", "/e", "--stdin", "in"),
        *("--umask", "022", "--overlap", "queue", "--queue-limit", "3", "--max-instances", "2"),
        *("--jitter", "10s", "--misfire", '{"window": "2h"}', "--grace", "5m", "--catch-up", "all"),
        *("--max-catch-up", "4", "--timeout", "1h", "--kill-grace", "1s", "--stop-signal", "INT"),
        *("--success-exit-codes", "0", "--success-exit-codes", "3", "--priority", "70"),
        *("--tag", "x", "--tags", "y", "--paused", "--disabled", "--", "echo", "hi"),
    )
    assert ran.code == 0, ran
    kept = pb("job", "show", "full", "--json").json["definition"]
    assert kept["triggers"] == [
        {"type": "cron", "expr": "0 * * * *"},
        {"type": "every", "every": "1h30m"},
        {"type": "at", "at": "2099-01-01T11:00:00Z"},
        {"type": "startup"},
        {"type": "every", "every": "7s"},
        {"type": "every", "every": "3h"},
    ]
    del kept["triggers"]
    misfire = {"window": "2h", "grace": "5m", "catch_up": "all", "max_catch_up": 4}
    assert kept == {
        "name": "full",
        "command": ["echo", "hi"],
        "timezone": "Europe/Paris",
        "description": "all of it",
        "cwd": "/",
        "env": {"A": "1", "B": "x=y"},
        "env_file": ["/e"],
        "stdin": "in",
        "umask": "022",
        "overlap": "queue",
        "queue_limit": 3,
        "max_instances": 2,
        "jitter": "10s",
        "misfire": misfire,
        "timeout": "1h",
        "kill_grace": "1s",
        "stop_signal": "INT",
        "success_exit_codes": [0, 3],
        "priority": 70,
        "tags": ["x", "y"],
        "paused": True,
        "enabled": False,
    }


def test_the_table_of_flags_covers_the_definition() -> None:
    from pb.cli.definitions import FLAGS
    from pb.core.definition import FIELDS
    from pb.core.policies import MISFIRE

    keys = {flag.key for flag in FLAGS} | {"name", "command", "triggers", "enabled"}
    assert (set(FIELDS) | set(MISFIRE)) <= keys


def test_nothing_is_a_value_too(pb: Cli) -> None:
    add(pb, "a", "--priority", "0", "--success-exit-codes", "0")
    shown = pb("job", "show", "a", "--json").json
    assert shown["definition"]["priority"] == 0


def test_a_job_runs_in_the_directory_it_was_added_from(pb: Cli) -> None:
    add(pb)
    add(pb, "b", "--cwd", "below")
    add(pb, "c", "--cwd", "~/x")
    found = [pb("job", "show", name, "--json").json["definition"]["cwd"] for name in "abc"]
    assert found == [str(pb.cwd), str(pb.cwd / "below"), "~/x"]


def test_a_directory_that_is_gone_is_said(pb: Cli) -> None:
    words = " ".join([*pb.argv, "job", "add", "a", "--every", "1h"])
    script = f"mkdir gone; cd gone; rmdir ../gone; {words} -- true; {words} --cwd / -- true"
    done = subprocess.run(
        ["sh", "-c", script], env=pb.environ(), cwd=pb.cwd, capture_output=True, check=False
    )
    assert done.returncode == 0, done
    assert done.stderr.startswith(b"error: The current directory is gone\nhint: Say where")


def test_a_dry_run_shows_the_same_and_adds_nothing(pb: Cli) -> None:
    words = ("job", "add", "a", "--cron", "30 2 * * *", "--tz", "Europe/Berlin", "--dry-run")
    ran = pb(*words, "--", "true")
    assert ran.code == 0, ran
    assert ran.out.splitlines()[:2] == ["Job 'a' would be added.", "  At 02:30 every day"]
    assert "happens twice" in ran.out
    document = pb(*words, "--json", "--", "true").json
    assert document["definition"]["name"] == "a"
    assert len(document["fire_times"]) == 3
    assert pb("job", "list", "--json").json["jobs"] == []


def test_adding_twice_is_refused_and_replace_changes(pb: Cli) -> None:
    add(pb)
    again = pb("job", "add", "a", "--every", "1h", "--", "true")
    assert again.code == 1
    assert again.err.splitlines()[0] == "error: A job named 'a' exists already"
    changed = pb("job", "add", "a", "--every", "1h", "--replace", "--", "true")
    assert changed.out.startswith("✓ Job 'a' changed.")


def test_the_job_table_has_the_promised_columns_when_piped(pb: Cli) -> None:
    add(pb)
    long = "n" * 64
    add(pb, long)
    assert pb("job", "pause", "a").code == 0
    lines = pb("job", "list").out.splitlines()
    row = "{:<20} {:<12} {:<20} {:<20} {:<10} {:<10}"
    assert (
        lines[0] == row.format("JOB", "STATUS", "LAST RUN", "NEXT RUN", "RUNS", "ERRORS").rstrip()
    )
    assert lines[1] == "-" * 92
    assert lines[2] == row.format("a", "PAUSED", "Never", "-", "0", "0").rstrip()
    assert lines[3].startswith(f"{long} IDLE         Never                ")
    assert re.search(r"\d{4}-\d\d-\d\d 02:30 ", lines[3]), "nothing is cut when piped"


def test_times_in_the_table_are_local(pb: Cli) -> None:
    assert pb("job", "add", "a", "--at", "2099-01-01T12:00:00Z", "--", "true").code == 0
    assert "2099-01-01 12:00" in pb("job", "list").out
    assert "2099-01-01 21:00" in pb("job", "list", env={"TZ": "Asia/Tokyo"}).out


def test_the_json_of_a_job_keeps_its_names(pb: Cli) -> None:
    add(pb)
    document = pb("job", "list", "--json").json
    assert document["schema"] == 1
    (job,) = document["jobs"]
    assert set(job) >= JOB_KEYS
    assert INSTANT.fullmatch(job["next_run"])
    assert document == pb("scheduler", "jobs", "--json").json


def test_the_json_of_a_run_keeps_its_names(pb: Cli) -> None:
    assert pb("run", "--", "true").code == 0
    document = pb("job", "history", "--json").json
    assert document["schema"] == 1
    (run,) = document["runs"]
    assert set(run) >= RUN_KEYS
    assert INSTANT.fullmatch(run["started_at"])


@pytest.mark.parametrize(
    ("verb", "back", "word", "already"),
    [
        ("pause", "resume", "paused", "paused already"),
        ("disable", "enable", "disabled", "disabled already"),
    ],
)
def test_pausing_and_disabling_persist_and_twice_is_fine(
    pb: Cli, verb: str, back: str, word: str, already: str
) -> None:
    add(pb)
    assert pb("job", verb, "a").out == f"✓ Job 'a' {word}.\n"
    again = pb("job", verb, "a")
    assert (again.code, again.out) == (0, f"✓ Job 'a' is {already}.\n")
    (job,) = pb("job", "list", "--json").json["jobs"]
    assert job["next_run"] is None
    assert pb("job", back, "a").code == 0
    (job,) = pb("job", "list", "--json").json["jobs"]
    assert job["next_run"] is not None


def test_a_pause_has_a_note_that_is_shown(pb: Cli) -> None:
    add(pb)
    assert pb("job", "pause", "a", "--note", "disk is full").code == 0
    assert "  Pause note: disk is full" in pb("job", "show", "a").out.splitlines()


def test_a_removed_job_is_gone(pb: Cli) -> None:
    add(pb)
    assert pb("job", "remove", "a").out == "✓ Job 'a' removed; its history stays.\n"
    assert pb("job", "remove", "a").code == 5


def test_a_removed_job_is_brought_back(pb: Cli) -> None:
    add(pb)
    pb("job", "pause", "a")
    assert "pb job restore a" in pb("job", "remove", "a").err

    assert pb("job", "restore", "a").out == "✓ Job 'a' is back, paused.\n"
    assert pb("job", "restore", "a").code == 1
    assert pb("job", "restore", "nothing").code == 5


def test_show_tells_the_definition_in_words(pb: Cli) -> None:
    add(pb, "a", "--env", "A=1", "--tag", "x", "--tag", "y", "--description", "what for")
    lines = pb("job", "show", "a").out.splitlines()
    for line in ("  Description: what for", "  Command: true", "  Env: A=1", "  Tags: x, y"):
        assert line in lines, lines
    assert "  When: At 02:30 every day" in lines


def test_next_lists_fire_times_of_one_job_or_all(pb: Cli) -> None:
    add(pb)
    add(pb, "b")
    one = pb("job", "next", "a", "-n", "2", "--json").json["jobs"]
    assert [(job["name"], len(job["fire_times"])) for job in one] == [("a", 2)]
    lines = pb("job", "next").out.splitlines()
    assert lines[0].startswith("a (")
    assert sum("02:30:00" in line for line in lines) == 10


def test_logs_of_a_job_that_never_ran_say_so(pb: Cli) -> None:
    add(pb)
    ran = pb("job", "logs", "a")
    assert ran.code == 5
    assert ran.err.splitlines()[0] == "error: Job 'a' has not run yet"


def test_jobs_are_paused_by_tag_or_all_together_until_a_moment(pb: Cli) -> None:
    for name in ("a", "b"):
        add(pb, name, "--tag", "nightly")
    add(pb, "c")
    ran = pb("job", "pause", "--tag", "nightly", "--until", "2h")
    assert ran.out.splitlines() == ["✓ 2 jobs with the tag nightly paused.", "  a", "  b"]
    job = pb("job", "show", "a", "--json").json["job"]
    left = datetime.fromisoformat(job["paused_until"]) - datetime.fromisoformat(job["paused_at"])
    assert timedelta(hours=1, minutes=59) < left < timedelta(hours=2, minutes=1)
    assert pb("job", "pause", "--all").out.startswith("✓ 3 jobs in all paused.")
    assert pb("job", "resume", "--all").out.startswith("✓ 3 jobs in all resumed.")
    assert pb("job", "resume", "--all").out == "No job in all had to be resumed.\n"


@pytest.mark.parametrize(
    "words", [("pause",), ("pause", "a", "--all"), ("resume", "--all", "--tag", "x")]
)
def test_which_jobs_must_be_said_and_only_once(pb: Cli, words: tuple[str, ...]) -> None:
    ran = pb("job", *words)
    assert (ran.code, "Say which" in ran.err) == (2, True)


def test_a_pause_that_ends_by_itself_says_when(pb: Cli) -> None:
    add(pb, "a")
    said = pb("job", "pause", "a", "--until", "tomorrow 9:00").out
    assert said.startswith("✓ Job 'a' paused until 20")
    assert said.endswith(" 09:00:00.\n")
    assert pb("job", "pause", "a").out in ("✓ Job 'a' paused.\n", "✓ Job 'a' is paused already.\n")


def test_a_paused_job_that_is_disabled_too_says_both(pb: Cli) -> None:
    add(pb, "a")
    assert "Disabled" not in pb("job", "show", "a").out
    assert pb("job", "pause", "a").code == pb("job", "disable", "a").code == 0
    shown = pb("job", "show", "a").out.splitlines()
    assert shown[0] == "a: paused"
    assert "  Disabled: planned for nothing until: pb job enable a" in shown


def test_what_could_not_be_started_as_it_is_is_said_when_it_is_added(pb: Cli) -> None:
    words = ("job", "add", "--every", "1h", "--replace", "a")
    assert "⚠" not in pb(*words, "--", "true").out
    assert "⚠" not in pb(*words, "--shell", "--", "no-such-command | cat").out
    for given, said in {
        ("--", "no-such-command"): "Command not found: no-such-command",
        ("--", "./no-such.sh"): f"Command not found: {pb.cwd}/./no-such.sh",
        ("--cwd", "/no/such", "--", "true"): "Working directory not found: /no/such",
        ("--env", "PATH=/no", "--", "cat"): "Command not found: cat",
    }.items():
        ran = pb(*words, *given)
        assert ran.code == 0
        assert f"  ⚠ It could not be started now: {said}" in ran.out.splitlines(), ran


def test_a_pause_cannot_end_in_the_past(pb: Cli) -> None:
    add(pb, "a")
    assert pb("job", "pause", "a", "--until", "2020-01-01T00:00:00Z").code == 6


@pytest.mark.parametrize(
    ("set_", "where"),
    [
        ({"PB_GATEWAY__PORT": "0"}, "http://127.0.0.1:PORT/api/v1/hooks/called"),
        (
            {"PB_GATEWAY__PORT": "9", "PB_GATEWAY__HOST": "::1", "PB_GATEWAY__TLS": "1"},
            "https://[::1]:9/api/v1/hooks/called",
        ),
    ],
)
def test_a_hook_says_where_it_will_be_before_the_gateway_runs(
    pb: Cli, set_: dict[str, str], where: str
) -> None:
    pb("job", "add", "called", "--webhook", "--", "true")
    pb.env.update(set_)
    shown = pb("job", "hook", "called")
    assert f"POST {where}\n" in shown.out
    assert "pb gateway start" in shown.err
