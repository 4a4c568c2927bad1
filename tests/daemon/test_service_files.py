"""Services in ``jobs.d`` and ``services.d``: put, changed and removed as jobs are, and in order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pb.daemon.files import DefinitionFiles
from tests.kit.scheduler import World


class Files:
    """The definition files of one world, in both folders."""

    def __init__(self, world: World) -> None:
        self.world = world
        for folder in (world.home.jobs_dir, world.home.services_dir):
            folder.mkdir()
        self.definitions = DefinitionFiles()

    def write(self, name: str, *services: str, text: str = "", folder: str = "services.d") -> Path:
        path = self.world.home.root / folder / name
        tables = [f'[service.{service}]\ncommand = "true"\n' for service in services]
        path.write_text(text + "".join(tables))
        return path

    def apply(self) -> list[str]:
        context = self.world.engine._context
        context.changed, context.told, context.services_changed = [], [], []
        return self.definitions.apply(context)

    def told(self) -> list[str]:
        """The services that the engine will look at."""
        return self.world.engine._context.services_changed

    def sources(self) -> dict[str, str]:
        place = f"file:{self.world.home.root}/"
        return {n: s.removeprefix(place) for n, s in self.world.store.services.sources()}


@pytest.fixture
def files(world: Callable[..., World]) -> Files:
    return Files(world())


def needing(name: str, *others: str) -> str:
    return f'[service.{name}]\ncommand = "true"\ndepends_on = {list(others)}\n'


def test_a_file_defines_changes_and_removes_its_services(files: Files) -> None:
    files.write("a.toml", "one", "two")
    assert files.apply() == []
    assert files.sources() == {"one": "services.d/a.toml", "two": "services.d/a.toml"}
    assert files.told() == ["one", "two"]

    files.write("a.toml", "two", "three")
    assert files.apply() == []
    assert files.sources() == {"two": "services.d/a.toml", "three": "services.d/a.toml"}
    assert files.told() == ["three", "one"]

    files.write("a.toml", "two", "three")
    files.apply()
    assert files.told() == []

    (files.world.home.services_dir / "a.toml").unlink()
    files.apply()
    assert files.sources() == {}


def test_both_folders_take_both_kinds(files: Files) -> None:
    files.write("a.toml", "web", text='[job.web]\ncommand = "true"\n', folder="jobs.d")
    files.write("b.toml", "db", text='[job.db]\ncommand = "true"\n')
    assert files.apply() == []

    assert files.sources() == {"web": "jobs.d/a.toml", "db": "services.d/b.toml"}
    assert {name for name, _ in files.world.store.job_sources()} == {"web", "db"}


def test_a_broken_service_takes_nobody_down_not_even_itself(files: Files) -> None:
    files.write("a.toml", "one", "two", text='[job.j]\ncommand = "true"\n')
    files.write("b.toml", "three")
    files.apply()
    files.write("a.toml", "two", text='[service.one]\ncomand = "x"\n')
    problems = files.apply()

    assert [p.partition("services.d/")[2] for p in problems] == [
        "a.toml:1: service.one.command: is missing",
        "a.toml:2: service.one.comand: is not a known key",
    ]
    assert set(files.sources()) == {"one", "two", "three"}
    assert {name for name, _ in files.world.store.job_sources()} == {"j"}


def test_a_name_belongs_to_the_file_that_had_it_first(files: Files) -> None:
    files.write("z.toml", "one")
    files.apply()
    files.write("a.toml", "one", folder="jobs.d")
    [problem] = files.apply()

    assert problem.endswith(
        f"jobs.d/a.toml:1: one: {files.world.home.services_dir}/z.toml"
        " defines a service of this name too"
    )
    assert files.sources() == {"one": "services.d/z.toml"}


def test_a_service_from_elsewhere_is_left_alone(files: Files) -> None:
    files.world.call("service.add", definition={"name": "one", "command": ["true"]})
    files.write("a.toml", "one")
    [problem] = files.apply()

    assert "a.toml:1: one: a service of this name was added from cli" in problem
    assert files.sources() == {"one": "cli"}


def test_services_may_depend_on_services_of_other_files_in_any_order(files: Files) -> None:
    files.write("a.toml", text=needing("first", "last") + needing("middle", "first:started"))
    files.write("z.toml", "last", folder="jobs.d")
    assert files.apply() == []
    assert set(files.sources()) == {"first", "middle", "last"}


def test_one_that_depends_on_nothing_there_is_or_on_itself_is_refused_alone(files: Files) -> None:
    files.write("a.toml", "good", text=needing("lost", "nobody"))
    files.write("b.toml", text=needing("one", "two") + needing("two", "one"))
    lost, circle, left = files.apply()

    assert lost.endswith("a.toml:1: lost: depends on 'nobody', which does not exist")
    assert "b.toml:4: two: would wait for itself for ever: " in circle
    assert "→" in circle
    assert left.endswith("b.toml:1: one: depends on 'two', which does not exist")
    assert set(files.sources()) == {"good"}


def test_a_service_does_not_depend_on_a_job(files: Files) -> None:
    files.write("a.toml", text='[job.db]\ncommand = "true"\n' + needing("web", "db"))
    [problem] = files.apply()

    assert problem.endswith("web: depends on 'db', which does not exist")


def test_what_another_service_depends_on_stays_and_is_told(files: Files) -> None:
    files.write("a.toml", "base")
    files.write("b.toml", text=needing("mine", "base"))
    files.apply()
    (files.world.home.services_dir / "a.toml").unlink()
    [problem] = files.apply()

    assert problem.endswith("base: is defined no more, and stays because mine depends on it")
    (files.world.home.services_dir / "b.toml").unlink()
    assert files.apply() == []
    assert files.sources() == {}


def test_what_was_disabled_by_hand_stays_so(files: Files) -> None:
    files.write("a.toml", "one")
    files.apply()
    files.world.call("service.disable", name="one")
    files.write("a.toml", "one", text="# a remark\n")
    files.definitions = DefinitionFiles()
    files.apply()
    row = files.world.store.services.row("one")
    assert row is not None
    assert not row.enabled


def test_a_service_that_was_removed_by_hand_comes_back_when_files_are_applied(
    files: Files,
) -> None:
    files.write("a.toml", "one")
    files.apply()
    files.world.call("service.remove", name="one")
    files.apply()

    assert files.sources() == {"one": "services.d/a.toml"}
