"""The methods of gRPC: each asks one method of the registry, or hands a stream of ours on.

Of the three compatible ones a logical failure is an answer (``success=false`` and the reason); of
all others it is a status. No method has logic of its own.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from types import ModuleType
from typing import Any
from urllib.parse import unquote

from pb.errors import InvalidError, PbError, UnresponsiveError
from pb.gateway.asking import Visitor, ask
from pb.gateway.bridge import Bridge, Json
from pb.gateway.following import Ask, Log, Wanted, following, log_of_run, log_of_service, opened
from pb.gateway.hub import Hub, filter_of, told
from pb.gateway.proto import scheduler_pb2 as pb2
from pb.gateway.rpc_door import FAULT, GRANT
from pb.gateway.rpc_words import given, job_fields, message_of, notice_of, reason, refuse

FACE = "grpc"
"""How the audit trail names a change that came through here."""

PAGE = 100
"""Jobs of one page, unless another number is asked for."""

HOUR = 3600.0

logger = logging.getLogger("pb.gateway")

COMPATIBLE = {
    "GetSchedulerStatus": "scheduler.status",
    "PauseJob": "job.pause",
    "ResumeJob": "job.resume",
}

ASKED: dict[str, tuple[str, Any, Json]] = {
    "ListJobs": ("job.list", pb2.ListJobsResponse, {"n": PAGE}),
    "GetJob": ("job.show", pb2.GetJobResponse, {}),
    "AddJob": ("job.add", pb2.AddJobResponse, {"replace": False, "source": "api"}),
    "UpdateJob": ("job.add", pb2.UpdateJobResponse, {"replace": True, "source": "api"}),
    "RemoveJob": ("job.remove", pb2.RemoveJobResponse, {}),
    "RestoreJob": ("job.restore", pb2.RestoreJobResponse, {}),
    "RunJob": ("job.run", pb2.RunJobResponse, {}),
    "CancelJob": ("job.cancel", pb2.CancelJobResponse, {}),
    "ListRuns": ("job.history", pb2.ListRunsResponse, {}),
    "GetRun": ("run.show", pb2.GetRunResponse, {}),
    "CancelRun": ("run.cancel", pb2.CancelRunResponse, {}),
}
"""What each asks the registry for, what it answers, and parameters beside those of a request."""

STREAMS = {"TailLog": "run.show", "WatchEvents": "events.recent"}
"""The method of the registry whose scope a stream needs."""

METHODS_OF = {**COMPATIBLE, **{name: method for name, (method, _, _) in ASKED.items()}, **STREAMS}
"""The method of the registry behind each of ours."""


def visitor_of(context: Any) -> Visitor:
    return Visitor(grant=GRANT.get(), peer=peer_of(context.peer()), face=FACE)


def peer_of(text: str) -> str:
    """gRPC's ``ipv6:%5B::1%5D:80`` as a URL writes it."""
    family, _, address = unquote(text).partition(":")
    return address if family in ("ipv4", "ipv6") else unquote(text)


class CompatibleServicer:
    """The three methods, speaking with the messages of ``words`` (one of the generated modules)."""

    def __init__(self, bridge: Bridge, words: ModuleType) -> None:
        self._bridge = bridge
        self._words: Any = words

    async def GetSchedulerStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        try:
            status = await self._bridge.read("scheduler.status")
        except PbError as error:
            return await refuse(context, error)
        return self._words.GetSchedulerStatusResponse(
            scheduler_running=bool(status["running"]),
            jobs=[self._words.JobStatusProto(**job_fields(job)) for job in status["jobs"]],
        )

    async def PauseJob(self, request: Any, context: Any) -> Any:  # noqa: N802
        why = await self._change("job.pause", request.job_name, context)
        return self._words.PauseJobResponse(success=why is None, error=why)

    async def ResumeJob(self, request: Any, context: Any) -> Any:  # noqa: N802
        why = await self._change("job.resume", request.job_name, context)
        return self._words.ResumeJobResponse(success=why is None, error=why)

    async def _change(self, method: str, name: str, context: Any) -> str | None:
        """Why it was not done, or None."""
        try:
            await ask(self._bridge, visitor_of(context), method, {"name": name})
        except PbError as error:
            return reason(error)
        except Exception:
            logger.exception("unexpected error in %s", method)
            return FAULT
        return None


def asking(name: str) -> Callable[[Any, Any, Any], Awaitable[Any]]:
    """The method of that name, as ``ASKED`` says."""
    method, kind, fixed = ASKED[name]

    async def call(self: SchedulerServicer, request: Any, context: Any) -> Any:
        try:
            params = {**fixed, **given(request)}
            return message_of(kind, await ask(self._bridge, visitor_of(context), method, params))
        except PbError as error:
            refused = error
        except Exception:
            logger.exception("unexpected error in %s", method)
            refused = PbError(FAULT)
        return await refuse(context, refused)

    return call


class SchedulerServicer(CompatibleServicer):
    """All of pb.v1.SchedulerService."""

    def __init__(self, bridge: Bridge, hub: Hub) -> None:
        super().__init__(bridge, pb2)
        self._hub = hub

    ListJobs = asking("ListJobs")
    GetJob = asking("GetJob")
    AddJob = asking("AddJob")
    UpdateJob = asking("UpdateJob")
    RemoveJob = asking("RemoveJob")
    RestoreJob = asking("RestoreJob")
    RunJob = asking("RunJob")
    CancelJob = asking("CancelJob")
    ListRuns = asking("ListRuns")
    GetRun = asking("GetRun")
    CancelRun = asking("CancelRun")

    async def TailLog(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        log = await self._log(request, functools.partial(ask, self._bridge, visitor_of(context)))
        asked = given(request)
        wanted = Wanted(**{name: asked[name] for name in LOG_FIELDS if name in asked})
        over = asyncio.Event()
        with self._hub.minding(over.set):
            async with aclosing(following(log, wanted, over)) as found:
                async for pieces in found:
                    if pieces:
                        text = b"".join(piece.text for piece in pieces)
                        yield pb2.LogPiece(text=text, next=pieces[-1].next)
        if over.is_set():
            raise stopping()

    async def _log(self, request: Any, answer: Ask) -> Log:
        match request.WhichOneof("log"):
            case "run_id":
                log = await log_of_run(answer, given(request)["run_id"])
            case "service":
                log = await log_of_service(answer, request.service)
            case _:
                raise InvalidError("TailLog needs a run_id or a service")
        if not request.follow:
            await asyncio.to_thread(lambda: opened(log).close())
        return log

    async def WatchEvents(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        wanted = filter_of(request.types, request.jobs, request.services)
        with self._hub.listening(wanted) as listener:
            async for message in told(self._hub, listener, given(request).get("since"), HOUR):
                if message is not None:
                    yield notice_of(message)
        raise stopping()


LOG_FIELDS = ("offset", "tail", "follow", "raw")


def stopping() -> UnresponsiveError:
    return UnresponsiveError("The gateway is stopping", hint="Go on from where you are later.")
