"""docs/howto/grpc.md says what its program really prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.gateway.house import House
from tests.gateway.serving import TOKEN

PAGE = Path(__file__).resolve().parents[2] / "docs/howto/grpc.md"


def test_the_program_of_the_page_prints_what_the_page_says(shared: House, tmp_path: Path) -> None:
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    [printed] = re.findall(r"```text\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "page.py").write_text(program.replace("127.0.0.1:50051", shared.gateway.grpc))

    done = subprocess.run(
        [sys.executable, "page.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.stdout, done.returncode) == (printed, 0), done.stderr
