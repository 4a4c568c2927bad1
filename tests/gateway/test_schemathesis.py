"""schemathesis asks what the OpenAPI document allows, and what it does not, and finds nothing.

It is a large program with many dependencies, and its pytest plug-in would be loaded by every test
here: so it stays in an environment of its own. `.ci/run` makes one; `PB_SCHEMATHESIS` names the
command.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.gateway.house import house
from tests.gateway.serving import TOKEN

COMMAND = os.environ.get("PB_SCHEMATHESIS") or shutil.which("schemathesis")

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,response_headers_conformance,ignored_auth,unsupported_method,"
    "negative_data_rejection"
)

LEFT_OUT = "^/events$|^/metrics$|/scheduler/|/wait$|/log$|/scale$|/reload$|/signal$|/call/"
"""What has no end, ends the scheduler, waits, may start a thousand processes, answers 503 while the
service does not run, or asks any of these."""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(COMMAND is None, reason="schemathesis is not here (PB_SCHEMATHESIS)")
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    with house(tmp_path / "home") as whole:
        whole.gateway.doorman.delay = 0.0
        whole.add("a", ["true"], triggers=["cron: 0 0 1 1 *"])
        whole.run("a")
        service = {"name": "a", "command": ["sleep", "300"], "enabled": False}
        whole.ask("service.add", definition=service)
        whole.token(name="a")
        document = tmp_path / "openapi.json"
        document.write_text(whole.client.get("/api/v1/openapi.json").text)
        done = subprocess.run(
            [
                *(str(COMMAND), "run", str(document), "--url", whole.gateway.url),
                *("-H", f"Authorization: Bearer {TOKEN}", "--checks", CHECKS),
                *("--phases", "fuzzing,coverage", "--max-examples", "4", "--seed", "1"),
                *("--exclude-path-regex", LEFT_OUT, "--no-color"),
                *("--generation-database", "none", "--request-timeout", "60"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=540,
            env={**os.environ, "no_proxy": "*"},
        )

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
