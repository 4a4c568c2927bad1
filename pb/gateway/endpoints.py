"""The HTTP interface as a table: which verb and path asks which method of the registry, and how.

Everything follows from this table and the registry: routing, the checks of parameters, the OpenAPI
document, the page that people read, and the tests that try every door. Nothing here has logic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any

from pb.api import METHODS
from pb.api.backup_catalogue import BACKUP_PATTERN
from pb.api.listing import JOB_STATES
from pb.api.notifying import STATES as NOTICE_STATES
from pb.api.registry import Method, Param
from pb.api.tokens import SCOPES
from pb.api.views import LATEST_MS
from pb.core.event_names import OWN_NAME
from pb.core.lean import dataclass
from pb.core.model import NAME_PATTERN, State
from pb.core.rollups import LEVELS
from pb.process.daemon_log import LEVELS as LOG_LEVELS

NONE: Mapping[str, Any] = MappingProxyType({})

ROOT = "/api/v1"

MOST = 1000
"""Items of one page."""

LONGEST_WAIT = 300
"""Seconds that one request may ask to wait."""

INSTANCE_PATTERN = NAME_PATTERN + "(@[0-9]{1,6})?"
"""A service, one of its instances, or a group."""

EVENT_PATTERN = rf"(?:user\.)?{OWN_NAME.pattern}"
"""What somebody may call an event."""

NUMBER_PATTERN = "[1-9][0-9]{0,17}"

WORD_OF_STATE = {"type": "array", "items": {"type": "string", "enum": [str(s) for s in State]}}

NARROWED: Mapping[str, Mapping[str, Any]] = {
    "n": {"minimum": 1, "maximum": MOST},
    "before": {"minimum": 1, "maximum": 2**53},
    "since_seq": {"minimum": 0, "maximum": 2**53},
    "until_ms": {"minimum": 0, "maximum": LATEST_MS},
    "timeout": {"minimum": 0, "maximum": LONGEST_WAIT},
    "hours": {"exclusiveMinimum": 0, "maximum": 24 * 366},
    "replicas": {"minimum": 0, "maximum": 1000},
    "job_state": {"enum": list(JOB_STATES)},
    "states": WORD_OF_STATE,
    "period": {"enum": list(LEVELS)},
    "log_level": {"enum": list(LOG_LEVELS)},
    "token_scope": {"enum": list(SCOPES)},
    "notice_state": {"enum": list(NOTICE_STATES)},
    "wait": {"enum": ["ready", "started", "none"]},
    "for": {"enum": ["ready", "healthy", "stopped"]},
    "signal_scope": {"enum": ["main", "group", "tree"]},
    "job": {"pattern": f"^{NAME_PATTERN}$"},
}
"""What is known of a value beyond its JSON type, as JSON Schema, by a word for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One verb on one path.

    ``method`` is the registry's. ``path`` may hold ``{name}`` or ``{run_id}``. ``takes`` are the
    method's parameters that a request may give, by the name they have here; in the query of a GET
    or DELETE, else in the body. ``fixed`` are those that it may not choose. ``whole`` is the one
    that the body is as a whole. ``kinds`` says which of ``NARROWED`` a parameter is, where that is
    not its own name. ``name`` is the pattern of the name in the path.
    """

    verb: str
    path: str
    method: str
    takes: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    whole: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    name: str = NAME_PATTERN
    status: int = 200
    summary: str = ""

    @property
    def of(self) -> Method:
        return METHODS[self.method]

    @property
    def says(self) -> str:
        return self.summary or self.of.summary

    @property
    def has_query(self) -> bool:
        return self.verb in ("GET", "DELETE") or self.whole is not None

    def schema_of(self, word: str, param: Param) -> dict[str, Any]:
        """The JSON Schema of a parameter, without its default."""
        kind = self.kinds.get(word, word)
        schema = {"type": param.type, **NARROWED.get(kind, NONE)}
        if param.type == "array":
            schema.setdefault("items", {"type": "string"})
        return schema


def words(*names: str, **others: str) -> dict[str, str]:
    """Parameters that have the same name here and in the registry, and those that have not."""
    return {**{name: name for name in names}, **others}


PAGE = ("n", "before")
HISTORY = words(*PAGE, "failed", "trigger", "reason", "since", "until", state="states")
JOB, RUN, SERVICE = f"{ROOT}/jobs/{{name}}", f"{ROOT}/runs/{{run_id}}", f"{ROOT}/services/{{name}}"
API = {"source": "api"}
BODY = {"replace": False, **API}


def get(path: str, method: str, **more: Any) -> Endpoint:
    return Endpoint(verb="GET", path=path, method=method, **more)


def post(path: str, method: str, **more: Any) -> Endpoint:
    return Endpoint(verb="POST", path=path, method=method, **more)


def on_service(verb: str, **more: Any) -> Endpoint:
    """Something that is done with a service, an instance of it, or a group."""
    return post(f"{SERVICE}/{verb}", f"service.{verb}", name=INSTANCE_PATTERN, **more)


ENDPOINTS: tuple[Endpoint, ...] = (
    get(f"{ROOT}/status", "scheduler.status", takes=words("jobs")),
    post(f"{ROOT}/scheduler/reload", "scheduler.reload"),
    post(
        f"{ROOT}/scheduler/log-level",
        "scheduler.log_level",
        takes=words("level"),
        kinds={"level": "log_level"},
    ),
    post(f"{ROOT}/scheduler/restart", "scheduler.restart", status=202),
    post(f"{ROOT}/scheduler/shutdown", "scheduler.shutdown", takes=words("keep_runs"), status=202),
    # -- jobs
    get(
        f"{ROOT}/jobs",
        "job.list",
        takes=words("n", "after", "state", "tag", "text", "all"),
        kinds={"state": "job_state", "after": "job"},
    ),
    post(
        f"{ROOT}/jobs", "job.add", whole="definition", fixed=BODY, status=201, summary="Add a job"
    ),
    get(JOB, "job.show"),
    Endpoint(
        verb="PUT",
        path=JOB,
        method="job.add",
        whole="definition",
        fixed={"replace": True, **API},
        summary="Add a job, or replace the one of that name",
    ),
    Endpoint(verb="DELETE", path=JOB, method="job.remove"),
    post(f"{JOB}/restore", "job.restore", status=201),
    post(f"{JOB}/pause", "job.pause", takes=words("note", "until"), kinds={"until": "until_ms"}),
    post(f"{JOB}/resume", "job.resume", takes=words("catch_up")),
    post(f"{JOB}/enable", "job.enable"),
    post(f"{JOB}/disable", "job.disable"),
    post(f"{JOB}/run", "job.run", status=202),
    post(f"{JOB}/cancel", "job.cancel"),
    get(f"{JOB}/next", "job.next", takes=words("n"), summary="The next fire times of a job"),
    get(
        f"{JOB}/runs",
        "job.history",
        takes=HISTORY,
        kinds={"state": "states"},
        summary="The newest runs of a job",
    ),
    get(f"{JOB}/hook", "hook.show"),
    get(f"{JOB}/stats", "job.stats", summary="How the runs of a job went"),
    get(f"{ROOT}/schedule", "job.schedule", takes=words("hours", "n", job="name")),
    get(f"{ROOT}/stats", "job.stats", takes=words(job="name")),
    get(
        f"{ROOT}/stats/periods",
        "stats.periods",
        takes=words("since", "until", "by", job="name"),
        kinds={"by": "period"},
    ),
    get(f"{ROOT}/digest", "digest.show", takes=words("since", "until")),
    get(f"{ROOT}/retention", "retention.show", takes=words(job="name")),
    get(f"{ROOT}/activity", "job.activity", takes=words("since", "bucket", job="name")),
    get(f"{ROOT}/deps", "job.deps", takes=words(job="name")),
    get(f"{ROOT}/queues", "queue.list"),
    # -- runs
    get(
        f"{ROOT}/runs",
        "job.history",
        takes={**HISTORY, "job": "name"},
        kinds={"state": "states"},
    ),
    get(RUN, "run.show"),
    post(f"{RUN}/cancel", "run.cancel"),
    get(f"{RUN}/wait", "run.wait", takes=words("timeout")),
    # -- services
    get(f"{ROOT}/services", "service.list", takes={"name": "names"}),
    post(
        f"{ROOT}/services",
        "service.add",
        whole="definition",
        fixed=BODY,
        status=201,
        summary="Add a service",
    ),
    get(SERVICE, "service.show", name=INSTANCE_PATTERN),
    Endpoint(
        verb="PUT",
        path=SERVICE,
        method="service.add",
        whole="definition",
        fixed={"replace": True, **API},
        summary="Add a service, or replace the one of that name",
    ),
    Endpoint(verb="DELETE", path=SERVICE, method="service.remove"),
    on_service("start", takes=words("deps", "wait", "timeout")),
    on_service("stop", takes=words("force", "timeout", "dependents")),
    on_service("restart", takes=words("wait", "timeout", "force")),
    on_service("reload"),
    on_service("reset"),
    on_service("signal", takes=words("signal", "scope"), kinds={"scope": "signal_scope"}),
    post(f"{SERVICE}/scale", "service.scale", takes=words("replicas")),
    post(f"{SERVICE}/enable", "service.enable"),
    post(f"{SERVICE}/disable", "service.disable"),
    get(f"{SERVICE}/wait", "service.wait", takes=words("for", "timeout"), name=INSTANCE_PATTERN),
    # -- what happened, and who may
    get(
        f"{ROOT}/events",
        "events.recent",
        takes=words("n", "since", "type", "job", "service"),
        kinds={"since": "since_seq"},
    ),
    post(f"{ROOT}/events/{{name}}", "event.emit", takes=words(data="facts"), name=EVENT_PATTERN),
    get(
        f"{ROOT}/audit",
        "audit.list",
        takes=words(*PAGE, "since", "until", "actor", "method", "target"),
    ),
    get(f"{ROOT}/config", "config.show"),
    get(f"{ROOT}/backups", "backup.list"),
    post(f"{ROOT}/backups", "backup.create", status=201),
    get(f"{ROOT}/backups/{{name}}/verify", "backup.verify", name=BACKUP_PATTERN),
    get(f"{ROOT}/notify/channels", "notify.list"),
    get(
        f"{ROOT}/notify/history",
        "notify.history",
        takes=words(*PAGE, "channel", "state", "job", "service"),
        kinds={"state": "notice_state"},
    ),
    post(f"{ROOT}/notify/test", "notify.test", takes=words("channel")),
    get(f"{ROOT}/tokens", "token.list"),
    post(
        f"{ROOT}/tokens",
        "token.create",
        takes=words("name", "scope", "expires"),
        kinds={"scope": "token_scope"},
        status=201,
    ),
    Endpoint(verb="DELETE", path=f"{ROOT}/tokens/{{name}}", method="token.revoke"),
)
"""Every verb and path that asks the registry."""


def by_path() -> Iterator[tuple[str, dict[str, Endpoint]]]:
    """Each path with its verbs, in the table's order."""
    paths: dict[str, dict[str, Endpoint]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.verb] = endpoint
    yield from paths.items()
