"""How the terminal UI begins and ends, without a terminal."""

from __future__ import annotations

import pytest

from pb.debug.terminal import main


def test_a_fault_is_told_in_a_line_and_with_debug_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.complain(KeyError("\x1bno"), {}) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: pb itself failed: KeyError: '\\x1bno'\nhint: Run it again")
    assert main.complain(KeyError("no"), {"PB_DEBUG": "1"}) == 1
    assert capsys.readouterr().err.startswith("KeyError: 'no'\nerror: pb itself failed")


@pytest.mark.parametrize(("term", "is_plain"), [("linux", True), ("xterm", False)])
def test_the_console_of_the_kernel_gets_letters(term: str, is_plain: bool) -> None:
    import locale

    if locale.getpreferredencoding(False).lower() not in ("utf-8", "utf8"):
        is_plain = True
    assert main.is_plain({"TERM": term}) is is_plain
