"""What is kept of a job's past: the ``retention`` and the ``log`` of a definition. Pure.

What is deleted and when is the daemon's; how a log is cut ``process.logkeeper``'s.
"""

from __future__ import annotations

from collections.abc import Mapping

from pb.core.durations import format_size
from pb.core.fields import Field, read_integer, refusal
from pb.core.limits import read_size, write_size
from pb.core.model import DEFAULT_RETENTION, DEFAULT_RUN_LOG, Retention, RunLog
from pb.core.policies import read_policy, write_policy

MOST_RUNS, MOST_DAYS = 10_000_000, 36_500

SMALLEST_LOG = 64 * 1024
"""A log loses its middle by whole blocks of the file system; below this too little would stay."""


def read_log_size(value: object) -> int:
    size = read_size(value)
    if size < SMALLEST_LOG:
        raise refusal(f"should be at least {format_size(SMALLEST_LOG)}")
    return size


RETENTION: Mapping[str, Field] = {
    "keep_runs": Field(read_integer(1, MOST_RUNS)),
    "keep_days": Field(read_integer(1, MOST_DAYS)),
}
LOG: Mapping[str, Field] = {"max_size": Field(read_log_size, write_size)}

RETENTION_FIELD = Field(
    read_policy(RETENTION, Retention, '{"keep_runs": 100, "keep_days": 30}'),
    write_policy(RETENTION, DEFAULT_RETENTION),
)
LOG_FIELD = Field(
    read_policy(LOG, RunLog, '{"max_size": "10MiB"}'), write_policy(LOG, DEFAULT_RUN_LOG)
)
