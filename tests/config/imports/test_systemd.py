"""Unit files: types, commands, limits, needs, timers, and the units of Debian's own packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from pb.config.imports.found import Imported, Surroundings
from pb.config.imports.systemd import read_units, unit_files
from pb.config.imports.systemd_calendar import calendar_trigger
from pb.config.imports.systemd_words import command_line, split_words
from pb.core.cron import parse_cron
from pb.errors import InvalidError, NotFoundError
from tests.config.imports.kit import AROUND, ROOT, jobs, report, said, services

SYSTEM = "/etc/systemd/system"
INSTALLED = "[Install]\nWantedBy=multi-user.target\n"

EVERY_KEY = """\
[Unit]
Description=The web of %p
Documentation=man:web(8)
After=network.target
ConditionPathExists=/etc/web
StartLimitBurst=5
StartLimitIntervalSec=2min
[Service]
Type=notify
# a comment
ExecStartPre=/bin/check --config "/etc/web dir"
ExecStartPre=-/bin/rm -f /run/web.sock
ExecStart=/usr/bin/web \\
    --name %n \\
; in between
    --home %h
ExecStartPost=/bin/warm-up
ExecReload=/bin/kill -HUP $MAINPID
ExecStop=/usr/bin/web --drain
ExecStopPost=/bin/clean
Restart=on-abnormal
RestartSec=1500ms
RestartPreventExitStatus=3
SuccessExitStatus=0 143 SIGKILL
Environment=A=1 "B=two words" 'C=3'
Environment=A=4
EnvironmentFile=/etc/default/web
EnvironmentFile=-/etc/default/web.local
WorkingDirectory=/srv/web
User=www-data
Group=www-data
UMask=0027
Nice=5
LimitNOFILE=1024:65536
LimitNPROC=64
LimitCORE=infinity
MemoryMax=512M
MemoryHigh=400M
WatchdogSec=30
KillSignal=SIGQUIT
KillMode=mixed
TimeoutStopSec=1min 30s
TimeoutStartSec=20
ProtectSystem=strict
PrivateTmp=true
RuntimeDirectory=web
StandardOutput=append:/var/log/web
Nonsense=1
[Install]
WantedBy=multi-user.target
Alias=www.service
"""


def read(*, around: Surroundings = AROUND, **units: str) -> Imported:
    """Units given by name, with ``_`` for the dot before their kind."""
    files = {}
    for key, text in units.items():
        name = ".".join(key.rsplit("_", 1))
        files[name] = ((f"{SYSTEM}/{name}", text),)
    return read_units(files, around=around)


def one(text: str, *, around: Surroundings = AROUND) -> Imported:
    return read(around=around, a_service=f"[Service]\n{text}\n{INSTALLED}")


def test_every_key_of_a_service_is_carried_over_or_told() -> None:
    found = read(web_service=EVERY_KEY)

    assert services(found)["web"] == {
        "name": "web",
        "description": "The web of web",
        "command": ["/usr/bin/web", "--name", "web.service", "--home", "/root"],
        "cwd": "/srv/web",
        "env": {"A": "4", "B": "two words", "C": "3"},
        "env_file": ["/etc/default/web", "?/etc/default/web.local"],
        "umask": "027",
        "nice": 5,
        "limits": {"open_files": 65536, "processes": 64},
        "max_memory": "512MiB",
        "restart": {
            "mode": "on-failure",
            "success_exit_codes": [0, 3, 143],
            "delay": "1s500ms",
            "factor": 1.0,
            "max_delay": "1s500ms",
            "max_restarts": 4,
            "window": "2m",
        },
        "stop": {
            "signal": "QUIT",
            "timeout": "1m30s",
            "command": ["/usr/bin/web", "--drain"],
            "scope": "main",
        },
        "reload": {"signal": "HUP"},
        "ready": {"notify": True, "timeout": "20s"},
        "health": {"watchdog": "30s"},
        "hooks": {
            "pre_start": [
                "/bin/sh",
                "-c",
                "/bin/check --config '/etc/web dir' && { /bin/rm -f /run/web.sock || :; }",
            ],
            "post_start": ["/bin/warm-up"],
            "post_stop": ["/bin/clean"],
        },
    }
    told = {key for _, _, key in report(found)}
    assert told == {
        "web.After",
        "web.ConditionPathExists",
        "web.Restart",
        "web.RestartPreventExitStatus",
        "web.SuccessExitStatus",
        "web.User",
        "web.Group",
        "web.LimitCORE",
        "web.MemoryMax",
        "web.MemoryHigh",
        "web.ProtectSystem, PrivateTmp",
        "web.RuntimeDirectory",
        "web.StandardOutput",
        "web.Nonsense",
        "web.Alias",
    }


def test_what_a_unit_leaves_out_is_as_systemd_has_it() -> None:
    found = one("ExecStart=/bin/a")

    assert services(found)["a"] == {
        "name": "a",
        "command": ["/bin/a"],
        "umask": "022",
        "restart": {"mode": "never"},
    }
    assert found.remarks == ()


def test_a_unit_that_nothing_installs_is_disabled() -> None:
    found = read(a_service="[Service]\nExecStart=/bin/a\n")

    assert services(found)["a"]["enabled"] is False
    assert "no [Install]" in said(found, "a")


@pytest.mark.parametrize(
    ("line", "command", "is_shell"),
    [
        ("/bin/a -x", ["/bin/a", "-x"], False),
        ("@/bin/a argv0 -x", ["/bin/a", "-x"], False),
        ("/bin/a 'b c' \"d\\x41\" e\\sf", ["/bin/a", "b c", "dA", "e f"], False),
        ("/bin/a $$HOME %%", ["/bin/a", "$HOME", "%"], False),
        (":/bin/a $HOME", ["/bin/a", "$HOME"], False),
        ("/bin/a $OPTS", "exec /bin/a $OPTS", True),
        ("/bin/a --x=${ONE}", 'exec /bin/a "--x=${ONE}"', True),
        ("-/bin/a", "{ /bin/a || :; }", True),
    ],
)
def test_commands_are_an_argv_or_a_line_for_a_shell(
    line: str, command: object, is_shell: bool
) -> None:
    service = services(one(f"ExecStart={line}"))["a"]

    assert (service["command"], service.get("shell", False)) == (command, is_shell)


def test_prefixes_for_more_rights_are_told() -> None:
    assert "your own rights" in said(one("ExecStart=+/bin/a"), "a.ExecStart")


def test_a_forking_unit_of_a_known_program_stays_in_the_foreground() -> None:
    start = "Type=forking\nExecStart=/usr/sbin/nginx -g 'daemon on; master_process on;'"
    found = one(start)

    assert services(found)["a"]["command"][-1] == "daemon off; master_process on;"
    assert "foreground" in said(found, "a.Type")


def test_a_forking_unit_of_another_program_is_refused_with_what_to_do() -> None:
    found = one("Type=forking\nExecStart=/opt/odd --start")

    assert found.services == ()
    assert "pb service add a -- /opt/odd --start SWITCH" in str(found.remarks[0].hint)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ExecStart=/bin/a %i", "no instance was named"),
        ("ExecStart=/bin/a %Z", "no value outside"),
        ("ExecStart=/bin/a 'open", "not closed"),
        ("Type=odd\nExecStart=/bin/a", "not a type"),
        ("Type=simple", "no ExecStart"),
        ("ExecStart=/bin/a\nExecStart=", "no ExecStart"),
    ],
)
def test_what_cannot_be_taken_is_refused(text: str, words: str) -> None:
    found = one(text)

    assert (found.services, found.jobs) == ((), ())
    assert words in f"{found.remarks[0].message} {found.remarks[0].hint}"
    assert found.remarks[0].fate == "refused"


def test_a_template_with_an_instance_is_a_service(tmp_path: Path) -> None:
    (tmp_path / "w@.service").write_text(f"[Service]\nExecStart=/bin/w %i %I\n{INSTALLED}")
    found = read_units(unit_files([str(tmp_path / "w@a-b.service")]), around=AROUND)

    assert services(found)["w-a-b"]["command"] == ["/bin/w", "a-b", "a/b"]


def test_drop_ins_come_last_and_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.service").write_text(f"[Service]\nExecStart=/bin/a\n{INSTALLED}")
    (tmp_path / "a.service.d").mkdir()
    drop_in = tmp_path / "a.service.d" / "10.conf"
    drop_in.write_text("[Service]\nExecStart=\nExecStart=/bin/b\nOdd=1\n")
    found = read_units(unit_files([str(tmp_path / "a.service")]), around=AROUND)

    assert services(found)["a"]["command"] == ["/bin/b"]
    assert [(r.file, r.line) for r in found.remarks] == [(str(drop_in), 4)]


def test_a_unit_that_is_nowhere_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="no unit"):
        unit_files(["no-such-unit-at-all.service"])


def test_needs_among_the_imported_become_dependencies_and_others_are_told() -> None:
    unit = "[Unit]\n{}\n[Service]\n{}ExecStart=/bin/x\n" + INSTALLED
    found = read(
        web_service=unit.format(
            "Requires=db.service\nWants=cache.service x.target\nAfter=db.service log.service", ""
        ),
        db_service=unit.format("", "Type=notify\n"),
        cache_service=unit.format("", ""),
        log_service=unit.format("", ""),
    )

    assert services(found)["web"]["depends_on"] == [
        {"service": "db", "restart_with": True},
        {"service": "cache", "condition": "started"},
    ]
    assert "x.target" in said(found, "web.Wants")
    assert "order only" in said(found, "web.After")


def test_root_keeps_the_user() -> None:
    found = one("ExecStart=/bin/a\nUser=www-data\nGroup=www-data", around=ROOT)

    assert services(found)["a"]["user"] == "www-data"
    assert found.remarks == ()


def test_a_stop_that_may_last_for_ever_gets_an_end() -> None:
    found = one("ExecStart=/bin/a\nTimeoutStopSec=infinity")

    assert services(found)["a"]["stop"] == {"timeout": "1d"}
    assert "after a day" in said(found, "a.TimeoutStopSec")


def test_a_pattern_of_environment_files_is_told() -> None:
    found = one("ExecStart=/bin/a\nEnvironmentFile=-/etc/a.d/*.env")

    assert "env_file" not in services(found)["a"]
    assert "pattern" in said(found, "a.EnvironmentFile")


def test_oneshot_units_are_jobs() -> None:
    text = "[Service]\nType=oneshot\nExecStart=/bin/a\nExecStart=/bin/b\n"
    found = read(a_service=text + INSTALLED, b_service=text)

    assert jobs(found)["a"]["command"] == "{ /bin/a; } && { /bin/b; }"
    assert jobs(found)["a"]["triggers"] == [{"type": "startup"}]
    assert "triggers" not in jobs(found)["b"]
    assert "pb job run b" in said(found, "b.Type")


def test_a_timer_and_its_service_are_a_job() -> None:
    timer = "[Timer]\nOnCalendar=*-*-* 03:10\nOnCalendar=Sat 12:00\nRandomizedDelaySec=1h\n"
    timer += "Persistent=true\nOnBootSec=15min\n"
    found = read(a_timer=timer, a_service="[Service]\nExecStart=/bin/a\nUser=me\n")

    assert jobs(found)["a"] == {
        "name": "a",
        "command": ["/bin/a"],
        "triggers": [
            {"type": "cron", "expr": "10 3 * * *"},
            {"type": "cron", "expr": "0 12 * * 6"},
            {"type": "startup", "delay": "15m"},
        ],
        "jitter": "1h",
    }
    assert found.remarks == ()


def test_a_timer_brings_its_service_and_without_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.timer").write_text("[Timer]\nOnCalendar=daily\nUnit=b.service\n")
    alone = read_units(unit_files([str(tmp_path / "a.timer")]), around=AROUND)
    (tmp_path / "b.service").write_text("[Service]\nExecStart=/bin/b\n")
    both = read_units(unit_files([str(tmp_path / "a.timer")]), around=AROUND)

    assert "b.service" in alone.remarks[0].message
    assert jobs(both)["b"]["misfire"] == {"catch_up": "none"}


@pytest.mark.parametrize(
    ("event", "expr"),
    [
        ("minutely", "* * * * *"),
        ("hourly", "0 * * * *"),
        ("daily", "0 0 * * *"),
        ("weekly", "0 0 * * 1"),
        ("monthly", "0 0 1 * *"),
        ("quarterly", "0 0 1 1,4,7,10 *"),
        ("yearly", "0 0 1 1 *"),
        ("*-*-* 6,18:00", "0 6,18 * * *"),
        ("Mon..Fri *-*-* 08:30:15", "15 30 8 * * 1-5"),
        ("*:0/15", "*/15 * * * *"),
        ("*:5/15", "5-59/15 * * * *"),
        ("*-*~01 23:00", "0 23 L * *"),
        ("*-*~03", "0 0 L-2 * *"),
        ("2027-01-01 00:00:00", "0 0 0 1 1 * 2027"),
        ("Sat,Sun 12..15:00", "0 12-15 * * 6,0"),
        ("Fri 18:00", "0 18 * * 5"),
    ],
)
def test_calendar_events_are_cron(event: str, expr: str) -> None:
    assert calendar_trigger(event)["expr"] == expr
    assert parse_cron(expr)


def test_a_weekday_and_a_day_must_both_be_right() -> None:
    assert calendar_trigger("Fri *-*-13 00:00")["day_match"] == "and"


@pytest.mark.parametrize(
    "event", ["soon", "*-*-* 25:00", "Mon 12:00 Europe/Berlin", "*-*-* 1/x:00", "Xyz 12:00"]
)
def test_calendar_events_that_cron_cannot_say_are_refused(event: str) -> None:
    with pytest.raises(InvalidError):
        calendar_trigger(event)


def test_words_are_split_as_systemd_does() -> None:
    assert split_words('a \'b "c\' "d\'e" f\\tg ""') == ["a", 'b "c', "d'e", "f\tg", ""]
    assert command_line('/bin/sh -c "a $$x ${Y}"').shell == '/bin/sh -c "a \\$x ${Y}"'


@pytest.mark.parametrize(
    ("package", "program"),
    [
        ("redis-server", "/usr/bin/redis-server"),
        ("nginx", "/usr/sbin/nginx"),
        ("memcached", "systemd-memcached-wrapper"),
        ("cron", "/usr/sbin/cron"),
        ("ssh", "/usr/sbin/sshd"),
        ("dbus", "/usr/bin/dbus-daemon"),
        ("postgresql@17-main", "pg_ctlcluster"),
    ],
)
def test_units_of_debian_packages(package: str, program: str) -> None:
    try:
        files = unit_files([f"{package}.service"])
    except NotFoundError:
        pytest.skip(f"the package with {package}.service is not installed")
    found = read_units(files, around=ROOT)
    made = {**services(found), **jobs(found)}
    refused = [remark for remark in found.remarks if remark.fate == "refused"]

    assert made or refused
    assert not [remark for remark in found.remarks if "not a key" in remark.message]
    if made:
        assert program in str(next(iter(made.values()))["command"])
