"""Kinds of mistakes that people make in services, each with what is said about it."""

# ruff: noqa: E501 - a mistake a line reads best

from __future__ import annotations

from tests.config.mistakes import Mistake, document


def toml(
    lines: str, key: str, said: str, hint: str, *, line: int = 3, schema: bool = True
) -> Mistake:
    """A service whose third line is the wrong one."""
    text = f'[service.s]\ncommand = "true"\n{lines}\n'
    return Mistake(text, line, f"service.s.{key}", said, hint, schema)


def bare(lines: str, key: str, said: str, hint: str, *, schema: bool = True) -> Mistake:
    """A service that is only what is given, from line 2 on."""
    line = 1 if "missing" in said else 2
    return Mistake(f"[service.s]\n{lines}\n", line, f"service.s.{key}", said, hint, schema)


def word(key: str, hint: str, value: str = '"x"') -> Mistake:
    """A word of another program."""
    return toml(f"{key} = {value}", key, "not a key of a service", hint)


SERVICE_MISTAKES = {
    # the document
    "services that are no list": document('{\n"services": {}}', 2, "services", "should be a list", "services"),
    "a service that is no table": document('{"services": [\n5]}', 2, "services[0]", "should be a table", "name"),
    "services as a table of services": Mistake('[services.web]\ncommand = "x"\n', 1, "services", "not a known key", "service"),
    "a service that is text": Mistake('[service]\nweb = "python app.py"\n', 2, "service.web", "should be a table", "[service.web]"),
    "a service given twice": Mistake(
        '{"services": [{"name": "s", "command": ["x"]},\n{"name": "s", "command": ["y"]}]}',
        2, "services[1].name", "another service 's' above", "Rename", False, ".json",
    ),
    # names and what runs
    "a name of pb's own": Mistake('[service.gateway]\ncommand = "x"\n', 1, "service.gateway.name", "pb's own", "another"),
    "the name all": Mistake('[service.All]\ncommand = "x"\n', 1, "service.All.name", "pb's own", "another"),
    "a name with an at sign": Mistake('[service."web@1"]\ncommand = "x"\n', 1, 'service."web@1".name', "not a name", "letters"),
    "a name that contradicts its table": toml('name = "k"', "name", "otherwise", "Leave it out", schema=False),
    "no command": bare('description = "x"', "command", "is missing", "what to run"),
    "a port in a command": bare('command = ["serve", 8000]', "command[1]", "should be text", '"8000"'),
    "quotes that are not closed": bare("command = \"sh -c 'x\"", "command", "split into words", "quotes", schema=False),
    "a variable of pb's own": toml('env = {PB_INSTANCE = "1"}', "env.PB_INSTANCE", "set by pb", "another"),
    "a number in env": toml("env = {PORT = 8000}", "env.PORT", "should be text", '"8000"'),
    "an optional file of nobody": toml('env_file = ["?~bob/x"]', "env_file[0]", "not an absolute path", "~/"),
    "too nice": toml("nice = 20", "nice", "from -20 to 19", "niceness"),
    "memory as a limit": toml('limits = {memory = "1GiB"}', "limits.memory", "a service's limits", "max_memory"),
    "nice as a limit": toml("limits = {nice = 5}", "limits.nice", "a service's limits", "nice = 5"),
    "output as a limit": toml('limits = {output = "1GiB"}', "limits.output", "a service's limits", "log"),
    "a limit in its kernel's spelling": toml("limits = {nofile = 1024}", "limits.nofile", "limits", "open_files"),
    "memory in no unit": toml('max_memory = "1 house"', "max_memory", "not a size", "512MiB"),
    "a user with a space": toml('user = "web server"', "user", "not a user's name", "root"),
    "no replica at all": toml("replicas = 0", "replicas", "from 1 to 1000", "PB_INSTANCE"),
    "as many replicas as processors": toml('replicas = "max"', "replicas", "whole number", "replicas"),
    "a group as text": toml('groups = "backend"', "groups", "should be a list", '["backend"]'),
    # restart and stop
    "a mode that is none": toml('restart = "sometimes"', "restart", "one of always", "started again"),
    "a mode of Compose": toml('restart = "unless-stopped"', "restart", "one of always", '"always"'),
    "no in quotes": toml('restart = "no"', "restart", "one of always", '"never"'),
    "restart as a switch": toml("restart = true", "restart", "not true", '"always"'),
    "a mode misspelt": toml('restart.mode = "on-failur"', "restart.mode", "one of always", "on-failure"),
    "a word of another manager in restart": toml("restart.retries = 3", "restart.retries", "not a key of restart", "max_restarts"),
    "a delay beyond its maximum": toml('restart.delay = "5m"', "restart.delay", "longer than max_delay", 'max_delay = "5m"', schema=False),
    "a factor that shrinks": toml("restart.factor = 0.5", "restart.factor", "from 1 to 100", "longer"),
    "jitter in percent": toml("restart.jitter = 10", "restart.jitter", "from 0 to 1", "0 to 1"),
    "a window of nothing": toml("restart.window = 0", "restart.window", "more than 0", "Leave"),
    "a signal misspelt": toml('stop = "SIGTREM"', "stop", "not a signal", "TERM"),
    "a signal that suspends": toml('stop.signal = "STOP"', "stop.signal", "not a signal", "TERM"),
    "a grace period": toml('stop.grace_period = "5s"', "stop.grace_period", "not a key of stop", "timeout"),
    "a scope of systemd": toml('stop.scope = "control-group"', "stop.scope", "one of tree", '"tree"'),
    "a reload command as text": toml('reload = "nginx -s reload"', "reload", "not a signal", "command"),
    "a reload that says nothing": toml("reload = {}", "reload", "signal or a command", "HUP"),
    # ready and health
    "a check of nothing": toml('ready = {timeout = "5s"}', "ready", "names no check", "tcp"),
    "two checks": toml('ready = {tcp = 80, log = "up"}', "ready", "one check is enough", "Leave one"),
    "a check misspelt": toml("ready = {tpc = 80}", "ready.tpc", "not a known key", "tcp"),
    "a port alone": toml("ready = 8000", "ready", "should be a table", "tcp = 8000"),
    "a port in quotes alone": toml('ready = "8000"', "ready", "not a check", "tcp = 8000"),
    "a port too high": toml("ready = {tcp = 80000}", "ready.tcp", "not a port", "8000"),
    "an address without a port": toml('ready = {tcp = "localhost"}', "ready.tcp", "names no port", "8000"),
    "an address of version 6 without brackets": toml('ready = {tcp = "::1:80"}', "ready.tcp", "not an address", "[::1]:8000"),
    "a URL of another scheme": toml('ready = {http = "unix:///x"}', "ready.http", "not an http", "http://"),
    "a URL without a scheme": toml('ready = {http = "localhost/x"}', "ready.http", "not an http", "http://"),
    "a URL with a password": toml('ready = {http = "http://me:pw@x/"}', "ready.http", "password", "headers"),
    "a table without a URL": toml("ready = {http = {status = [200]}}", "ready.http.url", "is missing", "http://"),
    "a status that is none": toml('ready = {http = {url = "http://x/", status = 2}}', "ready.http.status", "from 100 to 599", "200"),
    "a header with a colon": toml('ready = {http = {url = "http://x/", headers = {"A:" = "b"}}}', 'ready.http.headers."A:"', "a header can have", "Headers"),
    "a regular expression that is none": toml('ready = {log = "ready ("}', "ready.log", "not a regular expression", "backslash", schema=False),
    "notify as text": toml('ready = {notify = "yes"}', "ready.notify", "should be true", "notify = true"),
    "a delay without end": toml('ready = {delay = "5m"}', "ready.delay", "timeout comes first", "longer", schema=False),
    "an interval of nothing": toml("ready = {tcp = 80, interval = 0}", "ready.interval", "at least 10ms", "tries"),
    "failures of ready": toml("ready = {tcp = 80, failures = 3}", "ready.failures", "not a key of ready", "health"),
    "a log line as health": toml('health = {log = "up"}', "health.log", "not a key of health", "ready"),
    "retries of health": toml("health = {tcp = 80, retries = 3}", "health.retries", "not a key of health", "failures"),
    "an action that is none": toml('health = {tcp = 80, action = "kill"}', "health.action", "one of restart", "unhealthy"),
    # others
    "a dependency as text": toml('depends_on = "db"', "depends_on", "should be a list", '["db"'),
    "dependencies of Compose": toml('depends_on = {db = {condition = "service_healthy"}}', "depends_on", "should be a list", '["db"'),
    "a condition of Compose": toml('depends_on = [{service = "db", condition = "service_healthy"}]', "depends_on[0].condition", "one of started", '"healthy"'),
    "a dependency by another word": toml('depends_on = [{name = "db"}]', "depends_on[0].name", "not a key of depends_on", "service"),
    "a dependency on itself": toml('depends_on = ["s"]', "depends_on[0]", "the service itself", "Remove", schema=False),
    "a dependency twice": toml('depends_on = ["db", "db:healthy"]', "depends_on[1]", "names db twice", "Remove", schema=False),
    "a dependency on the scheduler": toml('depends_on = [{service = "scheduler"}]', "depends_on[0].service", "pb's own", "another"),
    "a log of no size": toml("log = {max_size = 1000}", "log.max_size", "at least 64KiB", "longer", schema=False),
    "a log file": toml('log = "app.log"', "log", "should be a table", "max_size"),
    "backups of a log": toml("log = {backups = 3}", "log.backups", "not a key of log", "keep"),
    "a hook before the stop": toml('hooks = {pre_stop = ["x"]}', "hooks.pre_stop", "not a key of hooks", "stop"),
    "a hook that is a switch": toml("hooks = {pre_start = true}", "hooks.pre_start", "list of arguments", "df"),
    "watch as a switch": toml("watch = true", "watch", "should be a list", "src"),
    "a pattern without paths": toml('watch = {pattern = "*.py"}', "watch.paths", "is missing", "src"),
    "a pattern with a directory": toml('watch = {paths = ["/a"], pattern = "a/*.py"}', "watch.pattern", "not a pattern", "paths"),
    # words of other programs, and of jobs
    "a key misspelt": toml("replicsa = 2", "replicsa", "not a known key", "replicas"),
    "supervisor's autostart": word("autostart", "enabled", "true"),
    "supervisor's autorestart": word("autorestart", "restart", "true"),
    "supervisor's startsecs": word("startsecs", "ready", "5"),
    "supervisor's stopsignal": word("stopsignal", "stop"),
    "supervisor's numprocs": word("numprocs", "replicas", "2"),
    "supervisor's environment": word("environment", "env", "{}"),
    "supervisor's stdout_logfile": word("stdout_logfile", "pb service logs"),
    "pm2's script": word("script", "command"),
    "pm2's instances": word("instances", "replicas", "4"),
    "pm2's max_memory_restart": word("max_memory_restart", "max_memory"),
    "Compose's healthcheck": word("healthcheck", "health", "{}"),
    "Compose's ports": word("ports", "not containers", "[]"),
    "Compose's image": word("image", "not containers"),
    "systemd's ExecStart": word("ExecStart", "command"),
    "systemd's WantedBy": word("WantedBy", "pb service boot enable"),
    "a job's triggers": word("triggers", "[job.NAME]", "[]"),
    "a job's timeout": word("timeout", "ready, health or stop"),
    "a check at the top": word("tcp", "ready", "80"),
    "a restart's key at the top": word("max_restarts", "restart", "3"),
}  # fmt: skip
