"""docs/howto/api.md says what the commands in it really print."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.docs.session import PAGE, renewed


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_the_session_with_curl_is_as_it_is_written() -> None:
    """When this fails: `python -m tests.docs.session`."""
    text = PAGE.read_text()

    assert unnumbered(renewed(text)) == unnumbered(text)


def unnumbered(text: str) -> str:
    """Without the numbers of events, as others may happen meanwhile (a clock that is set)."""
    return re.sub(r'(^id: |"seq":)\d+', r"\1N", text, flags=re.MULTILINE)
