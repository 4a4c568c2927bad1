"""Taking the scheduler's lock before anything heavy is imported.

Of many starts at once all but one end here, after a tenth of what the whole program costs. What
becomes of the lock is ``lifecycle``'s. Imports as little as it can.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from pb.errors import PbError
from pb.paths import find_home
from pb.process.lifecycle import AlreadyRunningError, error_message, report, take_lock
from pb.process.lock import Lock
from pb.process.stdio import fill_standard_streams


def word_of(argv: Sequence[str], flag: str) -> str | None:
    """The value of ``flag`` in a command line that one of our own programs wrote."""
    for place, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name == flag:
            return value if equals else "".join(argv[place + 1 : place + 2])
    return None


def claim(argv: Sequence[str]) -> Lock | None:
    """The lock of the home that ``argv`` names. Raises AlreadyRunningError once it was told.

    None where it comes from elsewhere (``--lock-fd``), and where something is wrong with the home
    or with ``argv``: ``main`` finds that too, and says so.
    """
    if word_of(argv, "--lock-fd") is not None or word_of(argv, "--mode") is None:
        return None
    fill_standard_streams()
    try:
        home = find_home(word_of(argv, "--home"))
        home.ensure()
        return take_lock(home, "scheduler")
    except AlreadyRunningError as error:
        number = word_of(argv, "--ready-fd")
        if number is not None and number.isascii() and number.isdigit():
            report(int(number), error_message(error))
        raise
    except PbError:
        return None


def complain(error: PbError) -> int:
    """Say on standard error why it could not start; a launcher has been told through its pipe."""
    hint = f"\nhint: {error.hint}" if error.hint else ""
    os.write(2, f"{error.message}{hint}\n".encode("utf-8", "backslashreplace"))
    return int(error.exit_code)
