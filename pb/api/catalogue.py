"""The registry: every method by name, with its parameters, scope and meaning.

What a method does is in ``methods``, or in the scheduler's engine.
"""

from __future__ import annotations

from pb.api import applying, graph, history, listing, methods, metrics, pausing, undoing
from pb.api.access_catalogue import ACCESS_METHODS
from pb.api.backup_catalogue import BACKUP_METHODS
from pb.api.event_catalogue import EVENT_METHODS
from pb.api.notify_catalogue import NOTIFY_METHODS
from pb.api.past_catalogue import PAST_METHODS
from pb.api.registry import Method, Param, UnknownMethodError
from pb.api.service_catalogue import SERVICE_METHODS
from pb.errors import did_you_mean

NAME = {"name": Param("string")}
RUN = {"run_id": Param("integer")}
SOME_NAME = Param("string", None)

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            name="system.ping", summary="Is anybody there?", scope="read", call=methods.system_ping
        ),
        Method(
            name="system.info",
            summary="Alive, and which version",
            scope="read",
            call=methods.system_info,
        ),
        Method(
            name="system.metrics",
            summary="Counters of jobs and services, queues, and how late the scheduler is",
            scope="read",
            call=metrics.system_metrics,
        ),
        Method(
            name="scheduler.status",
            summary="The scheduler and its jobs",
            scope="read",
            params={"jobs": Param("boolean", True)},
            call=methods.scheduler_status,
        ),
        Method(
            name="scheduler.shutdown",
            summary="Stop the scheduler; keep_runs leaves its runs alive to be adopted",
            scope="write",
            params={"keep_runs": Param("boolean", False)},
            needs_daemon=True,
            is_for_admins=True,
        ),
        Method(
            name="scheduler.restart",
            summary="Replace the scheduler by a fresh one in place; its runs stay its children",
            scope="write",
            needs_daemon=True,
            is_for_admins=True,
        ),
        Method(
            name="scheduler.reload",
            summary="Read configuration and definition files again",
            scope="write",
            needs_daemon=True,
            is_for_admins=True,
        ),
        Method(
            name="scheduler.log_level",
            summary="What the scheduler logs: debug, info, warning or error; or change that",
            scope="write",
            params={"level": SOME_NAME},
            needs_daemon=True,
            is_for_admins=True,
        ),
        Method(
            name="job.list",
            summary="All jobs, or a page of those that match",
            scope="read",
            params={
                "n": Param("integer", None),
                "after": SOME_NAME,
                "state": SOME_NAME,
                "tag": SOME_NAME,
                "text": SOME_NAME,
                "all": Param("boolean", False),
            },
            call=listing.job_list,
        ),
        Method(
            name="job.show",
            summary="One job, whole",
            scope="read",
            params=NAME,
            call=methods.job_show,
        ),
        Method(
            name="job.add",
            summary="Add a job, or replace one",
            scope="write",
            params={
                "definition": Param("object"),
                "replace": Param("boolean", False),
                "source": Param("string", "cli"),
            },
            call=methods.job_add,
            is_for_admins=True,
        ),
        Method(
            name="job.import",
            summary="Add many jobs at once",
            scope="write",
            params={
                "definitions": Param("array"),
                "replace": Param("boolean", False),
                "source": Param("string", "cli"),
            },
            call=methods.job_import,
            is_for_admins=True,
        ),
        Method(
            name="job.apply",
            summary="Make jobs what a file says, all of them or none; tells what changes",
            scope="write",
            params={
                "definitions": Param("array"),
                "source": Param("string"),
                "beside": Param("array", ()),
                "dry_run": Param("boolean", False),
            },
            call=applying.job_apply,
            is_for_admins=True,
        ),
        Method(
            name="job.prune",
            summary="Remove the jobs that came from a file or directory, but some",
            scope="write",
            params={
                "scope": Param("string"),
                "keep": Param("array"),
                "dry_run": Param("boolean", False),
            },
            call=applying.job_prune,
        ),
        Method(
            name="job.export",
            summary="The definitions of some jobs or all, as a file would have them",
            scope="read",
            params={"names": Param("array", ())},
            call=applying.job_export,
        ),
        Method(
            name="job.remove",
            summary="Remove a job; its history stays",
            scope="write",
            params=NAME,
            call=methods.job_remove,
        ),
        Method(
            name="job.restore",
            summary="Bring back a job that was removed, as it was",
            scope="write",
            params=NAME,
            call=undoing.job_restore,
            is_for_admins=True,
        ),
        Method(
            name="job.pause",
            summary="Run nothing of a job (or of those with a tag, or all) until it is resumed",
            scope="write",
            params={
                "name": SOME_NAME,
                "tag": SOME_NAME,
                "note": SOME_NAME,
                "until": Param("integer", None),
            },
            call=pausing.job_pause,
        ),
        Method(
            name="job.resume",
            summary="Let paused jobs run again, from now on or with what was missed",
            scope="write",
            params={"name": SOME_NAME, "tag": SOME_NAME, "catch_up": Param("boolean", False)},
            call=pausing.job_resume,
        ),
        Method(
            name="job.enable",
            summary="Enable a job",
            scope="write",
            params=NAME,
            call=methods.job_enable,
        ),
        Method(
            name="job.disable",
            summary="Disable a job",
            scope="write",
            params=NAME,
            call=methods.job_disable,
        ),
        Method(
            name="job.run",
            summary="Start a run now; answers once its process was started",
            scope="write",
            params={**NAME, "by": SOME_NAME},
            needs_daemon=True,
        ),
        Method(
            name="job.cancel",
            summary="Stop all runs of a job; answers when their trees are gone",
            scope="write",
            params=NAME,
            needs_daemon=True,
        ),
        Method(
            name="job.next",
            summary="The next fire times of one job or all",
            scope="read",
            params={"name": SOME_NAME, "n": Param("integer", 5)},
            call=methods.job_next,
        ),
        Method(
            name="job.deps",
            summary="Which jobs wait for which",
            scope="read",
            params={"name": SOME_NAME},
            call=graph.job_deps,
        ),
        Method(
            name="job.history",
            summary="The newest runs, of one job or all",
            scope="read",
            params={
                "name": SOME_NAME,
                "n": Param("integer", 20),
                "states": Param("array", ()),
                "failed": Param("boolean", False),
                "trigger": SOME_NAME,
                "reason": SOME_NAME,
                "since": SOME_NAME,
                "until": SOME_NAME,
                "before": Param("integer", None),
            },
            call=history.job_history,
        ),
        Method(
            name="job.activity",
            summary="How many runs began in each stretch of time, by state",
            scope="read",
            params={
                "name": SOME_NAME,
                "since": Param("string", "14d"),
                "bucket": Param("string", "15m"),
            },
            call=history.job_activity,
        ),
        Method(
            name="job.schedule",
            summary="The jobs that fire in the coming hours, the soonest first",
            scope="read",
            params={"name": SOME_NAME, "hours": Param("number", 12), "n": Param("integer", 100)},
            call=history.job_schedule,
        ),
        Method(name="run.show", summary="One run", scope="read", params=RUN, call=methods.run_show),
        Method(
            name="run.retry",
            summary="Try a run that has ended again: the same fire time, one attempt more",
            scope="write",
            params={**RUN, "by": SOME_NAME},
            needs_daemon=True,
        ),
        Method(
            name="run.wait",
            summary="Wait until a run has ended, at most timeout seconds",
            scope="read",
            params={**RUN, "timeout": Param("number", 30)},
            needs_daemon=True,
        ),
        Method(
            name="run.cancel",
            summary="Stop one run; answers when its tree is gone",
            scope="write",
            params=RUN,
            needs_daemon=True,
        ),
        Method(
            name="run.begin",
            summary="Record that `pb run` starts a command",
            scope="write",
            params={
                "command": Param("array"),
                "name": SOME_NAME,
                "identity": Param("object", None),
            },
            call=methods.run_begin,
            audited=False,
        ),
        Method(
            name="run.end",
            summary="Record how a command of `pb run` ended",
            scope="write",
            params={**RUN, "exit_code": Param("integer", None), "signal": SOME_NAME},
            call=methods.run_end,
            audited=False,
        ),
        Method(
            name="queue.list",
            summary="The queues: their slots, and what runs and waits in them",
            scope="read",
            call=listing.queue_list,
        ),
        *EVENT_METHODS,
        *PAST_METHODS,
        *SERVICE_METHODS,
        *ACCESS_METHODS,
        *BACKUP_METHODS,
        *NOTIFY_METHODS,
    )
}
"""Every method by name."""


def find(name: str) -> Method:
    method = METHODS.get(name)
    if method is None:
        raise UnknownMethodError(
            f"There is no method {name!r}", hint=did_you_mean(name, list(METHODS))
        )
    return method
