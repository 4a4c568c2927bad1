"""Definition files in ``jobs.d``: whose a job is, what a broken file does, what is read again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pb.daemon.files import DefinitionFiles
from pb.errors import PbError, StoreError
from tests.kit.scheduler import World


class Files:
    """The files of one world, and who applies them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.folder = world.home.jobs_dir
        self.folder.mkdir()
        self.definitions = DefinitionFiles()

    def write(self, name: str, *jobs: str, text: str = "") -> Path:
        path = self.folder / name
        path.write_text(text + "".join(f'[job.{job}]\ncommand = "true"\n' for job in jobs))
        return path

    def apply(self) -> list[str]:
        context = self.world.engine._context
        context.changed, context.told = [], []
        return self.definitions.apply(context)

    @property
    def changed(self) -> list[str]:
        return self.world.engine._context.changed

    def sources(self) -> dict[str, str]:
        place = f"file:{self.folder}/"
        return {n: s.removeprefix(place) for n, s in self.world.store.job_sources()}


@pytest.fixture
def files(world: Callable[..., World]) -> Files:
    return Files(world())


def test_a_file_defines_changes_and_removes_its_jobs(files: Files) -> None:
    files.write("a.toml", "one", "two")
    assert files.apply() == []
    assert files.sources() == {"one": "a.toml", "two": "a.toml"}
    assert files.changed == ["one", "two"]

    files.write("a.toml", "two", "three")
    files.apply()
    assert files.sources() == {"two": "a.toml", "three": "a.toml"}
    assert files.changed == ["three", "one"]

    (files.folder / "a.toml").unlink()
    files.apply()
    assert files.sources() == {}


def test_a_broken_file_takes_nobody_down_not_even_its_own_jobs(files: Files) -> None:
    files.write("a.toml", "one", "two")
    files.write("b.toml", "three")
    files.apply()
    files.write("a.toml", "one", text="oops")
    files.write("b.toml", "three", "four")
    [problem] = files.apply()

    assert problem.startswith(f"{files.folder}/a.toml:1: is not TOML")
    assert set(files.sources()) == {"one", "two", "three", "four"}

    files.write("a.toml", "two")
    assert files.apply() == []
    assert set(files.sources()) == {"two", "three", "four"}


def test_a_problem_is_told_as_an_event_once(files: Files) -> None:
    files.write("a.toml", text="[job.a]\n")
    files.apply()
    files.apply()
    told = [row.text for row in files.world.store.events(50) if row.type == "file.invalid"]

    assert told == [f"{files.folder}/a.toml:1: job.a.command: is missing"]


def test_a_name_belongs_to_the_file_that_had_it_first(files: Files) -> None:
    files.write("z.toml", "one")
    files.apply()
    files.write("a.toml", "one", "two")
    [problem] = files.apply()
    assert problem.endswith(f"a.toml:1: one: {files.folder}/z.toml defines a job of this name too")
    assert files.sources() == {"one": "z.toml", "two": "a.toml"}

    files.definitions = DefinitionFiles()  # as after a restart
    assert files.apply() == [problem]
    assert files.sources() == {"one": "z.toml", "two": "a.toml"}

    files.write("z.toml")
    assert files.apply() == []
    assert files.sources() == {"one": "a.toml", "two": "a.toml"}


def test_a_job_that_moves_to_another_file_keeps_its_counters(files: Files) -> None:
    files.write("a.toml", "one")
    files.apply()
    created = files.world.call("job.show", name="one")["created_at"]
    files.world.clock.advance(60)
    (files.folder / "a.toml").rename(files.folder / "b.toml")
    files.apply()

    assert files.sources() == {"one": "b.toml"}
    assert files.world.call("job.show", name="one")["created_at"] == created


def test_a_job_from_elsewhere_is_left_alone(files: Files) -> None:
    files.world.add("one", description="mine")
    files.write("a.toml", "one")
    [problem] = files.apply()

    assert "a.toml:1: one: a job of this name was added from cli" in problem
    assert files.sources() == {"one": "cli"}
    files.write("a.toml", "two")
    files.apply()
    assert files.sources() == {"one": "cli", "two": "a.toml"}


def test_a_file_that_has_not_changed_is_not_read_again(files: Files) -> None:
    path = files.write("a.toml", "one")
    facts = path.stat()
    files.apply()
    seen = files.definitions._seen[path]
    files.write("b.toml", "two")
    files.apply()
    assert files.definitions._seen[path] is seen

    path.write_text(path.read_text().replace("true", "eurt"))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    files.apply()  # the same size and time, but the inode says that it was changed
    assert files.definitions._seen[path] is not seen
    assert files.changed == ["one"]


def test_a_job_that_was_removed_by_hand_comes_back_when_files_are_applied(files: Files) -> None:
    files.write("a.toml", "one")
    files.apply()
    files.world.call("job.remove", name="one")
    files.apply()

    assert files.sources() == {"one": "a.toml"}


def test_what_was_disabled_or_paused_by_hand_stays_so(files: Files) -> None:
    files.write("a.toml", "one", "two")
    files.apply()
    files.world.call("job.disable", name="one")
    files.world.call("job.pause", name="two", note=None)
    files.write("a.toml", "one", "two", text="# a remark\n")
    files.definitions = DefinitionFiles()
    files.apply()
    states = {job["name"]: job["state"] for job in files.world.call("job.list")["jobs"]}
    assert states == {"one": "disabled", "two": "paused"}

    files.write(
        "a.toml", text='[job.one]\ncommand = "true"\npriority = 9\n[job.two]\ncommand = "x"'
    )
    files.apply()
    states = {job["name"]: job["state"] for job in files.world.call("job.list")["jobs"]}
    assert states == {"one": "disabled", "two": "paused"}


def test_what_the_store_refused_is_read_again(files: Files) -> None:
    files.write("a.toml", "one")
    files.apply()
    files.write("a.toml", text='[job.one]\ncommand = "changed"\n')
    files.world.store.close()
    with pytest.raises((StoreError, PbError)):
        files.apply()

    assert files.definitions._seen == {}


def test_editors_own_files_are_passed_over(files: Files) -> None:
    (files.folder / ".#a.toml").symlink_to("nobody@nowhere")
    (files.folder / ".a.toml.swp").write_bytes(b"\0")
    (files.folder / "a.toml~").write_text("oops")
    (files.folder / "b.toml.bak").write_text("oops")

    assert files.apply() == []


def test_a_folder_that_is_not_there_defines_nothing(files: Files) -> None:
    files.write("a.toml", "one")
    files.apply()
    (files.folder / "a.toml").unlink()
    files.folder.rmdir()

    assert files.apply() == []
    assert files.sources() == {}


def test_the_engine_notices_problems_and_forgets_them_when_they_are_gone(files: Files) -> None:
    engine, facts = files.world.engine, files.world.engine._parts.facts
    path = files.write("a.toml", text="[job.a]\n")
    assert engine.follow_files()
    assert facts()["notice"] == (f"{path}:1: job.a.command: is missing; see `pb job validate`")
    files.write("b.toml", text="oops")
    engine.follow_files()
    assert "(and 1 more)" in facts()["notice"]

    path.unlink()
    files.write("b.toml", "b")
    engine.follow_files()
    assert facts()["notice"] is None
    assert [row.type for row in files.world.store.events(2)] == ["scheduler.reloaded", "job.added"]


def test_files_that_did_not_change_are_no_event(files: Files) -> None:
    files.write("a.toml", "a")
    files.world.engine.follow_files()
    before = files.world.store.events(1)
    files.world.engine.follow_files()

    assert files.world.store.events(1) == before


def needing(name: str, *others: str) -> str:
    return f'[job.{name}]\ncommand = "true"\ndepends_on = {list(others)}\n'


def test_jobs_may_depend_on_jobs_of_other_files_in_any_order(files: Files) -> None:
    files.write("a.toml", text=needing("first", "last") + needing("middle", "first"))
    files.write("z.toml", "last")
    assert files.apply() == []
    assert set(files.sources()) == {"first", "middle", "last"}


def test_a_job_that_depends_on_nothing_there_is_or_on_itself_is_refused_alone(
    files: Files,
) -> None:
    files.write("a.toml", "good", text=needing("lost", "nobody"))
    files.write("b.toml", text=needing("one", "two") + needing("two", "one"))
    lost, circle, left = files.apply()

    assert lost.endswith("a.toml:1: lost: depends on 'nobody', which does not exist")
    assert "b.toml:4: two: would wait for itself for ever: " in circle
    assert left.endswith("b.toml:1: one: depends on 'two', which does not exist")
    assert files.sources()["good"] == "a.toml"
    files.world.add("unrelated")


def test_what_another_job_depends_on_stays_and_is_told(files: Files) -> None:
    files.write("a.toml", "base")
    files.apply()
    files.world.add("mine", depends_on=["base"])
    (files.folder / "a.toml").unlink()
    [problem] = files.apply()

    assert problem.endswith(
        "a.toml: base: is defined no more, and stays because mine depends on it"
    )
    files.world.call("job.remove", name="mine")
    assert files.apply() == []
    assert files.sources() == {}


def test_the_files_of_another_home_on_the_same_store_are_that_homes(
    files: Files, tmp_path: Path
) -> None:
    files.write("a.toml", "one")
    files.apply()
    other = World(tmp_path / "other", db=files.world.store.path, clock=files.world.clock)
    try:
        theirs = Files(other)
        theirs.write("b.toml", "two", "one")
        [problem] = theirs.apply()
        assert "one" in problem
        assert f"{files.folder}/a.toml, of another home, defines it too" in problem
        files.apply()
        assert set(files.sources()) == {"one", "two"}
        theirs.write("b.toml")
        theirs.apply()
        assert files.sources() == {"one": "a.toml"}
    finally:
        other.close()
