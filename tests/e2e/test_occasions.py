"""Jobs that react, with the real command and real processes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.kit import eventually
from tests.kit.command import Pb

TELL = 'printf "%s %s\\n" "$PB_EVENT_COUNT" "$PB_EVENT"; cat "$PB_EVENT_FILE"'


def test_a_job_cleans_up_after_another_that_has_failed(pb: Pb, tmp_path: Path) -> None:
    pb.ok("scheduler", "start")
    pb.ok("job", "add", "backup", "--shell", "--", "exit 3")
    added = pb.ok("job", "add", "cleanup", "--on", "job.backup.failed", "--shell", "--", TELL)
    assert "On job.backup.failed" in added.out
    pb("job", "run", "backup", "--wait")

    def done() -> bool:
        return [run["state"] for run in pb.history("cleanup")] == ["succeeded"]

    eventually(done, timeout=30)
    first, line = pb.ok("job", "logs", "cleanup").out.splitlines()
    count, _, event = first.partition(" ")
    assert (count, json.loads(event)["exit_code"], json.loads(line)["job"]) == ("1", 3, "backup")
    assert '"event": "job.backup.failed"' in pb.ok("job", "show", "cleanup").out
    (run,) = pb.history("cleanup")
    assert run["trigger"] == "event"
    assert (
        pb.home / "logs" / "jobs" / "cleanup" / f"{run['run_id']}.event"
    ).stat().st_mode & 0o77 == 0


def test_an_event_emitted_without_a_scheduler_is_acted_on_once_at_its_start(pb: Pb) -> None:
    pb.ok("job", "add", "load", "--on", "user.import.*", "--shell", "--", TELL)
    told = pb.ok("event", "emit", "import.done", "--data", '{"rows": 812}')
    assert "user.import.done has happened" in told.out
    assert "not running" in told.err
    pb.ok("scheduler", "start")
    eventually(lambda: [r["state"] for r in pb.history("load")] == ["succeeded"], timeout=30)
    said = pb.ok("event", "emit", "import.again", "--json").json
    assert (said["event"], said["waits"]) == ("user.import.again", False)
    eventually(lambda: [r["state"] for r in pb.history("load")] == ["succeeded"] * 2, timeout=30)
    first = pb.ok("job", "logs", str(pb.history("load")[1]["run_id"])).out.splitlines()
    assert json.loads(first[1])["rows"] == 812
    assert "event.emitted" in pb.ok("event", "list", "--type", "event").out


def test_the_data_of_an_event_may_come_from_a_pipe(pb: Pb) -> None:
    pb.ok("job", "add", "load", "--on", "user.import.done", "--shell", "--", TELL)
    pb.ok("event", "emit", "import.done", "--data", "-", stdin='{"rows": 812}\n')
    assert "--data is not JSON" in pb("event", "emit", "import.done", "--data", "-", stdin="").err
    pb.ok("scheduler", "start")
    eventually(lambda: [r["state"] for r in pb.history("load")] == ["succeeded"], timeout=30)
    assert json.loads(pb.ok("job", "logs", "load").out.splitlines()[1])["rows"] == 812


def test_wrong_events_are_refused_in_one_sentence(pb: Pb) -> None:
    for words, code, said in (
        (("event", "emit", "a b"), 6, "not a name that an event can have"),
        (("event", "emit", "a", "--data", "{"), 2, "--data is not JSON"),
        (("event", "emit", "a", "--data", "[1]"), 2, "--data is JSON, but not an object"),
        (("event", "emit", "a", "--data", "[" * 100_000), 2, "--data is not JSON"),
        (("event", "emit", "a", "--data", '{"x": NaN}'), 6, "NaN and Infinity are not JSON"),
        (("job", "add", "x", "--on", "job.x.fail", "--", "true"), 6, "no job event is called"),
    ):
        refused = pb(*words)
        assert (refused.code, said in refused.err) == (code, True), refused.text
