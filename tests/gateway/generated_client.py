"""A gRPC client as somebody else would write it, from nothing but generated code.

Runs as a program of its own, so that its generated code never meets the server's: ``python
generated_client.py MODULE SERVICE ADDRESS TOKEN METHOD [JOB]`` prints the answer as JSON.
"""

from __future__ import annotations

import importlib
import json
import sys

import grpc
from google.protobuf.json_format import MessageToDict


def main() -> None:
    module, service, address, token, method, *rest = sys.argv[1:]
    words = importlib.import_module(f"{module}_pb2")
    stubs = importlib.import_module(f"{module}_pb2_grpc")
    request = getattr(words, f"{method}Request")(**({"job_name": rest[0]} if rest else {}))
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(address) as channel:
        stub = getattr(stubs, f"{service}Stub")(channel)
        try:
            answer = getattr(stub, method)(request, metadata=metadata, timeout=10)
        except grpc.RpcError as error:
            print(json.dumps({"error": error.code().name, "details": error.details()}))
            return
    print(json.dumps(MessageToDict(answer, preserving_proto_field_name=True)))


if __name__ == "__main__":
    main()
