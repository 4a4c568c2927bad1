"""The command through another gateway: `--url`, `PB_URL`. Nothing of this machine is used."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE

import pytest

from pb.cli.main import main
from tests.client.stand import Stand
from tests.gateway.house import python
from tests.gateway.tokens import Keys
from tests.kit import eventually
from tests.kit.cli import Cli, Ran

Pb = Callable[..., Ran]


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with ExitStack() as stack:
        found = Stand(tmp_path_factory.mktemp("elsewhere") / "home", stack)
        yield found
        found.ask("service.stop", names=["all"], force=True)


@pytest.fixture
def pb(
    stand: Stand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Pb]:
    """The command in this process, in a home that is not there and must not come to be."""
    here = tmp_path / "here"
    for name in ("PB_TOKEN", "PB_TRUST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PB_HOME", str(here))
    monkeypatch.setenv("PB_URL", stand.url)
    monkeypatch.setenv("PB_TOKEN_FILE", str(stand.home.token))
    monkeypatch.setenv("NO_COLOR", "1")

    def ask(*words: str) -> Ran:
        code = main(words)
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    yield ask
    assert not here.exists()


def test_a_job_is_added_run_and_looked_at(pb: Pb, stand: Stand) -> None:
    added = pb("job", "add", "hello", "--every", "1h", "--", "echo", "hello")
    followed = pb("job", "run", "hello", "--follow")
    waited = pb("job", "run", "hello", "--wait", "--json")
    history = pb("job", "history", "hello", "--json")

    assert (added.code, followed.code, waited.code) == (0, 0, 0)
    assert followed.out == "hello\n"
    assert waited.json["run"]["state"] == "succeeded"
    assert len(history.json["runs"]) == 2
    assert history.json["runs"][0]["by"] == "gateway:local"
    assert stand.ask("job.show", name="hello")["definition"]["cwd"] == "~"
    assert "hello" in pb("job", "list").out
    assert "hello" in pb("job", "show", "hello").out
    assert pb("job", "pause", "hello", "--note", "why").code == 0
    assert pb("job", "resume", "hello").code == 0
    assert pb("job", "retry", "hello", "--wait").code == 0
    assert pb("job", "next", "hello", "-n", "1").code == 0
    assert pb("job", "stats", "hello").code == 0
    assert pb("stats", "hello").code == 0
    assert pb("schedule").code == 0
    assert "hello" in pb("export").out
    assert "job.run" in pb("audit", "--method", "job.run").out
    assert pb("job", "remove", "hello").code == 0


def test_a_failure_s_exit_code_is_passed_on(pb: Pb) -> None:
    pb("job", "add", "bad", "--", *python("raise SystemExit(7)"))

    assert pb("job", "run", "bad", "--wait").code == 7
    assert pb("job", "run", "none").code == 5


def test_logs_are_shown_as_they_are_here(pb: Pb) -> None:
    pb("job", "add", "lines", "--", "seq", "100")
    pb("job", "run", "lines", "--wait")

    assert pb("job", "logs", "lines", "-n", "2").out == "99\n100\n"
    assert pb("job", "logs", "lines", "--grep", "42").out == "42\n"
    assert pb("job", "logs", "lines", "--grep", "9", "-n", "1").out == "99\n"
    assert pb("job", "logs", "lines", "--raw").out.count("\n") == 100
    assert pb("job", "logs", "lines", "--raw", "-n", "1").out == "100\n"
    assert pb("job", "logs", "lines", "--since", "1h", "-n", "1").out == "100\n"
    assert pb("job", "logs", "lines", "--until", "1h", "-n", "1").code == 0
    assert pb("job", "logs", "lines", "-f", "-n", "1").out == "100\n"
    assert pb("job", "logs", "lines", "-t", "-n", "1").out.endswith(" 100\n")
    assert pb("job", "logs", "lines", "--json").json["lines"][0]["text"] == "1"


def test_a_service_is_defined_started_looked_at_and_removed(pb: Pb) -> None:
    script = "import time\nprint('begun')\nprint('so far')\ntime.sleep(300)"
    assert pb("service", "add", "web", "--", *python(script)).code == 0
    assert pb("service", "start", "web", "--wait", "started").code == 0
    assert eventually(lambda: pb("service", "logs", "web").out == "begun\nso far\n", timeout=30)
    assert pb("service", "logs", "web", "--stream", "err").code == 3
    shown = pb("service", "status", "web", "--json")
    assert shown.code == 0
    assert [one["state"] for one in shown.json["services"]] == ["running"]
    assert "web" in pb("service", "status").out
    assert pb("service", "plan", "web").out == "1. web\n"
    assert pb("service", "signal", "web", "CONT").code == 0
    assert pb("service", "restart", "web").code == 0
    assert pb("service", "stop", "web").code == 0
    assert pb("service", "status", "web").code == 3
    assert "stopped" in pb("service", "events", "web").out
    assert pb("service", "remove", "web", "--purge-logs").code == 3
    assert pb("service", "remove", "web", "--json").code == 0
    assert pb("service", "status").out == "No services of your own.\n"


def test_what_has_failed_shows_its_last_lines(pb: Pb) -> None:
    script = "import sys; print('it is broken'); sys.exit(3)"
    pb("service", "add", "broken", "--restart", "never", "--", *python(script))

    assert eventually(lambda: "it is broken" in pb("service", "status").out, timeout=30)
    pb("service", "remove", "broken")


def test_the_scheduler_s_status_is_shown(pb: Pb, stand: Stand) -> None:
    status = pb("scheduler", "status")

    assert status.code == 0
    assert stand.url in status.out
    assert str(stand.home.db) in status.out
    assert pb("scheduler", "status", "--json").json["running"] is True
    assert pb().code == 0
    assert pb("scheduler", "reload").code == 0
    assert pb("config", "show", "--json").json["settings"]["gateway.port"] == 18789
    assert "local" not in pb("gateway", "tokens", "--json").out
    assert pb("backup", "create").code == 0
    assert pb("backup", "create", "here.tar.gz").code == 2
    assert len(pb("backup", "list", "--json").json["backups"]) == 1
    assert pb("backup", "verify", "latest").code == 0


@pytest.mark.parametrize(
    "words",
    [
        "scheduler start",
        "scheduler stop",
        "scheduler restart",
        "scheduler logs",
        "gateway start",
        "gateway status",
        "debug web",
        "service start scheduler",
        "service stop gateway",
        "service logs scheduler",
        "service ps",
        "top --once",
        "service run all",
        "service exec web -- true",
        "service boot status",
        "job validate",
        "run -- true",
        "init",
        "doctor",
        "config path",
        "config set gateway.port 1",
        "backup restore latest",
    ],
)
def test_what_works_on_the_machine_only_says_so(pb: Pb, words: str) -> None:
    ran = pb(*words.split())

    assert (ran.code, ran.out) == (3, "")
    assert "error: " in ran.err
    assert "unset PB_URL" in ran.err


def test_what_needs_no_scheduler_goes_on_as_ever(pb: Pb, tmp_path: Path) -> None:
    file = tmp_path / "jobs.toml"
    file.write_text('[job.a]\ncommand = ["true"]\n')

    assert pb("version").code == 0
    assert pb("cron", "explain", "0 0 * * *").code == 0
    assert pb("job", "validate", str(file)).code == 0
    assert pb("job", "add", "a", "--dry-run", "--", "true").code == 0


def test_paths_of_this_machine_are_refused(pb: Pb, tmp_path: Path) -> None:
    for flags in (("--cwd", "here"), ("--env-file", ".env")):
        ran = pb("job", "add", "path", *flags, "--", "true")
        assert ran.code == 2
        assert "this machine" in ran.err
    assert pb("job", "add", "path", "--cwd", "/tmp", "--env-file", "~/.env", "--", "true").code == 0


def test_what_others_call_is_told_with_the_gateway_s_own_address(pb: Pb, stand: Stand) -> None:
    pb("job", "add", "called", "--trigger", '{"type": "webhook"}', "--", "true")

    assert pb("job", "hook", "called", "--json").json["url"].startswith(f"{stand.url}/api/v1/")
    assert pb("event", "emit", "told").code == 0
    assert pb("notify", "list").code == 0


def test_files_are_read_here_and_applied_there(pb: Pb, stand: Stand, tmp_path: Path) -> None:
    file = tmp_path / "jobs.toml"
    file.write_text('[job.filed]\ncommand = ["true"]\ncwd = "/"\n')

    assert pb("apply", str(file)).code == 0
    source = stand.ask("job.show", name="filed")["source"]
    file.write_text("")
    pruned = pb("apply", str(file), "--prune", "--json")

    assert source.startswith("apply:")
    assert source.endswith(f":{file}")
    assert [one["name"] for one in pruned.json["removed"]] == ["filed"]


@pytest.mark.parametrize("kind", ["wrong", "read", "expired", "revoked"])
def test_a_refused_token_is_exit_4(
    pb: Pb, stand: Stand, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    token = "pb_" + "x" * 43
    if kind != "wrong":
        scope = "read" if kind == "read" else "admin"
        token = stand.ask("token.create", name=f"a-{kind}", scope=scope)["token"]
    if kind == "expired":
        Keys(home=stand.home).expire("a-expired")
    if kind == "revoked":
        stand.ask("token.revoke", name="a-revoked")
    monkeypatch.setenv("PB_TOKEN", token)

    ran = pb("job", "add", "no", "--", "true", "--json")

    assert ran.code == 4
    assert token not in ran.all
    assert (pb("job", "list").code == 0) == (kind == "read")


def test_who_cannot_be_reached_is_exit_7(pb: Pb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PB_URL", "http://127.0.0.1:1")

    for words in (("job", "list"), ("scheduler", "status"), ("service", "status"), ("audit",)):
        ran = pb(*words)
        assert ran.code == 7
        assert "No gateway can be reached at http://127.0.0.1:1" in ran.err
    error = json.loads(pb("job", "list", "--json").out)["error"]
    assert (error["code"], error["hint"]) == (
        "needs_daemon",
        "Start it there with: pb gateway start",
    )


def test_a_flag_goes_before_the_environment_and_a_named_home_before_that(
    pb: Pb, stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "own"
    monkeypatch.setenv("PB_URL", "http://127.0.0.1:1")
    flags = ("--url", stand.url, "--token-file", str(stand.home.token))

    assert pb("job", "list", *flags).code == 0
    assert pb(*flags, "job", "list").code == 0
    assert pb("--home", str(home), "job", "list").code == 0
    assert pb("scheduler", "start", *flags).err.endswith("hint: Run it there, without --url.\n")
    assert pb("job", "list", "--home", str(home), *flags).code == 2
    monkeypatch.delenv("PB_TOKEN_FILE")
    assert pb("job", "list").code == 2
    assert pb("job", "list", "--url", "nonsense").code == 2


def test_what_is_followed_goes_on_when_the_gateway_comes_back(stand: Stand, tmp_path: Path) -> None:
    env = {"PB_URL": stand.url, "PB_TOKEN_FILE": str(stand.home.token)}
    cli = Cli(home=tmp_path / "here", cwd=tmp_path, env=env)
    gate, seen, told = (tmp_path / name for name in ("go", "seen", "told"))
    run_id = stand.gate("gated", gate, 500)
    with seen.open("wb") as log, told.open("wb") as events:
        following = cli.start("job", "logs", str(run_id), "-f", stdout=log, stderr=log)
        watching = cli.start("debug", "events", "-f", stdout=events, stderr=events)
        try:
            eventually(lambda: b"\n0\n" in b"\n" + seen.read_bytes(), timeout=30)
            stand.add("before")
            eventually(lambda: b"Job before added" in told.read_bytes(), timeout=30)
            stand.kill()
            gate.touch()
            stand.add("meanwhile")
            stand.revive()
            assert following.wait(60) == 0
            eventually(lambda: b"Job meanwhile added" in told.read_bytes(), timeout=60)
        finally:
            for process in (following, watching):
                process.kill()
                process.wait(10)

    lines = [line for line in seen.read_text().splitlines() if line.isdigit()]
    assert lines == [str(number) for number in range(500)]
    assert told.read_text().count("Job meanwhile added") == 1
    assert "The gateway went away, and is back" in told.read_text()


@pytest.mark.parametrize("mode", ["--wait=30", "--foreground"])
def test_a_token_for_elsewhere_is_no_daemon_s(tmp_path: Path, mode: str) -> None:
    token = "pb_" + "y" * 43
    cli = Cli(home=tmp_path / "home", cwd=tmp_path, env={"PB_URL": "http://x", "PB_TOKEN": token})
    process = cli.start("--home", str(cli.home), "scheduler", "start", mode, stderr=PIPE)
    try:
        pid = eventually(cli.pid, timeout=60)
        eventually(
            lambda: cli("--home", str(cli.home), "scheduler", "status").code == 0, timeout=60
        )
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    finally:
        stopped = cli("--home", str(cli.home), "scheduler", "stop")
        process.communicate(timeout=30)

    assert stopped.code == 0
    assert b"PB_HOME=" in environ
    assert token.encode() not in environ
