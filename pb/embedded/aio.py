"""The async face of a scheduler: the same names and answers, awaited.

The event loop that awaits is the program's own; the scheduler's is another, in its thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pb.embedded import asking
from pb.embedded.asking import Json, Question
from pb.embedded.declaring import Triggers
from pb.embedded.life import stopped

if TYPE_CHECKING:
    from pb.embedded.scheduler import Scheduler


class Aio:
    """``scheduler.aio``: each method is the scheduler's of the same name."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    async def start(self) -> None:
        await asyncio.to_thread(self._scheduler.start)

    async def stop(self, *, keep_runs: bool = False) -> None:
        await asyncio.to_thread(self._scheduler.stop, keep_runs=keep_runs)

    async def add_job(
        self,
        name: str,
        command: str | Sequence[str] | None = None,
        *,
        python: str | Callable[..., Any] | None = None,
        triggers: Triggers = (),
        cron: str | None = None,
        every: str | float | timedelta | None = None,
        at: str | datetime | None = None,
        replace: bool = False,
        **keys: object,
    ) -> Json:
        return await self._ask(  # type: ignore[no-any-return]
            asking.add_job(
                name,
                command,
                python=python,
                triggers=triggers,
                cron=cron,
                every=every,
                at=at,
                replace=replace,
                keys=keys,
            )
        )

    async def remove_job(self, name: str) -> None:
        await asyncio.to_thread(self._scheduler.remove_job, name)

    async def get_job_status(self, name: str) -> Json:
        return await self._ask(asking.of_job("job.show", name))  # type: ignore[no-any-return]

    async def list_jobs(self) -> list[Json]:
        return await self._ask(Question("job.list", {}, "jobs"))  # type: ignore[no-any-return]

    async def pause_job(
        self, name: str, *, note: str | None = None, until: datetime | None = None
    ) -> Json:
        return await self._ask(asking.pause_job(name, note, until))  # type: ignore[no-any-return]

    async def resume_job(self, name: str, *, catch_up: bool = False) -> Json:
        return await self._ask(asking.resume_job(name, catch_up))  # type: ignore[no-any-return]

    async def run(self, name: str, *, wait: bool = True, timeout: float | None = None) -> Json:
        run: Json = await self._ask(asking.of_job("job.run", name, "run"))
        return await self.wait(run["run_id"], timeout=timeout) if wait else run

    async def wait(self, run_id: int, *, timeout: float | None = None) -> Json:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = asking.WAIT if deadline is None else max(0.0, deadline - time.monotonic())
            answer = await self._ask(asking.wait(run_id, min(left, asking.WAIT)))
            if answer.get("done"):
                return answer["run"]  # type: ignore[no-any-return]
            if timeout is not None and left <= asking.WAIT:
                raise asking.still_running(answer["run"], timeout)

    async def cancel(self, name: str) -> list[Json]:
        return await self._ask(asking.of_job("job.cancel", name, "runs"))  # type: ignore[no-any-return]

    async def history(
        self, name: str | None = None, *, n: int = 20, **filters: object
    ) -> list[Json]:
        return await self._ask(asking.history(name, n, filters))  # type: ignore[no-any-return]

    async def call(self, method: str, params: Mapping[str, object] | None = None) -> Json:
        return await self._ask(Question(method, dict(params or {})))  # type: ignore[no-any-return]

    async def _ask(self, question: Question) -> Any:
        future = asyncio.wrap_future(self._scheduler.put(question))
        try:
            return question.answered(await future)
        except asyncio.CancelledError:
            if future.cancelled() and not self._scheduler.is_running:
                raise stopped() from None
            raise
