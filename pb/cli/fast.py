"""The short way for the commands that scripts ask again and again: no grammar is built for them.

Exactly the words below are understood; with anything else typer reads the line. Both ways end in
the same functions (``status``), so that they cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pb.cli import asked as asking

Command = Callable[[], int]


def try_fast(words: list[str]) -> int | None:
    """Run a hot command and answer its exit code; None when the words are not one of them."""
    command = _command(tuple(word for word in words if word not in {"--json", "--debug"}))
    return None if command is None else command()


def _command(words: tuple[str, ...]) -> Command | None:
    match words:
        case ("scheduler", "status"):
            return partial(_scheduler_status, jobs=True)
        case ("scheduler", "status", "--no-jobs"):
            return partial(_scheduler_status, jobs=False)
        case ("scheduler", "start"):
            return _scheduler_start
        case ("scheduler", "stop"):
            return _scheduler_stop
        case ("service", verb, *names) if not any(name.startswith("-") for name in names):
            return _of_services(verb, names)
        case ("job", "list") | ("scheduler", "jobs"):
            return _job_list
        case ("debug",) | ("debug", "tui"):
            return _terminal
        case ("version",) | ("--version",):
            return _version
        case ():
            return _overview
        case ("--home", directory, *rest):
            command = _command(tuple(rest))
            if command is not None:
                asking.asked.home_flag = directory
            return command
        case _:
            return None


def _of_services(verb: str, names: list[str]) -> Command | None:
    """The verbs that take names alone; whoever gives no name where one is needed is typer's."""
    verbs = {"status": _service_status}
    if names:
        verbs |= {"start": _service_start, "stop": _service_stop}
    return partial(verbs[verb], names) if verb in verbs else None


def _scheduler_start() -> int:
    from pb.cli.daemons import Start, start

    return start(Start(service="scheduler"))


def _scheduler_stop() -> int:
    from pb.cli.daemons import stop

    return stop("scheduler", force=False, timeout=None)


def _service_start(names: list[str]) -> int:
    from pb.cli.service_acts import Waiting, started

    return started(names, Waiting())


def _service_stop(names: list[str]) -> int:
    from pb.cli.service_acts import stopped

    return stopped(names)


def _scheduler_status(*, jobs: bool) -> int:
    from pb.cli.status import scheduler_status

    return scheduler_status(jobs=jobs)


def _service_status(names: list[str]) -> int:
    from pb.cli.service_names import chosen
    from pb.cli.status import service_status

    return service_status(chosen(names))


def _job_list() -> int:
    from pb.cli.status import job_list

    return job_list()


def _terminal() -> int:
    from pb.cli.terminal import become

    return become()


def _version() -> int:
    from pb.cli.overview import version

    return version()


def _overview() -> int:
    from pb.cli.overview import overview

    return overview()
