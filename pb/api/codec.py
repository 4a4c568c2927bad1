"""The wire: JSON-RPC 2.0, one document a line; both ends use these functions.

Limits are part of the contract: a line of at most ``LINE_LIMIT`` bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pb.errors import BY_CODE, Exit, PbError, UsageError

PROTOCOL = 1
"""Spoken by both ends; a client asks for it in its first message and is refused otherwise."""

LINE_LIMIT = 4 * 1024 * 1024

INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
OURS = -32000
"""JSON-RPC's error numbers; ours carry ``data: {code, hint, exit_code}``."""


class ProtocolError(PbError):
    """The other end does not speak this protocol."""

    code = "protocol"


def encode(document: dict[str, Any]) -> bytes:
    return dumped(document) + b"\n"


_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def dumped(value: object) -> bytes:
    return _text(value).encode("utf-8", "surrogateescape")


def dumped_result(result: Mapping[str, Any]) -> bytes:
    """A result as JSON; an iterator in it becomes an array, one item in memory at a time."""
    fields = []
    for name, value in result.items():
        if isinstance(value, Iterator):
            value_text = b"[" + b",".join(map(dumped, value)) + b"]"
        else:
            value_text = dumped(value)
        fields.append(dumped(name) + b":" + value_text)
    return b"{" + b",".join(fields) + b"}"


def materialised(result: Mapping[str, Any]) -> dict[str, Any]:
    """The same result with every iterator as a list."""
    return {
        name: list(value) if isinstance(value, Iterator) else value
        for name, value in result.items()
    }


def decode(line: bytes) -> dict[str, Any]:
    """One line's object. Raises ProtocolError for anything else."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"Not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ProtocolError("Not a JSON object")
    return document


def request(number: int, method: str, params: dict[str, Any]) -> bytes:
    return encode({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


def response(number: Any, result: bytes) -> bytes:
    """An answer around a result that is JSON already."""
    return b'{"jsonrpc":"2.0","id":' + dumped(number) + b',"result":' + result + b"}\n"


def failure(number: Any, error: PbError, *, rpc_code: int = OURS) -> bytes:
    return encode(
        {
            "jsonrpc": "2.0",
            "id": number,
            "error": {
                "code": rpc_code,
                "message": error.message,
                "data": {
                    "code": error.code,
                    "hint": error.hint,
                    "exit_code": int(error.exit_code),
                    "more": getattr(error, "caret", None),
                },
            },
        }
    )


def notification(method: str, params: dict[str, Any]) -> bytes:
    return encode({"jsonrpc": "2.0", "method": method, "params": params})


def error_from(document: dict[str, Any]) -> PbError:
    """The exception that an error answer stands for."""
    details = document.get("data") or {}
    kind = BY_CODE.get(str(details.get("code")), PbError)
    if document.get("code") == METHOD_NOT_FOUND:
        kind = UsageError
    error = kind(str(document.get("message")), hint=details.get("hint"))
    error.code = str(details.get("code") or error.code)
    if details.get("exit_code") is not None:
        error.exit_code = Exit(int(details["exit_code"]))
    if details.get("more"):
        error.caret = details["more"]  # type: ignore[attr-defined]
    return error
