"""Definition files: good ones, broken ones, and ones that are no files at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pb.config.files import Definitions, read_definitions
from pb.config.located import DocumentError, parse_json, parse_toml
from pb.core.model import At, Cron, Every
from pb.errors import InvalidError
from tests.kit.users import unprivileged

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def written(tmp_path: Path, name: str, text: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def problems_of(found: Definitions, path: Path) -> list[str]:
    return [str(problem).replace(str(path), "F") for problem in found.problems]


GOOD_TOML = """\
schema_version = "1.0.0"

[job.backup]
command = ["restic", "backup", "/home/me"]
triggers = ["cron: 30 2 * * *", { type = "at", at = 2026-11-20T18:00:00Z }]
env = { A = "1" }
misfire.grace = "5m"

[job."df.daily"]
command = '''df -h # not a comment
'''
shell = true

[[job.digest.triggers]]
type = "every"
every = "5m"

[job.digest]
command = "python -m digest"
"""


def test_a_toml_file_defines_jobs_in_tables(tmp_path: Path) -> None:
    text = GOOD_TOML.replace('[[job.digest.triggers]]\ntype = "every"\nevery = "5m"\n\n', "")
    text += 'triggers = [{type = "every", every = "5m"}]\n'
    found = read_definitions(written(tmp_path, "a.toml", text))
    assert found.problems == ()
    backup, df, digest = found.jobs
    assert [backup.name, df.name, digest.name] == ["backup", "df.daily", "digest"]
    assert isinstance(backup.triggers[0], Cron)
    assert isinstance(backup.triggers[1], At)
    assert df.command == ("df -h # not a comment\n",)
    assert digest.triggers == (Every(seconds=300),)
    assert backup.misfire.grace == 300


def test_a_json_file_defines_jobs_in_a_list(tmp_path: Path) -> None:
    jobs = [{"name": "a", "command": ["x"]}, {"name": "b", "command": "y z"}]
    text = json.dumps({"schema_version": "1.0.0", "jobs": jobs})
    found = read_definitions(written(tmp_path, "a.json", "\ufeff" + text))
    assert [job.command for job in found.jobs] == [("x",), ("y", "z")]
    assert found.problems == ()


def test_a_broken_definition_never_takes_the_others_down(tmp_path: Path) -> None:
    text = """\
{
  "schema_version": "1.0.0",
  "jobs": [
    {"name": "good", "command": ["x"]},
    {
      "name": "bad",
      "comand": ["x"],
      "triggers": [
        "every: 5m",
        {"type": "cron",
         "expr": "61 * * * *"}
      ],
      "env": {"A B": 1}
    },
    7,
    {"name": "good", "command": ["again"]},
    {"name": "good2", "command": ["x"]}
  ],
  "services": [],
  "job": []
}
"""
    path = written(tmp_path, "a.json", text)
    found = read_definitions(path)
    assert [(job.name, job.command[0]) for job in found.jobs] == [("good", "x"), ("good2", "x")]
    lines = [(problem.line, problem.key) for problem in found.problems]
    assert lines == [
        (5, "jobs[1].command"),
        (7, "jobs[1].comand"),
        (11, "jobs[1].triggers[1].expr"),
        (13, 'jobs[1].env."A B"'),
        (15, "jobs[2]"),
        (16, "jobs[3].name"),
        (20, "job"),
    ]
    by_key = {problem.key: problem for problem in found.problems}
    assert by_key["jobs[1].comand"].hint == "Did you mean command?"
    assert by_key["job"].hint == "Did you mean jobs?"
    assert str(by_key["jobs[1].comand"]) == f"{path}:7: jobs[1].comand: is not a known key"


def test_toml_problems_name_the_line_of_the_key(tmp_path: Path) -> None:
    text = '''\
[job.good]
command = ["x"]

[job.bad]            # a comment with [brackets] = "quotes
command = [
  "x",
  5,                 # here
]
description = """
priority = 500
"""
priority = 500
timezone = "Mars/Base"
env = { A = "x", B = 1 }
misfire.gracee = "1m"
umask = 0o22

[[job.list.triggers]]
type = "every"
every = "5m"

[[job.list.triggers]]
type = "cron"
expr = "61 * * * *"

[service.web]
comand = "x"

[jobs.x]
command = "x"
'''
    path = written(tmp_path, "a.toml", text)
    found = read_definitions(path)
    assert [job.name for job in found.jobs] == ["good"]
    assert [(problem.line, problem.key) for problem in found.problems] == [
        (7, "job.bad.command[1]"),
        (12, "job.bad.priority"),
        (13, "job.bad.timezone"),
        (14, "job.bad.env.B"),
        (15, "job.bad.misfire.gracee"),
        (16, "job.bad.umask"),
        (18, "job.list.command"),
        (24, "job.list.triggers[1].expr"),
        (26, "service.web.command"),
        (27, "service.web.comand"),
        (29, "jobs"),
    ]


SYNTAX = [
    ("a.json", '{"jobs": [\n{"name": "a",\n "name": "b"}]}', 3, "given twice, first on line 2"),
    ("a.json", '{"jobs": [1,\n]}', 2, "is not JSON"),
    ("a.json", '{"jobs":\n [}', 2, "is not JSON"),
    ("a.json", "{\n'jobs': []}", 2, "double quotes"),
    ("a.json", '{"jobs": []', 1, '"," or "}" is missing'),
    ("a.json", '{"jobs"\n[]}', 2, "\":\" is missing after 'jobs'"),
    ("a.json", '{"jobs": ', 1, "ends too early"),
    ("a.json", '{"jobs": []}\n\nx', 3, "more after the end"),
    ("a.json", '{"jobs": "a\nb"}', 1, "not closed"),
    ("a.json", '{"jobs": "\\x"}', 1, "escape"),
    ("a.json", '{"jobs": NaN}', 1, "'NaN' is not JSON"),
    ("a.json", '{"jobs": Infinity}', 1, "is not JSON"),
    ("a.json", '{"jobs": 01}', 1, "is missing"),
    ("a.json", '{"jobs": ' + "9" * 5000 + "}", 1, "too long"),
    ("a.json", '{"a": ' + "[" * 100_000, 1, "more than 32 deep"),
    ("a.json", "", 1, "ends too early"),
    ("a.json", "[]", 1, "should be a JSON object"),
    ("a.json", "\n\n\xff".encode("latin-1"), 3, "not UTF-8"),
    ("a.json", '{"a": 1}'.encode("utf-16"), 1, "not UTF-8"),
    ("a.toml", "[job.a]\ncommand = \n", 2, "is not TOML"),
    ("a.toml", '[job.a]\ncommand = "x', 2, "is not TOML"),
    ("a.toml", "[job.a]\n[job.a]\n", 2, "is not TOML"),
    ("a.toml", "a = 1\na = 2\n", 2, "is not TOML: cannot overwrite a value"),
    ("a.toml", 'a = 1\nb = """x\n\n', 2, "is not TOML: "),
    ("a.toml", "a = " + "[" * 100_000, None, "more than 32 deep"),
    ("a.toml", "a = " + "[" * 50 + "]" * 50, None, "more than 32 deep"),
    ("a.toml", "\n" + "a." * 20_000 + "a = 1", 2, "too many parts"),
    ("a.toml", "a = " + "9" * 5000, None, "cannot be meant"),
]


@pytest.mark.parametrize(("name", "text", "line", "said"), SYNTAX)
def test_a_file_with_a_syntax_error_is_one_problem_with_its_line(
    tmp_path: Path, name: str, text: str | bytes, line: int | None, said: str
) -> None:
    found = read_definitions(written(tmp_path, name, text))
    assert found.jobs == ()
    [problem] = found.problems
    assert problem.line == line
    assert said in problem.message
    assert "\n" not in str(problem)


def test_what_is_no_readable_file_is_one_problem(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.json")
    (tmp_path / "dir.toml").mkdir()
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    (tmp_path / "null.json").symlink_to("/dev/null")
    written(tmp_path, "big.json", b" " * ((1 << 20) + 1))
    written(tmp_path, "a.yaml", "jobs: []")
    said = {
        "fifo.json": "not a regular file",
        "dir.toml": "is a directory",
        "loop.json": "symbolic links",
        "null.json": "not a regular file",
        "big.json": "larger than 1 MiB",
        "missing.json": "no such file",
        "a.yaml": "neither a .json nor a .toml",
        "dir.toml/x.json": "no such file",
        "a.yaml/x.json": "not a directory",
    }
    for name, message in said.items():
        [problem] = read_definitions(tmp_path / name).problems
        assert problem.line is None
        assert message in problem.message
        assert str(problem) == f"{tmp_path / name}: {problem.message}"


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, "a.json", "{}")
    path.chmod(0)
    with unprivileged():
        [problem] = read_definitions(path).problems
    assert problem.message == "permission denied"
    assert problem.hint is not None


VERSIONS = [
    ('"1.0.0"', None),
    ('"1.4.2"', None),
    ('"2.0.0"', "cannot be read by this version"),
    ('"1"', "is not a version"),
    ("1", "is not a version"),
    ('"1.0.x"', "is not a version"),
    ("null", "is not a version"),
]


@pytest.mark.parametrize(("version", "said"), VERSIONS)
def test_a_file_of_another_major_version_is_not_read(
    tmp_path: Path, version: str, said: str | None
) -> None:
    text = '{\n"schema_version": %s, "jobs": [{"name": "a", "command": ["x"]}]}' % version  # noqa: UP031
    found = read_definitions(written(tmp_path, "a.json", text))
    if said is None:
        assert (len(found.jobs), found.problems) == (1, ())
    else:
        assert found.jobs == ()
        assert [(p.line, said in p.message) for p in found.problems] == [(2, True)]


def test_relative_paths_mean_the_files_own_directory(tmp_path: Path) -> None:
    text = '[job.a]\ncommand = "x"\ncwd = "sub/.."\nenv_file = [".env", "~/b", "/c"]\n'
    [job] = read_definitions(written(tmp_path, "a.toml", text)).jobs
    assert job.cwd == str(tmp_path)
    assert job.env_file == (str(tmp_path / ".env"), "~/b", "/c")
    text = '[job.a]\ncommand = "x"\nenv_file = "sub/.env"\n'
    [job] = read_definitions(written(tmp_path, "b.toml", text)).jobs
    assert job.env_file == (str(tmp_path / "sub/.env"),)


@pytest.mark.parametrize(
    "text", ['{"jobs": {"a": {}}}', '{"jobs": null}', '{"jobs": "x"}', '{"jobs": 5}']
)
def test_jobs_that_are_no_list_are_told(tmp_path: Path, text: str) -> None:
    found = read_definitions(written(tmp_path, "a.json", text))
    assert [problem.key for problem in found.problems] == ["jobs"]


@pytest.mark.parametrize("text", ["job = 5", "job = []", "[job]\na = 5"])
def test_job_tables_that_are_no_tables_are_told(tmp_path: Path, text: str) -> None:
    found = read_definitions(written(tmp_path, "a.toml", text))
    assert len(found.problems) == 1
    assert found.problems[0].key.startswith("job")


def test_an_empty_file_defines_nothing(tmp_path: Path) -> None:
    assert read_definitions(written(tmp_path, "a.toml", "")) == Definitions()
    assert read_definitions(written(tmp_path, "a.json", "{}")) == Definitions()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@patient
@given(st.dictionaries(st.text(), JSON, max_size=4), st.sampled_from([None, 1]), st.booleans())
def test_json_is_read_as_the_standard_library_reads_it(
    value: dict[str, object], indent: int | None, is_ascii: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=is_ascii)
    assert parse_json(text).value == json.loads(text)


@patient
@given(st.text('{}[]",:01-+.eE \n\ttruefalsn\\u/', max_size=12).map(lambda text: '{"a":' + text))
def test_what_the_standard_library_refuses_is_refused(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(DocumentError):
            parse_json(text)
    else:
        assert parse_json(text).value == expected


@patient
@given(st.text("[]{}\"'=.#,\n ab1-\\", max_size=30))
def test_any_text_is_toml_or_a_problem_and_every_key_has_a_line(text: str) -> None:
    try:
        document = parse_toml(text)
    except InvalidError:
        return
    for key in document.value:
        spelled = key if key.isascii() and key.replace("-", "a").isalnum() else None
        if spelled:
            assert 1 <= document.lines[spelled] <= text.count("\n") + 1


def test_a_json_key_is_on_its_own_line_wherever_its_value_is() -> None:
    assert parse_json('{"a":\n\n 1, "b":\n[\n2]}').lines == {"": 1, "a": 1, "b": 3, "b[0]": 5}


TOML_LINES = [
    ("a = 1\nb = 2\n", {"a": 1, "b": 2}),
    ("a.b = 1\na.c = 2", {"a": 1, "a.b": 1, "a.c": 2}),
    ("[a]\nb = 1\n[a.c]\nd = 2", {"a": 1, "a.b": 2, "a.c": 3, "a.c.d": 4}),
    ("[[a]]\nb = 1\n[[a]]\nb = 2", {"a[0]": 1, "a[0].b": 2, "a[1]": 3, "a[1].b": 4}),
    ("[[a]]\n[[a.b]]\nc = 1\n[[a]]\n[[a.b]]\nc = 2", {"a[0].b[0].c": 3, "a[1].b[0].c": 6}),
    ("a = [\n1,\n# x\n[2,\n3]]\nb = 1", {"a[0]": 2, "a[1]": 4, "a[1][1]": 5, "b": 6}),
    ("a = {b = 1, c = {d = 2}}\ne = 1", {"a.b": 1, "a.c.d": 1, "e": 2}),
    ('a = """\nb = 1\n"""\nc = 1', {"a": 1, "c": 4}),
    ("a = '''\nb = 1\n'''\nc = 1", {"a": 1, "c": 4}),
    ('a = """x\\"""\ny"""""\nc = 1', {"a": 1, "c": 3}),
    ("a = 1979-05-27 07:32:00.5\nb = 1.5e3\nc = -inf\nd = 1", {"b": 2, "c": 3, "d": 4}),
    ("'a b' = 1\n\"c\\u0064\" = 2", {'"a b"': 1, "cd": 2}),
    ("a = 1 # x = 2\r\nb = '#'\r\nc = 3", {"a": 1, "b": 2, "c": 3}),
]


@pytest.mark.parametrize(("text", "lines"), TOML_LINES)
def test_toml_keys_are_found_on_their_lines(text: str, lines: dict[str, int]) -> None:
    found = parse_toml(text).lines
    assert {key: found.get(key) for key in lines} == lines
