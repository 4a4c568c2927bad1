"""Being told, with the installed command, real mail and web servers, and a scheduler that dies."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from tests.kit import eventually
from tests.kit.command import Pb, kill
from tests.kit.servers import MailServer, WebServer, free_port, silent_server

PATIENCE = 60.0


def channels(pb: Pb, **tables: dict[str, Any]) -> None:
    """Write them into config.toml."""
    lines = []
    for name, table in tables.items():
        lines += [f"[notify.{name}]", *(f"{key} = {json.dumps(one)}" for key, one in table.items())]
    pb.home.mkdir(mode=0o700, exist_ok=True)
    (pb.home / "config.toml").write_text("\n".join(lines) + "\n")


def mail(port: int, **more: object) -> dict[str, Any]:
    where = {"host": "127.0.0.1", "port": port, "security": "none"}
    return {"type": "mail", "from": "pb@x.org", "to": ["me@x.org"], **where, **more}


def hook(url: str, **more: object) -> dict[str, Any]:
    return {"type": "webhook", "url": url, **more}


def notices(pb: Pb, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pb.ok("notify", "history", "--json", *words).json["notices"]
    return found


def add(pb: Pb, name: str, *words: str) -> None:
    told = json.dumps({"to": words[0].split(","), "group": 0})
    pb.ok("job", "add", name, "--notify", told, "--shell", "--", *words[1:])


def test_a_failure_is_in_the_mailbox_with_what_the_job_wrote_last(pb: Pb) -> None:
    with MailServer() as server:
        channels(pb, me=mail(server.port))
        pb.ok("scheduler", "start")
        add(pb, "backup", "me", "echo no space left; exit 7")

        pb("job", "run", "backup", "--wait")
        eventually(lambda: server.mails, timeout=PATIENCE)

    [letter] = server.mails
    assert letter["Subject"].endswith("Job backup failed: exit code 7: no space left")
    assert "| no space left" in letter.get_content()
    [row] = eventually(lambda: notices(pb, "--state", "sent"), timeout=PATIENCE)
    assert (row["job"], row["answer"], row["attempts"]) == ("backup", "250 accepted", 1)
    events = pb.ok("event", "list", "--type", "notify", "--json").json["events"]
    assert [event["type"] for event in events] == ["notify.sent"]


def test_a_digest_arrives_as_a_mail(pb: Pb) -> None:
    digesting = {**pb.environment, "PB_MAINTENANCE__DIGESTS_TO": "me"}
    digesting.pop("PB_MAINTENANCE__DIGESTS", None)
    pb = Pb(pb.home, digesting, exactly=True)
    with MailServer() as server:
        channels(pb, me=mail(server.port))
        pb.ok("scheduler", "start")

        pb.ok("job", "run", "digest_daily", "--wait")
        eventually(lambda: server.mails, timeout=PATIENCE)

    [letter] = server.mails
    assert "The daily digest: " in letter["Subject"]
    assert [part.get_content_type() for part in letter.iter_parts()] == ["text/plain", "text/html"]
    assert [one["used_by"] for one in pb.ok("notify", "list", "--json").json["channels"]] == [
        ["digests"]
    ]


def test_servers_that_are_dead_silent_or_broken_hold_up_no_run_and_no_other_channel(
    pb: Pb,
) -> None:
    with silent_server() as quiet, WebServer() as broken, WebServer() as good:
        broken.status = 500
        channels(
            pb,
            dead=mail(free_port()),
            quiet=mail(quiet),
            broken=hook(broken.url),
            good=hook(good.url),
        )
        pb.ok("scheduler", "start")
        add(pb, "bad", "dead,quiet,broken,good", "exit 1")
        add(pb, "fine", "good", "true")

        pb("job", "run", "bad", "--wait")
        ran = pb.ok("job", "run", "fine", "--wait")
        eventually(lambda: good.requests, timeout=PATIENCE)
        waiting = eventually(
            lambda: (rows := notices(pb, "--state", "waiting")) and tried(rows), timeout=PATIENCE
        )

    assert ran.code == 0
    assert {row["channel"]: row["answer"] for row in waiting if row["channel"] != "quiet"} == {
        "dead": "connection refused",
        "broken": "answered 500 thanks",
    }
    assert all(row["next_try"] for row in waiting)
    listed = {one["name"]: one for one in pb.ok("notify", "list", "--json").json["channels"]}
    assert (listed["good"]["waiting"], listed["good"]["last"]["state"]) == (0, "sent")


def tried(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Once all of them have been tried: the three that wait."""
    return rows if len(rows) == 3 and all(row["attempts"] for row in rows) else []


def test_a_scheduler_killed_between_the_outcome_and_the_message_loses_it_not(pb: Pb) -> None:
    with WebServer() as web:
        channels(pb, ops=hook(web.url))
        pb.ok("scheduler", "start")
        told = '{"to": ["ops"], "group": "1h"}'
        pb.ok("job", "add", "j", "--notify", told, "--", "false")
        pb("job", "run", "j", "--wait")
        [row] = notices(pb)
        kill(pb.pid(), signal.SIGKILL)
        eventually(lambda: not pb.daemons())
        assert (row["state"], web.requests) == ("waiting", [])

        pb.ok("scheduler", "start")
        # With no message under way the next one takes along what waits for it.
        add(pb, "k", "ops", "exit 1")
        pb("job", "run", "k", "--wait")
        eventually(lambda: web.requests, timeout=PATIENCE)

    [request] = web.requests
    assert [one["job"] for one in json.loads(request.body)["notices"]] == ["j", "k"]


def test_a_service_that_crashes_is_told(pb: Pb, tmp_path: Path) -> None:
    with WebServer() as web:
        channels(pb, ops=hook(web.url))
        pb.ok("scheduler", "start")
        pb.ok(
            *("service", "add", "web", "--notify", "ops", "--restart", "never", "--shell"),
            *("--", "echo cannot bind; exit 4"),
        )  # fmt: skip

        eventually(lambda: web.requests, timeout=PATIENCE)

    [told] = json.loads(web.requests[0].body)["notices"]
    assert told["text"] == "Service web has failed: exit code 4: cannot bind"
    assert set(told["output"]) == {"cannot bind"}
    assert "Tells ops of failure" in pb.ok("service", "show", "web").out


def test_a_test_is_sent_with_and_without_a_scheduler_and_says_what_was_answered(pb: Pb) -> None:
    with WebServer() as web:
        channels(pb, ops=hook(web.url), dead=mail(free_port()))

        without = pb("notify", "test", "ops")
        both = pb("notify", "test", "--json")
        unknown = pb("notify", "test", "osp")
        strange = pb("notify", "test", "phone")
        pb.ok("scheduler", "start")
        channels(pb, ops=hook(web.url), new=hook(f"{web.url}/new"))
        within = pb("notify", "test", "new")

    assert (without.code, without.out) == (0, "✓ ops: reached: 200 thanks\n")
    assert both.code == 1
    assert {one["channel"]: one["answer"] for one in both.json["notices"]} == {
        "ops": "200 thanks",
        "dead": "connection refused",
    }
    assert (unknown.code, "Did you mean ops?" in unknown.err) == (5, True)
    assert "There are ops, dead." in strange.err
    assert (within.code, within.out) == (0, "✓ new: reached: 200 thanks\n")
    assert [request.path for request in web.requests] == ["/", "/", "/new"]


def test_what_is_shown_of_channels_has_no_secret_in_it(pb: Pb) -> None:
    secret = "https://hooks.example.org/T000/SECRET"
    headers = {"Authorization": "Bearer TOKEN"}
    channels(pb, ops=hook(secret), none={"type": "desktop"})
    with (pb.home / "config.toml").open("a") as file:
        file.write(f'[notify.b]\ntype = "webhook"\nurl = "{secret}"\n')
        file.write('headers = {Authorization = "Bearer TOKEN"}\n')

    shown = [
        pb.ok(*words).text
        for words in (
            ("notify", "list"),
            ("notify", "list", "--json"),
            ("config", "show"),
            ("config", "show", "--json"),
        )
    ]

    assert headers
    assert [text for text in shown if "SECRET" in text or "TOKEN" in text] == []
    assert "https://hooks.example.org/***" in shown[0]


def test_without_channels_it_says_how_to_make_one(pb: Pb) -> None:
    assert "No channels" in pb.ok("notify", "list").out
    assert "Nothing was told yet" in pb.ok("notify", "history").out
    assert "Nothing matches" in pb.ok("notify", "history", "--job", "x").out
    assert pb("notify", "test").code == 5
    assert pb("notify", "history", "--state", "snet").code == 6


def test_a_channel_that_is_none_is_said_where_it_is_named(pb: Pb) -> None:
    channels(pb, ops={"type": "desktop"})
    pb.ok("job", "add", "j", "--notify", "osp", "--notify", "ops", "--", "true")
    pb.ok("job", "add", "n", "--notify", "none", "--", "true")

    assert "there is no channel osp" in pb.ok("job", "show", "j").out
    assert "Tells: nobody" in pb.ok("job", "show", "n").out
    assert "job j: there is no channel osp" in pb.ok("notify", "list").err


def test_the_mailto_of_a_crontab_becomes_its_channel(pb: Pb, tmp_path: Path) -> None:
    channels(pb, me=mail(25))
    (tmp_path / "tab").write_text(
        "MAILTO=me@X.org,you@x.org\n@daily first\nMAILTO=\n@daily second\n"
    )

    ran = pb.ok("import", "crontab", str(tmp_path / "tab"))

    told = {
        name: pb.ok("job", "show", name, "--json").json["definition"].get("notify")
        for name in ("first", "second")
    }
    assert told == {"first": ["me"], "second": None}
    assert "MAILTO=me@X.org: the channel me is told" in ran.err
    assert "MAILTO=you@x.org: no channel sends mail there" in ran.err
