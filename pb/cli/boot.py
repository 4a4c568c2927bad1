"""``pb service boot``: being started when the machine boots, and trying that beforehand.

How each of the machine's ways is told so is ``pb.process.boot``'s; what would happen at a boot is
found out by ``boot_trial``, in an environment as bare as a boot's.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pb.cli import daemons, options, outcomes
from pb.cli.asked import asked, home
from pb.cli.render import clean, emit, mark, note, out
from pb.cli.tree import Verbs
from pb.errors import Exit, StatusExit, UsageError
from pb.paths import BUILTINS

if TYPE_CHECKING:
    from pb.process.boot import AtBoot, BootState, Way

METHODS = ("systemd", "launchd", "cron")

app = Verbs("Be started when the machine boots, and try that beforehand.")

Method = Annotated[
    str | None,
    typer.Option("--method", metavar="|".join(METHODS), help="Which way (default: the best here)."),
]
OnlyScheduler = Annotated[
    bool, typer.Option("--only-scheduler", help="Without the gateway and the debug server.")
]


@app.verb(
    "enable",
    "pb service boot enable",
    "pb service boot enable --print",
    "pb service boot enable --method cron",
)
def enable(
    method: Method = None,
    only_scheduler: OnlyScheduler = False,
    print_: Annotated[
        bool, typer.Option("--print", help="Show what would be written; change nothing.")
    ] = False,
) -> int:
    """Have the scheduler and what it runs started at boot: by systemd, launchd or cron.

    What somebody has stopped stays stopped. Doing it twice changes nothing, but renews the PATH.
    """
    wanted = wanted_at_boot(("--only-scheduler",) if only_scheduler else ())
    if print_:
        return printed(wanted, method)
    way = way_for(wanted, method)
    home().ensure()
    done = way.enable(wanted)
    state = way.state(wanted)
    if asked.as_json:
        emit({**document(state), "done": done})
        return 0
    for sentence in done or ["was so already"]:
        out(f"{mark('ok')} {way.name}: {clean(sentence)}")
    tell_troubles(state)
    note("Try it beforehand: pb service boot check")
    return 0


def printed(wanted: AtBoot, method: str | None) -> int:
    """What would be written, also for a way that this machine has not."""
    from pb.process.boot import way_named

    check_method(method)
    way = way_named(method) if method else way_for(wanted, None)
    place, text = way.state(wanted).place, way.text(wanted)
    if asked.as_json:
        emit({"method": way.name, "place": place, "text": text})
        return 0
    note(f"{way.name}, {place}:")
    out(text.rstrip("\n"))
    return 0


@app.verb("disable", "pb service boot disable")
def disable(method: Method = None) -> int:
    """Have nothing of pb started at boot; what runs goes on."""
    from pb.process.boot import ways

    check_method(method)
    wanted = wanted_at_boot()
    done = {way.name: way.disable(wanted) for way in ways() if concerns(way, wanted, method)}
    if asked.as_json:
        emit({"done": {name: said for name, said in done.items() if said}})
        return 0
    for name, sentences in done.items():
        for sentence in sentences:
            out(f"{mark('ok')} {name}: {clean(sentence)}")
    if not any(done.values()):
        out("Nothing of pb was started at boot.")
    return 0


def concerns(way: Way, wanted: AtBoot, method: str | None) -> bool:
    return way.state(wanted).is_enabled if method is None else way.name == method


@app.verb("status", "pb service boot status", "pb service boot status --json")
def status() -> int:
    """Show whether something starts pb at boot, and what would keep it from that.

    Exit code: 0 it does, 1 something keeps it from working, 3 nothing does.
    """
    from pb.process.boot import ways

    wanted = wanted_at_boot()
    states = [way.state(wanted) for way in ways()]
    code = code_of(states)
    if asked.as_json:
        emit({"enabled": any(s.is_enabled for s in states), "ways": [document(s) for s in states]})
        return code
    for state in states:
        out(line_of(state))
        tell_troubles(state)
    if code == StatusExit.NOT_RUNNING:
        note("To have pb started at boot: pb service boot enable")
    return code


def code_of(states: list[BootState]) -> int:
    enabled = [state for state in states if state.is_enabled]
    if not enabled:
        return int(StatusExit.NOT_RUNNING)
    is_well = any(not s.troubles and s.is_current and s.why_not is None for s in enabled)
    return int(Exit.DONE if is_well else Exit.FAILED)


def line_of(state: BootState) -> str:
    if state.is_enabled:
        kind = "ok" if state.why_not is None and state.is_current else "warn"
        return f"{mark(kind)} {state.way}: enabled ({clean(state.place)})"
    why = f": {state.why_not}" if state.why_not else ""
    return f"- {state.way}: {'not here' if why else 'not enabled'}{clean(why)}"


def tell_troubles(state: BootState) -> None:
    for sentence, command in troubles_of(state):
        note(f"{mark('warn', sys.stderr)} {state.way}: {clean(sentence)}")
        note(f"    {clean(command)}")


def troubles_of(state: BootState) -> list[tuple[str, str]]:
    troubles = list(state.troubles)
    if state.is_enabled and not state.is_current:
        sentence = "what is installed is of another pb or was changed"
        troubles.append((sentence, f"pb service boot enable --method {state.way}"))
    if state.is_enabled and state.why_not is not None:
        command = f"pb service boot disable --method {state.way}"
        troubles.append((f"it is enabled, but {state.why_not}", command))
    return troubles


@app.verb("check", "pb service boot check", "pb service boot check --json")
def check(method: Method = None) -> int:
    """Try a boot: look, in an environment as bare as a boot's, what would start and what fails.

    Nothing is started or changed. Exit 1 when something would fail, or nothing starts pb at boot.
    """
    from pb.cli.boot_trial import tried
    from pb.process.boot import way_named

    check_method(method)
    wanted = wanted_at_boot()
    state = way_named(method).state(wanted) if method else best_state(wanted)
    found = tried(wanted, state.path or wanted.path if state else wanted.path)
    is_enabled = state is not None and state.is_enabled
    troubles = troubles_of(state) if state else []
    problems = [*found["problems"], *(t for t in troubles)]
    code = int(Exit.DONE if is_enabled and not problems else Exit.FAILED)
    if asked.as_json:
        told = [{"message": sentence, "hint": command} for sentence, command in troubles]
        way = state.way if is_enabled and state else None
        emit({**found, "enabled": is_enabled, "method": way, "troubles": told})
        return code
    show_trial(found)
    if state is not None:
        tell_troubles(state)
    if not is_enabled:
        note(f"{mark('warn', sys.stderr)} nothing starts pb at boot yet")
        note("    pb service boot enable")
    return code


def best_state(wanted: AtBoot) -> BootState | None:
    """The way that is enabled, else the first that could be."""
    from pb.process.boot import ways

    states = [way.state(wanted) for way in ways()]
    enabled = [state for state in states if state.is_enabled]
    usable = [state for state in states if state.why_not is None]
    return next(iter([*enabled, *usable]), None)


def show_trial(found: dict[str, Any]) -> None:
    out(f"As at boot: no terminal, directory /, PATH={clean(found['path'])}")
    for one in found["would_start"]:
        out(f"  {mark('ok')} {clean(one)} would start")
    for problem in found["problems"]:
        out(f"  {mark('bad')} {clean(problem['name'])}: {clean(problem['message'])}")
        if problem["hint"]:
            out(f"      {clean(problem['hint'])}")
    for one in found["left"]:
        out(f"  - {clean(one['name'])} would not: {clean(one['reason'])}")
    for sentence in found["notes"]:
        note(f"{mark('warn', sys.stderr)} {clean(sentence)}")
    out(f"{len(found['would_start'])} would start, {len(found['problems'])} would fail")


@app.verb("run", "pb service boot run", hidden=True)
def run(only_scheduler: OnlyScheduler = False, wait: options.Wait = "120") -> int:
    """What is run at boot: start the scheduler, and the other two daemons of pb."""
    which = BUILTINS[:1] if only_scheduler else BUILTINS
    came = daemons.start_many(which, options.duration("--wait", wait))
    return outcomes.report(came, done="Started")


@app.verb("trial", "pb service boot trial", hidden=True)
def trial() -> int:
    """What `boot check` runs in the environment of a boot; prints a JSON document."""
    from pb.cli.boot_trial import look

    emit(look(home()))
    return 0


def wanted_at_boot(flags: tuple[str, ...] = ()) -> AtBoot:
    from pb.process.boot import at_boot

    return at_boot(home(), flags)


def check_method(method: str | None) -> None:
    if method is not None and method not in METHODS:
        raise UsageError(f"--method is one of {', '.join(METHODS)}, not {method!r}")


def way_for(wanted: AtBoot, method: str | None) -> Way:
    from pb.process.boot import chosen_way

    check_method(method)
    return chosen_way(wanted, method)


def document(state: BootState) -> dict[str, Any]:
    troubles = [{"message": sentence, "hint": hint} for sentence, hint in troubles_of(state)]
    return {
        "method": state.way,
        "place": state.place,
        "available": state.why_not is None,
        "reason": state.why_not,
        "enabled": state.is_enabled,
        "current": state.is_current,
        "troubles": troubles,
    }
