"""``pb job validate``, ``pb apply``, ``pb export`` and ``pb job edit``, as people run them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.kit.cli import Cli

JOBS = """\
[job.backup]
command = ["restic", "backup"]
triggers = ["daily at 18:00"]
timeout = "1h"

[job.backup.env]
TARGET = "/mnt"

[job.hello]
command = "echo hello"
"""


@pytest.fixture
def jobs(pb: Cli) -> Path:
    path = pb.cwd / "jobs.toml"
    path.write_text(JOBS)
    return path


def definitions(pb: Cli) -> dict[str, Any]:
    return {job["name"]: job for job in pb("export", "--json").json["jobs"]}


def source(pb: Cli, name: str) -> str:
    return str(pb("job", "show", name, "--json").json["source"])


# -- validate


def test_validate_says_what_each_job_means_and_when_it_runs(pb: Cli, jobs: Path) -> None:
    ran = pb("job", "validate", "jobs.toml")

    assert ran.code == 0, ran
    assert "At 18:00 every day" in ran.out
    assert re.search(r"18:00:00 UTC \(\d{4}-\d\d-\d\dT18:00:00Z\)", ran.out)
    assert ran.out.splitlines()[-1] == "2 jobs, 0 problems in 1 file"
    assert definitions(pb) == {}


def test_validate_names_file_line_and_key_and_goes_on(pb: Cli, jobs: Path) -> None:
    (pb.cwd / "bad.toml").write_text('[job.a]\ncommand = "x"\ntiemout = "1h"\n')
    ran = pb("job", "validate", ".")

    assert ran.code == 6
    assert f"{pb.cwd}/bad.toml:3: job.a.tiemout: is not a known key" in ran.out
    assert "hint: Did you mean timeout?" in ran.out
    assert "2 jobs, 1 problem in 2 files" in ran.out


def test_validate_without_a_file_checks_the_homes_own(pb: Cli) -> None:
    folder = pb.home / "jobs.d"
    folder.mkdir(parents=True)
    pb.home.chmod(0o700)
    (folder / "a.json").write_text('{"jobs": [{"name": "a", "command": ["x"], "jitter": "1x"}]}')
    ran = pb("job", "validate", "--json")

    assert ran.code == 6
    assert [(p["line"], p["key"]) for p in ran.json["problems"]] == [(1, "jobs[0].jitter")]
    assert set(ran.json["problems"][0]) == {"file", "line", "key", "message", "hint"}


def test_validate_tells_a_name_that_two_files_define(pb: Cli, jobs: Path) -> None:
    (pb.cwd / "more.toml").write_text('[job.hello]\ncommand = "x"\n')
    [problem] = pb("job", "validate", "jobs.toml", "more.toml", "--json").json["problems"]

    assert problem["file"] == f"{pb.cwd}/more.toml"
    assert problem["message"] == f"is defined in {pb.cwd}/jobs.toml:9 too"


def test_a_file_that_is_not_there_is_not_found(pb: Cli) -> None:
    for words in (("job", "validate", "nowhere.toml"), ("apply", "nowhere.toml")):
        ran = pb(*words)
        assert (ran.code, "There is no file" in ran.err) == (5, True)


def test_the_schema_is_printed_as_it_is_published(pb: Cli) -> None:
    assert pb("job", "validate", "--schema").json["version"] == "1.0.0"


# -- apply


def test_apply_adds_changes_and_leaves_alone_what_is_the_same(pb: Cli, jobs: Path) -> None:
    first = pb("apply", "jobs.toml")
    assert (first.code, first.out.splitlines()[-1]) == (
        0, "2 added, 0 changed, 0 removed, 0 unchanged",
    )  # fmt: skip
    assert "+ backup" in first.out
    assert '    + timeout: "1h"' in first.out
    assert source(pb, "backup") == f"apply:{jobs}"

    jobs.write_text(JOBS.replace('"1h"', '"2h"').replace('TARGET = "/mnt"', 'OTHER = "x"'))
    second = pb("apply", "jobs.toml")
    assert second.out.splitlines() == [
        "~ backup",
        '    - env.TARGET: "/mnt"',
        '    + env.OTHER: "x"',
        '    - timeout: "1h"',
        '    + timeout: "2h"',
        "0 added, 1 changed, 0 removed, 1 unchanged",
    ]
    assert definitions(pb)["backup"]["timeout"] == "2h"
    assert pb("apply", "jobs.toml").out == "0 added, 0 changed, 0 removed, 2 unchanged\n"


def test_a_value_that_becomes_a_table_is_one_change(pb: Cli, jobs: Path) -> None:
    job = '[job.j]\npython = "a:b"\nkwargs = {x = %s}\n'
    jobs.write_text(job % "1")
    pb("apply", "jobs.toml")
    jobs.write_text(job % "{y = 2}")
    ran = pb("apply", "jobs.toml")

    assert ran.out.splitlines()[:3] == ["~ j", "    - kwargs.x: 1", '    + kwargs.x: {"y": 2}']


def test_a_dry_run_shows_the_same_and_changes_nothing(pb: Cli, jobs: Path) -> None:
    ran = pb("apply", "jobs.toml", "--dry-run", "--json").json

    assert [job["name"] for job in ran["added"]] == ["backup", "hello"]
    assert ran["dry_run"] is True
    assert definitions(pb) == {}


def test_a_file_with_a_problem_is_left_out_whole_and_the_others_are_applied(
    pb: Cli, jobs: Path
) -> None:
    (pb.cwd / "bad.toml").write_text('[job.good]\ncommand = "x"\n[job.bad]\npriority = 500\n')
    ran = pb("apply", "bad.toml", "jobs.toml")

    assert ran.code == 6
    assert f"{pb.cwd}/bad.toml:4: job.bad.priority: should be from 0 to 100" in ran.err
    assert "Nothing of" in ran.err
    assert set(definitions(pb)) == {"backup", "hello"}


def test_prune_removes_only_what_came_from_that_file(pb: Cli, jobs: Path) -> None:
    pb("job", "add", "mine", "--every", "1h", "--", "true")
    (pb.cwd / "other.toml").write_text('[job.other]\ncommand = "x"\n')
    pb("apply", ".")
    jobs.write_text('[job.hello]\ncommand = "echo hello"\n')

    left = pb("apply", "jobs.toml")
    assert "backup is left alone: no file defines it any more" in left.out
    assert "--prune" in left.err

    tried = pb("apply", "jobs.toml", "--prune", "--dry-run")
    assert "- backup" in tried.out
    assert set(definitions(pb)) == {"backup", "hello", "mine", "other"}

    done = pb("apply", "jobs.toml", "--prune")
    assert f"- backup  (from apply:{jobs})" in done.out
    assert f"Left alone, from elsewhere: mine (cli), other (apply:{pb.cwd}/other.toml)" in done.err
    assert set(definitions(pb)) == {"hello", "mine", "other"}


def test_prune_of_a_directory_removes_what_a_vanished_file_defined(pb: Cli, jobs: Path) -> None:
    folder = pb.cwd / "all"
    folder.mkdir()
    jobs.rename(folder / "jobs.toml")
    (folder / "b.toml").write_text('[job.b]\ncommand = "x"\n')
    pb("apply", "all")
    (folder / "jobs.toml").unlink()
    (folder / "b.toml").write_text("[job.b]\ncommand = \n")
    broken = pb("apply", "all", "--prune")
    assert (broken.code, "- " in broken.out) == (6, False)

    (folder / "b.toml").write_text('[job.b]\ncommand = "x"\n[job.hello]\ncommand = "moved"\n')
    ran = pb("apply", "all", "--prune", "--json").json

    assert [job["name"] for job in ran["removed"]] == ["backup"]
    assert [job["name"] for job in ran["changed"]] == ["hello"]
    assert set(definitions(pb)) == {"b", "hello"}


def test_apply_takes_over_what_was_added_by_hand_and_says_so(pb: Cli, jobs: Path) -> None:
    pb("job", "add", "hello", "--", "echo", "hello")
    ran = pb("apply", "jobs.toml")

    assert '    - source: "cli"' in ran.out
    assert source(pb, "hello") == f"apply:{jobs}"


def test_apply_leaves_a_job_of_jobs_d_alone_and_fails(pb: Cli, jobs: Path) -> None:
    folder = pb.home / "jobs.d"
    folder.mkdir(parents=True)
    pb.home.chmod(0o700)
    (folder / "mine.toml").write_text('[job.hello]\ncommand = "mine"\n')
    assert pb("apply", str(folder)).code == 0
    ran = pb("apply", "jobs.toml")

    assert ran.code == 1
    assert f"hello is left alone: it comes from {folder}/mine.toml" in ran.out
    assert definitions(pb)["hello"]["command"] == ["mine"]


def test_a_job_that_was_disabled_by_hand_is_shown_before_it_is_enabled(pb: Cli, jobs: Path) -> None:
    pb("apply", "jobs.toml")
    pb("job", "disable", "backup")
    ran = pb("apply", "jobs.toml")

    assert "    - enabled: false" in ran.out
    assert pb("job", "show", "backup", "--json").json["job"]["enabled"] is True


def test_a_pause_survives_apply_unless_the_file_says_otherwise(pb: Cli, jobs: Path) -> None:
    pb("apply", "jobs.toml")
    pb("job", "pause", "backup")
    jobs.write_text(JOBS.replace('"1h"', '"3h"'))
    pb("apply", "jobs.toml")
    assert pb("job", "show", "backup", "--json").json["job"]["paused"] is True

    jobs.write_text(JOBS.replace('timeout = "1h"', "paused = true"))
    pb("apply", "jobs.toml")
    jobs.write_text(JOBS)
    pb("apply", "jobs.toml")
    assert pb("job", "show", "backup", "--json").json["job"]["paused"] is False


def test_files_that_depend_on_one_another_are_applied_in_any_order(pb: Cli, jobs: Path) -> None:
    (pb.cwd / "a.toml").write_text('[job.a]\ncommand = "x"\ndepends_on = ["hello"]\n')
    for words in (("--dry-run",), ()):
        ran = pb("apply", "a.toml", "jobs.toml", *words)
        assert (ran.code, ran.out.count("\n+ ") + ran.out.startswith("+ ")) == (0, 3), ran
    refused = pb("apply", "a.toml", "--prune", "--json")
    assert refused.code == 0

    (pb.cwd / "b.toml").write_text(
        '[job.b]\ncommand = "x"\n[job.c]\ncommand = "x"\ndepends_on = ["nobody"]\n'
    )
    ran = pb("apply", "b.toml")
    assert (ran.code, "depends on 'nobody', which does not exist" in ran.err) == (6, True)
    assert set(definitions(pb)) == {"a", "backup", "hello"}

    jobs.write_text("")
    kept = pb("apply", "jobs.toml", "--prune")
    assert (kept.code, "nothing is pruned: Job a depends on 'hello'" in kept.err) == (6, True)
    assert set(definitions(pb)) == {"a", "backup", "hello"}


# -- export


@pytest.mark.parametrize("form", ["json", "toml"])
def test_an_export_is_applied_elsewhere_and_is_the_same(pb: Cli, jobs: Path, form: str) -> None:
    pb("apply", "jobs.toml")
    pb("job", "disable", "backup")
    pb("job", "pause", "hello")
    text = pb("export", "--format", form).out
    (pb.cwd / f"out.{form}").write_text(text)
    other = Cli(home=pb.home.parent / "other", cwd=pb.cwd)

    assert other("apply", f"out.{form}").code == 0
    assert other("export", "--format", form).out == text
    states = {job["name"]: job["state"] for job in other("job", "list", "--json").json["jobs"]}
    assert states == {"backup": "disabled", "hello": "paused"}


def test_export_names_some_and_knows_what_is_missing(pb: Cli, jobs: Path) -> None:
    pb("apply", "jobs.toml")

    assert [job["name"] for job in json.loads(pb("export", "hello").out)["jobs"]] == ["hello"]
    assert pb("export", "helo").code == 5
    assert pb("export", "--format", "yaml").code == 2


def test_what_json_prints_is_applied_too(pb: Cli, jobs: Path) -> None:
    pb("apply", "jobs.toml")
    (pb.cwd / "e.json").write_text(pb("export", "--json").out)

    assert pb("apply", "e.json").code == 0


# -- edit


def editing(pb: Cli, script: str) -> dict[str, str]:
    """An editor that does ``script`` to the file it is given."""
    path = pb.cwd / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"VISUAL": str(path), "EDITOR": "false"}


def test_edit_changes_what_was_written(pb: Cli) -> None:
    pb("job", "add", "hello", "--every", "1h", "--", "echo", "hello")
    env = editing(pb, 'cp "$1" seen; sed -i "s/every = .1h./every = \\"2h\\"/" "$1"')
    ran = pb("job", "edit", "hello", env=env)

    assert ran.code == 0, ran
    assert "Every 2 hours" in ran.out
    seen = (pb.cwd / "seen").read_text()
    assert "[job.hello]" in seen
    assert "#   timeout = " in seen
    assert "its outcome is timed_out" in seen
    assert definitions(pb)["hello"]["triggers"] == [{"type": "every", "every": "2h"}]


def test_edit_without_a_change_changes_nothing(pb: Cli) -> None:
    pb("job", "add", "hello", "--", "true")
    before = pb("job", "show", "hello", "--json").json["updated_at"]
    for script in (":", ': > "$1"', 'echo "# a remark" >> "$1"'):
        ran = pb("job", "edit", "hello", env=editing(pb, script))
        assert (ran.code, "stays as it was" in ran.out) == (0, True)
    assert pb("job", "show", "hello", "--json").json["updated_at"] == before


def kept_file(ran: Any) -> Path:
    return Path(re.findall(r"Your text is kept in (\S+)", ran.all)[0])


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('sed -i "s/^command.*/comand = 5/" "$1"', "comand: is not a known key"),
        ('sed -i "s/^.job.*/[job.other]/" "$1"', "defines other, where hello is edited"),
        ('echo "[job.b]\ncommand = 1" >> "$1"', "job.b.command"),
        ('echo "x = " > "$1"', "is not TOML"),
    ],
)
def test_a_text_that_cannot_be_saved_is_kept_and_nothing_changes(
    pb: Cli, script: str, said: str
) -> None:
    pb("job", "add", "hello", "--", "true")
    before = definitions(pb)
    ran = pb("job", "edit", "hello", env=editing(pb, script))

    assert ran.code == 6
    assert said in ran.err
    assert kept_file(ran).is_file()
    assert definitions(pb) == before
    kept_file(ran).unlink()
    kept_file(ran).parent.rmdir()


def test_on_a_terminal_it_may_be_edited_again(pb: Cli) -> None:
    pb("job", "add", "hello", "--", "true")
    worse, better = "s/^command/oops = 5\\ncommand/", "s/oops/jitter/"
    script = f'if [ -e again ]; then by="{better}"; else by="{worse}"; fi; touch again'
    env = editing(pb, f'{script}; sed -i "$by" "$1"')
    ran = pb.on_terminal("job", "edit", "hello", env=env, typed="y\n")

    assert ran.code == 0, ran
    assert "Edit again? [Y/n]" in ran.out
    assert definitions(pb)["hello"]["jitter"] == "5s"


def test_an_editor_that_fails_or_is_none_changes_nothing(pb: Cli) -> None:
    pb("job", "add", "hello", "--", "true")
    failed = pb("job", "edit", "hello", env={"VISUAL": "", "EDITOR": "false"})
    assert (failed.code, "ended with exit code 1" in failed.err) == (1, True)
    missing = pb("job", "edit", "hello", env={"VISUAL": "/no/such/editor -w"})
    assert (missing.code, "cannot be started" in missing.err) == (1, True)
    nothing = pb("job", "edit", "hello", env={"VISUAL": "", "EDITOR": "", "PATH": "/nowhere"})
    assert (nothing.code, "Set EDITOR" in nothing.err) == (1, True)


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(pb: Cli) -> None:
    pb("job", "add", "hello", "--", "true")
    other = f"{' '.join(pb.argv)} job add hello --replace --priority 7 -- true"
    ran = pb("job", "edit", "hello", env=editing(pb, f'echo "jitter = 5" >> "$1"; {other}'))

    assert (ran.code, "by somebody else" in ran.err) == (1, True)
    assert definitions(pb)["hello"]["priority"] == 7
    assert "jitter = 5" in kept_file(ran).read_text()


def test_a_job_of_a_file_is_edited_in_its_file(pb: Cli) -> None:
    folder = pb.home / "jobs.d"
    folder.mkdir(parents=True)
    pb.home.chmod(0o700)
    (folder / "a.toml").write_text('[job.a]\ncommand = "x"\n')
    pb("apply", str(folder))
    ran = pb("job", "edit", "a")

    assert ran.code == 1
    assert f"comes from {folder}/a.toml" in ran.err
    assert "hint: Edit that file" in ran.err


def test_nothing_of_the_editor_is_left_behind(pb: Cli, tmp_path: Path) -> None:
    pb("job", "add", "hello", "--", "true")
    place = tmp_path / "tmp"
    place.mkdir()
    env = editing(pb, 'echo "$1" > where; chmod 644 "$1"') | {"TMPDIR": str(place)}
    assert pb("job", "edit", "hello", env=env).code == 0

    assert (pb.cwd / "where").read_text().startswith(str(place))
    assert os.listdir(place) == []
