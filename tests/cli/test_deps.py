"""``pb job deps``: the graph as a tree and for Graphviz."""

from __future__ import annotations

from tests.kit.cli import Cli


def chain(pb: Cli) -> None:
    for words in (
        ("fetch",),
        ("build", "--depends-on", "fetch"),
        ("ship", "--depends-on", "build"),
    ):
        assert pb("job", "add", *words, "--", "true").code == 0
    dependency = '{"job": "build", "on": "failure", "within": "1h"}'
    assert pb("job", "add", "alarm", "--depends-on", dependency, "--", "true").code == 0


def test_the_tree_shows_who_waits_for_whom(pb: Cli) -> None:
    chain(pb)
    assert pb("job", "deps").out.splitlines() == [
        "fetch",
        "└─ build  (on success)",
        "   ├─ alarm  (on failure, within 1h)",
        "   └─ ship  (on success)",
    ]
    plain = pb("job", "deps", env={"PYTHONIOENCODING": "ascii"})
    assert plain.out.splitlines()[1] == "`- build  (on success)"


def test_dot_has_an_arrow_for_each_dependency(pb: Cli) -> None:
    chain(pb)
    lines = pb("job", "deps", "--dot").out.splitlines()
    assert lines[0] == "digraph jobs {"
    assert '  "fetch" -> "build" [label="success"];' in lines
    assert sum("->" in line for line in lines) == 3


def test_json_names_both_directions(pb: Cli) -> None:
    chain(pb)
    jobs = {job["name"]: job for job in pb("job", "deps", "build", "--json").json["jobs"]}
    assert jobs["build"]["dependents"] == ["alarm", "ship"]
    assert jobs["alarm"]["depends_on"] == [
        {"job": "build", "on": "failure", "within_seconds": 3600}
    ]


def test_no_dependencies_is_said_with_the_way_to_make_one(pb: Cli) -> None:
    assert pb("job", "add", "alone", "--", "true").code == 0
    assert pb("job", "deps").out == "No dependencies.\n"
    ran = pb("job", "deps", "alone")
    assert ran.out == "alone depends on nothing, and nothing on it.\n"
    assert "--depends-on" in ran.err
    assert pb("job", "deps", "nobody").code == 5


def test_a_circle_is_refused_with_its_path(pb: Cli) -> None:
    chain(pb)
    ran = pb("job", "add", "fetch", "--replace", "--depends-on", "ship", "--", "true")
    assert ran.code == 6
    assert "fetch → ship → build → fetch" in ran.err
