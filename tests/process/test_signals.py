"""Names and numbers of signals, and the clean slate."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from pb.errors import InvalidError
from pb.process.signals import signal_name, signal_number
from tests.process.daemon_kit import environment


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("TERM", 15),
        ("SIGTERM", 15),
        ("sigterm", 15),
        (" term ", 15),
        ("15", 15),
        ("KILL", 9),
        ("USR1", signal.SIGUSR1),
        ("RTMIN", signal.SIGRTMIN),
        ("RTMIN+3", signal.SIGRTMIN + 3),
        ("SIGRTMAX-2", signal.SIGRTMAX - 2),
    ],
)
def test_a_signal_is_known_by_name_and_number(text, number):
    assert signal_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIG",
        "0",
        "-9",
        "99",
        "9" * 9999,
        "KIL",
        "SIG_DFL",
        "RTMIN+99",
        "RTMIN+",
        "32",
        "٣",
        "1.0",
    ],
)
def test_what_is_no_signal_is_refused_with_a_hint(text):
    with pytest.raises(InvalidError) as caught:
        signal_number(text)
    assert caught.value.hint


def test_a_near_miss_names_the_signal_that_was_meant():
    with pytest.raises(InvalidError) as caught:
        signal_number("TREM")
    assert "SIGTERM" in (caught.value.hint or "")


def test_every_valid_signal_has_a_name_that_reads_back():
    for number in signal.valid_signals():
        assert signal_number(signal_name(number)) == number
    assert signal_name(4000) == "signal 4000"


@pytest.mark.parametrize("for_python", [False, True])
def test_inherited_dispositions_and_masks_are_reset(for_python):
    code = (
        "import signal, sys\n"
        "from pb.process.signals import reset_signals\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM])\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN\n"
        f"reset_signals(for_python={for_python})\n"
        "rest = signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}\n"
        "assert all(signal.getsignal(s) == signal.SIG_DFL for s in rest), 'not default'\n"
        "assert not signal.pthread_sigmask(signal.SIG_BLOCK, []), 'mask'\n"
        f"kept = signal.SIG_IGN if {for_python} else signal.SIG_DFL\n"
        "assert signal.getsignal(signal.SIGPIPE) == kept, 'pipe'\n"
    )
    argv = ["sh", "-c", 'trap "" HUP TERM; exec "$@"', "sh", sys.executable, "-c", code]
    subprocess.run(argv, env=environment(), check=True, timeout=60)
