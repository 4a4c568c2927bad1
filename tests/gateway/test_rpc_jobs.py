"""The methods of pb.v1.SchedulerService on a real scheduler, with grpcio's own client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from pb.gateway.proto import scheduler_pb2 as pb2
from pb.gateway.proto import scheduler_pb2_grpc
from pb.gateway.rpc_calls import peer_of
from pb.gateway.rpc_words import given, message_of, one_of
from tests.gateway.house import House, python
from tests.gateway.serving import TOKEN
from tests.kit import eventually

Json = dict[str, Any]


class Caller:
    """Calls methods by name with a token; ``ended`` is the status and what it says."""

    def __init__(self, channel: grpc.Channel, token: str) -> None:
        self.stub: Any = scheduler_pb2_grpc.SchedulerServiceStub(channel)
        self.metadata = (("authorization", f"Bearer {token}"),)

    def __call__(self, method: str, /, **fields: Any) -> Any:
        request = getattr(pb2, f"{method}Request")(**fields)
        return getattr(self.stub, method)(request, metadata=self.metadata, timeout=30)

    def ended(self, method: str, /, **fields: Any) -> tuple[str, str, str]:
        with pytest.raises(grpc.RpcError) as caught:
            self(method, **fields)
        error: Any = caught.value
        return error.code().name, error.details(), dict(error.trailing_metadata())["pb-code"]


@pytest.fixture(scope="module")
def channel(shared: House) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(shared.gateway.grpc) as open_channel:
        yield open_channel


@pytest.fixture(scope="module")
def call(channel: grpc.Channel) -> Caller:
    return Caller(channel, TOKEN)


def test_a_job_s_whole_life(call: Caller) -> None:
    definition = {"name": "life", "command": ["true"], "triggers": ["cron: 30 2 * * *"]}
    definition |= {"timezone": "UTC", "limits": {"nice": 5}, "tags": ["x", "y"]}

    added = call("AddJob", definition=definition)
    assert (added.created, added.job.name, added.job.state) == (True, "life", "idle")
    assert added.job.triggers[0].struct_value.fields["expr"].string_value == "30 2 * * *"
    assert added.fire_times_ms[0] == added.job.next_run_ms > 1_700_000_000_000
    assert list(added.job.tags) == ["x", "y"]

    replaced = call("UpdateJob", definition={**definition, "description": "new"})
    assert (replaced.created, replaced.job.description) == (False, "new")

    run = call("RunJob", job_name="life").run
    assert (run.job, run.trigger, run.by) == ("life", "manual", "grpc:local")
    eventually(lambda: call("GetRun", run_id=run.run_id).run.finished_at_ms, timeout=30)
    shown = call("GetJob", job_name="life")
    assert shown.definition.fields["limits"].struct_value.fields["nice"].number_value == 5
    assert (shown.runs[0].run_id, shown.runs[0].exit_code) == (run.run_id, 0)
    assert shown.created_at_ms <= shown.updated_at_ms

    assert call("RemoveJob", job_name="life").removed == "life"
    assert call.ended("GetJob", job_name="life")[0] == "NOT_FOUND"
    assert [one.run_id for one in call("ListRuns", job_name="life").runs] == [run.run_id]


def test_what_runs_is_cancelled_by_job_and_by_number(shared: House, call: Caller) -> None:
    shared.add("endless", ["sleep", "300"])

    run = call("RunJob", job_name="endless").run
    assert [one.state for one in call("CancelJob", job_name="endless").runs] == ["cancelled"]
    assert call("GetRun", run_id=run.run_id).run.state == "cancelled"

    run = call("RunJob", job_name="endless").run
    assert call("CancelRun", run_id=run.run_id).runs[0].run_id == run.run_id
    assert list(call("CancelJob", job_name="endless").runs) == []


def test_lists_have_pages_and_filters(shared: House, call: Caller) -> None:
    for name in ("page-a", "page-b", "page-c"):
        shared.add(name, ["true"], tags=["paged"])
    shared.ask("job.pause", name="page-b")

    first = call("ListJobs", n=2, tag="paged")
    assert [job.name for job in first.jobs] == ["page-a", "page-b"]
    rest = call("ListJobs", n=2, tag="paged", after=first.next)
    assert [job.name for job in rest.jobs] == ["page-c"]
    assert not rest.HasField("next")
    assert [job.name for job in call("ListJobs", state="paused", text="PAGE").jobs] == ["page-b"]

    numbers = [shared.run("page-a"), shared.run("page-a")]
    assert [run.run_id for run in call("ListRuns", job_name="page-a", n=1).runs] == numbers[1:]
    older = call("ListRuns", job_name="page-a", before=numbers[1], states=["succeeded"])
    assert [run.run_id for run in older.runs] == numbers[:1]
    assert list(call("ListRuns", job_name="page-a", failed=True).runs) == []


def test_what_a_run_hands_back_is_told(shared: House, call: Caller) -> None:
    script = (
        "import json, os; json.dump({'rows': [1, 2.5, None]}, open(os.environ['PB_OUTPUT'], 'w'))"
    )
    shared.add("handing", python(script))

    output = call("GetRun", run_id=shared.run("handing")).run.output.struct_value.fields["rows"]

    assert [one.number_value for one in output.list_value.values] == [1, 2.5, 0]
    assert output.list_value.values[2].HasField("null_value")


@pytest.mark.parametrize(
    ("method", "fields", "ended"),
    [
        ("GetJob", {"job_name": "lief"}, ("NOT_FOUND", "not_found")),
        ("GetJob", {}, ("INVALID_ARGUMENT", "invalid")),
        ("GetRun", {"run_id": 999_999}, ("NOT_FOUND", "not_found")),
        ("GetRun", {"run_id": 2**63}, ("INVALID_ARGUMENT", "usage")),
        ("ListJobs", {"n": 1001}, ("INVALID_ARGUMENT", "usage")),
        ("ListJobs", {"state": "sleepy"}, ("INVALID_ARGUMENT", "invalid")),
        ("ListRuns", {"since": "yesteryear"}, ("INVALID_ARGUMENT", "invalid")),
        ("AddJob", {}, ("INVALID_ARGUMENT", "invalid")),
        (
            "AddJob",
            {"definition": {"name": "x", "comand": ["true"]}},
            ("INVALID_ARGUMENT", "invalid"),
        ),
        (
            "AddJob",
            {"definition": {"name": "x", "command": ["true"], "priority": float("inf")}},
            ("INVALID_ARGUMENT", "invalid"),
        ),
        (
            "AddJob",
            {"definition": {"name": "there", "command": ["true"]}},
            ("FAILED_PRECONDITION", "conflict"),
        ),
        ("RunJob", {"job_name": "nothing"}, ("NOT_FOUND", "not_found")),
    ],
)
def test_an_error_is_a_status_with_what_to_do_next(
    shared: House, call: Caller, method: str, fields: Json, ended: tuple[str, str]
) -> None:
    shared.ask("job.add", definition={"name": "there", "command": ["true"]}, replace=True)

    status, details, code = call.ended(method, **fields)

    assert (status, code) == ended
    assert details


def test_the_nearest_name_is_in_the_details(shared: House, call: Caller) -> None:
    shared.ask("job.add", definition={"name": "there", "command": ["true"]}, replace=True)

    assert "Did you mean there" in call.ended("GetJob", job_name="thre")[1]


def test_a_change_leaves_a_row_of_the_audit_trail(shared: House, channel: grpc.Channel) -> None:
    shared.add("audited", ["true"])
    caller = Caller(channel, shared.token("write", name="phone"))

    caller("PauseJob", job_name="audited")
    caller("RemoveJob", job_name="audited")

    rows = shared.ask("audit.list", actor="phone")["changes"]
    assert [(row["method"], row["face"], row["target"]) for row in rows] == [
        ("job.remove", "grpc", "audited"),
        ("job.pause", "grpc", "audited"),
    ]
    assert all(row["peer"].startswith("127.0.0.1:") for row in rows)


def test_only_an_admin_sees_the_secrets_of_a_definition(
    shared: House, channel: grpc.Channel, call: Caller
) -> None:
    shared.add("secretive", ["true"], env={"API_TOKEN": "hush-hush"})
    reader = Caller(channel, shared.token("read", name="reader"))

    assert "hush-hush" in str(call("GetJob", job_name="secretive"))
    assert "hush-hush" not in str(reader("GetJob", job_name="secretive"))


def test_a_call_that_takes_longer_than_its_deadline_is_given_up(
    shared: House, call: Caller
) -> None:
    stubborn = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(300)"
    )
    shared.add("stubborn", python(stubborn), kill_grace="5s")
    number = shared.ask("job.run", name="stubborn")["run"]["run_id"]
    log = pb2.TailLogRequest(run_id=number, follow=True)
    assert next(call.stub.TailLog(log, metadata=call.metadata, timeout=30)).text == b"up\n"
    request = pb2.CancelJobRequest(job_name="stubborn")

    with pytest.raises(grpc.RpcError) as caught:
        call.stub.CancelJob(request, metadata=call.metadata, timeout=0.5)

    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert call("GetSchedulerStatus").scheduler_running


def test_every_key_of_a_job_a_run_and_an_event_has_a_field(shared: House) -> None:
    shared.add("whole", ["true"])
    shared.run("whole")
    job = shared.ask("job.list")["jobs"][0]
    run = shared.ask("run.show", run_id=1)["run"]
    event = shared.ask("events.recent", n=1)["events"][0]

    for kind, view in ((pb2.Job, job), (pb2.Run, run), (pb2.Event, event)):
        fields = {field.name.removesuffix("_ms") for field in kind.DESCRIPTOR.fields}
        assert {key.removesuffix("_ms") for key in view} == fields


def test_text_that_is_no_utf_8_is_escaped_wherever_it_stands() -> None:
    run = message_of(pb2.Run, {"run_id": 1, "state": "failed", "output": {"\udcff": ["\udcfe"]}})

    assert str(run.output.struct_value.fields["\\udcff"].list_value.values[0]).count("udcfe") == 1


@pytest.mark.parametrize("value", [True, 3, 2.5, "text", None, [1, "a"], {"b": {"c": []}}])
def test_a_definition_arrives_as_it_was_sent(value: Any) -> None:
    field = pb2.AddJobRequest.DESCRIPTOR.fields_by_name["definition"]
    request = pb2.AddJobRequest(definition=one_of(field, {"key": value}))

    assert given(request) == {"definition": {"key": value}}
    assert type(given(request)["definition"]["key"]) is type(value)


@pytest.mark.parametrize(
    ("peer", "shown"),
    [
        ("ipv4:127.0.0.1:80", "127.0.0.1:80"),
        ("ipv6:%5B::1%5D:80", "[::1]:80"),
        ("unix:", "unix:"),
    ],
)
def test_a_peer_is_written_as_in_a_url(peer: str, shown: str) -> None:
    assert peer_of(peer) == shown
