"""What is done to one job, and told: the acts behind ``pb job`` and ``pb scheduler``.

No typer here; the grammar is in the families' modules.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pb.api import Session
from pb.cli import logs
from pb.cli.asked import ANSWER_TIME, asked, elsewhere, home, session
from pb.cli.render import clean, emit, local_second, mark, note, out, seconds
from pb.errors import Exit, NeedsDaemonError, NotFoundError, PbError

if TYPE_CHECKING:
    from pb.cli.elsewhere import FarLog

Json = dict[str, Any]

START_TIME = 15.0
"""Seconds for a run to have started; a queue slot or a slow disk may take some of them."""

PATIENCE = 20.0
"""Seconds of one round of waiting for a run; there are as many rounds as it takes."""

RESTART_TIME = 10.0
"""Seconds for which a scheduler that went away may come back while its run is waited for."""

GOOD = frozenset({"succeeded"})
NOT_RUN = frozenset({"skipped", "missed"})
DONE = frozenset({"succeeded", "failed", "timed_out", "cancelled", "skipped", "missed", "lost"})


def change(method: str, name: str, word: str, **params: object) -> int:
    """Pause, resume, enable or disable; done already is success and is said."""
    with session() as talk:
        answer = talk.call(method, {"name": name, **params}, timeout=ANSWER_TIME)
        is_local = talk.is_local
    if asked.as_json:
        emit(answer)
        return 0
    if answer["changed"]:
        until = local_second(answer["job"].get("paused_until")) if word == "paused" else None
        out(f"{mark('ok')} Job '{clean(name)}' {word}{f' until {until}' if until else ''}.")
    else:
        already = "not paused" if word == "resumed" else f"{word} already"
        out(f"{mark('ok')} Job '{clean(name)}' is {already}.")
    if is_local and word in {"resumed", "enabled"}:
        hint_to_start()
    return 0


def change_many(method: str, tag: str | None, word: str, **params: object) -> int:
    """Pause or resume all jobs, or those with a tag."""
    with session() as talk:
        answer = talk.call(method, {"tag": tag, **params}, timeout=ANSWER_TIME)
    if asked.as_json:
        emit(answer)
        return 0
    names = answer["names"]
    whose = f"with the tag {clean(tag)}" if tag else "in all"
    count = f"{len(names)} job{'' if len(names) == 1 else 's'}"
    out(f"{mark('ok')} {count} {whose} {word}." if names else f"No job {whose} had to be {word}.")
    for name in names:
        out(f"  {clean(name)}")
    return 0


def hint_to_start() -> None:
    note("hint: No scheduler is running, so nothing runs it yet: pb scheduler start")


def run_now(name: str, *, wait: bool = False, follow: bool = False) -> int:
    """Start a run; with ``wait`` or ``follow`` answer its own exit code."""
    with session(local_ok=False) as talk:
        run = talk.call("job.run", {"name": name}, timeout=START_TIME)["run"]
    return tell_start(name, run, wait=wait, follow=follow)


def retry(word: str, *, wait: bool = False, follow: bool = False) -> int:
    """Another attempt of that run, or of the newest one of that job."""
    before = find_run(word)
    with session(local_ok=False) as talk:
        wanted = {"run_id": before["run_id"]}
        run = talk.call("run.retry", wanted, timeout=START_TIME)["run"]
    return tell_start(str(run["job"]), run, wait=wait, follow=follow)


def tell_start(name: str, run: Json, *, wait: bool, follow: bool) -> int:
    """Say that a run has started, and wait for its end if that is wanted."""
    if never_ran(run):
        return _say_not_run(name, run)
    if not asked.as_json:
        say = note if wait or follow else out
        say(f"{mark('ok')} Run {run['run_id']} of '{clean(name)}' {started(run)}")
    if follow:
        follow_output(run)
    if wait or follow:
        run = wait_for(run)
    if asked.as_json:
        emit({"run": run})
    elif wait or follow:
        note(sentence(run))
    return exit_code(run) if wait or follow else 0


def never_ran(run: Json) -> bool:
    """Whether it is over without ever having been a process."""
    return run["state"] in DONE - GOOD and not run.get("pid")


def _say_not_run(name: str, run: Json) -> int:
    if not asked.as_json:
        what = "could not be started" if run["state"] == "failed" else f"was {run['state']}"
        said = f"Run {run['run_id']} of {name!r} {what}: {run['reason']}"
        raise PbError(said, hint=f"See: pb job history {name}")
    emit({"run": run})
    return int(Exit.FAILED)


def started(run: Json) -> str:
    return f"started (PID {run['pid']})" if run.get("pid") else str(run["state"])


def wait_for(run: Json) -> Json:
    """The run once it has ended; a restart of the scheduler meanwhile is waited out."""
    lost_at: float | None = None
    while run["state"] not in DONE:
        try:
            with session(local_ok=False) as talk:
                params = {"run_id": run["run_id"], "timeout": PATIENCE}
                run = talk.call("run.wait", params, timeout=PATIENCE + ANSWER_TIME)["run"]
            lost_at = None
        except NeedsDaemonError:
            lost_at = lost_at or time.monotonic()
            if time.monotonic() - lost_at > RESTART_TIME:
                raise
            time.sleep(0.1)
    return run


def follow_output(run: Json) -> None:
    """Its output while it runs, on stderr's side of --json: nothing but JSON goes to stdout."""
    if asked.as_json:
        return
    wanted = logs.View(lines=None, follow=True)
    logs.show([(str(run["run_id"]), log_of(run))], wanted, Ended(run["run_id"]))


class Ended:
    """Whether a run has ended, asked at most four times a second.

    It says so one look late, so that what was written before the end has been read too.
    """

    def __init__(self, run_id: int) -> None:
        self._run_id = run_id
        self._next_look = 0.0
        self._has_ended = False

    def __call__(self) -> bool:
        if self._has_ended:
            return True
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + 0.25
            self._has_ended = self._look()
        return False

    def _look(self) -> bool:
        try:
            with session() as talk:
                wanted = {"run_id": self._run_id}
                run = talk.call("run.show", wanted, timeout=ANSWER_TIME)["run"]
        except NeedsDaemonError:
            return False  # The scheduler is just restarting; the run goes on without it.
        return run["state"] in DONE


def exit_code(run: Json) -> int:
    """The run's own exit code: 128+n for a signal; 1 when it failed and left none."""
    if run["state"] in GOOD:
        return int(Exit.DONE)
    if run.get("signal"):
        from pb.process.signals import signal_number

        return 128 + signal_number(str(run["signal"]))
    return int(run.get("exit_code") or Exit.FAILED)


def sentence(run: Json) -> str:
    """How a run ended, in one line."""
    took = seconds(run.get("duration_ms"))
    kind = "ok" if run["state"] in GOOD else "bad"
    reason = f": {clean(run['reason'])}" if run.get("reason") else ""
    state = str(run["state"]).replace("_", " ")
    return f"{mark(kind, sys.stderr)} Run {run['run_id']} {state} after {took}{reason}"


def log_of(run: Json) -> Path | FarLog:
    if elsewhere() is not None:
        from pb.cli.elsewhere import FarLog

        return FarLog(run_id=int(run["run_id"]))
    if run.get("log_path"):
        return Path(str(run["log_path"]))
    return home().run_log(run["job"], int(run["run_id"]))


def is_run_number(word: str, talk: Session) -> bool:
    """Whether ``word`` means a run: a number, unless a job has that name."""
    if not word.isdecimal() or len(word) > 18:
        return False
    try:
        talk.call("job.show", {"name": word}, timeout=ANSWER_TIME)
    except NotFoundError:
        return True
    return False


def find_run(word: str) -> Json:
    """The run of that number, or the newest run of the job of that name that has run."""
    with session() as talk:
        if is_run_number(word, talk):
            wanted = {"run_id": int(word)}
            found: Json = talk.call("run.show", wanted, timeout=ANSWER_TIME)["run"]
            return found
        newest = {"name": word, "n": 50}
        runs = talk.call("job.history", newest, timeout=ANSWER_TIME)["runs"]
    for run in runs:
        if run["started_at"]:
            return dict(run)
    raise NotFoundError(
        f"Job {word!r} has not run yet", hint=f"Run it now with: pb job run {word} --follow"
    )


def show_logs(word: str, wanted: logs.View) -> int:
    """``pb job logs``: the output of one run."""
    run = find_run(word)
    if not asked.as_json:
        note(f"Run {run['run_id']} of {clean(run['job'] or 'pb run')}, {run['state']}")
    if run["state"] in DONE and wanted.follow:
        from dataclasses import replace

        wanted = replace(wanted, follow=False)
    return logs.show([(str(run["job"]), log_of(run))], wanted, Ended(run["run_id"]))


def cancel(word: str) -> int:
    """``pb job cancel``: returns when the tree of every process is gone."""
    with session(local_ok=False) as talk:
        if is_run_number(word, talk):
            answer = talk.call("run.cancel", {"run_id": int(word)}, timeout=60.0)
        else:
            answer = talk.call("job.cancel", {"name": word}, timeout=60.0)
    survivors = answer.get("survivors", [])
    if asked.as_json:
        emit(answer)
    else:
        for run in answer["runs"]:
            out(f"{mark('ok')} Run {run['run_id']} {run['state']}")
        if not answer["runs"]:
            out(f"Nothing of '{clean(word)}' is running")
    if survivors:
        names = ", ".join(f"{each['pid']} ({clean(each['command'])})" for each in survivors)
        raise PbError(f"These processes will not die: {names}", hint="Look at them with ps.")
    return 0
