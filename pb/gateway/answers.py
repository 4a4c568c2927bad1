"""What the methods answer, as JSON Schema for the OpenAPI document. A test holds it to the truth.

Written short: ``name:text`` is a property, ``?`` behind its type allows null. Answers may grow, so
none of these closes its object.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TYPES: dict[str, Schema] = {
    "text": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
    "whole": {"type": "integer"},
    "number": {"type": "number"},
    "bool": {"type": "boolean"},
    "object": {"type": "object"},
    "list": {"type": "array"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "any": {},
}

THINGS: dict[str, str] = {
    "Job": "name:text state:text enabled:bool paused:bool paused_at:time? pause_note:text? "
    "paused_until:time? description:text triggers:list timezone:text next_run:time? last_run:time? "
    "last_result:text? last_error:text? last_duration_ms:whole? last_skip:time? "
    "last_skip_reason:text? run_count:whole success_count:whole error_count:whole skip_count:whole "
    "miss_count:whole timeout_count:whole retry_count:whole running:bool tags:texts source:text "
    "builtin:bool",
    "Run": "run_id:whole job:text? fire_time:time fire_count:whole trigger:text queued_at:time "
    "started_at:time? finished_at:time? state:text reason:text? exit_code:whole? signal:text? "
    "pid:whole? attempt:whole log_path:text? max_rss_bytes:whole? cpu_seconds:number? "
    "command:texts? by:text? duration_ms:whole? lateness_ms:whole?",
    "Service": "name:text service:text instance:whole builtin:bool enabled:bool groups:texts "
    "essential:bool desired:text state:text health:text health_reason:text? reason:text? "
    "status:text? pid:whole? start_ticks:whole? started_at:time? ready_at:time? since:time? "
    "uptime_seconds:number? restarts:whole next_start_at:time? changed:bool address:text? "
    "last_exit:object? log_path:text pid_file:text source:text",
    "Event": "seq:whole at:time type:text job:text? run_id:whole? service:text? by:text? text:text",
    "Queue": "name:text slots:whole? jobs:whole running:whole queued:whole",
    "Token": "id:whole name:text scope:text state:text created_at:time created_by:text "
    "expires_at:time? revoked_at:time? revoked_by:text?",
    "Change": "seq:whole at:time actor:text face:text peer:text? method:text target:text? "
    "details:object",
    "Notice": "id:whole at:time channel:text occasion:text job:text? service:text? run_id:whole? "
    "text:text state:text attempts:whole next_try:time? finished_at:time? answer:text? "
    "message:whole?",
    "Channel": "name:text type:text target:text options:object is_default:bool used_by:texts "
    "waiting:whole last:object?",
    "Next": "name:text timezone:text fire_times:texts state:text",
}
"""The things that answers are made of."""

ANSWERS: dict[str, str] = {
    "scheduler.status": "running:bool pid:whole? mode:text? started_at:time? "
    "uptime_seconds:number? db_path:text socket_path:text log_path:text notice:text? counts:object",
    "job.list": "jobs:[Job] standings:object?",
    "job.show": "job:Job definition:object source:text created_at:time updated_at:time "
    "fire_times:texts explain:texts reactions:list runs:[Run] told:object log_path:text?",
    "job.add": "job:Job created:bool explain:texts fire_times:texts notes:texts",
    "job.remove": "removed:text",
    "job.restore": "job:Job",
    "job.pause": "job:Job changed:bool",
    "job.resume": "job:Job changed:bool",
    "job.enable": "job:Job changed:bool",
    "job.disable": "job:Job changed:bool",
    "job.run": "run:Run",
    "job.cancel": "runs:[Run]",
    "job.next": "jobs:[Next]",
    "job.history": "runs:[Run]",
    "job.schedule": "from:time until:time total:whole jobs:[Job]",
    "job.stats": "name:text? records:whole is_complete:bool all:object",
    "stats.periods": "name:text? by:text since:time until:time is_complete:bool periods:list "
    "total:object",
    "digest.show": "since:time until:time home:text by:text total:object before:object jobs:list "
    "failures:list slow:list services:list changes:object own_failures:list",
    "retention.show": "jobs:list runs:whole log_bytes:whole is_complete:bool",
    "job.activity": "name:text? since:time until:time bucket_seconds:whole buckets:list",
    "queue.list": "queues:[Queue] max_running:whole",
    "run.show": "run:Run",
    "run.wait": "run:Run",
    "run.cancel": "runs:[Run]",
    "service.list": "services:[Service]",
    "service.show": "service:Service instances:[Service] definition:object source:text told:object",
    "service.add": "service:Service",
    "service.enable": "service:text enabled:bool changed:bool",
    "service.disable": "service:text enabled:bool changed:bool",
    "service.scale": "service:text replicas:whole before:whole",
    "service.start": "services:list",
    "service.stop": "services:list",
    "service.restart": "services:list",
    "service.signal": "sent:whole",
    "events.recent": "events:[Event] oldest_seq:whole newest_seq:whole",
    "event.emit": "event:text at:time waits:bool",
    "hook.show": "name:text path:text token:text? has_token:bool has_secret:bool",
    "notify.list": "channels:[Channel] unknown:object",
    "notify.history": "notices:[Notice]",
    "notify.test": "notices:[Notice]",
    "audit.list": "changes:[Change]",
    "config.show": "settings:object origins:object",
    "token.list": "tokens:[Token]",
    "token.create": "token:text id:whole name:text scope:text state:text expires_at:time?",
    "token.revoke": "id:whole name:text state:text changed:bool",
}
"""What is promised of each method's answer; one that is not here is an object with ``schema``."""


def object_of(text: str, *, marked: bool = False) -> Schema:
    """The JSON Schema of what is written short; ``marked``: a whole answer, with ``schema``."""
    properties: dict[str, Schema] = {"schema": {"const": 1}} if marked else {}
    for word in text.split():
        name, _, kind = word.partition(":")
        properties[name] = type_of(kind)
    return {"type": "object", "properties": properties, "required": list(properties)}


def type_of(kind: str) -> Schema:
    name, is_nullable = kind.removesuffix("?"), kind.endswith("?")
    if name.startswith("["):
        return {"type": "array", "items": reference(name.strip("[]"))}
    if name in THINGS:
        return reference(name)
    schema = dict(TYPES[name])
    if is_nullable:
        schema["type"] = [schema["type"], "null"]
    return schema


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def things() -> dict[str, Schema]:
    return {name: object_of(text) for name, text in THINGS.items()}


def answer_of(method: str) -> Schema:
    return object_of(ANSWERS.get(method, ""), marked=True)
