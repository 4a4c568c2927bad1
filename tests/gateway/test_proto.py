"""The committed generated code is what the protos say, and the protos are what was promised."""

from __future__ import annotations

import importlib.metadata
import re
from importlib.resources import files
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor

from pb.gateway.proto import memory_pb2, scheduler_pb2
from tests.gateway.regenerate import PROTOS, TOP, generate

FIELDS = {
    "job_name": (1, FieldDescriptor.TYPE_STRING),
    "cron_expr": (2, FieldDescriptor.TYPE_STRING),
    "last_run_ms": (3, FieldDescriptor.TYPE_INT64),
    "last_duration_ms": (4, FieldDescriptor.TYPE_INT64),
    "last_result": (5, FieldDescriptor.TYPE_ENUM),
    "last_error": (6, FieldDescriptor.TYPE_STRING),
    "next_run_ms": (7, FieldDescriptor.TYPE_INT64),
    "run_count": (8, FieldDescriptor.TYPE_UINT64),
    "error_count": (9, FieldDescriptor.TYPE_UINT64),
    "is_running": (10, FieldDescriptor.TYPE_BOOL),
    "is_paused": (11, FieldDescriptor.TYPE_BOOL),
}
"""SPEC section 6, written out a second time on purpose."""


@pytest.mark.parametrize("words", [memory_pb2, scheduler_pb2])
def test_messages_have_the_promised_numbers_and_types(words: object) -> None:
    types = words.DESCRIPTOR.message_types_by_name  # type: ignore[attr-defined]
    results = words.DESCRIPTOR.enum_types_by_name["JobResultStatus"]  # type: ignore[attr-defined]
    job, status = types["JobStatusProto"], types["GetSchedulerStatusResponse"]

    assert {f.name: (f.number, f.type) for f in job.fields} == FIELDS
    assert job.fields_by_name["last_error"].has_presence
    assert {f.name: f.number for f in status.fields} == {"scheduler_running": 1, "jobs": 2}
    for verb in ("Pause", "Resume"):
        asked, told = types[f"{verb}JobRequest"], types[f"{verb}JobResponse"]
        assert {f.name: f.number for f in asked.fields} == {"job_name": 1}
        assert {f.name: f.number for f in told.fields} == {"success": 1, "error": 2}
        assert told.fields_by_name["error"].has_presence
    assert [(v.name, v.number) for v in results.values] == [
        ("JOB_RESULT_STATUS_UNSPECIFIED", 0),
        ("JOB_RESULT_STATUS_SUCCESS", 1),
        ("JOB_RESULT_STATUS_FAILED", 2),
        ("JOB_RESULT_STATUS_SKIPPED", 3),
    ]


def test_both_services_have_the_three_methods() -> None:
    own = scheduler_pb2.DESCRIPTOR.services_by_name["SchedulerService"]
    old = memory_pb2.DESCRIPTOR.services_by_name["MemoryService"]

    assert (own.full_name, old.full_name) == ("pb.v1.SchedulerService", "memory.MemoryService")
    for service in (own, old):
        methods = {"GetSchedulerStatus", "PauseJob", "ResumeJob"}
        assert methods <= {method.name for method in service.methods}


def test_the_committed_code_is_what_the_protos_generate(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools")
    generate(tmp_path)

    for path in sorted(tmp_path.rglob("*.py")):
        committed = (TOP / path.relative_to(tmp_path)).read_text()
        assert without_versions(committed) == without_versions(path.read_text())


def without_versions(code: str) -> str:
    """Generated code without the compiler's own version, which differs from machine to machine."""
    code = re.sub(r"Protobuf Python Version: .*|GRPC_GENERATED_VERSION = .*", "", code)
    return re.sub(r"(Domain\.PUBLIC,\n)(\s+\d+,\n){3}", r"\1", code)


def test_the_installed_libraries_are_new_enough_for_the_generated_code() -> None:
    code = (TOP / "pb/gateway/proto/memory_pb2_grpc.py").read_text()
    wanted = re.search(r"GRPC_GENERATED_VERSION = '([0-9.]+)'", code)

    assert wanted
    assert version(importlib.metadata.version("grpcio")) >= version(wanted[1])


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def test_the_protos_are_in_the_package() -> None:
    for name in PROTOS:
        assert (files("pb.gateway.proto") / Path(name).name).read_text().startswith("//")
