"""Real crontabs, each line doing real work on this machine, imported and run."""

from __future__ import annotations

import gzip
import os
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.kit import eventually
from tests.kit.command import Pb

USER_CRONTAB = """\
# Things one person's machine does.
SHELL=/bin/sh
OUT={out}
MAILTO=""

# how full the disks are
* * * * * df -P > $OUT/df.txt
# what takes the room
* * * * * du -sk {out} > $OUT/du.txt
* * * * * {python} {out}/backup.py {out}/shop.db {out}/backup.db
* * * * * find {out}/old -name '*.log' -mtime +7 -delete
* * * * * gzip -kf {out}/access.log
* * * * * sort {out}/names.txt | uniq -c > $OUT/counts.txt
* * * * * cat > $OUT/stdin.txt%first line%second line
* * * * * date -u +\\%Y-\\%m-\\%d > $OUT/day.txt
@hourly tar -cf $OUT/names.tar -C {out} names.txt
61 * * * * echo never
"""
BACKUP = """\
import sqlite3, sys
source, target = map(sqlite3.connect, sys.argv[1:])
source.backup(target)
"""
SYSTEM_CRONTAB = """\
SHELL=/bin/sh
* * * * * {user} uptime > {out}/uptime.txt
*/1 * * * * {user} ps -e > {out}/ps.txt
@daily {user} true
* * * * * nobody-such-user true
"""


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder with some work to be done in it."""
    made = tmp_path / "out"
    (made / "old").mkdir(parents=True)
    (made / "names.txt").write_text("b\na\nb\n")
    (made / "access.log").write_text("GET /\n" * 1000)
    (made / "old" / "ancient.log").write_text("old")
    (made / "old" / "fresh.log").write_text("new")
    os.utime(made / "old" / "ancient.log", (0, 0))
    (made / "backup.py").write_text(BACKUP)
    with sqlite3.connect(made / "shop.db") as db:
        db.execute("CREATE TABLE goods (name TEXT)")
        db.execute("INSERT INTO goods VALUES ('apples')")
    db.close()
    return made


def import_both(pb: Pb, out: Path) -> list[str]:
    """Import the user's and the system's crontab; the output of both imports."""
    user, system = out / "crontab", out / "etc-crontab"
    me = os.environ.get("USER") or (Path("/etc/passwd").read_text().split(":")[0])
    user.write_text(USER_CRONTAB.format(out=out, python=sys.executable))
    system.write_text(SYSTEM_CRONTAB.format(out=out, user=me))
    return [pb("import", "crontab", str(path)).text for path in (user, system)]


def check_work_done(out: Path) -> None:
    assert "Filesystem" in (out / "df.txt").read_text()
    assert str(out) in (out / "du.txt").read_text()
    with sqlite3.connect(out / "backup.db") as db:
        assert db.execute("SELECT name FROM goods").fetchall() == [("apples",)]
    db.close()
    assert [p.name for p in (out / "old").iterdir()] == ["fresh.log"]
    assert gzip.decompress((out / "access.log.gz").read_bytes()) == b"GET /\n" * 1000
    assert (out / "counts.txt").read_text().split() == ["1", "a", "2", "b"]
    assert (out / "stdin.txt").read_text().splitlines() == ["first line", "second line"]
    assert (out / "uptime.txt").read_text().strip()
    assert "PID" in (out / "ps.txt").read_text()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_two_real_crontabs_are_imported_and_do_their_work(pb: Pb, out: Path) -> None:
    said = import_both(pb, out)
    assert f"{out / 'crontab'}:17:" in said[0], said[0]
    jobs = pb.ok("job", "list", "--json").json["jobs"]
    each_minute = [j["name"] for j in jobs if any("* * * *" in str(t) for t in j["triggers"])]
    assert len(jobs) >= 11
    assert all(job["next_run"] for job in jobs)

    pb.ok("scheduler", "start")
    began = datetime.now(UTC)

    def all_ran() -> bool:
        listed = {j["name"]: j for j in pb.ok("job", "list", "--json").json["jobs"]}
        return all(
            listed[name]["run_count"] >= 1 and not listed[name]["running"] for name in each_minute
        )

    eventually(all_ran, timeout=100, interval=1)
    check_work_done(out)
    assert (out / "day.txt").read_text().strip() in {
        began.strftime("%Y-%m-%d"),
        datetime.now(UTC).strftime("%Y-%m-%d"),
    }
    check_history(pb, each_minute, began)


def check_history(pb: Pb, names: list[str], began: datetime) -> None:
    for name in names:
        run = pb.history(name)[-1]
        fire_time = datetime.fromisoformat(run["fire_time"])
        assert (run["state"], run["exit_code"]) == ("succeeded", 0), run
        assert fire_time.second == 0
        assert began - timedelta(seconds=1) <= fire_time <= began + timedelta(seconds=100)
        shown = pb.ok("job", "next", name, "--json").json["jobs"][0]["fire_times"]
        assert len(shown) == 5
        assert datetime.fromisoformat(shown[0]) > fire_time
    pb.ok("job", "logs", names[0])


def test_importing_twice_changes_nothing_and_comments_become_descriptions(
    pb: Pb, out: Path
) -> None:
    import_both(pb, out)
    before = {j["name"] for j in pb.ok("job", "list", "--json").json["jobs"]}

    import_both(pb, out)

    assert {j["name"] for j in pb.ok("job", "list", "--json").json["jobs"]} == before
    descriptions = [
        pb.ok("job", "show", n, "--json").json["definition"].get("description") for n in before
    ]
    assert "how full the disks are" in descriptions
