"""Wrong words: one sentence, a hint, the right exit code, in words and as JSON."""

from __future__ import annotations

import pytest

from tests.kit.cli import Cli

WRONG = [
    (("schedler",), 2, "No such command: pb schedler", "Did you mean scheduler or schedule?"),
    (("sch",), 2, "No such command: pb sch", "Did you mean scheduler or schedule?"),
    (("servic",), 2, "No such command: pb servic", "Did you mean service?"),
    (("service", "stat"), 2, "No such command: pb service stat", "Did you mean status?"),
    (("nonsense",), 2, "No such command: pb nonsense", "Run `pb --help`"),
    (("scheduler",), 2, "pb scheduler needs one of: start, stop", "Run `pb scheduler --help`"),
    (("scheduler", "strat"), 2, "No such command: pb scheduler strat", "Did you mean start"),
    (("scheduler", "start", "--froce"), 2, "No such option: --froce", "Did you mean --force"),
    (("scheduler", "start", "extra"), 2, "unexpected extra argument", "pb scheduler start --help"),
    (("scheduler", "logs", "-n", "-1"), 2, "-1 is not in the range", "pb scheduler logs --help"),
    (("scheduler", "logs", "-n", "1; rm x"), 2, "'1; rm x' is not a whole number", "--help"),
    (("scheduler", "logs", "-n"), 2, "requires an argument", "--help"),
    (("scheduler", "logs", "--since", "yesterdayish"), 2, "neither a duration", "such as 10m"),
    (("service", "logs", "--until", "x"), 2, "--until: 'x' is neither", "such as 10m"),
    (("service", "logs", "-f", "--until", "1m"), 2, "choose one", "--help"),
    (("scheduler", "logs", "--raw", "-f"), 2, "--raw copies the exact bytes", "--help"),
    (("scheduler", "start", "--wait", "soon"), 2, "--wait: 'soon' is not a duration", "90s"),
    (("scheduler", "start", "--foreground", "--daemon"), 2, "exclude each other", "choose one"),
    (("scheduler", "stop", "--timeout", "-3"), 2, "--timeout: ", "unit"),
    (("service", "start"), 2, "Missing argument 'NAME...'", "pb service start --help"),
    (("service", "start", "gatway"), 5, "There is no service 'gatway'", "Did you mean gateway"),
    (("service", "stop", "web2"), 5, "There is no service 'web2'", "Services: scheduler"),
    (("service", "status", "schedul"), 5, "no service 'schedul'", "Did you mean scheduler"),
    (("service", "logs", "x"), 5, "There is no service 'x'", "Services: "),
    (("gateway", "start", "--port", "70000"), 2, "70000 is not in the range", "--help"),
    (("job", "pause", "nobody"), 5, "There is no job named 'nobody'", "pb job list"),
    (("scheduler", "resume", "nobody"), 5, "There is no job named 'nobody'", "pb job list"),
    (("job", "logs", "17"), 5, "There is no run 17", "pb job history"),
    (("job", "run", "nobody"), 7, "The scheduler is not running", "pb scheduler start"),
    (("job", "cancel", "nobody"), 7, "The scheduler is not running", "pb scheduler start"),
    (("scheduler", "reload"), 7, "The scheduler is not running", "pb scheduler start"),
    (("job", "history", "--state", "sad"), 6, "There is no run state 'sad'", "succeeded"),
    (("job", "next", "-n", "0"), 2, "0 is not in the range", "--help"),
    (("cron", "validate", "61 * * * *"), 6, "61 is out of range", None),
    (("cron", "next", "* * *"), 6, "this one has 3", None),
    (("cron", "next", "@daily", "--tz", "Europe/Brlin"), 6, "no time zone", "Europe/Berlin"),
    (("cron", "next", "@daily", "--from", "now"), 2, "'now' is not an instant", "2026-11-20T"),
    (("import", "crontab", "nosuch"), 5, "There is no file", "crontab -l"),
    (("import", "crontab", "."), 1, "is a directory", "Name a file"),
    (("completion", "tcsh"), 2, "no completion for the shell 'tcsh'", "bash"),
    (("run",), 2, "Missing argument", "pb run --help"),
]


@pytest.mark.parametrize(("words", "code", "sentence", "hint"), WRONG)
def test_wrong_words_get_one_sentence_a_hint_and_the_right_exit_code(
    pb: Cli, words: tuple[str, ...], code: int, sentence: str, hint: str | None
) -> None:
    ran = pb(*words)
    assert ran.code == code, ran
    assert ran.out == ""
    first, *rest = ran.err.splitlines()
    assert first.startswith("error: "), ran.err
    assert sentence in first
    assert not first.endswith("."), "a sentence without its full stop"
    assert hint is None or any(line.startswith("hint: ") and hint in line for line in rest), ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(("words", "code", "sentence", "hint"), WRONG)
def test_under_json_the_same_error_is_one_document_on_stdout(
    pb: Cli, words: tuple[str, ...], code: int, sentence: str, hint: str | None
) -> None:
    ran = pb(words[0], *words[1:], "--json") if words != ("run",) else pb("run", "--json")
    assert ran.code == code, ran
    assert ran.err == ""
    assert ran.json["schema"] == 1
    error = ran.json["error"]
    assert set(error) - {"caret"} == {"code", "message", "hint"}
    expected = {2: "usage", 5: "not_found", 6: "invalid", 7: "needs_daemon", 1: "failed"}
    assert error["code"] == expected[code]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("bad name", "--every", "1m", "--", "true"), 6, "is not a name"),
        (("a", "--every", "1m"), 2, "has no command"),
        (("a", "--every", "1x", "--", "true"), 6, "'1x' is not a duration"),
        (("a", "--every", "0", "--", "true"), 6, "at least one second"),
        (("a", "--at", "soon", "--", "true"), 6, "is not a time"),
        (("a", "--trigger", "{", "--", "true"), 2, "--trigger is not JSON"),
        (("a", "--trigger", '{"type": "crom"}', "--", "true"), 6, "no trigger type 'crom'"),
        (("a", "--misfire", "nope", "--every", "1m", "--", "true"), 2, "--misfire is not JSON"),
        (("a", "--catch-up", "some", "--every", "1m", "--", "true"), 6, "misfire.catch_up"),
        (("a", "--env", "NOVALUE", "--every", "1m", "--", "true"), 2, "--env takes NAME=VALUE"),
        (("a", "--overlap", "never", "--every", "1m", "--", "true"), 6, "overlap: should be one"),
        (("a", "--priority", "200", "--every", "1m", "--", "true"), 6, "priority: should be from"),
        (("a", "--umask", "999", "--every", "1m", "--", "true"), 6, "umask: '999'"),
        (("a", "--stop-signal", "TREM", "--every", "1m", "--", "true"), 6, "stop_signal: 'TREM'"),
        (("a", "--tz", "Mars", "--every", "1m", "--", "true"), 6, "no time zone 'Mars'"),
        (("a", "--shell", "--every", "1m", "--", "a", "b"), 6, "one text with shell"),
        (("a", "--success-exit-codes", "999", "--every", "1m", "--", "x"), 6, "success_exit_codes"),
    ],
)
def test_a_wrong_definition_is_refused_and_nothing_is_added(
    pb: Cli, words: tuple[str, ...], code: int, sentence: str
) -> None:
    ran = pb("job", "add", *words)
    assert (ran.code, ran.out) == (code, ""), ran
    assert sentence in ran.err.splitlines()[0]
    assert pb("job", "list", "--json").json["jobs"] == []


def test_a_cron_fault_is_shown_with_a_caret_under_it(pb: Cli) -> None:
    ran = pb("job", "add", "a", "--cron", "0 25 * * *", "--", "true")
    lines = ran.err.splitlines()
    assert ran.code == 6
    assert lines[1] == "  0 25 * * *"
    assert lines[2].rstrip() == "    ^^"


def test_a_traceback_is_shown_with_debug_only(pb: Cli) -> None:
    assert "Traceback" not in pb("job", "pause", "x").err
    for shown in (
        pb("job", "pause", "x", "--debug"),
        pb("--debug", "job", "pause", "x"),
        pb("job", "pause", "x", env={"PB_DEBUG": "1"}),
    ):
        assert "Traceback" in shown.err
        assert shown.code == 5


def test_the_home_flag_wins_over_the_environment_before_and_after_the_verb(pb: Cli) -> None:
    other = pb.cwd / "other"
    assert pb("--home", str(other), "job", "add", "a", "--every", "1h", "--", "true").code == 0
    assert [job["name"] for job in pb("job", "list", "--json").json["jobs"]] == []
    for words in (("--home", str(other), "job", "list"), ("job", "list", "--home", str(other))):
        assert [job["name"] for job in pb(*words, "--json").json["jobs"]] == ["a"]


def test_options_after_two_dashes_belong_to_the_command(pb: Cli) -> None:
    ran = pb("job", "add", "a", "--every", "1h", "--", "echo", "--json", "--home", "/nowhere")
    assert ran.code == 0, ran
    assert "added" in ran.out
    shown = pb("job", "show", "a", "--json").json["definition"]
    assert shown["command"] == ["echo", "--json", "--home", "/nowhere"]


def test_every_command_has_help_with_a_summary_and_examples(pb: Cli) -> None:
    from pb.cli.tree import FAMILIES

    for family in FAMILIES:
        top = pb(family, "--help")
        assert top.code == 0, top
        assert top.out.startswith(f"Usage: pb {family}")
        section = top.out.partition("\nCommands:\n")[2]
        verbs = [line.split()[0] for line in section.splitlines() if line[2:3].strip()]
        for words in [(family, verb) for verb in verbs] or [(family,)]:
            shown = pb(*words, "-h").out
            assert "\nExamples:\n  " in shown or "\nCommands:\n" in shown, words
            assert "--json" in shown, words
            assert "--home DIR" in shown, words


def test_what_was_waited_for_in_vain_is_said_in_whole_words() -> None:
    from pb.cli.service_hands import _late

    said = {state: str(_late("web", "ready", 1.0, state).error) for state in ("backoff", "failed")}
    assert said == {
        "backoff": "Not ready within 1 s: it is in backoff",
        "failed": "Not ready within 1 s: it is failed",
    }
