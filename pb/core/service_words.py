"""Words of other programs that people write into a service, and what to write instead. Words only.

supervisor's, pm2's, Compose's, systemd's and jobs' own: each is refused with the key that means it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pb.core.fields import Problem

Words = Mapping[str, Problem]

CONTAINERS = "pb runs programs, not containers: the program's own settings say it."
ITS_LOG = "Its output is kept in its log: `pb service logs NAME`."

HINTS: Mapping[str, str] = {
    # jobs
    "triggers": "That is for work that ends: write [job.NAME].",
    "cron": "That is for work that ends: write [job.NAME].",
    "schedule": "That is for work that ends: write [job.NAME].",
    "every": "That is for work that ends: write [job.NAME].",
    "timezone": "That is for work that ends: write [job.NAME].",
    "overlap": "That is for work that ends: write [job.NAME].",
    "timeout": "A service has no end of its own. Write it into ready, health or stop.",
    "retry": 'Write restart: restart = {mode = "on-failure", max_restarts = 5}.',
    "kill_grace": 'Write it into stop: stop = {timeout = "10s"}.',
    "stop_signal": 'Write it into stop: stop = {signal = "INT"}.',
    "success_exit_codes": "Write it into restart: restart = {success_exit_codes = [0, 2]}.",
    "python": 'Write command = ["python", "-m", "MODULE"].',
    "stdin": "A service reads nothing. Give it a file in command.",
    "tags": 'Write groups = ["backend"].',
    "priority": "Services start at once, after those that depends_on names.",
    "paused": "Write enabled = false.",
    # our own, one level too high
    "delay": "Write it into restart.",
    "factor": "Write it into restart.",
    "max_delay": "Write it into restart.",
    "reset_after": "Write it into restart.",
    "max_restarts": "Write it into restart.",
    "window": "Write it into restart.",
    "signal": "Write it into stop.",
    "scope": "Write it into stop.",
    "tcp": "Write it into ready or health: ready = {tcp = 8000}.",
    "http": 'Write it into ready or health: ready = {http = "http://127.0.0.1:8000/"}.',
    "exec": 'Write it into ready or health: ready = {exec = ["pg_isready"]}.',
    "watchdog": 'Write it into health: health = {watchdog = "30s"}.',
    "interval": "Write it into ready or health.",
    "failures": "Write it into health.",
    "start_period": "Write it into health.",
    "pre_start": "Write it into hooks.",
    "post_start": "Write it into hooks.",
    "post_stop": "Write it into hooks.",
    "on_failed": "Write it into hooks.",
    "memory": 'Write max_memory = "512MiB".',
    "max_size": "Write it into log.",
    "keep": "Write it into log.",
    # supervisor
    "autostart": "Write enabled = true or false.",
    "autorestart": 'Write restart = "always", "on-failure" or "never".',
    "startsecs": 'Write ready for when it counts as started: ready = {delay = "1s"}.',
    "startretries": "Write restart = {max_restarts = 3}.",
    "exitcodes": "Write restart = {success_exit_codes = [0, 2]}.",
    "stopsignal": 'Write stop = {signal = "INT"}.',
    "stopwaitsecs": 'Write stop = {timeout = "10s"}.',
    "stopasgroup": "Leave it out: the whole tree is stopped (stop.scope).",
    "killasgroup": "Leave it out: whatever is left of the whole tree is killed.",
    "numprocs": "Write replicas = 2.",
    "process_name": "Leave it out: instances are called NAME, NAME@1, NAME@2.",
    "directory": "Write cwd.",
    "environment": 'Write env = {NAME = "value"}.',
    "stdout_logfile": ITS_LOG,
    "stderr_logfile": ITS_LOG,
    "redirect_stderr": ITS_LOG,
    "stdout_logfile_maxbytes": 'Write log = {max_size = "50MB"}.',
    "stdout_logfile_backups": "Write log = {keep = 10}.",
    # pm2
    "script": 'Write command = ["node", "app.js"].',
    "args": 'Write command = ["node", "app.js", "--port", "3000"].',
    "interpreter": 'Write command = ["node", "app.js"].',
    "instances": "Write replicas = 2; each finds its number in PB_INSTANCE.",
    "exec_mode": "Write replicas = 2; each finds its number in PB_INSTANCE.",
    "max_memory_restart": 'Write max_memory = "300MiB".',
    "min_uptime": 'Write restart = {reset_after = "60s"}.',
    "restart_delay": 'Write restart = {delay = "1s"}.',
    "exp_backoff_restart_delay": 'Write restart = {delay = "100ms", factor = 2}.',
    "kill_timeout": 'Write stop = {timeout = "5s"}.',
    "listen_timeout": 'Write ready = {notify = true, timeout = "10s"}.',
    "wait_ready": "Write ready = {notify = true}.",
    "ignore_watch": 'Write watch = {paths = ["src"], pattern = "*.js"}.',
    "watch_delay": 'Write watch = {paths = ["src"], settle = "1s"}.',
    "out_file": ITS_LOG,
    "error_file": ITS_LOG,
    "log_file": ITS_LOG,
    "log_date_format": "Write nothing: `pb service logs NAME --timestamps`.",
    "cron_restart": "Write a job whose command is pb service restart NAME.",
    "namespace": 'Write groups = ["backend"].',
    # Compose
    "image": CONTAINERS,
    "build": CONTAINERS,
    "ports": CONTAINERS,
    "expose": CONTAINERS,
    "volumes": CONTAINERS,
    "networks": CONTAINERS,
    "container_name": "Write the name into the table's header: [service.NAME].",
    "entrypoint": "Write command.",
    "healthcheck": 'Write health = {exec = ["pg_isready"]}, or one with http or tcp.',
    "working_dir": "Write cwd.",
    "deploy": "Write replicas, limits and restart.",
    "scale": "Write replicas = 2.",
    "mem_limit": 'Write max_memory = "512MiB".',
    "ulimits": "Write limits = {open_files = 8192}.",
    "stop_grace_period": 'Write stop = {timeout = "10s"}.',
    "profiles": 'Write groups = ["backend"].',
    "restart_policy": "Write restart.",
    "logging": 'Write log = {max_size = "10MiB", keep = 5}.',
    "links": 'Write depends_on = ["db"].',
    "depends": 'Write depends_on = ["db"].',
    "requires": 'Write depends_on = ["db"].',
    "after": 'Write depends_on = ["db"].',
    # systemd
    "Description": "Write description.",
    "Type": "Write nothing: it stays in the foreground; ready = {notify = true} for notify.",
    "ExecStart": "Write command.",
    "ExecStartPre": 'Write hooks = {pre_start = ["./migrate"]}.',
    "ExecStartPost": 'Write hooks = {post_start = ["./warm-up"]}.',
    "ExecStop": 'Write stop = {command = ["./stop"]}.',
    "ExecStopPost": 'Write hooks = {post_stop = ["./clean"]}.',
    "ExecReload": 'Write reload = "HUP" or {command = ["nginx", "-s", "reload"]}.',
    "OnFailure": 'Write hooks = {on_failed = ["./tell-me"]}.',
    "Restart": 'Write restart = "always", "on-failure" or "never".',
    "RestartSec": 'Write restart = {delay = "1s"}.',
    "StartLimitBurst": "Write restart = {max_restarts = 5}.",
    "StartLimitIntervalSec": 'Write restart = {window = "10m"}.',
    "SuccessExitStatus": "Write restart = {success_exit_codes = [0, 143]}.",
    "TimeoutStartSec": "Write it into ready: timeout.",
    "TimeoutStopSec": 'Write stop = {timeout = "10s"}.',
    "KillSignal": 'Write stop = {signal = "INT"}.',
    "KillMode": 'Write stop = {scope = "main"}.',
    "WatchdogSec": 'Write health = {watchdog = "30s"}.',
    "WorkingDirectory": "Write cwd.",
    "Environment": 'Write env = {NAME = "value"}.',
    "EnvironmentFile": 'Write env_file = [".env"]; a leading ? makes it optional.',
    "User": "Write user, where pb runs as root.",
    "UMask": 'Write umask = "022".',
    "Nice": "Write nice = 5.",
    "LimitNOFILE": "Write limits = {open_files = 8192}.",
    "MemoryMax": 'Write max_memory = "512MiB".',
    "After": 'Write depends_on = ["db"].',
    "Requires": 'Write depends_on = ["db"].',
    "Wants": 'Write depends_on = ["db:started"].',
    "WantedBy": "Write enabled = true, and run `pb service boot enable` once.",
}
"""By the word that somebody wrote."""


def refused(hints: Mapping[str, str], what: str) -> Words:
    said = f"is not a key of {what}"
    return MappingProxyType({key: Problem(key, said, hint) for key, hint in hints.items()})


SERVICE_WORDS = refused(HINTS, "a service")

TO_HEALTH, TO_READY = "Write it into health.", "Write it into ready."

READY_WORDS = refused(
    {
        "watchdog": TO_HEALTH,
        "failures": TO_HEALTH,
        "start_period": TO_HEALTH,
        "action": TO_HEALTH,
        "port": "Write tcp = 8000.",
        "url": 'Write http = "http://127.0.0.1:8000/".',
        "status": 'Write http = {url = "http://…", status = [200]}.',
        "headers": 'Write http = {url = "http://…", headers = {Accept = "text/plain"}}.',
        "command": 'Write exec = ["pg_isready"].',
        "path": 'Write file = "/run/app/ready".',
        "pattern": 'Write log = "ready to accept".',
    },
    "ready",
)

HEALTH_WORDS = refused(
    {
        "log": f"That can be asked once only. {TO_READY}",
        "notify": f'That can be asked once only. {TO_READY} Or write watchdog = "30s".',
        "file": f"That can be asked once only. {TO_READY}",
        "delay": "Write start_period.",
        "try_timeout": "Write timeout.",
        "test": 'Write exec = ["pg_isready"].',
        "command": 'Write exec = ["pg_isready"].',
        "port": "Write tcp = 8000.",
        "url": 'Write http = "http://127.0.0.1:8000/healthz".',
        "retries": "Write failures.",
        "failure_threshold": "Write failures.",
        "initial_delay": "Write start_period.",
        "period": "Write interval.",
        "disable": "Leave health out.",
    },
    "health",
)

RESTART_WORDS = refused(
    {
        "policy": 'Write mode = "on-failure".',
        "condition": 'Write mode = "on-failure".',
        "attempts": "Write max_restarts.",
        "max_attempts": "Write max_restarts.",
        "retries": "Write max_restarts.",
        "max": "Write max_delay.",
        "backoff": "Write factor = 2, or 1 for delays that stay the same.",
        "base": "Write delay.",
    },
    "restart",
)

STOP_WORDS = refused(
    {
        "grace": "Write timeout.",
        "kill_grace": "Write timeout.",
        "grace_period": "Write timeout.",
        "group": 'Write scope = "group".',
    },
    "stop",
)

RELOAD_WORDS = refused({"exec": 'Write command = ["nginx", "-s", "reload"].'}, "reload")

DEPENDENCY_WORDS = refused(
    {
        "name": 'Write service = "db".',
        "job": 'Write service = "db"; a service cannot wait for a job.',
        "on": 'Write condition = "ready".',
        "restart": "Write restart_with = true.",
        "required": "Leave it out: what it depends on is always needed.",
    },
    "depends_on",
)

LOG_WORDS = refused(
    {
        "backups": "Write keep.",
        "max_files": "Write keep.",
        "count": "Write keep.",
        "size": "Write max_size.",
        "age": "Write max_age.",
        "file": "Leave it out: `pb service logs NAME --path` says where it is.",
        "path": "Leave it out: `pb service logs NAME --path` says where it is.",
        "timestamps": "Leave it out: `pb service logs NAME --timestamps` shows them.",
    },
    "log",
)

HOOK_WORDS = refused(
    {
        "pre_stop": 'Write stop = {command = ["./drain"]}.',
        "on_failure": "Write on_failed.",
        "on_fail": "Write on_failed.",
    },
    "hooks",
)

WATCH_WORDS = refused(
    {
        "path": 'Write paths = ["src"].',
        "debounce": "Write settle.",
        "delay": "Write settle.",
        "ignore": 'Write pattern = "*.py" for what counts.',
    },
    "watch",
)

LIMIT_WORDS = refused(
    {
        "memory": 'Write max_memory = "512MiB", a key of its own.',
        "nice": "Write nice = 5, a key of its own.",
        "output": 'Write log = {max_size = "50MiB"}: its log is rotated.',
        "nofile": "Write open_files.",
        "nproc": "Write processes.",
        "cpu": "Write cpu_time.",
        "fsize": "Write file_size.",
    },
    "a service's limits",
)

MODE_WORDS: Mapping[str, str] = {
    "true": 'Write "always".',
    "false": 'Write "never".',
    "no": 'Write "never".',
    "unless-stopped": 'Write "always": what somebody stopped stays stopped.',
    "unexpected": 'Write "on-failure".',
    "on_failure": 'Write "on-failure".',
    "on-abnormal": 'Write "on-failure".',
    "on-abort": 'Write "on-failure".',
    "on-watchdog": 'Write "on-failure", and health = {watchdog = "30s"}.',
    "on-success": 'Write "always", or success_exit_codes for what is a success.',
}

SCOPE_WORDS: Mapping[str, str] = {
    "control-group": 'Write "tree".',
    "mixed": 'Write "main": what is left of the tree is killed at the end.',
    "process": 'Write "main".',
    "all": 'Write "tree".',
}

CONDITION_WORDS: Mapping[str, str] = {
    "service_started": 'Write "started".',
    "service_healthy": 'Write "healthy".',
    "service_completed_successfully": 'Write "completed".',
    "running": 'Write "started".',
    "success": 'Write "completed".',
}
