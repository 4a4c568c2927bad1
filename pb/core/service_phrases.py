"""What a service's definition means, in a few short lines: said when one is added or validated.

Words only, for people; what follows from them is ``core.supervision``'s.
"""

from __future__ import annotations

from typing import assert_never

from pb.core.durations import format_duration
from pb.core.service import (
    Delay,
    DependsCondition,
    Exec,
    FileExists,
    HealthAction,
    HealthPolicy,
    Http,
    LogText,
    Notify,
    Ready,
    ReadyCheck,
    RestartMode,
    RestartPolicy,
    Service,
    ServiceDependency,
    StopPolicy,
    Tcp,
)

CONDITIONS = {
    DependsCondition.STARTED: "has started",
    DependsCondition.READY: "is ready",
    DependsCondition.HEALTHY: "is healthy",
    DependsCondition.COMPLETED: "has ended well",
}
ACTIONS = {
    HealthAction.RESTART: "it is restarted",
    HealthAction.STOP: "it is stopped",
    HealthAction.NONE: "it is told, no more",
}


def phrases(service: Service) -> list[tuple[str, str]]:
    """A word and what it means for this service, for all that is said of it and the restarts."""
    said = [
        ("starts", started(service)),
        ("after", ", ".join(map(needed, service.depends_on))),
        ("ready", "" if service.ready is None else made_ready(service.ready)),
        ("healthy", "" if service.health is None else kept_healthy(service.health)),
        ("restarts", restarted(service.restart)),
        ("stops", stopped(service.stop)),
    ]
    return [(word, text) for word, text in said if text]


def started(service: Service) -> str:
    times = f", {service.replicas} instances" if service.replicas > 1 else ""
    return f"by itself{times}" if service.enabled else f"when it is asked to{times}: it is disabled"


def needed(dependency: ServiceDependency) -> str:
    with_it = ", and restarts with it" if dependency.restart_with else ""
    return f"{dependency.service} {CONDITIONS[dependency.condition]}{with_it}"


def checked(check: ReadyCheck) -> str:
    match check:
        case Tcp():
            host = f"[{check.host}]" if ":" in check.host else check.host
            return f"{host}:{check.port} accepts connections"
        case Http():
            wanted = f" with {' or '.join(map(str, check.status))}" if check.status else ""
            return f"{check.url} answers{wanted}"
        case Exec():
            return f"{check.command[0]} exits with 0"
        case LogText():
            return f"it writes a line that matches {check.pattern!r}"
        case Notify():
            return "it says so (sd_notify)"
        case FileExists():
            return f"{check.path} is written"
        case Delay():
            return f"it has lived for {format_duration(check.seconds)}"
    assert_never(check)


def made_ready(ready: Ready) -> str:
    if isinstance(ready.check, Delay):
        return f"once {checked(ready.check)}"
    return f"once {checked(ready.check)}, within {format_duration(ready.timeout)}"


def kept_healthy(health: HealthPolicy) -> str:
    times = "once" if health.failures == 1 else f"{health.failures} times in a row"
    said = []
    if health.probe is not None:
        asked = f"asked every {format_duration(health.interval)}"
        said.append(f"while {checked(health.probe)}, {asked}")
    if health.watchdog is not None:
        said.append(f"while it says so every {format_duration(health.watchdog)}")
    failing = f"if not {times}" if health.probe is not None else "if not"
    return f"{', and '.join(said)}; {failing}, {ACTIONS[health.action]}"


def restarted(restart: RestartPolicy) -> str:
    if restart.mode is RestartMode.NEVER:
        return "never"
    word = "whenever it ends" if restart.mode is RestartMode.ALWAYS else "when it fails"
    longest = ""
    if restart.factor > 1 and restart.max_delay > restart.delay:
        longest = f" growing to {format_duration(restart.max_delay)}"
    window = format_duration(restart.window)
    return (
        f"{word}, after {format_duration(restart.delay)}{longest};"
        f" more than {restart.max_restarts} times in {window} is a failure"
    )


def stopped(stop: StopPolicy) -> str:
    """Only what is not as usual."""
    if stop == StopPolicy():
        return ""
    first = f"{stop.command[0]}, then " if stop.command else ""
    return f"by {first}SIG{stop.signal}, after {format_duration(stop.timeout)} by SIGKILL"
