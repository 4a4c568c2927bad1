"""Services: every key read and written back, every mistake told with its key and advice."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pb.core.checks import HEALTH, KIND_OF, KINDS, READY
from pb.core.fields import SIGNALS
from pb.core.model import EMPTY, Limits
from pb.core.service import (
    Delay,
    DependsCondition,
    Exec,
    FileExists,
    HealthAction,
    HealthPolicy,
    Hooks,
    Http,
    LogText,
    Notify,
    Ready,
    Reload,
    RestartMode,
    RestartPolicy,
    Service,
    ServiceDependency,
    ServiceLog,
    StopPolicy,
    StopScope,
    Tcp,
    Watch,
)
from pb.core.service_definition import (
    FIELDS,
    RESERVED_ENV,
    DefinitionError,
    Problem,
    service_dump,
    service_from,
)
from pb.core.service_policies import DEPENDENCY, HOOKS, LOG, RELOAD, RESTART, STOP, WATCH
from pb.core.service_words import HINTS
from tests.core.test_definition import ENV_NAMES, JSON, NAMES, PATHS, SECONDS, TEXT, WORD

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
MIB = 1 << 20


def minimal(**keys: object) -> dict[str, object]:
    return {"name": "web", "command": ["true"], **keys}


def problems_of(mapping: Any, name: str | None = None) -> list[tuple[str, str, str | None]]:
    with pytest.raises(DefinitionError) as caught:
        service_from(mapping, name=name)
    return [(p.key, p.message, p.hint) for p in caught.value.problems]


def test_every_field_has_a_key_and_the_other_way_round() -> None:
    assert set(FIELDS) == {field.name for field in fields(Service)}


@pytest.mark.parametrize(
    ("table", "model", "beside"),
    [
        (RESTART, RestartPolicy, set()),
        (STOP, StopPolicy, set()),
        (RELOAD, Reload, set()),
        (DEPENDENCY, ServiceDependency, set()),
        (LOG, ServiceLog, set()),
        (HOOKS, Hooks, set()),
        (WATCH, Watch, set()),
        ({k: v for k, v in READY.items() if k not in KINDS}, Ready, {"check"}),
        ({k: v for k, v in HEALTH.items() if k not in KINDS}, HealthPolicy, {"probe"}),
    ],
)
def test_every_field_of_a_policy_has_a_key(table: Any, model: Any, beside: set[str]) -> None:
    assert set(table) == {field.name for field in fields(model)} - beside


def test_two_keys_are_enough_and_the_rest_has_the_models_defaults() -> None:
    service = service_from({"name": "web", "command": "python app.py"})
    assert service == Service(name="web", command=("python", "app.py"))
    assert service.env is EMPTY
    assert service_from({"command": "python app.py"}, name="web") == service


def ready(check: Any, **keys: Any) -> Ready:
    return Ready(check=check, **keys)


URL = "http://127.0.0.1:8000/healthz"

READ: list[tuple[str, Any, Any]] = [
    ("command", "df -h '/my disk'", ("df", "-h", "/my disk")),
    ("cwd", "~/shop", "~/shop"),
    ("cwd", None, None),
    ("env", {"A": "1", "PB_JOB": "x"}, {"A": "1", "PB_JOB": "x"}),
    ("env_file", "~/a.env", ("~/a.env",)),
    ("env_file", ["/a", "?~/b"], ("/a", "?~/b")),
    ("umask", "022", 0o22),
    ("nice", -5, -5),
    ("limits", {"open_files": 8192, "cpu_time": "1h"}, Limits(open_files=8192, cpu_time=3600)),
    ("max_memory", "512MiB", 512 * MIB),
    ("max_memory", None, None),
    ("user", "www-data", "www-data"),
    ("user", 33, "33"),
    ("replicas", 3, 3),
    ("enabled", False, False),
    ("essential", True, True),
    ("groups", ["back", "all-of-it"], ("back", "all-of-it")),
    ("restart", "on-failure", RestartPolicy(mode=RestartMode.ON_FAILURE)),
    ("restart", {"mode": "never"}, RestartPolicy(mode=RestartMode.NEVER)),
    ("restart", {"delay": 0, "factor": 1}, RestartPolicy(delay=0, factor=1)),
    ("restart", {"delay": "5m", "max_delay": "5m"}, RestartPolicy(delay=300, max_delay=300)),
    ("restart", {}, RestartPolicy()),
    ("stop", "SIGINT", StopPolicy(signal="INT")),
    ("stop", {"timeout": 0, "scope": "main"}, StopPolicy(timeout=0, scope=StopScope.MAIN)),
    ("stop", {"command": "nginx -s quit"}, StopPolicy(command=("nginx", "-s", "quit"))),
    ("stop", {"command": []}, StopPolicy()),
    ("reload", "HUP", Reload(signal="HUP")),
    ("reload", {"signal": "usr1"}, Reload(signal="USR1")),
    ("reload", {"command": ["a", "b"]}, Reload(command=("a", "b"))),
    ("reload", None, None),
    ("ready", {"tcp": 8000}, ready(Tcp(port=8000))),
    ("ready", {"tcp": "8000", "timeout": "5s"}, ready(Tcp(port=8000), timeout=5)),
    ("ready", {"tcp": ":8000", "interval": "1s"}, ready(Tcp(port=8000), interval=1)),
    ("ready", {"tcp": "127.0.0.1:1"}, ready(Tcp(port=1))),
    ("ready", {"tcp": "db.local:65535"}, ready(Tcp(host="db.local", port=65535))),
    (
        "ready",
        {"tcp": "[::1]:80", "try_timeout": 1},
        ready(Tcp(host="::1", port=80), try_timeout=1),
    ),
    ("ready", {"http": URL}, ready(Http(url=URL))),
    ("ready", {"http": {"url": URL, "status": 204}}, ready(Http(url=URL, status=(204,)))),
    (
        "ready",
        {"http": {"url": "https://[::1]/?a=b", "status": [200, 401], "headers": {"Host": "x"}}},
        ready(Http(url="https://[::1]/?a=b", status=(200, 401), headers={"Host": "x"})),
    ),
    ("ready", {"exec": ["pg_isready", "-q"]}, ready(Exec(command=("pg_isready", "-q")))),
    ("ready", {"exec": "pg_isready -q"}, ready(Exec(command=("pg_isready", "-q")))),
    (
        "ready",
        {"log": "ready to (accept|serve)"},
        ready(LogText(pattern="ready to (accept|serve)")),
    ),
    ("ready", {"notify": True}, ready(Notify())),
    ("ready", {"file": "/run/x"}, ready(FileExists(path="/run/x"))),
    ("ready", {"delay": "2s"}, ready(Delay(seconds=2))),
    ("ready", "tcp: 8000", ready(Tcp(port=8000))),
    ("ready", "tcp=8000", ready(Tcp(port=8000))),
    ("ready", "log=state: up", ready(LogText(pattern="state: up"))),
    ("ready", "tcp:[::1]:80", ready(Tcp(host="::1", port=80))),
    ("ready", URL, ready(Http(url=URL))),
    ("ready", f"http: {URL}", ready(Http(url=URL))),
    ("ready", "exec: test -f /x", ready(Exec(command=("test", "-f", "/x")))),
    ("ready", "log: up: [0-9]+", ready(LogText(pattern="up: [0-9]+"))),
    ("ready", "notify", ready(Notify())),
    ("ready", "file: ~/x", ready(FileExists(path="~/x"))),
    ("ready", "delay: 2s", ready(Delay(seconds=2))),
    ("ready", None, None),
    ("health", URL, HealthPolicy(probe=Http(url=URL))),
    ("health", "watchdog: 30s", HealthPolicy(watchdog=30)),
    ("health", {"tcp": 80, "watchdog": 5}, HealthPolicy(probe=Tcp(port=80), watchdog=5)),
    (
        "health",
        {"exec": ["x"], "interval": "1m", "failures": 1, "start_period": "5m", "action": "none"},
        HealthPolicy(
            probe=Exec(command=("x",)),
            interval=60,
            failures=1,
            start_period=300,
            action=HealthAction.NONE,
        ),
    ),
    ("depends_on", ["db"], (ServiceDependency(service="db"),)),
    (
        "depends_on",
        ["db:healthy", {"service": "cache", "restart_with": True}],
        (
            ServiceDependency(service="db", condition=DependsCondition.HEALTHY),
            ServiceDependency(service="cache", restart_with=True),
        ),
    ),
    ("log", {"max_size": "50MiB", "keep": 3}, ServiceLog(max_size=50 * MIB, keep=3)),
    ("log", {"split_stderr": True}, ServiceLog(split_stderr=True)),
    ("log", {"max_age": "30d", "compress": False}, ServiceLog(max_age=30 * 86400, compress=False)),
    ("hooks", {"pre_start": "./migrate up"}, Hooks(pre_start=("./migrate", "up"))),
    ("hooks", {"on_failed": ["x"], "timeout": "5s"}, Hooks(on_failed=("x",), timeout=5)),
    ("watch", ["/a", "~/b"], Watch(paths=("/a", "~/b"))),
    ("watch", "/a", Watch(paths=("/a",))),
    ("watch", {"paths": ["/a"], "pattern": "*.py"}, Watch(paths=("/a",), pattern="*.py")),
]


@pytest.mark.parametrize(("key", "written", "meant"), READ)
def test_a_key_is_read_as_it_is_meant_and_written_back(
    key: str, written: object, meant: object
) -> None:
    service = service_from(minimal(**{key: written}))
    assert getattr(service, key) == meant
    assert service_from(json.loads(json.dumps(service_dump(service)))) == service


REFUSED = [
    ("name", "all", "name", "a name of pb's own", "another"),
    ("name", "web.err", "name", "ends like the log of a standard error", "another"),
    ("name", "Scheduler", "name", "a name of pb's own", "another"),
    ("name", "web@1", "name", "not a name that a service can have", "letters"),
    ("name", "../x", "name", "not a name", "letters"),
    ("command", ["a", 5], "command[1]", "should be text", '"5"'),
    ("command", "", "command", "is empty", "what to run"),
    ("env", {"PB_SERVICE": "x"}, "env.PB_SERVICE", "set by pb", "another"),
    ("env", {"NOTIFY_SOCKET": "x"}, "env.NOTIFY_SOCKET", "set by pb", "another"),
    ("env", {"A": 1}, "env.A", "should be text", '"1"'),
    ("env_file", ["?x"], "env_file[0]", "not an absolute path", "whole path"),
    ("nice", 20, "nice", "from -20 to 19", None),
    ("limits", {"memory": "1GiB"}, "limits.memory", "of a service's limits", "max_memory"),
    ("limits", {"nice": 5}, "limits.nice", "not a key", "nice = 5"),
    ("limits", {"output": 5}, "limits.output", "not a key", "log"),
    ("limits", {"nofile": 5}, "limits.nofile", "not a key", "open_files"),
    ("max_memory", 0, "max_memory", "more than 0", "Leave"),
    ("user", "no body", "user", "not a user's name", None),
    ("user", -1, "user", "should be text", '"-1"'),
    ("replicas", 0, "replicas", "from 1 to 1000", None),
    ("replicas", "max", "replicas", "whole number", None),
    ("groups", ["a b"], "groups[0]", "not a name", "letters"),
    ("groups", ["x", "all"], "groups[1]", "a name of pb's own", "another"),
    ("restart", "sometimes", "restart", "one of always, on-failure, never", None),
    ("restart", "on-failur", "restart", "one of always", "on-failure"),
    ("restart", "unless-stopped", "restart", "not 'unless-stopped'", '"always"'),
    ("restart", "no", "restart", "not 'no'", '"never"'),
    ("restart", True, "restart", "not true", '"always"'),
    ("restart", 5, "restart", "not a number", None),
    ("restart", {"retries": 5}, "restart.retries", "not a key of restart", "max_restarts"),
    ("restart", {"delay": "2m"}, "restart.delay", "longer than max_delay", 'max_delay = "2m"'),
    ("restart", {"jitter": 2}, "restart.jitter", "from 0 to 1", None),
    ("restart", {"window": 0}, "restart.window", "more than 0", None),
    ("stop", "QUITE", "stop", "not a signal", "QUIT"),
    ("stop", {"grace": "5s"}, "stop.grace", "not a key of stop", "timeout"),
    ("stop", {"scope": "control-group"}, "stop.scope", "one of tree", '"tree"'),
    ("stop", ["TERM"], "stop", "should be text", None),
    ("reload", "nginx -s reload", "reload", "not a signal", "command"),
    ("reload", {}, "reload", "a signal or a command", "HUP"),
    ("reload", {"signal": "HUP", "command": ["x"]}, "reload", "one of them", "HUP"),
    ("ready", {}, "ready", "names no check", "tcp"),
    ("ready", {"timeout": "5s"}, "ready", "names no check", "tcp"),
    ("ready", {"tcp": 1, "log": "x"}, "ready", "has tcp and log", "Leave one"),
    ("ready", {"tpc": 1}, "ready.tpc", "not a known key", "tcp"),
    ("ready", {"port": 80}, "ready.port", "not a key of ready", "tcp"),
    ("ready", {"tcp": 0}, "ready.tcp", "not a port", "8000"),
    ("ready", {"tcp": 65536}, "ready.tcp", "from 1 to 65535", "8000"),
    ("ready", {"tcp": "localhost"}, "ready.tcp", "names no port", "8000"),
    ("ready", {"tcp": "::1:80"}, "ready.tcp", "not an address", "[::1]"),
    ("ready", {"tcp": "a b:80"}, "ready.tcp", "not an address", "8000"),
    ("ready", {"tcp": True}, "ready.tcp", "a port or an address", "8000"),
    ("ready", {"tcp": "http://x:80"}, "ready.tcp", "not an address", ""),
    ("ready", {"http": 8000}, "ready.http", "should be text", ""),
    ("ready", {"http": "ftp://x/"}, "ready.http", "not an http or https URL", "http://"),
    ("ready", {"http": "localhost:80/x"}, "ready.http", "not an http", "http://"),
    ("ready", {"http": "http://:80/"}, "ready.http", "not a URL that can be", "http://"),
    ("ready", {"http": "http://x:70000/"}, "ready.http", "not a port", ""),
    ("ready", {"http": "http://a:b@x/"}, "ready.http", "name or password", "headers"),
    ("ready", {"http": "http://x/\r\nA: b"}, "ready.http", "not a URL that can be", "http://"),
    ("ready", {"http": {"status": 200}}, "ready.http.url", "is missing", "http://"),
    ("ready", {"http": {"url": URL, "status": 20}}, "ready.http.status", "from 100 to 599", None),
    ("ready", {"http": {"url": URL, "headers": {"A:": "x"}}}, 'ready.http.headers."A:"', "", None),
    ("ready", {"http": {"url": URL, "headers": {"A": "x\n"}}}, "ready.http.headers.A", "", None),
    ("ready", {"http": {"url": URL, "headers": {"A": 1}}}, "ready.http.headers.A", "text", None),
    ("ready", {"exec": []}, "ready.exec", "is empty", "run"),
    ("ready", {"log": "("}, "ready.log", "not a regular expression", "backslash"),
    ("ready", {"log": ""}, "ready.log", "1 to 1000", None),
    ("ready", {"notify": False}, "ready.notify", "should be true", "leave it out"),
    ("ready", {"file": "x"}, "ready.file", "not an absolute path", "whole path"),
    ("ready", {"delay": 0}, "ready.delay", "more than 0", "Leave ready out"),
    ("ready", {"delay": "2m"}, "ready.delay", "timeout comes first", "longer"),
    ("ready", {"tcp": 1, "interval": 0}, "ready.interval", "at least 10ms", None),
    ("ready", {"tcp": 1, "timeout": 0}, "ready.timeout", "more than 0", None),
    ("ready", {"tcp": 1, "failures": 3}, "ready.failures", "not a key of ready", "health"),
    ("ready", "8000", "ready", "not a check", "tcp"),
    ("ready", "tpc: 80", "ready", "not a check", "tcp"),
    ("ready", 8000, "ready", "should be a table", "tcp"),
    ("health", {"log": "x"}, "health.log", "not a key of health", "ready"),
    ("health", "notify", "health", "not a check", "http"),
    ("health", {"interval": 5}, "health", "names no check", "http"),
    ("health", {"tcp": 1, "exec": ["x"]}, "health", "has tcp and exec", "Leave one"),
    ("health", {"tcp": 1, "retries": 3}, "health.retries", "not a key", "failures"),
    ("health", {"tcp": 1, "failures": 0}, "health.failures", "from 1 to", None),
    ("health", {"tcp": 1, "action": "reboot"}, "health.action", "one of restart", None),
    ("depends_on", "db", "depends_on", "should be a list", '["db"'),
    ("depends_on", {"db": {}}, "depends_on", "should be a list", '["db"'),
    ("depends_on", ["web"], "depends_on[0]", "the service itself", "Remove"),
    ("depends_on", ["a", "a:healthy"], "depends_on[1]", "names a twice", "Remove"),
    ("depends_on", ["db:service_healthy"], "depends_on[0].condition", "one of", '"healthy"'),
    ("depends_on", [{"name": "db"}], "depends_on[0].name", "not a key of depends_on", "service"),
    ("depends_on", [{}], "depends_on[0]", "names no service", "db"),
    ("depends_on", ["scheduler"], "depends_on[0].service", "pb's own", ""),
    ("log", {"max_size": 10}, "log.max_size", "at least 64KiB", None),
    ("log", {"backups": 3}, "log.backups", "not a key of log", "keep"),
    ("log", "x.log", "log", "should be a table", "max_size"),
    ("hooks", {"pre_stop": ["x"]}, "hooks.pre_stop", "not a key of hooks", "stop"),
    ("hooks", {"pre_start": 5}, "hooks.pre_start", "a list of arguments", ""),
    ("watch", True, "watch", "should be a list", "src"),
    ("watch", [], "watch", "names no paths", "src"),
    ("watch", {"pattern": "*.py"}, "watch.paths", "is missing", "src"),
    ("watch", {"paths": ["/a"], "pattern": "a/*"}, "watch.pattern", "not a pattern", "paths"),
    ("enabled", "true", "enabled", "true or false", "quotes"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "written", "place", "said", "advice"), REFUSED)
def test_a_wrong_value_is_told_with_its_place_and_advice(
    key: str, written: object, place: str, said: str, advice: str | None
) -> None:
    [(where, message, hint)] = problems_of(minimal(**{key: written}))
    assert where == place
    assert said in message
    assert message
    assert "\n" not in message
    assert advice is None or (hint is not None and advice in hint)


@pytest.mark.parametrize("word", HINTS)
def test_a_word_of_another_program_is_told_what_to_write_instead(word: str) -> None:
    [(where, message, hint)] = problems_of(minimal(**{word: "x"}))
    assert (where, message) == (word, "is not a key of a service")
    assert hint
    assert word not in FIELDS


@pytest.mark.parametrize("word", [word for word in HINTS if f"= {{{word}" in HINTS[word]])
def test_the_advice_for_a_key_at_the_wrong_level_can_be_read(word: str) -> None:
    import tomllib

    line = HINTS[word].partition(": ")[2].rstrip(".")
    if line.startswith(("ready", "health", "stop", "restart")):
        service_from(minimal(**tomllib.loads(line)))


def test_all_problems_are_told_at_once_and_in_order() -> None:
    found = problems_of({"replicas": 0, "env": {"A": 1, "B": True}, "ready": {"tcp": 0, "log": 1}})
    assert [key for key, _, _ in found] == [
        "replicas", "env.A", "env.B", "ready.tcp", "ready.log", "name", "command",
    ]  # fmt: skip


def test_shell_takes_one_text_as_it_is() -> None:
    service = service_from(minimal(command="a 'b | c", shell=True))
    assert service.command == ("a 'b | c",)
    assert service_dump(service)["command"] == "a 'b | c"


def test_a_dump_has_tables_for_what_may_be_written_short() -> None:
    short = minimal(restart="never", stop="INT", reload="HUP", ready="tcp: 80", watch=["/a"])
    assert service_dump(service_from(short)) == minimal(
        restart={"mode": "never"},
        stop={"signal": "INT"},
        reload={"signal": "HUP"},
        ready={"tcp": 80},
        watch={"paths": ["/a"]},
    )


@pytest.mark.parametrize("junk", [None, 5, "text", [1]])
def test_a_definition_that_is_no_table_is_refused(junk: object) -> None:
    assert problems_of(junk)[0][0] == ""


# -- whatever a service is, what is dumped of it is read back

POSITIVE = SECONDS.filter(lambda seconds: seconds >= 0.01)
ARGV = st.tuples(WORD, TEXT)
PORTS = st.integers(1, 65_535)
HOSTS = st.sampled_from(["127.0.0.1", "localhost", "db.local", "::1", "fe80::1"])
TCPS = st.builds(Tcp, host=HOSTS, port=PORTS)
HTTPS = st.builds(
    Http,
    url=st.sampled_from([URL, "https://[::1]:1/?a=%20&b", "HTTP://a.b"]),
    status=st.lists(st.integers(100, 599), max_size=2).map(tuple),
    headers=st.dictionaries(ENV_NAMES, st.sampled_from(["", "a b"]), max_size=2).map(
        MappingProxyType
    ),
)
EXECS = st.builds(Exec, command=ARGV)
PROBES = st.one_of(TCPS, HTTPS, EXECS)
CHECKS = st.one_of(
    PROBES,
    st.builds(LogText, pattern=st.sampled_from(["ready", "^a.*b$", "é"])),
    st.just(Notify()),
    st.builds(FileExists, path=PATHS),
)
DELAYS = st.builds(
    lambda seconds: Ready(check=Delay(seconds=seconds), timeout=seconds + 1),
    st.integers(1, 10**6).map(lambda ms: ms / 1000),
)
READIES = st.builds(Ready, check=CHECKS, timeout=POSITIVE, interval=POSITIVE, try_timeout=POSITIVE)
HEALTHS = st.builds(
    HealthPolicy,
    probe=PROBES,
    watchdog=st.none() | POSITIVE,
    interval=POSITIVE,
    timeout=POSITIVE,
    failures=st.integers(1, 1000),
    start_period=SECONDS,
    action=st.sampled_from(HealthAction),
)
RESTARTS = st.builds(
    RestartPolicy,
    mode=st.sampled_from(RestartMode),
    success_exit_codes=st.lists(st.integers(0, 255), max_size=3).map(tuple),
    delay=st.integers(0, 60_000).map(lambda ms: ms / 1000),
    factor=st.floats(1, 100),
    max_delay=SECONDS.map(lambda seconds: seconds + 60),
    jitter=st.floats(0, 1),
    reset_after=SECONDS,
    max_restarts=st.integers(0, 1000),
    window=POSITIVE,
)
STOPS = st.builds(
    StopPolicy,
    signal=st.sampled_from(SIGNALS),
    timeout=SECONDS,
    command=st.just(()) | ARGV,
    scope=st.sampled_from(StopScope),
)
RELOADS = st.one_of(
    st.builds(Reload, signal=st.sampled_from(SIGNALS)), st.builds(Reload, command=ARGV)
)
DEPENDENCIES = st.lists(
    st.builds(
        ServiceDependency,
        service=NAMES.map(lambda name: "x" + name[:60]),
        condition=st.sampled_from(DependsCondition),
        restart_with=st.booleans(),
    ),
    max_size=3,
    unique_by=lambda one: one.service,
).map(tuple)
LOGS = st.builds(
    ServiceLog,
    max_size=st.none() | st.integers(65_536, 2**50),
    keep=st.none() | st.integers(1, 1000),
    max_age=st.none() | POSITIVE,
    compress=st.none() | st.booleans(),
)
HOOK = st.just(()) | ARGV
SERVICES = st.builds(
    Service,
    name=st.sampled_from(["web", "a", "all-of-it", "A.b_c-1"]),
    command=ARGV,
    description=TEXT,
    cwd=st.none() | PATHS,
    env=st.dictionaries(ENV_NAMES.filter(lambda n: n not in RESERVED_ENV), TEXT, max_size=3).map(
        MappingProxyType
    ),
    env_file=st.lists(PATHS | PATHS.map("?".__add__), max_size=2).map(tuple),
    umask=st.none() | st.integers(0, 0o777),
    nice=st.none() | st.integers(-20, 19),
    limits=st.builds(Limits, open_files=st.none() | st.integers(8, 10_000)),
    max_memory=st.none() | st.integers(1, 2**50),
    user=st.none() | st.sampled_from(["www-data", "0"]),
    replicas=st.integers(1, 1000),
    enabled=st.booleans(),
    essential=st.booleans(),
    groups=st.lists(NAMES.map(lambda name: "x" + name[:60]), max_size=2).map(tuple),
    restart=RESTARTS,
    stop=STOPS,
    reload=st.none() | RELOADS,
    ready=st.none() | READIES | DELAYS,
    health=st.none() | HEALTHS | st.builds(HealthPolicy, watchdog=POSITIVE),
    depends_on=DEPENDENCIES,
    log=LOGS,
    hooks=st.builds(
        Hooks, pre_start=HOOK, post_start=HOOK, post_stop=HOOK, on_failed=HOOK, timeout=POSITIVE
    ),
    watch=st.none() | st.builds(Watch, paths=st.tuples(PATHS), settle=POSITIVE),
)


@patient
@example(Service(name="web", command=("x",)), False)
@given(SERVICES, st.booleans())
def test_what_is_dumped_is_read_back_as_the_same_service(service: Service, is_shell: bool) -> None:
    if is_shell:
        service = replace(service, shell=True, command=("x" + service.command[1],))
    assert service_from(json.loads(json.dumps(service_dump(service)))) == service


@patient
@given(st.dictionaries(st.sampled_from([*FIELDS, *list(HINTS)[:5], "zzz"]), JSON, max_size=5))
def test_no_value_of_any_kind_gets_anything_but_a_service_or_problems(
    junk: dict[str, object],
) -> None:
    service: Service | None = None
    problems: tuple[Problem, ...] = ()
    try:
        service = service_from(junk)
    except DefinitionError as error:
        problems = error.problems
    assert (service is None) == bool(problems)
    assert all(problem.key and problem.message for problem in problems)


TABLE = {"restart": RESTART, "stop": STOP, "ready": READY, "health": HEALTH, "watch": WATCH}


@patient
@given(st.sampled_from(sorted(TABLE)), st.data())
def test_no_value_in_a_table_gets_anything_else_either(key: str, drawn: st.DataObject) -> None:
    inner = drawn.draw(st.dictionaries(st.sampled_from(sorted(TABLE[key])), JSON, max_size=3))
    places: list[str] = []
    try:
        service_from(minimal(**{key: inner}))
    except DefinitionError as error:
        places = [problem.key for problem in error.problems]
    assert all(place.startswith(key) for place in places)


def test_every_kind_of_check_has_a_word() -> None:
    assert set(KIND_OF.values()) == set(KINDS)
