"""Whether and when a finished run is followed by another attempt: the policy applied to facts."""

from __future__ import annotations

import random

from pb.core.model import OnLost, State
from pb.core.retry import delay, is_retried
from pb.daemon.executor import Executor
from pb.daemon.open_run import Open


def retry_seconds(run: Open, executor: Executor) -> float | None:
    """Seconds until the next attempt of ``run``, which has its outcome; None for no other."""
    row, job = run.row, run.job
    if job is None or row.trigger == "cli":
        return None
    if row.state is State.LOST:
        # At most once is the default; a job may ask for one more try of what may have run.
        again = job.on_lost is OnLost.RETRY and row.attempt < max(2, job.retry.max_attempts)
    else:
        again = is_retried(
            job.retry,
            attempt=row.attempt,
            state=row.state,
            exit_code=row.exit_code,
            signal=row.signal,
            said=lambda text: executor.has_said(row, text),
        )
    return delay(job.retry, row.attempt, random.random()) if again else None  # noqa: S311
