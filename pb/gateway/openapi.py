"""The OpenAPI 3.1 document, made from the registry and the table of endpoints."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from pb import __version__
from pb.core.model import NAME_PATTERN
from pb.gateway.answers import answer_of, reference, things
from pb.gateway.endpoints import (
    ENDPOINTS,
    INSTANCE_PATTERN,
    ROOT,
    Endpoint,
)
from pb.gateway.following import LIMIT, MOST, MOST_LINES
from pb.gateway.params import required

Json = dict[str, Any]

ABOUT = (
    "Everything that pb can be asked over HTTP. Each path asks one method of the registry, the "
    "same that the command line asks. Every request but the two of health needs a token: "
    "`Authorization: Bearer TOKEN`. The scope that it needs is named with each: `read` looks, "
    "`write` also acts on what is defined, `admin` also defines what is executed and reaches "
    "tokens, settings and the scheduler itself. Definitions are shown without the secrets in "
    "them, but to an admin. Instants are RFC 3339 in UTC; errors are problem documents (RFC 9457) "
    "with a `code` and a `hint`. Answers may grow new keys; none is renamed."
)

PROOFS: Json = {
    "hook_token": {
        "type": "http",
        "scheme": "bearer",
        "description": "The token of that one hook, which `pb job hook NAME` tells.",
    },
    "hook_signature": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Hub-Signature-256",
        "description": (
            "`sha256=` and the HMAC-SHA256 (in hex) of the body with the hook's secret. With "
            "`X-PB-Timestamp` it is that of the time stamp, a dot and the body."
        ),
    },
}
"""What opens a web hook instead of a token of the gateway."""

PROBLEM = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "hint": {"type": "string"},
    },
    "required": ["title", "status", "code"],
}

PROBLEMS = {
    "400": "What was asked does not fit, or is wrong.",
    "401": "There is no token, or it is not good.",
    "403": "The token does not reach so far, or another site's page asks.",
    "404": "There is no such job, run, service or token.",
    "409": "It exists already, or something else holds it.",
    "413": "The body is too large.",
    "429": "Too many failed authentications or requests, or too many open streams.",
    "500": "It failed.",
    "501": "That is not supported here.",
    "503": "The scheduler does not run, or does not answer in time.",
}


@cache
def document() -> Json:
    """The whole document. It is the same for every installation of this version."""
    paths: Json = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.verb.lower()] = operation(endpoint)
    paths |= {**health(), **logs(), **calls(), **hooks()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "pb", "version": __version__, "description": ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [{"name": name} for name in dict.fromkeys(tag(path) for path in paths)],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}, **PROOFS},
            "schemas": {
                **things(),
                "Problem": PROBLEM,
                "JobDefinition": definition("job"),
                "ServiceDefinition": definition("service"),
            },
        },
    }


def definition(kind: str) -> Json:
    """A definition, as far as it can be said here: the published schema says the rest."""
    return {
        "type": "object",
        "description": f"See the JSON Schema that `pb {kind} validate --schema` prints.",
        "properties": {"name": {"type": "string", "pattern": f"^{NAME_PATTERN}$"}},
    }


def tag(path: str) -> str:
    return path.removeprefix(f"{ROOT}/").partition("/")[0].strip("/")


def operation(endpoint: Endpoint) -> Json:
    """One verb on one path."""
    made: Json = {
        "operationId": operation_id(endpoint),
        "summary": endpoint.says,
        "description": f"Asks `{endpoint.method}`; needs the scope `{endpoint.of.access}`.",
        "tags": [tag(endpoint.path)],
        "x-method": endpoint.method,
        "x-scope": endpoint.of.access,
        "parameters": [*path_parameters(endpoint), *query_parameters(endpoint)],
        "responses": responses(str(endpoint.status), json_of(answer_of(endpoint.method))),
    }
    if endpoint.verb == "GET":
        made["responses"]["304"] = {"description": "It is what If-None-Match names."}
    content = body_of(endpoint)
    if content is not None:
        made["requestBody"] = content
    return made


def operation_id(endpoint: Endpoint) -> str:
    words = re.findall("[a-z_]+", endpoint.path.removeprefix(ROOT))
    return "_".join([endpoint.verb.lower(), *words])


def path_parameters(endpoint: Endpoint) -> list[Json]:
    found = []
    for name in re.findall(r"{(\w+)}", endpoint.path):
        schema: Json = {"type": "string", "pattern": f"^{endpoint.name}$"}
        if name == "run_id":
            schema = {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}
        found.append({"name": name, "in": "path", "required": True, "schema": schema})
    return found


def query_parameters(endpoint: Endpoint) -> list[Json]:
    if not endpoint.has_query:
        return []
    return [
        {
            "name": word,
            "in": "query",
            "required": word in required(endpoint),
            "schema": with_default(endpoint, word),
        }
        for word in endpoint.takes
    ]


def with_default(endpoint: Endpoint, word: str) -> Json:
    param = endpoint.of.params[endpoint.takes[word]]
    schema = endpoint.schema_of(word, param)
    if isinstance(param.default, str | int | float | bool):
        schema["default"] = param.default
    return schema


def nullable(endpoint: Endpoint, word: str) -> Json:
    """The same in a body, where null stands for what was left out, if it may be."""
    schema = with_default(endpoint, word)
    if endpoint.of.params[endpoint.takes[word]].default is None:
        schema["type"] = [schema["type"], "null"]
    return schema


def body_of(endpoint: Endpoint) -> Json | None:
    """The body of a request; None where it takes none."""
    if endpoint.whole is not None:
        kind = "JobDefinition" if endpoint.method.startswith("job.") else "ServiceDefinition"
        return {"required": True, **json_of(reference(kind))}
    if endpoint.has_query:
        return None
    needed = required(endpoint)
    schema: Json = {
        "type": "object",
        "properties": {word: nullable(endpoint, word) for word in endpoint.takes},
        "additionalProperties": False,
    }
    if needed:
        schema["required"] = needed
    return {"required": bool(needed), **json_of(schema)}


def json_of(schema: Json) -> Json:
    return {"content": {"application/json": {"schema": schema}}}


def responses(status: str, content: Json) -> Json:
    """What comes of it: the answer, or a problem."""
    problem = {"application/problem+json": {"schema": reference("Problem")}}
    return {
        status: {"description": "Done." if status != "202" else "Begun.", **content},
        **{code: {"description": text, "content": problem} for code, text in PROBLEMS.items()},
    }


def health() -> Json:
    """The two paths that answer without a token."""
    problem = {"application/problem+json": {"schema": reference("Problem")}}
    found = {}
    for path, word, text in (
        ("/healthz", "alive", "Whether the gateway is alive"),
        ("/readyz", "ready", "Whether the scheduler behind it answers"),
    ):
        schema = {
            "type": "object",
            "properties": {word: {"const": True}, "version": {"type": "string"}},
            "required": [word, "version"],
        }
        found[path] = {
            "get": {
                "operationId": path.strip("/"),
                "summary": text,
                "tags": [tag(path)],
                "security": [],
                "responses": {
                    "200": {"description": "Yes.", **json_of(schema)},
                    "503": {"description": "No.", "content": problem},
                },
            }
        }
    return found


def logs() -> Json:
    """The two paths that answer text."""
    run = {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}
    name = {"type": "string", "pattern": f"^{INSTANCE_PATTERN}$"}
    return {
        f"{ROOT}/runs/{{run_id}}/log": {"get": log("run_id", run, "The output of a run")},
        f"{ROOT}/services/{{name}}/log": {"get": log("name", name, "The log of a service")},
    }


def calls() -> Json:
    """The one path that asks whatever there is."""
    return {
        f"{ROOT}/call/{{method}}": {
            "post": {
                "operationId": "call",
                "summary": "Any method of the registry, with its own parameters",
                "description": (
                    "The body is an object of the method's parameters, as they are named on the "
                    "scheduler's socket. Needs the scope that the method needs. For what a request "
                    "of its own asks as well, that one says more of what comes of it."
                ),
                "tags": ["call"],
                "x-scope": "the method's",
                "parameters": [
                    {
                        "name": "method",
                        "in": "path",
                        "required": True,
                        "schema": {"type": "string", "pattern": "^[a-z]+[.][a-z]+$"},
                    }
                ],
                "requestBody": {"required": False, **json_of({"type": "object"})},
                "responses": responses("200", json_of(answer_of(""))),
            }
        }
    }


def hooks() -> Json:
    """The one path with a proof of its own."""
    schema = {
        "type": "object",
        "properties": {"taken": {"const": True}, "waits": {"type": "boolean"}},
        "required": ["taken", "waits"],
    }
    name = {"type": "string", "pattern": f"^{NAME_PATTERN}$"}
    return {
        f"{ROOT}/hooks/{{name}}": {
            "post": {
                "operationId": "call_hook",
                "summary": "Fire the web hook of a job",
                "description": (
                    "Any body; the job is told of it, as JSON where it is. Takes no token of the "
                    "gateway, but the hook's own, also as `X-PB-Token`, or a signature with its "
                    "secret. `waits` says that no scheduler runs: the job starts when one does."
                ),
                "tags": ["hooks"],
                "security": [{proof: []} for proof in PROOFS],
                "x-scope": "the hook's own proof",
                "parameters": [{"name": "name", "in": "path", "required": True, "schema": name}],
                "requestBody": {"required": False, **json_of({})},
                "responses": responses("202", json_of(schema)),
            }
        }
    }


def log(word: str, schema: Json, summary: str) -> Json:
    size = {"type": "integer", "minimum": 0}
    known: dict[str, Json] = {
        "offset": {**size, "maximum": 2**53},
        "limit": {**size, "maximum": MOST, "default": LIMIT},
        "tail": {**size, "maximum": MOST_LINES},
        "follow": {"type": "boolean", "default": False},
        "raw": {"type": "boolean", "default": False},
        "since": {"type": "string"},
        "until": {"type": "string"},
        "grep": {"type": "string"},
        "times": {"type": "boolean", "default": False},
    }
    query = [{"name": one, "in": "query", "schema": rule} for one, rule in known.items()]
    text = {"schema": {"type": "string"}}
    made = responses("200", {"content": {"text/plain": text, "text/event-stream": text}})
    made["206"] = {"description": "The bytes that Range asks for.", "content": {"text/plain": text}}
    made["416"] = {"description": "There are no such bytes."}
    return {
        "operationId": f"log_of_{word}",
        "summary": summary,
        "description": (
            "Bytes from `offset` on, or the last `tail` lines; `follow` goes on with what comes, "
            "as text or, when `text/event-stream` is accepted, as events. Control characters are "
            "made visible, unless `raw` or a Range asks for the exact bytes. `since` and `until` "
            "(2h ago, or an instant) and `grep` (a part of the line) choose lines; with `times` "
            "each is a JSON object with its `time` and its exact `text`. Needs the scope `read`."
        ),
        "tags": [tag(f"{ROOT}/{'runs' if word == 'run_id' else 'services'}")],
        "x-scope": "read",
        "parameters": [{"name": word, "in": "path", "required": True, "schema": schema}, *query],
        "responses": made,
    }
