"""``python -m pb.daemon``: the scheduler."""

import sys

from pb.daemon.claim import claim, complain
from pb.process.lifecycle import AlreadyRunningError


def begin(argv: list[str]) -> int:
    """Whoever is too late for the lock ends before the scheduler is imported."""
    try:
        lock = claim(argv)
    except AlreadyRunningError as error:
        return complain(error)
    from pb.daemon.main import main

    return main(argv, lock)


if __name__ == "__main__":
    sys.exit(begin(sys.argv[1:]))
