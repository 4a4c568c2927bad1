"""The definitions that runs are started with: read from the store when needed, a few kept."""

from __future__ import annotations

import json

from pb.core.definition import job_from
from pb.core.model import Job
from pb.store.store import Store

KEPT = 1024
"""Some two kilobytes each; with more jobs than that which run, some are read again."""


class Definitions:
    """Jobs by name. Ten thousand whole definitions need not lie in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._jobs: dict[str, Job] = {}

    def get(self, name: str) -> Job:
        """The job. Raises LookupError when it was removed, DefinitionError when unusable."""
        job = self._jobs.get(name)
        if job is None:
            text = self._store.definition(name)
            if text is None:
                raise LookupError("the job was removed")
            if len(self._jobs) >= KEPT:
                self._jobs.clear()
            job = self._jobs[name] = job_from(json.loads(text))
        return job

    def forget(self, name: str) -> None:
        self._jobs.pop(name, None)

    def clear(self) -> None:
        self._jobs.clear()
