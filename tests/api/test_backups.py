"""Backups: complete, readable without pb, verified by opening them, rotated; a bad one is told."""

from __future__ import annotations

import gzip
import io
import json
import os
import sqlite3
import stat
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pb.api import backups, session
from pb.api.archive import BackupError, manifest_of
from pb.config.settings import load_settings
from pb.errors import NotFoundError, PbError
from pb.paths import Home
from pb.store.backup import copy_to, faults_of
from pb.store.store import Store
from tests.gateway.tokens import Keys, keys

JOB = {"name": "hello", "command": ["true"], "triggers": ["every: 1h"], "env": {"A_TOKEN": "s3"}}
SERVICE = {"name": "web", "command": ["sleep", "9"]}


@pytest.fixture
def home(tmp_path: Path) -> Keys:
    made = keys(tmp_path / "home")
    made.ask("job.add", definition=JOB)
    made.ask("job.add", definition={**JOB, "name": "other"})
    made.ask("job.pause", name="other")
    made.ask("service.add", definition=SERVICE)
    return made


def made(home: Keys, **params: Any) -> Path:
    return Path(home.ask("backup.create", **params)["backup"]["path"])


def members(path: Path) -> dict[str, bytes]:
    """What ``tar xzf`` would give, without the directory around it."""
    with tarfile.open(path) as tar:
        return {
            entry.name.partition("/")[2]: tar.extractfile(entry).read()  # type: ignore[union-attr]
            for entry in tar.getmembers()
        }


def test_a_backup_is_one_private_file_that_needs_no_pb(home: Keys, tmp_path: Path) -> None:
    (home.home.jobs_dir).mkdir()
    (home.home.jobs_dir / "mine.toml").write_text("# mine\n")
    home.home.config.write_text("[backup]\nkeep = 3\n")

    path = made(home)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    files = members(path)
    assert files["files/config.toml"] == b"[backup]\nkeep = 3\n"
    assert files["files/jobs.d/mine.toml"] == b"# mine\n"
    document = json.loads(files["definitions.json"])
    assert [job["name"] for job in document["jobs"]] == ["hello", "other"]
    assert document["jobs"][1]["paused"] is True
    assert document["services"] == [SERVICE]
    database = tmp_path / "out.db"
    database.write_bytes(files["pony.db"])
    with sqlite3.connect(database) as raw:
        assert raw.execute("SELECT count(*) FROM job").fetchone() == (2,)
    raw.close()
    manifest = json.loads(files["manifest.json"])
    assert manifest["counts"]["job"] == 2
    assert manifest["files"]["pony.db"]["size"] == len(files["pony.db"])
    assert os.listdir(path.parent) == [path.name]


def test_its_definitions_are_a_file_that_can_be_applied(home: Keys, tmp_path: Path) -> None:
    from pb.config.files import read_definitions

    path = tmp_path / "definitions.json"
    path.write_bytes(members(made(home))["definitions.json"])
    found = read_definitions(path)

    assert not found.problems
    assert [job.name for job in found.jobs] == ["hello", "other"]


def test_the_jobs_that_pb_itself_has_are_no_definitions(home: Keys) -> None:
    with Store(home.home.db) as store, store.transaction():
        store.add_job(
            name="rollup", definition='{"name":"rollup","command":["true"]}', source="builtin",
            enabled=True, paused_at=None, now=1, next_fire_at=None,
        )  # fmt: skip
    path = made(home)

    assert (manifest_of(path)["jobs"], manifest_of(path)["counts"]["job"]) == (2, 3)
    names = [job["name"] for job in json.loads(members(path)["definitions.json"])["jobs"]]
    assert names == ["hello", "other"]
    assert home.ask("backup.verify", name="latest")["ok"] is True


def test_making_one_is_recorded_and_it_is_listed_and_verified(home: Keys) -> None:
    path = made(home)

    listed = home.ask("backup.list")["backups"]
    assert [one["path"] for one in listed] == [str(path)]
    assert listed[0]["problem"] is None
    assert (listed[0]["jobs"], listed[0]["services"]) == (2, 1)
    assert home.ask("backup.verify", name=path.name)["ok"] is True
    assert home.ask("backup.verify", name="latest")["backup"]["name"] == path.name
    assert home.ask("audit.list")["changes"][0]["method"] == "backup.create"
    assert home.ask("events.recent", type="backup")["events"][0]["type"] == "backup.created"


def test_the_oldest_go_and_nothing_else_does(home: Keys, tmp_path: Path) -> None:
    home.home.config.write_text("[backup]\nkeep = 2\n")
    first = made(home)
    stranger = first.parent / "pb-mine.tar.gz"
    stranger.write_bytes(b"x")
    elsewhere = made(home, file=str(tmp_path / "mine.tar.gz"))
    second, third = made(home), made(home)

    names = {path.name for path in first.parent.iterdir()}
    assert names == {second.name, third.name, stranger.name}
    assert elsewhere.exists()
    assert [one["name"] for one in home.ask("backup.list")["backups"]] == [third.name, second.name]


def test_another_directory_may_be_set(home: Keys, tmp_path: Path) -> None:
    place = tmp_path / "disk" / "pb"
    home.home.config.write_text(f'[backup]\ndirectory = "{place}"\n')

    assert made(home).parent == place
    assert home.ask("backup.list")["directory"] == str(place)
    assert not home.home.backups.exists()


def test_a_file_that_is_there_is_never_overwritten(home: Keys, tmp_path: Path) -> None:
    place = tmp_path / "mine.tar.gz"
    place.write_bytes(b"precious")

    with pytest.raises(BackupError, match="is there already"):
        home.ask("backup.create", file=str(place))
    assert place.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "mine.tar.gz"]


def test_where_there_is_no_directory_nothing_is_made(home: Keys, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no directory"):
        home.ask("backup.create", file=str(tmp_path / "none" / "x.tar.gz"))
    with pytest.raises(NotFoundError, match="no backup"):
        home.ask("backup.verify", name="latest")


def test_what_a_killed_one_has_left_is_swept_up_by_a_later_one(home: Keys) -> None:
    home.home.backups.mkdir(mode=0o700)
    old, new = (home.home.backups / f".pb-unfinished-{word}" for word in ("old", "new"))
    old.mkdir()
    new.mkdir()
    long_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (long_ago, long_ago))

    made(home)

    assert (old.exists(), new.exists()) == (False, True)


# -- what is wrong with one


def packed(path: Path, files: dict[str, bytes]) -> None:
    """A backup put together by hand."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"top/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def changed(name: str, change: Callable[[bytes], bytes], fix: bool = False) -> Any:
    def spoil(path: Path) -> None:
        import hashlib

        files = members(path)
        files[name] = change(files[name])
        if fix:
            manifest = json.loads(files["manifest.json"])
            digest = hashlib.sha256(files[name]).hexdigest()
            manifest["files"][name] = {"size": len(files[name]), "sha256": digest}
            files["manifest.json"] = json.dumps(manifest).encode()
        packed(path, files)

    return spoil


def without(name: str) -> Any:
    return lambda path: packed(path, {k: v for k, v in members(path).items() if k != name})


def added(name: str) -> Any:
    return lambda path: packed(path, {**members(path), name: b"x"})


def manifest_with(**more: Any) -> Any:
    def change(content: bytes) -> bytes:
        return json.dumps({**json.loads(content), **more}).encode()

    return changed("manifest.json", change)


def newer_database(content: bytes) -> bytes:
    # The header's user_version (SQLite's file format, section 1.3).
    return content[:60] + (999).to_bytes(4, "big") + content[64:]


def garbled(content: bytes) -> bytes:
    return content[:4096] + b"\xff" * (len(content) - 4096)


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "damaged or no backup"),
    "text": (lambda path: path.write_bytes(b"hello" * 99), "not a gzip file"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-900]), "damaged"),
    "a bit": (
        lambda path: path.write_bytes(
            path.read_bytes()[:-500] + b"\0" * 8 + path.read_bytes()[-492:]
        ),
        "damaged",
    ),
    "no tar": (lambda path: path.write_bytes(gzip.compress(b"hello")), "damaged or no backup"),
    "no manifest": (without("manifest.json"), "does not begin with a manifest"),
    "no database": (without("pony.db"), "pony.db is missing"),
    "a stranger": (added("../../evil"), "does not belong"),
    "a manifest that is none": (changed("manifest.json", lambda _: b"{"), "cannot be read"),
    "a manifest that is a list": (changed("manifest.json", lambda _: b"[]"), "says nothing"),
    "a manifest without counts": (manifest_with(counts=None), "has no counts"),
    "a newer format": (manifest_with(format=2), "newer pb"),
    "other counts": (manifest_with(counts={"job": 7}), "rows of"),
    "another schema": (manifest_with(db_schema=2), "has schema"),
    "another database": (changed("pony.db", garbled), "not what was put into it"),
    "a damaged database": (changed("pony.db", garbled, fix=True), "damaged|cannot be used"),
    "a newer database": (changed("pony.db", newer_database, fix=True), "newer pb"),
    "definitions that are none": (
        changed("definitions.json", lambda _: b"{}", fix=True),
        "definitions.json cannot be read",
    ),
    "other definitions": (
        changed("definitions.json", lambda _: b'{"jobs": [], "services": []}', fix=True),
        "other names",
    ),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_bad_backup_is_told_and_never_put_back(home: Keys, how: str) -> None:
    from tests.api.test_restoring import restored

    spoil, words = SPOILT[how]
    path = made(home)
    spoil(path)
    before = home.home.db.read_bytes()

    with pytest.raises(BackupError, match=words) as caught:
        home.ask("backup.verify", name=path.name)
    assert "Traceback" not in str(caught.value)
    with pytest.raises(PbError):
        restored(home, path.name)
    assert home.home.db.read_bytes() == before
    assert [one for one in os.listdir(home.home.root) if "kept" in one or "unfinished" in one] == []


def test_the_list_says_what_cannot_be_read(home: Keys) -> None:
    path = made(home)
    path.write_bytes(b"")

    assert "damaged" in home.ask("backup.list")["backups"][0]["problem"]


def test_a_directory_that_is_called_a_backup_is_a_sentence(home: Keys) -> None:
    home.home.backups.mkdir(mode=0o700)
    (home.home.backups / "pb-20260101T000000Z.tar.gz").mkdir()

    with pytest.raises(BackupError, match="is a directory"):
        home.ask("backup.verify", name="latest")


# -- while others write


def test_a_backup_made_while_others_write_is_one_moment(home: Keys, tmp_path: Path) -> None:
    """Events are written in order, one a commit: a copy has the first n, without a gap."""
    written, stop = 0, threading.Event()

    def write() -> None:
        nonlocal written
        with Store(home.home.db) as store:
            while not stop.is_set():
                with store.transaction(durable=False):
                    store.add_event(at=written, kind="x", text=str(written))
                written += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            before = written
            copy = tmp_path / f"{number}.db"
            copy_to(home.home.db, copy)
            with Store(copy, readonly=True) as store:
                texts = [event.text for event in store.events(100_000) if event.type == "x"]
            assert texts == [str(n) for n in reversed(range(len(texts)))]
            assert len(texts) >= before
            assert faults_of(copy) == []
    finally:
        stop.set()
        writer.join()


def test_the_live_scheduler_makes_and_verifies_one(scheduler: Home) -> None:
    with session(scheduler, local_ok=False) as talk:
        talk.call("job.add", {"definition": JOB})
        made = talk.call("backup.create", timeout=60)["backup"]
        assert talk.call("backup.verify", {"name": "latest"}, timeout=60)["ok"] is True
        with pytest.raises(PbError, match="no backup"):
            talk.call("backup.verify", {"name": "pb-20200101T000000Z.tar.gz"}, timeout=60)
        events = talk.call("events.recent", {"type": "backup"})["events"]
        changes = talk.call("audit.list")["changes"]

    assert manifest_of(Path(made["path"]))["jobs"] == 1
    assert [event["type"] for event in events] == ["backup.created"]
    assert changes[0]["method"] == "backup.create"


def test_a_maintenance_job_needs_no_more_than_this(home: Keys) -> None:
    settings = load_settings(home.home)
    answer = backups.create(home.home, settings, home.home.db, 1_800_000_000_000)

    assert answer["backup"]["name"] == "pb-20270115T080000Z.tar.gz"
    assert answer["removed"] == []


@pytest.mark.parametrize("after", [0, 1, 2, 4, 6])
def test_one_that_is_given_up_leaves_nothing(home: Keys, after: int) -> None:
    with Store(home.home.db) as store, store.transaction():
        for number in range(5_000):
            store.add_event(at=number, kind="x", text="x" * 100)
    settings, count = load_settings(home.home), 0

    def halted() -> bool:
        nonlocal count
        count += 1
        return count > after

    with pytest.raises(PbError, match=r"interrupted|given up"):
        backups.create(home.home, settings, home.home.db, 1_800_000_000_000, halted=halted)
    assert list(home.home.backups.iterdir()) == []


def test_a_stopping_scheduler_does_not_wait_for_one(home: Keys) -> None:
    from pb.daemon.backing_up import GIVEN_UP, Aside
    from tests.kit.scheduler import World

    world = World(home.home.root)
    aside = Aside(world.engine._parts)
    answers = []
    aside.close()
    answers.append(aside._attempted(lambda: world.call("backup.verify", name="nothing")))
    world.close()

    assert answers == [GIVEN_UP]
