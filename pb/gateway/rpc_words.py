"""What gRPC says and is told: answers of the registry as messages, requests as its parameters.

Messages are built here and nowhere else. A field has the name of the answer's key; ``_ms`` behind
it stands for an instant, as epoch milliseconds. Nothing is asked here, and nobody let in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

import grpc
from google.protobuf import struct_pb2
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass

from pb.errors import InvalidError, PbError
from pb.gateway.endpoints import MOST, NARROWED
from pb.gateway.following import MOST_LINES
from pb.gateway.hub import Message
from pb.gateway.params import within
from pb.gateway.proto import scheduler_pb2

Json = dict[str, Any]

RESULTS = {
    None: "UNSPECIFIED",
    "succeeded": "SUCCESS",
    "skipped": "SKIPPED",
    "missed": "SKIPPED",
}
"""What a run's outcome is on the wire; every other outcome is FAILED."""

CODES = {
    "usage": "INVALID_ARGUMENT",
    "invalid": "INVALID_ARGUMENT",
    "permission": "PERMISSION_DENIED",
    "not_found": "NOT_FOUND",
    "conflict": "FAILED_PRECONDITION",
    "unsupported": "UNIMPLEMENTED",
    "needs_daemon": "UNAVAILABLE",
    "unresponsive": "UNAVAILABLE",
    "protocol": "UNAVAILABLE",
    "too_many": "RESOURCE_EXHAUSTED",
    "too_many_requests": "RESOURCE_EXHAUSTED",
    "failed": "INTERNAL",
    "store": "INTERNAL",
}
"""The status of each error code (pb.errors)."""

LARGEST = {"minimum": 0, "maximum": 2**53}

BOUNDS: Mapping[str, Mapping[str, int]] = {
    "n": {"minimum": 1, "maximum": MOST},
    "before": dict(NARROWED["before"]),
    "run_id": {"minimum": 1, "maximum": 2**53},
    "since": LARGEST,
    "offset": LARGEST,
    "tail": {"minimum": 0, "maximum": MOST_LINES},
}
"""What a number may be, by its field."""

NAMES = {"job_name": "name"}
"""Fields that have another name in the registry."""


# -- errors


async def refuse(context: Any, error: PbError) -> NoReturn:
    """End the call with the error's status; the details are its message and what to do next."""
    code = getattr(grpc.StatusCode, CODES.get(error.code, "INTERNAL"))
    await context.abort(code, reason(error), (("pb-code", error.code),))
    raise error  # never reached: abort raises


def reason(error: PbError) -> str:
    return clean(f"{error.message}. {error.hint}" if error.hint else error.message)


def clean(text: str) -> str:
    """``text`` as protobuf takes it: a byte that is no UTF-8 becomes an escape."""
    return text.encode("utf-8", "backslashreplace").decode()


# -- requests


def given(request: Any) -> Json:
    """The fields that a request has, as parameters. Raises PbError for what cannot be meant."""
    found = {}
    for field, value in request.ListFields():
        if field.name in BOUNDS and isinstance(value, int):
            within(field.name, value, BOUNDS[field.name])
        found[NAMES.get(field.name, field.name)] = plain(field, value)
    return found


def plain(field: Any, value: Any) -> Any:
    if isinstance(value, struct_pb2.Struct):
        return {name: plain_value(one) for name, one in value.fields.items()}
    return list(value) if field.is_repeated else value


def plain_value(value: Any) -> Any:
    """A value of JSON. Its numbers are all floats on the wire; a whole one is meant as such."""
    match value.WhichOneof("kind"):
        case "struct_value":
            return {name: plain_value(one) for name, one in value.struct_value.fields.items()}
        case "list_value":
            return [plain_value(one) for one in value.list_value.values]
        case "number_value":
            return whole(value.number_value)
        case "null_value" | None:
            return None
        case kind:
            return getattr(value, kind)


def whole(number: float) -> int | float:
    if not abs(number) <= 2**53:
        raise InvalidError(f"{number} cannot be meant", hint="Numbers are exact up to 2^53.")
    return int(number) if number.is_integer() else number


# -- answers


def message_of(kind: Any, view: Mapping[str, Any]) -> Any:
    """An answer of the registry, or a part of one, as a message of this kind."""
    fields = ((field, value_in(view, field.name)) for field in kind.DESCRIPTOR.fields)
    return kind(**{f.name: part_of(f, value) for f, value in fields if value is not None})


def value_in(view: Mapping[str, Any], name: str) -> Any:
    if name in view or not name.endswith("_ms"):
        return view.get(name)
    match view.get(name.removesuffix("_ms")):
        case None:
            return None
        case list() as instants:
            return [epoch_ms(one) for one in instants]
        case instant:
            return epoch_ms(instant)


def part_of(field: Any, value: Any) -> Any:
    if field.is_repeated:
        return [one_of(field, one) for one in value]
    return one_of(field, value)


def one_of(field: Any, value: Any) -> Any:
    if field.message_type is None:
        return clean(value) if isinstance(value, str) else value
    kind = GetMessageClass(field.message_type)
    if field.message_type.file.package == "google.protobuf":
        return ParseDict(cleaned(value), kind())
    return message_of(kind, value)


def cleaned(value: Any) -> Any:
    match value:
        case str():
            return clean(value)
        case Mapping():
            return {clean(name): cleaned(one) for name, one in value.items()}
        case list():
            return [cleaned(one) for one in value]
        case _:
            return value


def notice_of(message: Message) -> Any:
    """What a listener is sent, as a Notice."""
    match message.kind:
        case "event":
            event = message_of(scheduler_pb2.Event, message.content)
            return scheduler_pb2.Notice(event=event)
        case "lost":
            return scheduler_pb2.Notice(lost=message.content["lost"])
        case _:
            state = f"SCHEDULER_STATE_{message.content['scheduler'].upper()}"
            return scheduler_pb2.Notice(scheduler=state)


# -- the three compatible methods


def job_fields(job: Mapping[str, Any]) -> Json:
    """A job of the registry as the fields of JobStatusProto."""
    result, error = last_occasion(job)
    return {
        "job_name": clean(job["name"]),
        "cron_expr": clean(first_cron(job["triggers"])),
        "last_run_ms": epoch_ms(job["last_run"]),
        "last_duration_ms": job["last_duration_ms"] or 0,
        "last_result": f"JOB_RESULT_STATUS_{result}",
        "last_error": clean(error) if error else None,
        "next_run_ms": epoch_ms(job["next_run"]),
        "run_count": job["run_count"],
        "error_count": job["error_count"],
        "is_running": bool(job["running"]),
        "is_paused": bool(job["paused"]),
    }


def last_occasion(job: Mapping[str, Any]) -> tuple[str, str | None]:
    """The result of whatever came last, a run or a skip, and what there is to say about it."""
    skipped = epoch_ms(job.get("last_skip"))
    if skipped and skipped > epoch_ms(job["last_run"]):
        return "SKIPPED", job.get("last_skip_reason")
    return RESULTS.get(job["last_result"], "FAILED"), job["last_error"]


def first_cron(triggers: list[Any]) -> str:
    """The first cron trigger's expression, or an empty text."""
    for trigger in triggers:
        if isinstance(trigger, Mapping) and trigger.get("type") == "cron":
            return str(trigger.get("expr", ""))
        if isinstance(trigger, str) and trigger.startswith("cron:"):
            return trigger.removeprefix("cron:").strip()
    return ""


def epoch_ms(instant: str | None) -> int:
    """RFC 3339 as epoch milliseconds; 0 for none."""
    return round(datetime.fromisoformat(instant).timestamp() * 1000) if instant else 0
