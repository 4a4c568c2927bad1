"""What happens to runs, each message to whom it concerns."""

from __future__ import annotations

from pb.daemon.ledger import Ledger
from pb.daemon.messages import (
    ConditionsSeen,
    Exited,
    LetGo,
    LimitExceeded,
    LookAgain,
    Message,
    Occurred,
    RunMessage,
    SpawnFailed,
    Started,
    TimeIsUp,
    TreeGone,
)
from pb.daemon.retention import Past
from pb.daemon.runs import Runs
from pb.daemon.turnstile import Turnstile


def handle_run(
    message: RunMessage, runs: Runs, turnstile: Turnstile, past: Past, ledger: Ledger
) -> None:
    """Handle a message about a run, or about runs that are past."""
    match message:
        case Started():
            runs.started(message, ledger)
        case SpawnFailed():
            runs.spawn_failed(message, ledger)
        case Exited():
            runs.exited(message, ledger)
        case TreeGone():
            runs.tree_gone(message, ledger)
        case TimeIsUp():
            runs.time_is_up(message.run_id, message.seconds, ledger)
        case LimitExceeded():
            runs.limit_exceeded(message, ledger)
        case ConditionsSeen():
            turnstile.seen(message, ledger)
        case LookAgain():
            turnstile.again(message.run_id, ledger)
        case LetGo():
            past.let_go(message, ledger)


def lets_start(message: Message, runs: Runs) -> bool:
    """Whether this may let a run start: a condition that holds, an occasion, or an end that others
    wait for."""
    match message:
        case ConditionsSeen() | Occurred():
            return True
        case Exited() | TreeGone() | SpawnFailed():
            return runs.may_follow
    return False
