"""Write the generated protobuf and gRPC code anew: ``python -m tests.gateway.regenerate``.

Needs grpcio-tools (the ``test`` extra). The committed files have to come from the version that
requirements.lock names; the newest that pip finds is fine, then raise the minima in pyproject.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
PROTOS = ("pb/gateway/proto/memory.proto", "pb/gateway/proto/scheduler.proto")


def generate(target: Path, *, source: Path = TOP, protos: tuple[str, ...] = PROTOS) -> None:
    """Run the protocol compiler on ``protos`` of ``source``, writing below ``target``."""
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", f"-I{source}"),
            *(f"--python_out={target}", f"--grpc_python_out={target}", *protos),
        ],
        check=True,
        cwd=source,
    )


if __name__ == "__main__":
    generate(TOP)
