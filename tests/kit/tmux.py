"""A real terminal: the command in a tmux of its own, its keys, and what its screen shows."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.kit import eventually

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux here")


class Terminal:
    """``words`` run in a window of ``size``; its server is this terminal's own and ends with it."""

    def __init__(
        self,
        words: Sequence[str],
        folder: Path,
        *,
        size: tuple[int, int] = (80, 24),
        env: Mapping[str, str],
        term: str = "screen-256color",
    ) -> None:
        self._socket = folder / "tmux"
        self._env = {**env, "LC_ALL": "C.UTF-8"}
        told = "; code=$?; echo; echo ended with $code; exec sleep 1000"
        command = f"exec 2>&1; export TERM={term}; {shlex.join(words)}{told}"
        columns, rows = map(str, size)
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", columns, "-y", rows, command)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exception: object) -> None:
        self._tmux("kill-server")

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *words],
            env=self._env, capture_output=True, timeout=30, check=True,
        )  # fmt: skip
        return done.stdout.decode()

    @property
    def text(self) -> str:
        return self._tmux("capture-pane", "-p")

    @property
    def colours(self) -> str:
        """The same with its escape sequences."""
        return self._tmux("capture-pane", "-p", "-e")

    def press(self, *keys: str) -> None:
        for key in keys:
            self._tmux("send-keys", key)

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def sees(self, *texts: str, without: str | None = None) -> str:
        """Wait until all of ``texts`` are on the screen, and ``without`` is not."""

        def is_so() -> str | None:
            shown = self.text
            has_all = all(text in shown for text in texts)
            is_free = without is None or without not in shown
            return shown if has_all and is_free else None

        try:
            return eventually(is_so, timeout=30, interval=0.1) or ""
        except AssertionError as error:
            raise AssertionError(f"{texts} not on the screen:\n{self.text}") from error
